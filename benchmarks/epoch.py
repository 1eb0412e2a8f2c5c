"""A shuffled epoch over 10,000 images of 300 KB, without decoding, beside the peers, in one run.

Example::

    python -m benchmarks epoch          # makes the environment with the peers first
    python benchmarks/epoch.py --python ~/peers/bin/python --images 1000

Every reader runs in a process of its own and gets the same images in the same
orders. An epoch visits every image once (of a slow reader, as many as --limit
allows). In one process the reader and a bare ``os.pread`` take turns every 100
images; with two workers each reads its half, both at the same time, and both do
so with ``os.pread``, before or after by turns. So whatever the machine does
meanwhile befalls both, and the ratios are medians over epochs. The first epoch is
not counted, and files are synced before they are read. The cold start is from the
first line of a new Python to the first image. WebDataset has no random access; its
indexed form is wids.

How memory is allocated matters as much as how files are read: glibc gives back
large blocks when they are freed and takes page faults when it asks for them
again, or does not, as the heap happens to lie. Measured is both with
MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ at 1 GiB, which ends that for
all readers, and as Python comes.

On a virtual machine any process may fall to about 1 GB/s for some seconds, with all
its time in user mode, no page fault and no block read: the host has taken back the
memory that the page cache lies in, and gives it again page by page as it is touched,
by whatever reader. Such a figure says nothing of the reader; run that one again (--only).
"""

# bazel: data = ["epoch_reader.py"]

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TUNED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
READERS = (
    "os.pread",
    "ncore",
    "ncore, in place",
    "wids",
    "MosaicML MDS",
    "ArrayRecord, Grain",
    "HDF5 (h5py)",
    "Parquet (pyarrow)",
    "zarr LocalStore",
    "zarr ZipStore",
)


def make_images(folder: Path, count: int) -> None:
    """Write ``count`` incompressible images of 200 to 400 KB end to end."""
    made = random.Random(0)
    pool = made.randbytes(8 << 20)
    offsets = [0]
    with (folder / "images.bin").open("wb") as file:
        for _ in range(count):
            size = made.randrange(200_000, 400_000)
            start = made.randrange(len(pool) - size)
            file.write(pool[start : start + size])
            offsets.append(offsets[-1] + size)
    (folder / "offsets.json").write_text(json.dumps(offsets))


def command(python: str, name: str, folder: Path, action: str, **arguments: Any) -> list[str]:
    """Return the command line of one action of one reader."""
    reader = str(HERE / "epoch_reader.py")
    return [python, "-W", "ignore", reader, name, str(folder), action, json.dumps(arguments)]


