"""What benchmarks/store.py runs in processes of its own: one task a process, JSON in and out.

Example::

    python benchmarks/store_user.py '{"task": "raw", "directory": "...", "rounds": 5}'

NVIDIA's tasks (``nvidia_*``) run in the environment of the original, where this
project's ``ncore`` must not be found; all others in one with this project.
"""

# bazel: optional = ["wids"]

import asyncio
import gc
import json
import mmap
import os
import random
import resource
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.store_contest import contest

warnings.simplefilter("ignore")

VALUE = 300_000


def raw(directory: str, rounds: int) -> dict[str, Any]:
    """Read every value of the archive, in file order and at random."""
    from ncore.itar.reader import ItarReader
    from ncore.stores.indexed_tar import IndexedTarStore

    path = f"{directory}/values.itar"
    store = IndexedTarStore(path)
    reader = ItarReader(path)
    spans = {key: reader.entry(key)[1:3] for key in reader}
    largest = max(size for _, size in spans.values())
    fd = os.open(path, os.O_RDONLY)
    reused = bytearray(largest)
    window = memoryview(reused)
    whole = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
    found: dict[str, Any] = {"bytes": sum(size for _, size in spans.values())}

    def into(key: str) -> memoryview:
        offset, size = spans[key]
        part = window[:size]
        os.preadv(fd, [part], offset)
        return part

    def touch(view: Any) -> int:
        # One byte of every page, as a decoder that reads it all would fault them in.
        return sum(view[::4096])

    readers: dict[str, Callable[[str], object]] = {
        "os.pread": lambda key: os.pread(fd, spans[key][1], spans[key][0]),
        "ncore ItarReader.read": reader.read,
        "ncore IndexedTarStore.read": store.read,
        "os.preadv, reused buffer": into,
        "ncore read_into": lambda key: reader.read_into(key, reused),
        "mmap slice copied": lambda key: whole[spans[key][0] : sum(spans[key])],
        "mmap view touched": lambda key: touch(memoryview(whole)[spans[key][0] : sum(spans[key])]),
        "ncore view touched": lambda key: touch(store.view(key)),
        "ncore view": store.view,
    }
    try:
        from wids.wids_mmtar import MMIndexedTar
    except ImportError:
        pass
    else:
        tar = MMIndexedTar(f"{directory}/values.tar", verbose=False)
        names = {
            name.decode() if isinstance(name, bytes) else name: i
            for i, name in enumerate(tar.names())
        }
        readers["wids"] = lambda key: tar.get_at_index(names[key])[1]
        readers["wids touched"] = lambda key: touch(tar.get_at_index(names[key])[1])
    for kind in ("sequential", "random"):
        keys = sorted(spans, key=lambda key: spans[key][0])
        if kind == "random":
            random.Random(1).shuffle(keys)
        found[kind] = contest(readers, keys, rounds)
    return found


def nvidia_raw(directory: str, rounds: int) -> dict[str, Any]:
    from ncore.impl.data.stores import IndexedTarStore

    path = f"{directory}/values.itar"
    store = IndexedTarStore(path)
    fd = os.open(path, os.O_RDONLY)
    spans = json.loads(Path(f"{directory}/spans.json").read_text())
    found: dict[str, Any] = {"bytes": sum(size for _, size in spans.values())}
    for kind in ("sequential", "random"):
        keys = sorted(spans, key=lambda key: spans[key][0])
        if kind == "random":
            random.Random(1).shuffle(keys)
        found[kind] = contest(
            {
                "os.pread": lambda k: os.pread(fd, spans[k][1], spans[k][0]),
                "NVIDIA IndexedTarStore": store.__getitem__,
            },
            keys,
            rounds,
        )
    return found


