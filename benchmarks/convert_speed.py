"""The converter beside what a user would do instead, in one run.

Example::

    python benchmarks/convert_speed.py --gigabytes 2 --rounds 3 --folder .

Both sides of a row get the same data and take turns; printed is a Markdown table of
medians, ratios and whether the target was met. CPU time and memory are those of a
whole process that converts. Nothing is removed before the last round of a row is over:
ext4 makes files slowly for a minute after many were removed.

- *copy*: an archive of large chunks to an archive, beside ``cp`` and a sync, and
  beside reading everything through zarr and writing it again.
- *in place*: 1,000 arrays.
- *re-encode*: float64 to sharded zstd, beside zarr with zarrs' pipeline.
- *tiny*: 50,000 chunks of 100 bytes, beside ``zarr migrate v3`` and a copy; ``cp`` and
  a sync alone are the floor of whatever makes as many files.
"""

# bazel: optional = ["zarrs"]

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from zarr.metadata.migrate_v3 import migrate_v2_to_v3

from ncore.convert.conversion import convert
from ncore.convert.in_place import convert_directory_in_place
from ncore.convert.options import ConvertOptions
from ncore.convert.relayout import Layout, parse_compressor
from ncore.itar.writer import ItarWriter
from ncore.stores.indexed_tar import IndexedTarStore

warnings.simplefilter("ignore")

FLAT_MB = 64
UNVERIFIED = ConvertOptions(verify="none", jobs=len(os.sched_getaffinity(0)))
RATIOS: list[dict[str, Any]] = []
SHARDS = Layout(chunks=(256, 256), shards=(2048, 2048), compressor=parse_compressor("zstd:3"))


def main() -> None:
    """Run the rows and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    parser.add_argument("--rows", default="copy,in-place,re-encode,tiny")
    parser.add_argument("--json", type=Path, help="write the ratios to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child is not None:
        _child(*json.loads(args.child))
        return
    rows = args.rows.split(",")
    print("| row | side | median | ratio | target | met |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        if "copy" in rows:
            copy_row(folder, int(args.gigabytes * 1e9), args.rounds)
        if "in-place" in rows:
            in_place_row(folder, args.rounds)
        if "re-encode" in rows:
            reencode_row(folder, args.rounds)
        if "tiny" in rows:
            tiny_row(folder, args.rounds)
    if args.json:
        args.json.write_text(json.dumps({"ratios": RATIOS}, indent=1))


def race(rounds: int, **sides: Callable[[], None]) -> dict[str, float]:
    """Median seconds of each side; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            os.sync()
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def line(row: str, side: str, value: str, ratio: str = "", target: str = "", met: str = "") -> None:
    """Print one line of the table."""
    print(f"| {row} | {side} | {value} | {ratio} | {target} | {met} |", flush=True)


def show(
    row: str,
    medians: dict[str, float],
    targets: dict[tuple[str, str], float],
    size: int = 0,
) -> None:
    """Print medians, and for each pair (ours, peer) the peer's time by ours."""
    for name, seconds in medians.items():
        speed = f", {size / seconds / 1e6:.0f} MB/s" if size else ""
        line(row, name, f"{seconds:.3f} s{speed}")
    for (ours, peer), target in targets.items():
        ratio = medians[peer] / medians[ours]
        met = "yes" if ratio >= target else "no"
        line(row, f"{ours} against {peer}", "", f"{ratio:.2f}", f">= {target:g}", met)
        what = f"convert: {row}" if ours == "ncore" else f"convert: {row} ({ours})"
        RATIOS.append({"what": what, "beside": peer, "ratio": ratio})


