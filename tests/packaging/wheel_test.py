"""The wheel: one however it is built, and complete in an environment that holds nothing else."""

# bazel: data = ["//:pyproject.toml", "//deps:files"]
# bazel: deps = ["//ncore/cli:main", "tools.build_wheel", "tools.install_torch"]
# Needs the package index, and the ensurepip that Debian's Python lacks: pip's environment runs it.
# bazel: tags = ["manual"]
# bazel: size = "medium"

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import ncore
from ncore.cli.main import COMMANDS
from tools.build_wheel import build_wheel
from tools.install_torch import pins

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGED = ("LICENSE", "README.md", "pyproject.toml")


def run(*command, **kwargs):
    answer = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **kwargs
    )
    assert answer.returncode == 0, f"{command}: {answer.stdout}{answer.stderr}"
    return answer


def sources():
    """The files that Bazel's //:wheel is made of; see deps/bazel/wheel.bzl."""
    found = [ROOT / name for name in PACKAGED]
    for path in sorted((ROOT / "ncore").rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and path.name != "BUILD.bazel" and "__pycache__" not in parts:
            found.append(path)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """What `python -m build` makes: an sdist, and the wheel of that."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    (sdist,) = out.glob("*.tar.gz")
    assert sdist.name == f"ncore-{ncore.__version__}.tar.gz"
    with tarfile.open(sdist) as files:
        names = files.getnames()
    # What the tests read beside the code.
    for name in ("tests/packaging/wheel_test.py", ".ci/run", "MODULE.bazel", "README.md"):
        assert f"ncore-{ncore.__version__}/{name}" in names
    (found,) = out.glob("*.whl")
    return found


def test_the_wheel_is_the_one_that_bazel_builds(wheel, tmp_path):
    build_wheel(tmp_path / wheel.name, sources())
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_bazel_calls_the_wheel_by_the_packages_version():
    assert f'version = "{ncore.__version__}"' in (ROOT / "MODULE.bazel").read_text()


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    info = f"ncore-{ncore.__version__}.dist-info/"
    assert {name.partition("/")[0] for name in names} == {"ncore", info[:-1]}
    assert "ncore/py.typed" in names
    assert f"{info}licenses/LICENSE" in names
    assert "ncore/stores/layout_page.html" in names
    assert not [n for n in names if n.endswith("_test.py") or "testdata" in n or "BUILD" in n]
    modules = {p.relative_to(ROOT).as_posix() for p in (ROOT / "ncore").rglob("*.py")}
    assert {n for n in names if n.endswith(".py")} == {
        m for m in modules if not m.endswith("_test.py") and "/testdata/" not in m
    }


def test_files_without_a_project_make_no_wheel(tmp_path):
    with pytest.raises(ValueError, match=r"0 of the files are called pyproject\.toml"):
        build_wheel(tmp_path / "x.whl", [ROOT / "README.md"])


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel and its dependencies at the locked versions."""
    place = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(place, with_pip=True)
    lock = ROOT / "deps" / "requirements_{}_{}.txt".format(*sys.version_info)
    constraints = place / "constraints.txt"
    constraints.write_text("\n".join(pins(lock.read_text())))
    python = place / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "-c", constraints, wheel)
    run(python, "-m", "pip", "check")
    return place / "bin"


def clean(**more):
    """The environment without what would bring this tree's modules in."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
    return {**kept, **more}


def subcommands(text):
    """The names under `positional arguments` of a --help that has subcommands."""
    _, _, below = text.partition("\n  COMMAND")
    names = []
    for line in below.splitlines()[1:]:
        if not line.startswith("    "):
            break
        if line[4] != " ":
            names.append(line.split()[0])
    return names


@pytest.mark.timeout(600)
def test_every_command_says_what_it_does(installed, tmp_path):
    def help_of(*command):
        text = run(installed / "ncore", *command, "--help", cwd=tmp_path, env=clean()).stdout
        assert text.startswith("usage: ")
        return text

    assert run(installed / "ncore", "--version", cwd=tmp_path, env=clean()).stdout == (
        f"ncore {ncore.__version__}\n"
    )
    overview = help_of()
    counts = {}
    for command in COMMANDS:
        assert f"\n  {command} " in overview
        below = subcommands(help_of(command))
        counts[command] = len(below)
        for subcommand in below:
            help_of(command, subcommand)
    assert counts["itar"] >= 11
    assert counts["transfer"] >= 7


@pytest.mark.timeout(600)
def test_it_works_there(installed, tmp_path):
    script = (
        "import pathlib, numpy, zarr, ncore, sys\n"
        "from ncore.stores import IndexedTarStore\n"
        "with IndexedTarStore('x.zarr.itar', mode='w') as store:\n"
        "    zarr.create_array(store, name='a', data=numpy.arange(9))\n"
        "assert zarr.open_group(IndexedTarStore('x.zarr.itar'), mode='r')['a'][8] == 8\n"
        "assert pathlib.Path(ncore.__file__).is_relative_to(sys.prefix)"
    )
    run(installed / "python", "-c", script, cwd=tmp_path, env=clean())
    run(installed / "ncore", "itar", "verify", "x.zarr.itar", cwd=tmp_path, env=clean())
    # The entry points that other packages look up.
    script = (
        "import fsspec\nassert fsspec.filesystem('itar', fo='x.zarr.itar').ls('a', detail=False)"
    )
    run(installed / "python", "-c", script, cwd=tmp_path, env=clean())
