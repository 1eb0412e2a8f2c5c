"""Runs the benchmarks beside their peers and writes docs/benchmarks.md with tables and plots.

Example::

    python -m benchmarks                # all of them, about half an hour
    python -m benchmarks epoch select   # some: prints what they measured
    python -m benchmarks --quick        # all of them with little data, to see that they work
    python -m benchmarks --list

The peers are installed into environments of their own (--environments, by default
below the user's cache), from the lockfiles and benchmarks/peers.txt. What cannot be
had is said on the page. Each benchmark is a script and can be run by itself.
Without names, and unless it is quick, the run replaces docs/benchmarks.md, its plots,
and the lines of README.md that show them.
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
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]  # benchmarks is no installed package

from benchmarks.environments import Environments  # noqa: E402
from benchmarks.page import INTRODUCTION, extract, replaced, section, table  # noqa: E402
from benchmarks.plots import plot_epoch, plot_ratios  # noqa: E402

_T = TypeVar("_T")


class NoPeerError(Exception):
    """What a benchmark compares with cannot be had."""


class Benchmark(NamedTuple):
    """A script and what it is given."""

    title: str
    script: str
    peers: Callable[[Environments], list[str]]
    quick: list[str]


def _epoch(made: Environments) -> list[str]:
    return ["--python", made.ours()]


def _store(made: Environments) -> list[str]:
    legacy, newest, wids = made.legacy(), made.newest(), made.wids()
    flags = (("--legacy-python", legacy), ("--newest-python", newest), ("--wids", wids))
    return [text for flag, value in flags if value for text in (flag, value)]


def _ncore_v4(made: Environments) -> list[str]:
    return ["--legacy-python", _needed(made.legacy(), "nvidia-ncore")]


def _select(made: Environments) -> list[str]:
    return ["--peer-python", str(_needed(made.dandi(), "dandi-cli") / "python")]


def _transfer(made: Environments) -> list[str]:
    return ["--peer", str(_needed(made.dandi(), "dandi-cli") / "dandi")]


def _needed(found: _T | None, peer: str) -> _T:
    if found is None:
        raise NoPeerError(peer)
    return found


BENCHMARKS: dict[str, Benchmark] = {
    "epoch": Benchmark(
        "A shuffled epoch",
        "epoch.py",
        _epoch,
        ["--images", "1000", "--epochs", "2", "--cold", "1"],
    ),
    "store": Benchmark("The store", "store.py", _store, ["--rounds", "2", "--keys", "20000"]),
    "convert": Benchmark(
        "Conversion",
        "convert_speed.py",
        lambda made: [],
        ["--gigabytes", "0.2", "--rounds", "1"],
    ),
    "ncore_v4": Benchmark(
        "NCore V4 sequences", "ncore_v4.py", _ncore_v4, ["--turns", "1", "--rounds", "2"]
    ),
    "select": Benchmark(
        "Filters",
        "select_filters.py",
        _select,
        ["--count", "50000", "--repeats", "1", "--limit", "1"],
    ),
    "transfer": Benchmark(
        "DANDI transfers", "transfer_dandi.py", _transfer, ["--rounds", "1", "--scale", "0.05"]
    ),
}
LIMITED = {
    "convert": ["--rounds", "2"],
    "select": ["--repeats", "1", "--limit", "5"],
}
"""Arguments of a whole run that keep a benchmark whose peer takes long below five minutes."""


class Result(NamedTuple):
    """What a benchmark printed, and its figures."""

    text: str
    figures: dict[str, Any]


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
    return (
        f"{os.cpu_count()} x {model}, {memory}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    )


def ratios_of(name: str, figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Return how many times as fast ours was, by what and beside whom."""
    if name == "transfer":
        return [
            {
                "what": f"transfer: {row['what']}",
                "beside": "zarr_checksum" if "zarr_checksum" in row else "dandi-cli",
                "ratio": row["ratio"],
            }
            for row in figures.get("rows", [])
        ]
    found: list[dict[str, Any]] = figures.get("ratios", [])
    return found


def run(name: str, made: Environments, work: Path, quick: bool) -> Result:
    """Run one benchmark."""
    benchmark = BENCHMARKS[name]
    try:
        arguments = benchmark.peers(made)
    except NoPeerError as error:
        return Result(f"Not run: {error} could not be installed here.", {})
    arguments += benchmark.quick if quick else LIMITED.get(name, [])
    told = work / f"{name}.json"
    told.unlink(missing_ok=True)
    script = Path(__file__).with_name(benchmark.script)
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.run(
        [made.ours(), str(script), *arguments, "--json", str(told)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=work,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    if process.returncode or not told.exists():
        words = f"exit code {process.returncode}; run `{benchmark.script}` by itself"
        return Result(f"Failed with {words}.", {})
    return Result(process.stdout.strip(), json.loads(told.read_text()))


def write_page(
    results: dict[str, Result], missing: list[str], where: str, docs: Path, readme: Path | None
) -> Path:
    """Write the page and its plots below ``docs``, and what README.md shows of it."""
    ratios = {name: ratios_of(name, result.figures) for name, result in results.items()}
    images = docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    part = extract(ratios, where)
    parts = [INTRODUCTION, "## In short", part]
    measured = [entry for entries in ratios.values() for entry in entries]
    if measured:
        png, svg = plot_ratios(ratios, images)
        parts.append(f"![All ratios of this run](images/{png})\n\n[As SVG](images/{svg})")
    for name, result in results.items():
        parts.append(section(BENCHMARKS[name].title, result.text))
        if name == "epoch" and result.figures:
            png, svg = plot_epoch(result.figures["readers"], images)
            parts.append(
                f"![Throughput and cold start of each reader](images/{png})\n\n"
                f"[As SVG](images/{svg})"
            )
    if measured:
        parts += ["## All ratios", table(measured)]
    if missing:
        parts += ["## Not measured", "\n".join(f"- {text}" for text in missing)]
    page = docs / "benchmarks.md"
    page.write_text("\n\n".join(parts) + "\n")
    if readme is not None:
        readme.write_text(replaced(readme.read_text(), part))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="which; by default all")
    parser.add_argument("--list", action="store_true", help="name them and exit")
    parser.add_argument("--quick", action="store_true", help="with little data")
    parser.add_argument("--output", type=Path, help="folder for a page with the results")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ncore-benchmarks"
    parser.add_argument("--environments", type=Path, default=cache)
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"{name:10} {found.title}" for name, found in BENCHMARKS.items()))
        return
    unknown = sorted(set(args.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}, only {', '.join(BENCHMARKS)}")
    args.environments.mkdir(parents=True, exist_ok=True)
    made = Environments(args.environments.resolve())
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    where = f"{machine()}, load {load:.1f} at the beginning"
    results: dict[str, Result] = {}
    page: Path | None = None
    for name in args.names or BENCHMARKS:
        started = time.perf_counter()
        print(f"{name} ...", file=sys.stderr, flush=True)
        results[name] = run(name, made, made.folder, args.quick)
        taken = time.perf_counter() - started
        print(f"{name} took {taken:.0f} s", file=sys.stderr, flush=True)
        print(section(BENCHMARKS[name].title, results[name].text), "\n", flush=True)
        # Of a run that is interrupted, the page shows what it got to.
        if args.output is not None:
            page = write_page(results, made.missing, where, args.output, None)
        elif not args.names and not args.quick:
            # Under `bazel run` the tree that the user means is not the one that runs.
            tree = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", ROOT))
            page = write_page(results, made.missing, where, tree / "docs", tree / "README.md")
    if page is not None:
        print(page)


if __name__ == "__main__":
    main()