def copy_row(folder: Path, size: int, rounds: int) -> None:
    """An archive of chunks of a few MB."""
    source = folder / "old.zarr.itar"
    # Coordinates as a lidar gives them: compressed by blosc, as zarr 2 does by default.
    chunk = np.random.default_rng(0).normal(size=(1000, 1000)).round(2).astype("f4")
    blosc = numcodecs.Blosc("lz4", 5, numcodecs.Blosc.BITSHUFFLE)
    stored = len(blosc.encode(chunk))
    count = max(1, size // stored)
    size = count * stored
    metadata = {
        "zarr_format": 2,
        "shape": [1000 * count, 1000],
        "chunks": [1000, 1000],
        "dtype": "<f4",
        "compressor": blosc.get_config(),
        "filters": None,
        "fill_value": 0,
        "order": "C",
    }
    with ItarWriter(source) as writer:
        writer.set(".zgroup", b'{"zarr_format": 2}')
        writer.set("a/.zarray", json.dumps(metadata).encode())
        for i in range(count):
            writer.set(f"a/{i}.0", blosc.encode(chunk + np.float32(i % 7)))
    target = folder / "new.zarr.itar"

    def ours() -> None:
        target.unlink(missing_ok=True)
        convert(str(source), str(target), UNVERIFIED)

    def cp() -> None:
        copied = folder / "cp"
        copied.unlink(missing_ok=True)
        subprocess.run(["cp", "--reflink=never", source, copied], check=True)
        fd = os.open(copied, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    def naive() -> None:
        copied = folder / "naive"
        copied.unlink(missing_ok=True)
        old = zarr.open_group(IndexedTarStore(source), mode="r")["a"]
        with IndexedTarStore(copied, "w") as store:
            new = zarr.open_group(store, mode="w").create_array(
                "a", shape=old.shape, chunks=old.chunks, dtype=old.dtype
            )
            for i in range(count):
                new[1000 * i : 1000 * (i + 1)] = old[1000 * i : 1000 * (i + 1)]

    medians = race(rounds, ncore=ours, **{"cp and fsync": cp, "zarr to zarr": naive})
    targets = {("ncore", "cp and fsync"): 0.8, ("ncore", "zarr to zarr"): 10.0}
    show("copy", medians, targets, size)
    target.unlink()
    (folder / "cp").unlink()
    (folder / "naive").unlink()
    code = [str(source), str(target)]
    done = subprocess.run(
        [sys.executable, __file__, "--child", json.dumps(code)], check=True, capture_output=True
    )
    usage = json.loads(done.stdout)
    cores, grown = usage["cpu"] / usage["seconds"], usage["after"] - usage["before"]
    met = "yes" if cores < 1 else "no"
    line("copy", "ncore, CPU", f"{cores:.2f} cores", "", "< 1 core", met)
    met = "yes" if grown < FLAT_MB else "no"
    line("copy", "ncore, memory grown", f"{grown:.0f} MB", "", f"< {FLAT_MB} MB", met)
    source.unlink()
    target.unlink()


def _child(source: str, target: str) -> None:
    """Convert alone in a process, and tell what it took."""

    def anonymous() -> float:
        status = Path("/proc/self/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields["RssAnon"].split()[0]) / 1024

    convert(source, None, UNVERIFIED)  # imports are not what is measured
    before = anonymous()
    began, usage = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    convert(source, target, UNVERIFIED)
    now = resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - usage.ru_utime - usage.ru_stime
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "cpu": cpu, "before": before, "after": anonymous()}))


def in_place_row(folder: Path, rounds: int) -> None:
    """1,000 arrays in 100 groups."""
    pristine = folder / "pristine.zarr"
    root = zarr.open_group(pristine, mode="w", zarr_format=2)
    for g in range(100):
        group = root.create_group(f"g{g}")
        for a in range(10):
            group.create_array(f"a{a}", data=np.arange(10), chunks=(5,))
    store = folder / "in-place.zarr"
    seconds = []
    for _ in range(rounds):
        shutil.copytree(pristine, store)
        os.sync()
        started = time.perf_counter()
        convert_directory_in_place(store, UNVERIFIED)
        seconds.append(time.perf_counter() - started)
        shutil.rmtree(store)
    median = statistics.median(seconds)
    met = "yes" if median < 1 else "no"
    line("in place, 1,000 arrays", "ncore", f"{median:.3f} s", "", "< 1 s", met)
    shutil.rmtree(pristine)