def through_zarr(directory: str, rounds: int, fused: bool) -> dict[str, Any]:
    """``group[name][...]`` of arrays that are open, one uncompressed chunk of 300 KB each."""
    import numpy as np
    import zarr
    from obstore.store import LocalStore as ObstoreLocal
    from zarr.storage import LocalStore, MemoryStore, ObjectStore, ZipStore

    from ncore.stores.indexed_tar import IndexedTarStore

    if fused:
        zarr.config.set({"codec_pipeline.path": "zarr.core.codec_pipeline.FusedCodecPipeline"})
    base = Path(directory, f"zarr-{zarr.__version__}")
    count = 200
    places = {
        "ncore IndexedTarStore": base / "a.itar",
        "LocalStore": base / "a",
        "ZipStore": base / "a.zip",
        "ObjectStore": base / "o",
    }
    makers: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "ncore IndexedTarStore": (
            lambda: IndexedTarStore(base / "a.itar", "w"),
            lambda: IndexedTarStore(base / "a.itar"),
        ),
        "MemoryStore": (MemoryStore, MemoryStore),
        "LocalStore": (
            lambda: LocalStore(base / "a"),
            lambda: LocalStore(base / "a", read_only=True),
        ),
        "ZipStore": (
            lambda: ZipStore(base / "a.zip", mode="w"),
            lambda: ZipStore(base / "a.zip", mode="r"),
        ),
        "ObjectStore": (
            lambda: LocalStore(base / "o"),
            lambda: ObjectStore(ObstoreLocal(base / "o"), read_only=True),
        ),
    }
    if not base.exists():
        base.mkdir()
    data = np.random.default_rng(0).integers(0, 256, VALUE, "u1")
    arrays: dict[str, dict[str, Any]] = {}
    for name, (make, reopen) in makers.items():
        store = None
        if name == "MemoryStore" or not places[name].exists():
            store = make()
            root = zarr.create_group(store)
            for i in range(count):
                root.create_array(f"f{i}", data=data, chunks=(VALUE,), compressors=None)
            if name != "MemoryStore":
                store.close()
        group = zarr.open_group(store if name == "MemoryStore" else reopen(), mode="r")
        arrays[name] = {f"f{i}": group[f"f{i}"] for i in range(count)}

    def reading(opened: dict[str, Any]) -> Callable[[str], object]:
        return lambda key: opened[key][...]

    keys = [f"f{i}" for i in range(count)]
    readers = {name: reading(opened) for name, opened in arrays.items()}
    seconds = contest(readers, keys, rounds, batch=5)
    return {"zarr": zarr.__version__, "count": count, "seconds": seconds}


def keys_of(count: int) -> list[str]:
    """Keys as a sequence of many frames has them."""
    return [f"cameras/front/frames/{i // 50}/image/c/{i % 50}" for i in range(count)]


def write_keys(directory: str, count: int) -> dict[str, Any]:
    from ncore.itar.writer import ItarWriter

    keys = keys_of(count)
    worked = time.process_time()
    start = time.perf_counter()
    writer = ItarWriter(f"{directory}/keys.itar")
    for key in keys:
        writer.set(key, b"0123456789abcdef")
    middle = time.perf_counter()
    writer.close()
    end = time.perf_counter()
    cpu = time.process_time() - worked
    return {"seconds": end - start, "close": end - middle, "cpu": cpu}


def nvidia_write_keys(directory: str, count: int) -> dict[str, Any]:
    from ncore.impl.data.stores import IndexedTarStore

    keys = keys_of(count)
    worked = time.process_time()
    start = time.perf_counter()
    store = IndexedTarStore(f"{directory}/nvidia-keys.itar", "w")
    for key in keys:
        store[key] = b"0123456789abcdef"
    middle = time.perf_counter()
    store.close()
    end = time.perf_counter()
    cpu = time.process_time() - worked
    return {"seconds": end - start, "close": end - middle, "cpu": cpu}


