"""Runs the benchmarks and writes docs/benchmarks.md with tables and plots.

Example::

    python -m benchmarks                # all of them, about an hour
    python -m benchmarks epoch select   # some
    python -m benchmarks --list

The peers are installed into environments of their own (``--environments``, by default
below the user's cache), from benchmarks/peers.txt and deps/legacy_3_11.txt. A peer
without a wheel for this machine is reported as such. Each benchmark is a script that
prints Markdown and can be run by itself.
"""

# bazel: data = ["peers.txt", "//deps:files"]
# bazel: deps = ["benchmarks.epoch", "benchmarks.ncore_v4", "benchmarks.select_filters"]
# bazel: deps = ["benchmarks.transfer_dandi", "benchmarks.store", "benchmarks.convert_speed"]

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
DANDI = "dandi==0.81.0"


class Benchmark(NamedTuple):
    """A script and what it is given."""

    title: str
    script: str
    arguments: Callable[["Environments"], list[str]]


class Environments:
    """Virtual environments, made when a benchmark asks for one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.missing: list[str] = []

    def _make(self, name: str, *requirements: list[str]) -> Path:
        place = self.folder / name
        python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        done = place / "installed.json"
        wanted = json.dumps(requirements)
        if done.exists() and done.read_text() == wanted:
            return python
        venv.create(place, with_pip=True, clear=True)
        for arguments in requirements:
            command = [str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
            if subprocess.run([*command, *arguments], check=False).returncode:
                self.missing.append(arguments[-1])
        done.write_text(wanted)
        return python

    def peers(self) -> str:
        """Interpreter with ncore's requirements and the peers of the loaders."""
        lock = f"requirements_{sys.version_info.major}_{sys.version_info.minor}.txt"
        peers = [
            line
            for line in (HERE / "peers.txt").read_text().splitlines()
            if line and not line.startswith("#")
        ]
        # MosaicML's streaming needs torch, which may bring gigabytes of CUDA.
        heavy = [peer for peer in peers if peer.startswith("mosaicml")]
        python = self._make(
            "peers",
            ["--require-hashes", "-r", str(ROOT / "deps" / lock)],
            *([peer] for peer in peers if peer not in heavy),
        )
        probe = "import torch; print(torch.__version__)"
        installer = [str(python), str(ROOT / "tools/install_torch.py")]
        subprocess.run(installer, check=False, stdout=sys.stderr)
        if not subprocess.run(
            [str(python), "-c", probe], capture_output=True, check=False
        ).returncode:
            for peer in heavy:
                pip = [str(python), "-m", "pip"]
                subprocess.run([*pip, "install", "-q", "--only-binary=:all:", peer], check=False)
                # PyPI's is built for CUDA; epoch_reader.py does without.
                subprocess.run([*pip, "uninstall", "-q", "-y", "torchvision"], check=False)
        else:
            self.missing += heavy
        return str(python)

    def dandi(self) -> Path:
        """Directory with dandi-cli's programs."""
        return self._make("dandi", [DANDI]).parent


BENCHMARKS: dict[str, Benchmark] = {
    "epoch": Benchmark(
        "A shuffled epoch",
        "epoch.py",
        lambda made: ["--python", made.peers(), "--json", "epoch.json"],
    ),
    "store": Benchmark("The store", "store.py", lambda made: []),
    "convert": Benchmark("Conversion", "convert_speed.py", lambda made: []),
    "ncore_v4": Benchmark("NCore V4 sequences", "ncore_v4.py", lambda made: []),
    "select": Benchmark(
        "Filters", "select_filters.py", lambda made: ["--peer-python", str(made.dandi() / "python")]
    ),
    "transfer": Benchmark(
        "DANDI transfers", "transfer_dandi.py", lambda made: ["--peer", str(made.dandi() / "dandi")]
    ),
}


def machine() -> str:
    """Describe where this runs."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
        memory = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GiB"
    except (OSError, ValueError):
        memory = "unknown memory"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return (
        f"{os.cpu_count()} x {model}, {memory}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load {load:.1f} at the beginning, "
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    )


def run(name: str, made: Environments, work: Path) -> str:
    """Run one benchmark; return its Markdown."""
    benchmark = BENCHMARKS[name]
    command = [sys.executable, str(HERE / benchmark.script), *benchmark.arguments(made)]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=work,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    if process.returncode:
        return f"Failed with exit code {process.returncode}; run `{benchmark.script}` by itself."
    return process.stdout.strip()


def plot(figures: Path, target: Path) -> list[str]:
    """Draw the epoch's figures as PNG and SVG; return the files' names."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    found = {n: f for n, f in json.loads(figures.read_text()).items() if "error" not in f}
    names = sorted(found, key=lambda name: found[name]["ratio"])
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 0.4 * len(names) + 1.5), sharey=True)
    colors = ["#1b6ca8" if name.startswith("ncore") else "#b0b7bf" for name in names]
    left.barh(names, [found[name]["ratio"] for name in names], color=colors)
    left.axvline(1, color="black", linewidth=0.8)
    left.set_xlabel("throughput, x os.pread")
    right.barh(names, [found[name]["cold"] for name in names], color=colors)
    right.set_xlabel("import to first image, s")
    figure.suptitle("Shuffled epoch over images of 300 KB")
    figure.tight_layout()
    files = [f"benchmark_epoch.{kind}" for kind in ("png", "svg")]
    for file in files:
        figure.savefig(target / file, dpi=120)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="which; by default all")
    parser.add_argument("--list", action="store_true", help="name them and exit")
    parser.add_argument("--output", type=Path, help="folder for the results; default: docs")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ncore-benchmarks"
    parser.add_argument("--environments", type=Path, default=cache)
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"{name:10} {found.title}" for name, found in BENCHMARKS.items()))
        return
    unknown = sorted(set(args.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}, only {', '.join(BENCHMARKS)}")
    # Under `bazel run` the tree that the user means is not the one that runs.
    tree = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", ROOT))
    output = args.output or tree / "docs"
    output.mkdir(parents=True, exist_ok=True)
    args.environments.mkdir(parents=True, exist_ok=True)
    made = Environments(args.environments.resolve())
    parts = ["# Benchmarks", "", f"`python -m benchmarks` on {machine()}."]
    for name in args.names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        parts += ["", f"## {BENCHMARKS[name].title}", "", run(name, made, args.environments)]
        figures = args.environments / "epoch.json"
        if name == "epoch" and figures.exists():
            png, svg = plot(figures, output)
            parts += ["", f"![Throughput and cold start of each reader]({png}) ([SVG]({svg}))"]
    if made.missing:
        parts += ["", f"Not measured, for want of a wheel: {', '.join(made.missing)}."]
    (output / "benchmarks.md").write_text("\n".join(parts) + "\n")
    print(output / "benchmarks.md")


if __name__ == "__main__":
    main()