def environment(tuned: bool) -> dict[str, str]:
    """Return what the readers' processes see: ncore from this tree."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **(TUNED if tuned else {})}


def ask(
    python: str, name: str, folder: Path, action: str, *, tuned: bool = True, **arguments: Any
) -> dict[str, Any]:
    """Run one action; raise RuntimeError with its last words if it fails."""
    process = subprocess.run(
        command(python, name, folder, action, **arguments),
        capture_output=True,
        text=True,
        env=environment(tuned),
        check=False,
    )
    if process.returncode:
        words = process.stderr.strip().splitlines() or ["no message"]
        raise RuntimeError(words[-1])
    answer: dict[str, Any] = json.loads(process.stdout.strip().splitlines()[-1])
    return answer


def two_workers(python: str, name: str, folder: Path, epochs: int, limit: float) -> list[Any]:
    """Let two processes share each epoch; every phase begins together.

    Returns:
        By round the figures of both added up: MB/s of the reader, of os.pread.
    """
    workers = [
        subprocess.Popen(
            command(python, name, folder, "epochs", epochs=epochs, limit=limit, rank=r, ranks=2),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(True),
        )
        for r in range(2)
    ]
    for _ in range(2 * (epochs + 1)):
        for worker in workers:
            assert worker.stdout is not None
            while (line := worker.stdout.readline()) and line != "ready\n":
                pass
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
    answers = [json.loads(w.communicate()[0].strip().splitlines()[-1])["rounds"] for w in workers]
    return [
        [sum(size / seconds / 1e6 for size, seconds in phase) for phase in zip(*both, strict=True)]
        for both in zip(*answers, strict=True)
    ]


def measure(python: str, name: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one reader."""
    written = ask(python, name, folder, "write")["seconds"]
    found: dict[str, Any] = {"write": written}
    alone = {"epochs": args.epochs, "limit": args.limit, "rank": 0, "ranks": 1}
    for kind, tuned in (("one", True), ("default", False)):
        rounds = ask(python, name, folder, "epochs", tuned=tuned, **alone)["rounds"]
        rates = [[size / seconds / 1e6 for size, seconds in both] for both in rounds]
        found[kind] = {
            "rate": statistics.median(ours for ours, _ in rates),
            "ratio": statistics.median(ours / pread for ours, pread in rates),
        }
    both = two_workers(python, name, folder, args.epochs, args.limit)
    found["two"] = {
        "rate": statistics.median(ours for ours, _ in both),
        "ratio": statistics.median(ours / pread for ours, pread in both),
    }
    found["cold"] = statistics.median(
        ask(python, name, folder, "cold", index=args.images * i // args.cold % 900)["seconds"]
        for i in range(args.cold)
    )
    return found


def table(results: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = [
        "| reader | one process, MB/s | x `os.pread` | two workers, MB/s | x `os.pread` "
        "| default malloc, MB/s | x `os.pread` | import to first image, s | writing, s |",
        "|---|" + "--:|" * 8,
    ]
    known = {name: found for name, found in results.items() if "error" not in found}
    for name, found in sorted(known.items(), key=lambda item: -item[1]["one"]["ratio"]):
        label = f"**{name}**" if name.startswith("ncore") else name
        cells = [
            f"{found[kind]['rate']:,.0f} | {found[kind]['ratio']:.2f}"
            for kind in ("one", "two", "default")
        ]
        lines.append(
            f"| {label} | {' | '.join(cells)} | {found['cold']:.2f} | {found['write']:.1f} |"
        )
    lines += [
        f"| {name} | not measured: {found['error']}" + " |" * 8
        for name, found in results.items()
        if "error" in found
    ]
    return "\n".join(lines)


def ratios(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return ours beside os.pread and beside the fastest peer."""
    known = {name: found for name, found in results.items() if "error" not in found}
    peers = [name for name in known if not name.startswith("ncore") and name != "os.pread"]
    told: list[dict[str, Any]] = []
    if "ncore" not in known:
        return told
    for kind, where in (("one", "one process"), ("two", "two workers")):
        what = f"shuffled epoch, {where}"
        ours = known["ncore"][kind]["ratio"]
        told.append({"what": what, "beside": "os.pread", "ratio": ours})
        if peers:
            best = max(peers, key=lambda name: known[name][kind]["ratio"])
            told.append({"what": what, "beside": best, "ratio": ours / known[best][kind]["ratio"]})
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="interpreter with the peers")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=4, help="that are counted")
    parser.add_argument("--cold", type=int, default=3, help="repetitions of the cold start")
    parser.add_argument("--limit", type=float, default=1.5, help="seconds an epoch may take")
    parser.add_argument("--only", action="append", help="one reader; may be repeated")
    parser.add_argument("--directory", type=Path, help="where to write the files (30 GB)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=args.directory) as name:
        folder = Path(name)
        make_images(folder, args.images)
        keep = {"images.bin", "offsets.json"}
        for reader in args.only or READERS:
            print(f"{reader} ...", file=sys.stderr, flush=True)
            try:
                results[reader] = measure(args.python, reader, folder, args)
            except (RuntimeError, json.JSONDecodeError, IndexError, BrokenPipeError) as error:
                results[reader] = {"error": str(error)[:120]}
            if reader != "ncore":  # whose archive the next reader reads
                for path in folder.iterdir():
                    if path.name not in keep:
                        subprocess.run(["rm", "-rf", str(path)], check=True)
    print(
        f"\nA shuffled epoch over {args.images:,} images of 200 to 400 KB in the page cache, no "
        f"decoding; medians of {args.epochs} epochs. The factors are against an `os.pread` loop "
        "in the same process at the same time. *In place* is the same source with a decoder, "
        "which gets the image where the file is mapped: this one reads every page of it and "
        "copies nothing. zarr's stores hold 1,000 of the images.\n"
    )
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps({"readers": results, "ratios": ratios(results)}, indent=1))


if __name__ == "__main__":
    main()
