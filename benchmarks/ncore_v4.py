"""NCore V4 sequences: the original beside this project, on the same archives, in one run.

Example::

    python benchmarks/ncore_v4.py --legacy-python ~/legacy/bin/python

`--legacy-python` is the interpreter of an environment with the legacy lock; without
it one is made from deps/legacy_3_11.txt (needs a Python 3.11 and PyPI). The
original writes the archives that both read, both run the same code
(ncore_v4_user.py), and they take turns. Ratios are of medians.
"""

# bazel: data = ["ncore_v4_user.py", "//deps:files"]

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
USER = Path(__file__).with_name("ncore_v4_user.py")
RAYS = (2_000, 20_000, 60_000, 100_000)
FRAMES, IMAGE = 1_000, 300_000
NODES = 6_000


def legacy_environment(place: Path) -> str:
    """Make an environment with the original; return its interpreter."""
    python = shutil.which("python3.11") or sys.executable
    subprocess.run([python, "-m", "venv", str(place)], check=True)
    interpreter = str(place / "bin" / "python")
    lock = PROJECT / "deps" / "legacy_3_11.txt"
    install = ["-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "-r", str(lock)]
    subprocess.run([interpreter, *install], check=True)
    return interpreter


class Side:
    """One of the two packages called ncore."""

    def __init__(self, python: str, path: str) -> None:
        self.python = python
        self.environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}

    def ask(self, **request: Any) -> Any:
        """Run one request in a fresh process."""
        done = subprocess.run(
            # -P: the script's own directory lies in this project, whose ncore is not for both.
            [self.python, "-P", str(USER), json.dumps(request)],
            env=self.environment,
            cwd=tempfile.gettempdir(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{self.python}: {request}\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])


def in_turns(original: Side, ours: Side, turns: int, **request: Any) -> tuple[float, float]:
    """Medians of what both answer, over several processes each."""
    theirs: list[float] = []
    mine: list[float] = []
    for _ in range(turns):
        theirs += original.ask(**request)
        mine += ours.ask(**request)
    return statistics.median(theirs), statistics.median(mine)


RATIOS: list[dict[str, Any]] = []


def row(what: str, theirs: float, mine: float, scale: float, unit: str, target: str) -> str:
    RATIOS.append({"what": f"NCore V4: {what}", "beside": "nvidia-ncore", "ratio": theirs / mine})
    return (
        f"| {what} | {theirs * scale:.3g} {unit} | {mine * scale:.3g} {unit} "
        f"| {theirs / mine:.1f} | {target} |"
    )


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--legacy-python", help="interpreter with nvidia-ncore 19.8.3 and zarr 2")
    parser.add_argument("--directory", type=Path, help="where to write the archives (about 2 GB)")
    parser.add_argument("--turns", type=int, default=3, help="processes of each side")
    parser.add_argument("--rounds", type=int, default=7, help="repetitions in a process")
    parser.add_argument("--json", type=Path, help="write the ratios to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        place = Path(scratch)
        legacy = options.legacy_python or legacy_environment(place / "legacy")
        print(measure(Side(legacy, ""), Side(sys.executable, str(PROJECT)), place, options))
    if options.json:
        options.json.write_text(json.dumps({"ratios": RATIOS}, indent=1))


def measure(original: Side, ours: Side, place: Path, options: Any) -> str:
    """Return the table."""
    repeat = {"rounds": options.rounds}
    rows = []

    def archive(name: str, **content: Any) -> str:
        content = {"frames": 1, "image_size": 100, "scans": 0, "n_rays": 0, **content}
        answer = original.ask(do="write", directory=str(place), name=name, **content)
        path: str = answer["path"]
        return path

    # A frame is three nodes: its group, its image and its generic data.
    nodes = {"frames": NODES // 3, "store_type": "itar"}
    path = archive("nodes", **nodes)
    both = in_turns(original, ours, options.turns, do="open", path=path, **repeat)
    rows.append(row(f"open, {NODES:,} nodes, itar", *both, 1e3, "ms", "≥ 3"))
    path = archive("nodes_dir", **{**nodes, "store_type": "directory"})
    both = in_turns(original, ours, options.turns, do="open", path=path, **repeat)
    rows.append(row(f"open, {NODES:,} nodes, directory", *both, 1e3, "ms", "≥ 3"))

    path = archive("frames", frames=300, image_size=IMAGE, store_type="itar")
    theirs, mine, bare = [], [], []
    for _ in range(options.turns):
        theirs += original.ask(do="camera", path=path, **repeat)["frames"]
        answer = ours.ask(do="camera", path=path, **repeat)
        mine += answer["frames"]
        bare += answer["bare"]
    pread = statistics.median(bare)
    frame = statistics.median(mine)
    rows.append(row("camera frame, 300 KB", statistics.median(theirs), frame, 1e6, "µs", "≥ 5"))
    rows.append(
        f"| the same beside a bare pread | {pread * 1e6:.3g} µs | {frame * 1e6:.3g} µs "
        f"| {frame / pread:.2f} times | ≤ 1.5 |"
    )
    both = in_turns(original, ours, options.turns, do="reload", path=path, **repeat)
    rows.append(row("reload_resources", *both, 1e6, "µs", ""))
    for n_rays in RAYS:
        path = archive(f"rays{n_rays}", scans=20, n_rays=n_rays, store_type="itar")
        both = in_turns(original, ours, options.turns, do="lidar", path=path, **repeat)
        rows.append(row(f"lidar frame, {n_rays:,} rays, 6 arrays", *both, 1e3, "ms", "≥ 3"))

    rates: dict[str, list[float]] = {"theirs": [], "mine": []}
    content = {"frames": FRAMES, "image_size": IMAGE, "scans": 0, "n_rays": 0}
    for _ in range(options.turns):
        for key, side in (("theirs", original), ("mine", ours)):
            request = {"directory": str(place), "name": key, "store_type": "itar", **content}
            answer = side.ask(do="write", **request)
            rates[key].append(FRAMES * IMAGE / answer["seconds"] / 1e6)
            Path(answer["path"]).unlink()
    slow, fast = (statistics.median(rates[key]) for key in ("theirs", "mine"))
    what = f"NCore V4: write {FRAMES:,} frames of 300 KB"
    RATIOS.append({"what": what, "beside": "nvidia-ncore", "ratio": fast / slow})
    rows.append(
        f"| write {FRAMES:,} frames of 300 KB | {slow:.0f} MB/s | {fast:.0f} MB/s "
        f"| {fast / slow:.1f} | ≥ 5 |"
    )
    head = [
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}",
        "",
        "| | original | this project | ratio | target |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows])


if __name__ == "__main__":
    main()
