"""Uploads to and downloads from a DANDI archive, beside dandi-cli, in one run.

Example::

    python benchmarks/transfer_dandi.py --peer ~/dandi/bin/dandi --rounds 3

Both sides are run as a user runs them, one after the other, against the same
archive on loopback (`ncore.transfer.testing.dandi_server`, in a process of its
own, its state in memory), and must leave the same bytes. Printed are medians
of wall time, CPU time and peak memory of the client, requests served, and CPU
time of the server.
"""

# bazel: data = ["transfer_checksum_peer.py"]

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ncore.transfer.testing.archive import synthetic_zarr

DANDISET = "000001"
MEGABYTE = 1 << 20


class Run(NamedTuple):
    """One command: what it cost its process, and the server."""

    seconds: float
    cpu: float
    megabytes: float
    requests: int
    server: float


class Server:
    """The archive, in a process of its own."""

    def __init__(self, zarrs: list[str]) -> None:
        arguments = [f"--zarr={text}" for text in zarrs]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ncore.transfer.testing.dandi_server", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self.api, self.token = told["api"], told["token"]
        self.host = self.api.removeprefix("http://").removesuffix("/api")

    @property
    def draft(self) -> str:
        """Location of the draft."""
        return f"{self.api}/dandisets/{DANDISET}/versions/draft/"

    def asset(self, path: str) -> str:
        """Location of an asset."""
        return f"{self.draft}assets/?path={path}"

    def traffic(self) -> dict[str, Any]:
        """What was asked since this was last called."""
        with urllib.request.urlopen(f"http://{self.host}/_traffic") as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def checksum(self, path: str) -> str | None:
        """A zarr's checksum as the server computed it."""
        with urllib.request.urlopen(self.asset(path)) as answer:
            (asset,) = json.load(answer)["results"]
        with urllib.request.urlopen(f"{self.api}/zarr/{asset['zarr']}/") as answer:
            found: str | None = json.load(answer)["checksum"]
        return found

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def measure(server: Server, command: list[str], directory: Path) -> Run:
    """Run a client to its end."""
    environment = {
        **os.environ,
        f"{server.host}_API_KEY": server.token,
        "DANDI_NO_ET": "1",
        "PYTHONPATH": str(Path(__file__).parents[1]) if command[0] == sys.executable else "",
    }
    # What was left unwritten before is not this command's: ncore ends with a sync of
    # the file system, which would wait for all of it; dandi-cli syncs nothing.
    os.sync()
    before = server.traffic()
    log = directory / "output"
    begun = time.perf_counter()
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed:\n{log.read_text()}")
    seen = server.traffic()
    scale = MEGABYTE if sys.platform == "darwin" else 1024
    return Run(
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / scale,
        sum(seen["requests"].values()),
        seen["cpu_seconds"] - before["cpu_seconds"],
    )


