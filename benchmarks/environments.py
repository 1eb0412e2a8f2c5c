"""The environments of the benchmarks: ours, and one for each peer that needs its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEPS = HERE.parent / "deps"
DANDI = "dandi==0.81.0"
LOCKED = ((3, 13), (3, 12))
"""Newer Pythons with a lockfile, whose zarr is the newest; the best first."""
SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"
PIP = ["-m", "pip", "--disable-pip-version-check"]
WHEELS = ["install", "--quiet", "--only-binary=:all:"]


class Environments:
    """Virtual environments, made when a benchmark asks for one and kept for the next run.

    Args:
        folder: where they lie.

    Attributes:
        missing: what could not be had, in words for the results' page.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.missing: list[str] = []
        self._ours: str | None = None

    def ours(self) -> str:
        """Interpreter with ncore's requirements and the peers that live beside it."""
        if self._ours is None:
            self._ours = self._with_peers()
        return self._ours

    def _with_peers(self) -> str:
        peers = _lines(HERE / "peers.txt")
        # MosaicML's streaming needs torch, which may bring gigabytes of CUDA.
        heavy = [peer for peer in peers if peer.startswith("mosaicml")]
        for version in dict.fromkeys([sys.version_info[:2], *LOCKED, (3, 11)]):
            place = self._environment(
                "ours",
                version,
                ["--require-hashes", "-r", str(_lock(version))],
                *([peer] for peer in peers if peer not in heavy),
            )
            if place is not None:
                break
        else:
            raise SystemExit("error: no environment could be made: " + "; ".join(self.missing))
        self.missing = [text for text in self.missing if not text.startswith("ours:")]
        python = str(place)
        torch = _version(python, "torch")
        if torch is None:
            installer = [python, str(HERE.parent / "tools" / "install_torch.py")]
            subprocess.run(installer, check=False, stdout=sys.stderr)
            torch = _version(python, "torch")
        if torch is None:
            self._lacks(f"{', '.join(heavy)}: there is no wheel of torch without CUDA")
            return python
        for peer in heavy:
            if _version(python, peer.partition("==")[0]) is None:
                # Beside that torch: a newer one would bring CUDA after all.
                _run([python, *PIP, *WHEELS, peer, f"torch=={torch}"])
                # PyPI's is built for CUDA; epoch_reader.py does without.
                _run([python, *PIP, "uninstall", "--quiet", "-y", "torchvision"])
        return python

    def dandi(self) -> Path | None:
        """Folder with dandi-cli's programs."""
        # Of the Python that ours has: by now it is known to make environments.
        asked = "import sys; print(*sys.version_info[:2])"
        told = subprocess.run([self.ours(), "-c", asked], capture_output=True, text=True)
        major, minor = map(int, told.stdout.split())
        python = self._environment("dandi", (major, minor), [DANDI])
        return python.parent if python and (python.parent / "dandi").exists() else None

    def legacy(self) -> str | None:
        """Interpreter with nvidia-ncore and zarr 2."""
        lock = str(DEPS / "legacy_3_11.txt")
        python = self._environment(
            "legacy", (3, 11), ["--only-binary=:none:", "--no-deps", "--require-hashes", "-r", lock]
        )
        return None if python is None else str(python)

    def newest(self) -> str | None:
        """Interpreter of a newer Python, with the newest zarr."""
        for version in LOCKED:
            python = self._environment(
                "newest", version, ["--require-hashes", "-r", str(_lock(version))]
            )
            if python is not None:
                self.missing = [text for text in self.missing if not text.startswith("newest")]
                return str(python)
        return None

    def wids(self) -> str | None:
        """Folder with wids and nothing that it needs."""
        place = self.folder / "wids"
        wanted = [line for line in _lines(HERE / "peers.txt") if line.startswith("wids")]
        if not (place / "wids").exists():
            command = [self.ours(), *PIP, *WHEELS, "--no-deps", "--target", str(place), *wanted]
            if not _run(command):
                self._lacks("wids")
                return None
        return str(place)

    def _environment(
        self, name: str, version: tuple[int, int], *requirements: list[str]
    ) -> Path | None:
        place = self.folder / name
        python = place / SCRIPTS / "python"
        wanted = json.dumps([version, requirements])
        done = place / "installed.json"
        if done.exists():
            known = json.loads(done.read_text())
            if known["wanted"] == wanted:
                for text in known["missing"]:
                    self._lacks(text)
                return python
        if not _make(place, version):
            dotted = ".".join(map(str, version))
            self._lacks(f"{name}: no Python {dotted} that can make an environment was found")
            return None
        missing = [
            f"{arguments[-1]}: no wheel could be installed"
            for arguments in requirements
            if not _run([str(python), *PIP, *WHEELS, *arguments])
        ]
        done.write_text(json.dumps({"wanted": wanted, "missing": missing}))
        for text in missing:
            self._lacks(text)
        return python

    def _lacks(self, text: str) -> None:
        if text not in self.missing:
            self.missing.append(text)


def _lock(version: tuple[int, int]) -> Path:
    return DEPS / "requirements_{}_{}.txt".format(*version)


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def _run(command: list[str]) -> bool:
    return subprocess.run(command, check=False, stdout=sys.stderr).returncode == 0


def _version(python: str, distribution: str) -> str | None:
    """Return which version of a distribution an environment holds."""
    asked = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    found = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _make(place: Path, version: tuple[int, int]) -> bool:
    """Make an empty environment of that Python with the first interpreter that can."""
    for python in _interpreters(version):
        asked = f"import sys; sys.exit(sys.version_info[:2] != {version})"
        if _succeeds([python, "-c", asked]) and _succeeds(
            [python, "-m", "venv", "--clear", str(place)]
        ):
            return True
    return False


def _interpreters(version: tuple[int, int]) -> Iterator[str]:
    """Where a Python of that version may be."""
    yield sys.executable
    name = "python{}.{}".format(*version)
    found = shutil.which(name)
    if found:
        yield found
    yield f"/usr/bin/{name}"
    for versions in (Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python"):
        for path in sorted(versions.glob(f"*{version[0]}.{version[1]}.*/bin/{name}")):
            yield str(path)
