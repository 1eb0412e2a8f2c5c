"""A shuffled epoch over 10,000 images of 300 KB, without decoding, beside the peers, in one run.

Example::

    python -m benchmarks epoch          # makes the environment with the peers first
    python benchmarks/epoch.py --python ~/peers/bin/python --images 1000

Every reader runs in a process of its own and gets the same images in the same
orders. An epoch visits every image once; in the same process ``os.pread`` then
visits them in the same order, and the ratio is of the medians. With two workers
each is a process that reads its half and keeps it, as a training worker that decodes
does. The cold start is from the first line of a new Python to the first image.
WebDataset has no random access; its indexed form is wids.
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


def environment() -> dict[str, str]:
    """Return what the readers' processes see: ncore from this tree."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def ask(python: str, name: str, folder: Path, action: str, **arguments: Any) -> dict[str, Any]:
    """Run one action; raise RuntimeError with its last words if it fails."""
    process = subprocess.run(
        command(python, name, folder, action, **arguments),
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    if process.returncode:
        words = process.stderr.strip().splitlines() or ["no message"]
        raise RuntimeError(words[-1])
    answer: dict[str, Any] = json.loads(process.stdout.strip().splitlines()[-1])
    return answer


def rate(found: dict[str, float]) -> float:
    """Return MB/s."""
    return found["bytes"] / found["seconds"] / 1e6


def two_workers(python: str, name: str, folder: Path, epochs: int, limit: float) -> float:
    """Return the median MB/s of two processes that share each epoch and begin it together."""
    workers = [
        subprocess.Popen(
            command(python, name, folder, "epochs", epochs=epochs, limit=limit, rank=r, ranks=2),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )
        for r in range(2)
    ]
    for _ in range(epochs):
        for worker in workers:
            assert worker.stdout is not None
            while (line := worker.stdout.readline()) and line != "ready\n":
                pass
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
    answers = [json.loads(w.communicate()[0].strip().splitlines()[-1])["rounds"] for w in workers]
    return statistics.median(sum(map(rate, both)) for both in zip(*answers, strict=True))


def measure(python: str, name: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one reader."""
    written = ask(python, name, folder, "write")["seconds"]
    one = ask(python, name, folder, "epochs", epochs=args.epochs, limit=args.limit, rank=0, ranks=1)
    rounds = one["rounds"]
    cold = [
        ask(python, name, folder, "cold", index=args.images * i // args.cold % 900)["seconds"]
        for i in range(args.cold)
    ]
    return {
        "one": statistics.median(map(rate, rounds)),
        "ratio": statistics.median(rate(r) / rate(r["pread"]) for r in rounds),
        "two": two_workers(python, name, folder, args.epochs, args.limit),
        "cold": statistics.median(cold),
        "write": written,
    }


def table(results: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = [
        "| reader | one process, MB/s | x `os.pread` | two workers, MB/s "
        "| import to first image, s | writing, s |",
        "|---|---|---|---|---|---|",
    ]
    known = {name: found for name, found in results.items() if "error" not in found}
    for name, found in sorted(known.items(), key=lambda item: -item[1]["ratio"]):
        label = f"**{name}**" if name.startswith("ncore") else name
        lines.append(
            f"| {label} | {found['one']:,.0f} | {found['ratio']:.2f} | {found['two']:,.0f} "
            f"| {found['cold']:.2f} | {found['write']:.1f} |"
        )
    lines += [
        f"| {name} | not measured: {found['error']} | | | | |"
        for name, found in results.items()
        if "error" in found
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="interpreter with the peers")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--cold", type=int, default=5, help="repetitions of the cold start")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds an epoch may take")
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
        f"\nA shuffled epoch over {args.images:,} images of 200 to 400 KB, no decoding; medians\n"
    )
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
