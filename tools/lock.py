"""Rewrites the lockfiles under deps/ from the .in files beside them.

Example::

    python tools/lock.py                  # what the .in files demand, versions kept
    python tools/lock.py --upgrade        # newest allowed versions of everything
    python tools/lock.py --upgrade zarr   # of one package

Needs `uv` on the PATH. One lockfile per supported Python version holds what
ncore and its tests need, for all platforms; others hold the linters and the
legacy environment. They name no index: the user's own configuration says where
packages come from, the hashes say which they are.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.markers import Marker
from packaging.requirements import Requirement

DEPS = Path(__file__).resolve().parent.parent / "deps"


class Lock(NamedTuple):
    """A lockfile under deps/ and what it is made from."""

    name: str
    python: str
    inputs: tuple[str, ...]
    overrides: str | None = None
    constraints: str | None = None


LOCKS = (
    *(
        Lock(f"requirements_{python.replace('.', '_')}.txt", python, ("requirements.in", "test.in"))
        for python in ("3.11", "3.12", "3.13")
    ),
    Lock("lint_3_11.txt", "3.11", ("lint.in",), constraints="requirements_3_11.txt"),
    Lock("docs_3_11.txt", "3.11", ("docs.in",), constraints="requirements_3_11.txt"),
    Lock("legacy_3_11.txt", "3.11", ("legacy.in",), "legacy_overrides.in"),
)


class Pin(NamedTuple):
    """One entry of a lockfile: the requirement and its text with hashes."""

    requirement: Requirement
    text: str


def read_lock(text: str) -> Iterator[Pin]:
    """Yield the entries of a lockfile as `uv pip compile --generate-hashes` writes it."""
    for entry in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE):
        if entry and not entry.startswith("#"):
            yield Pin(Requirement(entry.split("\\\n")[0].split(" #")[0].strip()), entry)


def read_requirements(text: str) -> list[Requirement]:
    """Return the requirements of an .in file."""
    lines = (line.split(" #")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def may_hold(marker: Marker | None, python: str) -> bool:
    """Whether `marker` holds on some platform for the Python version `python` (`"3.11"`).

    A universal resolution covers every later Python too. Only clauses about
    the Python version decide; a clause about a platform may always hold.
    """
    if marker is None:
        return True
    clauses = str(marker).split(" and ")
    if " or " in str(marker) or "(" in str(marker):
        return True
    about_python = [c for c in clauses if c.startswith(("python_full_version", "python_version"))]
    # Some patch release of the version, first or last, may be what a clause asks for.
    return all(
        any(
            Marker(clause).evaluate(
                {"python_version": python, "python_full_version": f"{python}.{patch}"}
            )
            for patch in (0, 99)
        )
        for clause in about_python
    )


def header(lock: Lock) -> str:
    """The comment on top of a lockfile."""
    sources = " and ".join(lock.inputs)
    return f"# Python {lock.python}, from {sources}; rewrite with: python tools/lock.py\n"


def compile_lock(lock: Lock, upgrade: Iterable[str] | None) -> None:
    """Resolve `lock` with uv and write it.

    Args:
        lock: which.
        upgrade: packages to bring up to date; empty means all, `None` means none.
    """
    path = DEPS / lock.name
    command = [
        *("uv", "pip", "compile", "--universal", "--python-version", lock.python),
        *("--generate-hashes", "--no-strip-extras", "--no-emit-index-url", "--no-header"),
        *("--annotation-style", "line", "--quiet", "--output-file", lock.name),
    ]
    if lock.overrides:
        command += ["--overrides", lock.overrides]
    if lock.constraints:
        command += ["--constraints", lock.constraints]
    if upgrade is not None:
        packages = list(upgrade)
        command += [f"--upgrade-package={name}" for name in packages] or ["--upgrade"]
    subprocess.run([*command, *lock.inputs], cwd=DEPS, check=True)
    pins = [pin.text for pin in read_lock(path.read_text())
            if may_hold(pin.requirement.marker, lock.python)]  # fmt: skip
    path.write_text(header(lock) + "".join(pins))


def main(argv: list[str] | None = None) -> int:
    """Rewrite every lockfile; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(__doc__.splitlines()[2:]),
    )
    parser.add_argument("--upgrade", nargs="*", metavar="PACKAGE", help="take newer versions")
    args = parser.parse_args(argv)
    for lock in LOCKS:
        print(f"deps/{lock.name}", file=sys.stderr)
        try:
            compile_lock(lock, args.upgrade)
        except FileNotFoundError:
            print("error: no `uv` on the PATH (pip install uv)", file=sys.stderr)
            return 1
        except subprocess.CalledProcessError as error:
            return error.returncode or 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
