# bazel: deps = ["//ncore", "//ncore:__main__", "ncore.cli.main", "ncore.cli.itar"]
# bazel: data = ["//:pyproject.toml"]
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ncore
from ncore.cli import entry

_INTERRUPTED = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {0!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from ncore.cli.entry import run
run()
"""


def run(*arguments):
    search = [str(Path(ncore.__file__).parents[1]), *sys.path]
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(search)},
    )


@pytest.mark.parametrize("module", ["ncore.cli.main", "ncore.cli.itar"])
def test_ctrl_c_while_the_program_is_imported_is_no_traceback(module):
    done = run("-c", _INTERRUPTED.format(module), "itar", "--help")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_nothing_is_imported_before_that():
    code = "import ncore.cli.entry, sys; print([n for n in sys.modules if n.startswith('ncore')])"
    assert run("-c", code).stdout == "['ncore', 'ncore.cli', 'ncore.cli.entry']\n"


@pytest.mark.parametrize("module", ["ncore", "ncore.cli.entry"])
def test_it_is_the_whole_program(module):
    done = run("-m", module, "--version")
    assert (done.returncode, done.stdout) == (0, f"ncore {ncore.__version__}\n")


def test_it_is_what_an_installed_ncore_runs():
    project = Path(ncore.__file__).parents[1] / "pyproject.toml"
    if not project.exists():
        pytest.skip("ncore is installed here, without the pyproject.toml that names its program")
    script = tomllib.loads(project.read_text())["project"]["scripts"]["ncore"]
    assert script == f"{entry.__name__}:{entry.run.__name__}"
