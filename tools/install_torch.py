"""Installs torch for the loader tests, if a wheel without CUDA is at hand.

Example::

    python tools/install_torch.py

Linux wheels of torch that are built for CPUs alone say so in their version
(``2.13.0+cpu``); the others depend on gigabytes of CUDA. pip is asked which it would
take, without installing or downloading it where the index serves metadata. Says what
it did and exits with 0 either way; 1 if the installation itself failed.
"""

import json
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "deps/torch.in"
LIGHT_PLATFORMS = ("darwin", "win32")
"""Where no wheel has CUDA, so none says that it is without."""


def requirement(text: str) -> str:
    """Return the only requirement of a requirements file."""
    lines = [line.strip() for line in text.splitlines()]
    (found,) = [line for line in lines if line and not line.startswith("#")]
    return found


def pins(lockfile: str) -> list[str]:
    """Return the ``name==version`` of a lockfile, without hashes and extras."""
    lines = (line for line in lockfile.splitlines() if not line.startswith((" ", "#")))
    found = [line.removesuffix("\\").strip() for line in lines if "==" in line]
    return [re.sub(r"\[.*?\]", "", pin) for pin in found]  # a constraint has no extras


def is_light(version: str, platform: str) -> bool:
    """Whether the wheel of this version brings no CUDA."""
    return version.endswith("+cpu") or platform in LIGHT_PLATFORMS


def version_at_hand(wanted: str) -> str | None:
    """Return the version of the wheel that pip would install, ``None`` if it finds none."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps"]
    command += ["--ignore-installed", "--only-binary=:all:", "--report", "-", wanted]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        return None
    version: str = json.loads(answer.stdout)["install"][0]["metadata"]["version"]
    return version


def main() -> int:
    """Install it or say why not; return the exit code."""
    wanted = requirement(REQUIREMENTS.read_text())
    if find_spec("pip") is None:
        print(f"{wanted}: this environment has no pip to install it with")
        return 0
    version = version_at_hand(wanted)
    if version is None or not is_light(version, sys.platform):
        found = "there is no wheel" if version is None else f"{version} brings CUDA"
        print(f"{wanted}: {found}; the tests that need it are skipped")
        return 0
    locked = REQUIREMENTS.with_name(
        f"requirements_{sys.version_info.major}_{sys.version_info.minor}.txt"
    )
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        if locked.exists():  # nothing that is locked may change because of torch
            file.write("\n".join(pins(locked.read_text())))
            file.flush()
        process = subprocess.run([*command, "-c", file.name, wanted], check=False)
    print(f"{wanted}: installed {version}" if process.returncode == 0 else f"{wanted}: failed")
    return int(process.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