def reencode_row(folder: Path, rounds: int) -> None:
    """Smooth float64 of 512 MB to shards of zstd."""
    source, target, other = folder / "be.zarr", folder / "be3.zarr", folder / "zarrs.zarr"
    shape = (8192, 8192)
    row = np.cumsum(np.random.default_rng(1).normal(size=shape[1]).round(2))
    values = (row + np.arange(shape[0])[:, None]).astype("<f8")
    zarr.create_array(source, data=values, chunks=(1024, 1024), zarr_format=2)

    def ours() -> None:
        shutil.rmtree(target, ignore_errors=True)
        convert(
            str(source),
            str(target),
            ConvertOptions(layout=SHARDS, verify="none", jobs=UNVERIFIED.jobs),
        )

    def with_zarrs() -> None:
        shutil.rmtree(other, ignore_errors=True)
        with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
            old = zarr.open_array(source, mode="r")
            new = zarr.create_array(
                other,
                shape=shape,
                dtype="f8",
                chunks=(256, 256),
                shards=(2048, 2048),
                compressors=zarr.codecs.ZstdCodec(level=3),
            )
            for i in range(0, shape[0], 2048):
                for j in range(0, shape[1], 2048):
                    new[i : i + 2048, j : j + 2048] = old[i : i + 2048, j : j + 2048]
        os.sync()

    medians = race(rounds, ncore=ours, **{"zarr with zarrs": with_zarrs})
    targets = {("ncore", "zarr with zarrs"): 1.0}
    show("re-encode to zstd shards", medians, targets, values.nbytes)
    for path in (source, target, other):
        shutil.rmtree(path)


def tiny_row(folder: Path, rounds: int) -> None:
    """50,000 chunks of 100 bytes in an archive; the peer needs a directory."""
    source, archive = folder / "tiny.zarr", folder / "tiny.zarr.itar"
    metadata = {
        "zarr_format": 2,
        "shape": [500_000],
        "chunks": [100],
        "dtype": "|u1",
        "compressor": None,
        "filters": None,
        "fill_value": 0,
        "order": "C",
    }
    entries = {".zgroup": b'{"zarr_format": 2}'}
    for a in range(10):
        entries[f"a{a}/.zarray"] = json.dumps(metadata).encode()
        entries.update((f"a{a}/{i}", bytes([i % 256]) * 100) for i in range(5000))
    with ItarWriter(archive) as writer:
        for key, data in entries.items():
            writer.set(key, data)
            (source / key).parent.mkdir(parents=True, exist_ok=True)
            (source / key).write_bytes(data)
    made = iter(range(1000))

    def fresh(name: str) -> Path:
        return folder / f"{next(made)}-{name}"

    def ours() -> None:
        convert(str(archive), str(fresh("new.zarr.itar")), UNVERIFIED)

    def directories() -> None:
        convert(str(source), str(fresh("new.zarr")), UNVERIFIED)

    def linked() -> None:
        convert(str(source), str(fresh("new.zarr")), replace(UNVERIFIED, link=True))

    def copied() -> Path:
        copy = fresh("copy.zarr")
        subprocess.run(["cp", "-r", source, copy], check=True)
        return copy

    def migrate() -> None:
        # What the command line `zarr migrate v3` calls, in this process as ours.
        migrate_v2_to_v3(input_store=zarr.storage.LocalStore(copied()))
        os.sync()

    def floor() -> None:
        copied()
        os.sync()

    peer = "cp -r, zarr migrate"
    names = ("ncore, archives", "ncore --link, directories", "ncore, directories")
    sides = dict(zip(names, (ours, linked, directories), strict=True))
    medians = race(rounds, **sides, **{peer: migrate, "cp -r and sync": floor})
    show("50,000 tiny chunks", medians, {(name, peer): 5.0 for name in names})


if __name__ == "__main__":
    main()
