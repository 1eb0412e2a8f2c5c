"""Builds ncore's wheel from a list of files: what `bazel build //:wheel` runs.

Example::

    python tools/build_wheel.py ncore.whl pyproject.toml README.md LICENSE ncore/__init__.py ...

The files are laid out in an empty tree and handed to the build backend that
pyproject.toml names, so that the wheel is the one that `python -m build` makes.
"""

# bazel: deps = ["@pypi//hatchling"]

import argparse
import os
import shutil
import sys
import tempfile
import tomllib
from importlib import import_module
from pathlib import Path

MANIFEST = "pyproject.toml"


def build_wheel(target: Path, files: list[Path]) -> None:
    """Write the wheel of the project whose files these are, one of them its pyproject.toml.

    Raises:
        ValueError: none, or more than one, of the files is a pyproject.toml, or a file
            lies outside its folder.
    """
    manifests = [file for file in files if file.name == MANIFEST]
    if len(manifests) != 1:
        raise ValueError(f"{len(manifests)} of the files are called {MANIFEST}, not one")
    # Not resolved: in a sandbox every file is a link to somewhere else.
    root = manifests[0].absolute().parent
    backend = tomllib.loads(manifests[0].read_text())["build-system"]["build-backend"]
    with tempfile.TemporaryDirectory() as scratch:
        tree, out = Path(scratch, "tree"), Path(scratch, "out")
        out.mkdir()
        for file in files:
            copy = tree / file.absolute().relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        here = Path.cwd()
        os.chdir(tree)
        try:
            name = import_module(backend).build_wheel(str(out))
        finally:
            os.chdir(here)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(out / name, target)


def main(argv: list[str] | None = None) -> int:
    """Build it; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(__doc__.splitlines()[2:]),
    )
    parser.add_argument("target", type=Path, help="the wheel to write")
    parser.add_argument("files", type=Path, nargs="+", help=f"its sources and {MANIFEST}")
    args = parser.parse_args(argv)
    try:
        build_wheel(args.target, args.files)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