def _opening(open_: Callable[[], Any], rounds: int, count: int) -> dict[str, Any]:
    open_()
    times, cpu = [], []
    for _ in range(rounds):
        start, worked = time.perf_counter(), time.process_time()
        kept = open_()
        times.append(time.perf_counter() - start)
        cpu.append(time.process_time() - worked)
        del kept
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = open_()
    gc.collect()
    retained = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    del kept
    return {
        "seconds": sorted(times)[len(times) // 2],
        "cpu": sorted(cpu)[len(cpu) // 2],
        "retained": retained / count,
    }


def open_keys(path: str, rounds: int, count: int) -> dict[str, Any]:
    from ncore.stores.indexed_tar import IndexedTarStore

    return _opening(lambda: IndexedTarStore(path, index_tail_read_size=None), rounds, count)


def nvidia_open_keys(path: str, rounds: int, count: int) -> dict[str, Any]:
    from ncore.impl.data.stores import IndexedTarStore

    return _opening(lambda: IndexedTarStore(path, index_tail_read_size=None), rounds, count)


def first_read(path: str, key: str) -> dict[str, Any]:
    """Open a 1,000-value archive and read one value; imports are done."""
    from ncore.stores.indexed_tar import IndexedTarStore

    start, worked = time.perf_counter(), time.process_time()
    IndexedTarStore(path).read(key)
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - worked}


def listing(path: str) -> dict[str, Any]:
    """A directory of ten among 200,000 keys."""
    from ncore.stores.indexed_tar import IndexedTarStore

    store = IndexedTarStore(path)

    async def names(prefix: str) -> list[str]:
        return [name async for name in store.list_dir(prefix)]

    async def measure() -> dict[str, Any]:
        start = time.perf_counter()
        await names("few")
        first = time.perf_counter() - start
        found: dict[str, Any] = {"first": first}
        for name, call in (
            ("list_dir", lambda: names("few")),
            ("getsize_prefix", lambda: store.getsize_prefix("few")),
        ):
            times = []
            for _ in range(200):
                start = time.perf_counter()
                await call()
                times.append(time.perf_counter() - start)
            found[name] = sorted(times)[100]
        found["children"] = len(await names("few"))
        return found

    return asyncio.run(measure())


def write_values(directory: str, rounds: int) -> dict[str, Any]:
    """1,000 values of 300 KB beside a plain file; both synced."""
    from ncore.itar.writer import ItarWriter
    from ncore.stores.indexed_tar import IndexedTarStore

    value = random.Random(0).randbytes(VALUE)
    count = 1000

    def plain() -> None:
        with open(f"{directory}/plain", "wb", buffering=0) as file:
            for _ in range(count):
                file.write(value)
            os.fsync(file.fileno())
        Path(directory, "plain").replace(Path(directory, "plain-done"))

    def container(**options: Any) -> Callable[[], None]:
        def run() -> None:
            with ItarWriter(f"{directory}/written.itar", **options) as writer:
                for i in range(count):
                    writer.set(f"frames/c/{i}", value)

        return run

    def store() -> None:
        with IndexedTarStore(f"{directory}/written-store.itar", "w") as opened:
            for i in range(count):
                opened.write(f"frames/c/{i}", value)

    writers: dict[str, Callable[[], None]] = {
        "plain file": plain,
        "ncore ItarWriter": container(),
        "ncore ItarWriter, no checksums": container(digests=()),
        "ncore IndexedTarStore": store,
    }
    return contest({name: lambda _, w=w: w() for name, w in writers.items()}, [""], rounds)


def memory(directory: str, megabytes: int) -> dict[str, Any]:
    """Peak memory of writing and reading that many megabytes in values of 300 KB."""
    from ncore.stores.indexed_tar import IndexedTarStore

    value = os.urandom(VALUE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = f"{directory}/memory.itar"
    with IndexedTarStore(path, "w") as store:
        for i in range(megabytes * 10**6 // VALUE):
            store.write(f"c/{i}", value)
    with IndexedTarStore(path) as store:
        for i in range(megabytes * 10**6 // VALUE):
            store.read(f"c/{i}")
    Path(path).unlink()
    return {"grown": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10}


def remote(directory: str, latency: float) -> dict[str, Any]:
    """1,000 values behind a server that takes 20 ms an answer."""
    from ncore.itar.location import open_source
    from ncore.itar.reader import ItarReader

    path = f"{directory}/remote.itar"
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.store_server", path, str(latency)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        with ItarReader(path) as local:
            keys = sorted(local, key=lambda key: local.entry(key).offset)
        found: dict[str, Any] = {"keys": len(keys)}
        shuffled = random.Random(3).sample(keys, len(keys))

        def timed(name: str, run: Callable[[ItarReader], object], **options: Any) -> None:
            with ItarReader(open_source(url, **options), index_tail_read_size=64 << 10) as reader:
                start = time.perf_counter()
                run(reader)
                found[name] = time.perf_counter() - start

        some = keys[:200]
        timed("loop", lambda r: [r.read(k) and None for k in some], read_ahead=0)
        found["loop"] *= len(keys) / len(some)  # a fifth of it tells
        timed("read-ahead", lambda r: [r.read(k) and None for k in keys])
        timed("read_many", lambda r: r.read_many(keys) and None)
        timed("random read_many", lambda r: r.read_many(shuffled) and None)
        for width in (1, 4, 16, 64):
            timed(
                f"random, {width} at once",
                lambda r: r.read_many(shuffled[:320]) and None,
                concurrency=width,
                coalesce_gap=-1,
            )
        return found
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    print(json.dumps(globals()[request.pop("task")](**request)))
