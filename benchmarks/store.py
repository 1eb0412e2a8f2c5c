"""The itar store beside what a user would pick instead, in one run; prints Markdown.

Example::

    python -m benchmarks.store --newest-python ~/zarr34/bin/python \\
        --legacy-python ~/legacy/bin/python --wids ~/wids > docs/benchmarks-store.md

`--newest-python` is an environment with the newest zarr, `--legacy-python` one with
nvidia-ncore, `--wids` a directory that holds wids (pip install --target). What is
missing is left out of the tables.
"""

# bazel: data = ["store_user.py", "store_contest.py", "store_server.py"]

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ncore.itar.reader import ItarReader
from ncore.itar.writer import ItarWriter

PROJECT = Path(__file__).resolve().parent.parent
USER = Path(__file__).with_name("store_user.py")
TUNED = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}


class Bench:
    """Where things lie, and what came out."""

    def __init__(self, args: argparse.Namespace, place: str) -> None:
        self.args = args
        self.place = place
        self.verdicts: list[tuple[str, str, str, bool]] = []

    def ask(
        self, task: str, *, python: str | None = None, tuned: bool = False, **request: Any
    ) -> dict[str, Any]:
        """Run one task in a fresh process."""
        nvidia = task.startswith("nvidia_")
        paths = [str(PROJECT)] if not nvidia else [self._alone()]
        if self.args.wids and not nvidia:
            paths.append(self.args.wids)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        done = subprocess.run(
            # -P: the project's own ncore must not shadow the original.
            [python or sys.executable, "-P", str(USER), json.dumps({"task": task, **request})],
            env={**environment, **(TUNED if tuned else {})},
            cwd=self.place,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{task} failed:\n{done.stderr}")
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def _alone(self) -> str:
        """A directory with nothing but what NVIDIA's tasks import of this project."""
        alone = Path(self.place, "alone", "benchmarks")
        alone.mkdir(parents=True, exist_ok=True)
        alone.joinpath("store_contest.py").write_bytes(
            USER.with_name("store_contest.py").read_bytes()
        )
        return str(alone.parent)

    def target(self, what: str, target: str, measured: str, met: bool) -> None:
        self.verdicts.append((what, target, measured, met))

    def ratios(self) -> list[dict[str, Any]]:
        """What was measured against another reader or writer: how many times as fast ours is."""
        found = []
        for what, target, measured, _ in self.verdicts:
            name, against, other = what.partition(" against ")
            if not against or other.isdecimal():
                continue
            beside, _, how = other.replace("`", "").partition(", ")
            ratio = 1 / float(measured) if target.startswith("≤") else float(measured)
            what = ", ".join(filter(None, [name.rstrip(",:"), how]))
            found.append({"what": f"store: {what}", "beside": beside, "ratio": ratio})
        return found


def median_of(results: list[dict[str, Any]], field: str) -> float:
    return statistics.median(result[field] for result in results)


def make_values(place: str, count: int) -> None:
    """The values of PEERS: incompressible, 200 to 400 KB; as an archive and as a plain tar."""
    rng = random.Random(5)
    path = f"{place}/values.itar"
    with ItarWriter(path) as writer:
        for i in range(count):
            writer.set(f"frames/{i}/image", rng.randbytes(rng.randrange(200_000, 400_000)))
    with ItarReader(path) as reader:
        spans = {key: reader.entry(key)[1:3] for key in reader}
        end = reader.trailer.index_offset
    Path(place, "spans.json").write_text(json.dumps(spans))
    with open(path, "rb") as source, open(f"{place}/values.tar", "wb") as target:
        left = end
        while left:
            left -= target.write(source.read(min(left, 1 << 24)))


def raw_reads(bench: Bench) -> None:
    rounds = bench.args.rounds
    print("\n## Raw reads: 1,000 values of 200 to 400 KB from the page cache\n")
    best: dict[str, dict[str, dict[str, float]]] = {}
    for tuned in (True, False):
        kind = "tuned" if tuned else "default"
        found = bench.ask("raw", tuned=tuned, directory=bench.place, rounds=rounds)
        best[kind] = {order: dict(found[order]) for order in ("sequential", "random")}
        if bench.args.legacy_python:
            theirs = bench.ask(
                "nvidia_raw",
                python=bench.args.legacy_python,
                tuned=tuned,
                directory=bench.place,
                rounds=rounds,
            )
            for order in ("sequential", "random"):
                # Against the pread of its own process, carried over to ours.
                ratio = theirs[order]["NVIDIA IndexedTarStore"] / theirs[order]["os.pread"]
                best[kind][order]["NVIDIA IndexedTarStore"] = ratio * best[kind][order]["os.pread"]
        total = found["bytes"]
    print(
        "MB/s, and x against `os.pread` into fresh bytes in the same process (of NVIDIA's reader, "
        "in its own). Tuned: `MALLOC_TRIM_THRESHOLD_` and `MALLOC_MMAP_THRESHOLD_` are 1 GiB.\n"
    )
    print(
        "| reader | sequential | x | random | x | sequential, default malloc | x | random, "
        "default malloc | x |"
    )
    print("|---|" + "--:|" * 8)
    for name in best["tuned"]["sequential"]:
        cells = []
        for kind in ("tuned", "default"):
            for order in ("sequential", "random"):
                seconds = best[kind][order]
                cells += [
                    f"{total / seconds[name] / 1e6:,.0f}",
                    f"{seconds['os.pread'] / seconds[name]:.2f}",
                ]
        print(f"| {name} | " + " | ".join(cells) + " |")
    for order in ("sequential", "random"):
        seconds = best["tuned"][order]
        ratio = seconds["os.pread"] / seconds["ncore IndexedTarStore.read"]
        bench.target(
            f"raw reads, {order}, against `os.pread`", "≥ 0.95", f"{ratio:.2f}", ratio >= 0.95
        )
        ratio = seconds["os.preadv, reused buffer"] / seconds["ncore read_into"]
        bench.target(
            f"reused buffer, {order}, against `os.preadv`", "≥ 1 (tie: 0.95)", f"{ratio:.2f}",
            ratio >= 0.95,
        )  # fmt: skip
        ratio = seconds["os.preadv, reused buffer"] / seconds["ncore view touched"]
        bench.target(
            f"mapped view, {order}, against `os.preadv`", "≥ 1", f"{ratio:.2f}", ratio >= 1
        )
        if "wids" in seconds:
            ratio = seconds["wids touched"] / seconds["ncore view touched"]
            bench.target(
                f"mapped view, {order}, against wids (both touched)", "≥ 1", f"{ratio:.2f}",
                ratio >= 1,
            )  # fmt: skip


def through_zarr(bench: Bench) -> None:
    print("\n## Through zarr: `group[name][...]`, arrays open, one 300 KB chunk each\n")
    columns: list[tuple[str, dict[str, float], int]] = []
    cases: list[tuple[str | None, bool]] = [(None, False)]
    if bench.args.newest_python:
        cases += [(bench.args.newest_python, False), (bench.args.newest_python, True)]
    for python, fused in cases:
        for tuned in (True, False):
            found = bench.ask(
                "through_zarr",
                python=python,
                tuned=tuned,
                directory=bench.place,
                rounds=bench.args.rounds,
                fused=fused,
            )
            name = f"zarr {found['zarr']}" + ", fused" * fused + ", default malloc" * (not tuned)
            if fused and tuned:
                asked = found["synchronous"]
                bench.target(
                    f"zarr {found['zarr']}: the fused pipeline reads without the event loop",
                    "1 get_sync, 0 get",
                    f"{asked['get_sync']} get_sync, {asked['get']} get",
                    asked == {"get": 0, "get_sync": 1},
                )
            columns.append((name, found["seconds"], found["count"]))
    print("µs an array, and x against MemoryStore.\n")
    print("| store | " + " | ".join(f"{name} | x" for name, _, _ in columns) + " |")
    print("|---|" + "--:|--:|" * len(columns))
    for store in columns[0][1]:
        cells = []
        for _, seconds, count in columns:
            cells += [
                f"{seconds[store] / count * 1e6:,.0f}",
                f"{seconds[store] / seconds['MemoryStore']:.2f}",
            ]
        print(f"| {store} | " + " | ".join(cells) + " |")
    for name, seconds, _ in columns:
        if "default" in name:
            continue
        ours = seconds["ncore IndexedTarStore"]
        ratio = seconds["ncore, memory_map=True"] / seconds["MemoryStore"]
        what = f"{name}: against MemoryStore, with memory_map=True"
        bench.target(what, "≤ 1.1", f"{ratio:.2f}", ratio <= 1.1)
        ratio = ours / seconds["MemoryStore"]
        bench.target(
            f"{name}: against MemoryStore, by default", "≤ 1.1", f"{ratio:.2f}", ratio <= 1.1
        )
        for other in ("LocalStore", "ZipStore", "ObjectStore"):
            ratio = seconds[other] / ours
            bench.target(f"{name}: against {other}", "> 1", f"{ratio:.2f}", ratio > 1)


def many_keys(bench: Bench) -> None:
    count, rounds = bench.args.keys, 5
    print(f"\n## {count:,} keys\n")
    legacy = {"python": bench.args.legacy_python}
    path, their_path = f"{bench.place}/keys.itar", f"{bench.place}/nvidia-keys.itar"
    opening = {"rounds": rounds, "count": count}
    key = f"cameras/front/frames/{count // 100}/image/c/7"
    results: dict[str, list[dict[str, Any]]] = {}
    for _ in range(3):  # by turns
        results.setdefault("ours", []).append(
            bench.ask("write_keys", directory=bench.place, count=count)
        )
        results.setdefault("open ours", []).append(bench.ask("open_keys", path=path, **opening))
        reading = {"key": key, "rounds": rounds}
        results.setdefault("read ours", []).append(bench.ask("open_and_read", path=path, **reading))
        if not bench.args.legacy_python:
            continue
        results.setdefault("theirs", []).append(
            bench.ask("nvidia_write_keys", directory=bench.place, count=count, **legacy)
        )
        results.setdefault("open theirs", []).append(
            bench.ask("nvidia_open_keys", path=their_path, **opening, **legacy)
        )
        results.setdefault("read theirs", []).append(
            bench.ask("nvidia_open_and_read", path=their_path, **reading, **legacy)
        )
        results.setdefault("open theirs by ncore", []).append(
            bench.ask("open_keys", path=their_path, **opening)
        )
    found = {
        name: {field: median_of(many, field) for field in many[0]} for name, many in results.items()
    }
    print("Wall clock, and CPU time, which a busy machine disturbs less.\n")
    print(
        "| | write, keys/s | of CPU | of it close, s | open, ms | CPU, ms | bytes retained a key |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    for title, written, opened in (
        ("ncore, its own archive", "ours", "open ours"),
        ("ncore, NVIDIA's archive", "", "open theirs by ncore"),
        ("NVIDIA, its own archive", "theirs", "open theirs"),
    ):
        if opened not in found:
            continue
        cells = [" ", " ", " "]
        if written:
            taken = found[written]
            cells = [f"{count / taken[field]:,.0f}" for field in ("seconds", "cpu")]
            cells.append(f"{taken['close']:.2f}")
        taken = found[opened]
        cells += [f"{taken[field] * 1e3:.0f}" for field in ("seconds", "cpu")]
        print(f"| {title} | " + " | ".join(cells) + f" | {taken['retained']:.0f} |")
    if "theirs" in found:
        for field, clock in (("seconds", "wall"), ("cpu", "CPU")):
            ratio = found["theirs"][field] / found["ours"][field]
            bench.target(
                f"writing {count:,} tiny keys, against NVIDIA, {clock}", "≥ 5", f"{ratio:.1f}",
                ratio >= 5,
            )  # fmt: skip
            for name, what in (("open ours", "ours"), ("open theirs by ncore", "theirs")):
                ratio = found["open theirs"][field] / found[name][field]
                bench.target(
                    f"opening {count:,} keys of {what}, against NVIDIA, {clock}", "≥ 3",
                    f"{ratio:.1f}", ratio >= 3,
                )  # fmt: skip
        for field, clock in (("seconds", "wall"), ("cpu", "CPU")):
            ours, theirs = found["read ours"][field], found["read theirs"][field]
            print(
                f"\nOpening and reading one value, {clock}: {ours * 1e3:.0f} ms, NVIDIA's "
                f"{theirs * 1e3:.0f} ms."
            )
            bench.target(
                f"opening {count:,} keys and reading one, against NVIDIA, {clock}", "≥ 3",
                f"{theirs / ours:.1f}", theirs / ours >= 3,
            )  # fmt: skip
    retained = found["open ours"]["retained"]
    bench.target("bytes retained a key", "≤ 100", f"{retained:.0f}", retained <= 100)

    with ItarReader(path) as reader, ItarWriter(f"{bench.place}/few.itar") as writer:
        for key in reader:
            writer.set(key, b"0123456789abcdef")
        for i in range(10):
            writer.set(f"few/{i}/c" if i % 2 else f"few/{i}", b"0123456789abcdef")
    listed = bench.ask("listing", path=f"{bench.place}/few.itar")
    took = {name: f"{listed[name] * 1e6:.0f} µs" for name in ("list_dir", "getsize_prefix")}
    print(
        f"\nA directory of {listed['children']} among them: `list_dir` {took['list_dir']}, "
        f"`getsize_prefix` {took['getsize_prefix']}; the first call sorts the keys, "
        f"{listed['first'] * 1e3:.0f} ms."
    )
    for name in ("list_dir", "getsize_prefix"):
        met = listed[name] < 1e-3
        bench.target(
            f"`{name}` of ten among {count:,}", "microseconds", f"{listed[name] * 1e6:.0f} µs", met
        )


def first_read(bench: Bench) -> None:
    with ItarReader(f"{bench.place}/values.itar") as reader:
        key = reader.keys()[500]
    found = [bench.ask("first_read", path=f"{bench.place}/values.itar", key=key) for _ in range(15)]
    wall, cpu = median_of(found, "seconds") * 1e3, median_of(found, "cpu") * 1e3
    best = min(result["seconds"] for result in found) * 1e3
    print(
        "\n## First read\n\nOpening an archive of 1,000 values and reading one, in a fresh process "
        f"after its imports: {wall:.2f} ms, of CPU time {cpu:.2f} ms; the best of 15 processes "
        f"{best:.2f} ms."
    )
    bench.target("open + first read of 1,000 values, CPU", "≤ 2 ms", f"{cpu:.2f} ms", cpu <= 2)
    bench.target("the same, best wall clock", "≤ 2 ms", f"{best:.2f} ms", best <= 2)


def writing(bench: Bench) -> None:
    print("\n## Writing 1,000 values of 300 KB, synced\n")
    seconds = bench.ask("write_values", tuned=True, directory=bench.place, rounds=bench.args.rounds)
    print("| writer | MB/s | x |\n|---|--:|--:|")
    for name, taken in seconds.items():
        print(f"| {name} | {300 / taken:,.0f} | {seconds['plain file'] / taken:.2f} |")
    ratio = seconds["plain file"] / seconds["ncore IndexedTarStore"]
    bench.target("300 KB values against a plain file", "≥ 0.8", f"{ratio:.2f}", ratio >= 0.8)
    grown = {
        n: bench.ask("memory", directory=bench.place, megabytes=n)["grown"] for n in (150, 600)
    }
    print(
        "\nPeak memory grows while writing and reading it all by "
        + ", ".join(f"{size / 1e6:.0f} MB for {n} MB" for n, size in grown.items())
        + "."
    )
    met = grown[600] < grown[150] * 1.5 + (8 << 20)
    bench.target(
        "peak memory, 150 MB → 600 MB of data", "independent",
        f"{grown[150] / 1e6:.0f} → {grown[600] / 1e6:.0f} MB", met,
    )  # fmt: skip


def remote(bench: Bench) -> None:
    rng = random.Random(6)
    for file, count, size in (("remote.itar", 1000, 50_000), ("many.itar", 20_000, 2000)):
        with ItarWriter(f"{bench.place}/{file}") as writer:
            for i in range(count):
                writer.set(f"frames/c/{i}", rng.randbytes(size))
    runs = [bench.ask("remote", directory=bench.place, latency=0.02) for _ in range(3)]
    print("\n## Remote: over HTTP, 20 ms a request")
    for file, title in (
        ("remote.itar", "1,000 values of 50 KB"), ("many.itar", "20,000 values of 2 KB"),
    ):  # fmt: skip

        def median(name: str, field: str, file: str = file) -> float:
            return statistics.median(run[f"{file} {name}"][field] for run in runs)

        opened = median("read_many", "open") * 1e3
        requests = median("read_many", "open requests")
        print(f"\n{title}. Opening: {requests:.0f} request, {opened:.0f} ms.\n")
        print("| way | seconds | requests | x against the loop |\n|---|--:|--:|--:|")
        for name in ("loop", "read-ahead", "read_many", "random read_many"):
            taken = median(name, "seconds")
            print(
                f"| {name} | {taken:.2f} | {median(name, 'requests'):,.0f} "
                f"| {median('loop', 'seconds') / taken:.1f} |"
            )
        print("\n320 of them at random, one request each:\n")
        print("| requests at once | seconds | bound by latency alone |\n|---|--:|--:|")
        for width in (1, 4, 16, 64):
            taken = median(f"random, {width} at once", "seconds")
            print(f"| {width} | {taken:.2f} | {-(-320 // width) * 0.02:.2f} |")
        bench.target(f"remote, requests to open, {title}", "1", f"{requests:.0f}", requests == 1)
        ratio = median("loop", "seconds") / median("read-ahead", "seconds")
        bench.target(
            f"remote, read-ahead, {title}, against a loop", "≥ 10", f"{ratio:.1f}", ratio >= 10
        )
        ratio = median("random, 1 at once", "seconds") / median("random, 16 at once", "seconds")
        bench.target(
            f"remote, random, {title}, 16 at once against 1", "bounded by concurrency",
            f"{ratio:.1f}", ratio >= 10,
        )  # fmt: skip


SECTIONS = {
    "raw": raw_reads,
    "zarr": through_zarr,
    "keys": many_keys,
    "first": first_read,
    "write": writing,
    "remote": remote,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--newest-python", help="Python with the newest zarr")
    parser.add_argument("--legacy-python", help="Python that can import nvidia-ncore")
    parser.add_argument("--wids", help="directory that holds wids")
    parser.add_argument("--directory", help="where to write (default: the temporary directory)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--keys", type=int, default=200_000)
    parser.add_argument("--json", type=Path, help="write the ratios to this file")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.directory) as place:
        bench = Bench(args, place)
        make_values(place, 1000)
        print("# The itar store beside its peers\n")
        load = os.getloadavg()[0]
        print(
            f"`python -m benchmarks.store`, Python {platform.python_version()}, "
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, load {load:.1f} at "
            "the start. Contenders take turns inside one process, every few values; figures "
            f"are medians of {args.rounds} rounds. Gaps under 15 % are ties."
        )
        for name in args.sections:
            SECTIONS[name](bench)
            sys.stdout.flush()
        print("\n## Targets\n\n| what | target | measured | met |\n|---|---|--:|---|")
        for what, target, measured, met in bench.verdicts:
            print(f"| {what} | {target} | {measured} | {'yes' if met else '**no**'} |")
        if args.json:
            args.json.write_text(json.dumps({"ratios": bench.ratios()}, indent=1))


if __name__ == "__main__":
    main()
