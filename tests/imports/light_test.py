"""What starting ncore must not import: a cold start is paid by every worker and every command.

Asserted by name, in a process of its own; how long it takes is a benchmark
(`python -m benchmarks epoch`).
"""

# bazel: deps = ["//ncore", "//ncore/cli:main", "//ncore/convert", "//ncore/data", "//ncore/itar"]
# bazel: deps = ["//ncore/loaders", "//ncore/stores", "//ncore/transfer"]
# bazel: deps = ["//ncore:errors", "//ncore/data_converter", "//ncore/select", "//ncore/data/v4"]

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import ncore
from ncore.loaders.testing.drives import write_drive

REMOTE = ("aiohttp", "fsspec", "obstore", "upath", "urllib3")
NEEDLESS = (*REMOTE, "asyncio", "multiprocessing", "PIL", "rich", "scipy", "ssl", "subprocess")
FRAMEWORKS = ("dask", "grain", "jax", "pandas", "torch", "xarray")
ZARR = ("numcodecs", "zarr")


def loaded(script: str, *arguments: object) -> set[str]:
    """Run a script in a fresh interpreter; return the top-level modules it has then."""
    search = [str(Path(ncore.__file__).parents[1]), *sys.path]
    child = subprocess.run(
        [sys.executable, "-c", _ASK.format(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(search)},
        check=True,
    )
    return set(json.loads(child.stdout.splitlines()[-1]))


# A module may be loaded before us, by the site's own start-up.
_ASK = """
import json, sys
before = set(sys.modules)
try:
    exec({0!r})
except SystemExit as end:
    assert not end.code
print()
print(json.dumps(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})))
"""


def test_ncore_alone_imports_nothing():
    assert loaded("import ncore") == {"ncore"}


def test_packages_are_attributes_and_nothing_else_is():
    script = (
        "import ncore\n"
        "assert 'TYPE_CHECKING' not in dir(ncore)\n"
        "for name in dir(ncore):\n"
        "    assert getattr(ncore, name)\n"
        "assert dir(ncore.stores) == sorted(ncore.stores.__all__)"
    )
    assert not loaded(script) & {*NEEDLESS, *FRAMEWORKS, *ZARR, "numpy", "absl"}


@pytest.mark.parametrize("package", ["itar", "stores", "loaders", "data", "convert", "transfer"])
def test_a_package_imports_nothing_but_itself(package):
    found = loaded(f"import ncore.{package}")
    assert not found & {*NEEDLESS, *FRAMEWORKS, *ZARR, "numpy", "absl"}


def test_an_archive_is_read_without_zarr(tmp_path):
    drive = write_drive(tmp_path)[0]
    script = (
        "from ncore.itar import ItarReader\n"
        "reader = ItarReader(sys.argv[1])\n"
        "reader.read(next(iter(reader)))"
    )
    assert not loaded(script, drive) & {*NEEDLESS, *FRAMEWORKS, *ZARR}


def test_a_store_imports_zarr_and_what_zarr_imports():
    of_zarr = loaded("import zarr")
    found = loaded("from ncore.stores import IndexedTarStore")
    assert not (found - of_zarr) & {*NEEDLESS, *FRAMEWORKS}


SAMPLE = """
from ncore.loaders import FrameSource
source = FrameSource(sys.argv[1], ["front"])
assert source[0]["front"]["image"]
assert source.__getitems__([1, 0])[1]["front"]["image"]
"""


def test_a_local_sample_needs_no_zarr(tmp_path):
    drive = write_drive(tmp_path)[0]
    found = loaded(SAMPLE, drive)
    assert "numpy" in found
    assert not found & {*NEEDLESS, *FRAMEWORKS, *ZARR}


def test_what_a_spawned_worker_gets_needs_no_zarr_either(tmp_path):
    drive = write_drive(tmp_path)[0]
    pickled = tmp_path / "source"
    make = (
        "import pickle\nfrom ncore.loaders import FrameSource\n"
        "source = FrameSource(sys.argv[1], ['front'])\n"
        "open(sys.argv[2], 'wb').write(pickle.dumps(source))"
    )
    loaded(make, drive, pickled)
    script = "import pickle\npickle.load(open(sys.argv[1], 'rb'))[0]"
    assert not loaded(script, pickled) & {*NEEDLESS, *FRAMEWORKS, *ZARR}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["convert", "--help"],
                                       ["itar", "--help"], ["itar", "ls", "--help"],
                                       ["transfer", "--help"],
                                       ["transfer", "download", "--help"]])  # fmt: skip
def test_help_imports_little(arguments):
    found = loaded(f"from ncore.cli.main import run\nrun({arguments})")
    forbidden = {*REMOTE, *FRAMEWORKS, *ZARR, "multiprocessing", "numpy", "PIL", "rich", "scipy"}
    assert not found & forbidden
    if arguments[0] != "transfer":
        assert not found & {"asyncio", "ssl"}


@pytest.mark.parametrize(
    "package", ["convert", "data", "data.v4", "itar", "loaders", "select", "stores", "transfer"]
)
def test_no_module_hides_what_its_package_exports(package):
    # Importing the module would set the package's attribute of that name.
    face = importlib.import_module(f"ncore.{package}")
    assert not {module.name for module in pkgutil.iter_modules(face.__path__)} & {*face.__all__}