def digest_of(root: Path) -> str:
    """Digest of the files in a directory, by key."""
    h = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        h.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
        h.update(path.read_bytes())
    return h.hexdigest()


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory for the time being."""
    with tempfile.TemporaryDirectory(prefix="transfer-benchmark-") as name:
        yield Path(name)


class Bench:
    """The measurements, both sides in turn."""

    def __init__(self, peer: str, rounds: int, scale: float, home: Path) -> None:
        self.peer = peer
        self.home = home
        self.rounds = rounds
        self.scale = scale
        self.ours = [sys.executable, "-m", "ncore.cli.main", "transfer"]
        self.rows: list[dict[str, Any]] = []

    def directory(self) -> Path:
        """A new directory. All are kept until the end: for some seconds after many files
        have been deleted, ext4 takes several times as long to make new ones."""
        return Path(tempfile.mkdtemp(dir=self.home))

    def compare(self, name: str, once: dict[str, Callable[[int], Run]], files: int = 0) -> None:
        """Run both sides in turn and keep the medians."""
        runs: dict[str, list[Run]] = {side: [] for side in once}
        for i in range(self.rounds):
            for side, run in once.items():
                runs[side].append(run(i))
        row: dict[str, Any] = {"what": name}
        for side, several in runs.items():
            middle = Run(*(statistics.median(column) for column in zip(*several, strict=True)))
            row[side] = middle._asdict()
        row["ratio"] = row["dandi"]["seconds"] / row["ncore"]["seconds"]
        row["cpu_ratio"] = row["dandi"]["cpu"] / row["ncore"]["cpu"]
        self.rows.append(row)
        for side in runs:
            m = row[side]
            rate = f"{files / m['seconds']:8.0f} files/s" if files else " " * 16
            print(
                f"{name:28} {side:6} {m['seconds']:7.2f} s {rate} {m['cpu']:6.2f} s CPU "
                f"{m['megabytes']:5.0f} MB {m['requests']:6.0f} requests, "
                f"server {m['server']:.2f} s CPU",
                flush=True,
            )
        print(f"{'':28} ratio  {row['ratio']:7.1f} (CPU {row['cpu_ratio']:.1f})\n", flush=True)

    def up_and_down(self, name: str, chunks: int, size: int) -> None:
        """Upload a zarr, download it."""
        server = Server([])
        try:
            with scratch() as home:
                (home / "dandiset.yaml").write_text(f"identifier: DANDI:{DANDISET}\n")
                source = home / "source.zarr"
                # In a process of its own: what this one has held would count
                # as memory of the clients that it starts.
                writing = multiprocessing.Process(target=write_zarr, args=(source, chunks, size))
                writing.start()
                writing.join()
                count = chunks + 4

                def up(side: str) -> Callable[[int], Run]:
                    def run(i: int) -> Run:
                        tree = home / f"{side}-{i}.zarr"
                        source.rename(tree)
                        try:
                            return measure(server, self._upload(side, server, tree), home)
                        finally:
                            tree.rename(source)

                    return run

                self.compare(f"upload {name}", {"dandi": up("dandi"), "ncore": up("ncore")}, count)
                sums = {server.checksum(f"{side}-0.zarr") for side in ("dandi", "ncore")}
                assert len(sums) == 1, sums

                def down(side: str) -> Callable[[int], Run]:
                    def run(i: int) -> Run:
                        out, place = self.directory(), server.asset("ncore-0.zarr")
                        run = measure(server, self._download(side, place), out)
                        assert digest_of(out / "ncore-0.zarr") == digest_of(source)
                        return run

                    return run

                self.compare(
                    f"download {name}", {"dandi": down("dandi"), "ncore": down("ncore")}, count
                )
        finally:
            server.close()

    def parts_of_a_large_zarr(self, chunks: int) -> None:
        """Metadata, one group, one changed file of a zarr of many chunks."""
        server = Server([f"big.zarr:{chunks}:8"])
        try:

            def get(side: str, *more: str) -> Callable[[int], Run]:
                def run(i: int) -> Run:
                    place = server.asset("big.zarr")
                    return measure(server, [*self._download(side, place), *more], self.directory())

                return run

            for name, selection in (
                ("metadata", "metadata"),
                ("100 chunks", "path:0/7"),
                ("one file", "path:0/.zarray"),
            ):
                more = ("--zarr", selection)
                self.compare(
                    f"{name} of {chunks:,}",
                    {"dandi": get("dandi", *more), "ncore": get("ncore", *more)},
                )

            def patch(side: str) -> Callable[[int], Run]:
                def run(i: int) -> Run:
                    with scratch() as home:
                        (home / "dandiset.yaml").write_text(f"identifier: DANDI:{DANDISET}\n")
                        tree = home / "big.zarr"
                        tree.mkdir()
                        (tree / ".zgroup").write_text('{"zarr_format": 2}')
                        (tree / ".zattrs").write_text(json.dumps({"by": side, "round": i}))
                        command = self._upload(side, server, tree)
                        return measure(server, [*command, "--zarr-mode", "patch"], home)

                return run

            self.compare(
                f"patch one file of {chunks:,}", {"dandi": patch("dandi"), "ncore": patch("ncore")}
            )
        finally:
            server.close()

    def _upload(self, side: str, server: Server, tree: Path) -> list[str]:
        if side == "ncore":
            return [*self.ours, "upload", str(tree), "--to", server.draft]
        url = f"http://{server.host}"
        return [self.peer, "upload", "-i", url, "--validation", "skip", tree.name]

    def _download(self, side: str, place: str) -> list[str]:
        return [*(self.ours if side == "ncore" else [self.peer]), "download", place]


def write_zarr(root: Path, chunks: int, size: int) -> None:
    """Write a synthetic zarr."""
    for key, data in synthetic_zarr(chunks, size, random.Random(1)).items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def checksums(peer_python: str, entries: int, rounds: int) -> list[dict[str, Any]]:
    """The checksum of many entries, both libraries in processes of their own, in turn."""
    script = Path(__file__).with_name("transfer_checksum_peer.py")
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    rows = []
    for layout in ("wide", "deep"):
        results: dict[str, list[dict[str, Any]]] = {"zarr_checksum": [], "ncore": []}
        for _ in range(rounds):
            for side, python in (("zarr_checksum", peer_python), ("ncore", sys.executable)):
                command = [python, str(script), side, layout, str(entries)]
                told = subprocess.run(command, env=environment, capture_output=True, check=True)
                results[side].append(json.loads(told.stdout))
        assert len({one["checksum"] for several in results.values() for one in several}) == 1
        row: dict[str, Any] = {"what": f"checksum of {entries:,} entries, {layout}"}
        for side, several in results.items():
            row[side] = {
                k: statistics.median(o[k] for o in several) for k in ("seconds", "cpu", "megabytes")
            }
            print(
                f"{row['what']:40} {side:14} {row[side]['seconds']:7.2f} s "
                f"{row[side]['cpu']:7.2f} s CPU "
                f"{row[side]['megabytes']:5.0f} MB",
                flush=True,
            )
        row["ratio"] = row["zarr_checksum"]["seconds"] / row["ncore"]["seconds"]
        row["cpu_ratio"] = row["zarr_checksum"]["cpu"] / row["ncore"]["cpu"]
        ratios = f"{row['ratio']:7.1f} (CPU {row['cpu_ratio']:.1f})"
        print(f"{'':40} {'ratio':14} {ratios}\n", flush=True)
        rows.append(row)
    return rows


def run(bench: Bench, only: str) -> list[dict[str, Any]]:
    """Measure what was asked for."""

    def size(full: int) -> int:
        return max(1, int(full * bench.scale))

    if only in ("", "small"):
        bench.up_and_down(f"{size(5000):,} x 1 KB", size(5000), 1000)
    if only in ("", "big"):
        bench.up_and_down(f"{size(200):,} x 1 MiB", size(200), MEGABYTE)
    if only in ("", "parts"):
        bench.parts_of_a_large_zarr(size(100_000))
    rows = bench.rows
    if only in ("", "checksum"):
        python = str(Path(bench.peer).with_name("python"))
        rows += checksums(python, size(1_000_000), bench.rounds)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peer", required=True, help="the program dandi of dandi-cli")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="small, big, parts or checksum")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the full sizes")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    peer = str(Path(shutil.which(options.peer) or options.peer).absolute())
    with scratch() as home:
        rows = run(Bench(peer, options.rounds, options.scale, home), options.only)
    if options.json:
        told = {"machine": platform.platform(), "cpus": os.cpu_count(), "rows": rows}
        Path(options.json).write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
