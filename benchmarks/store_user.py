"""What benchmarks/store.py runs in processes of its own: one task a process, JSON in and out.

Example::

    python benchmarks/store_user.py '{"task": "raw", "directory": "...", "rounds": 5}'

NVIDIA's tasks (``nvidia_*``) run in the environment of the original, where this
project's ``ncore`` must not be found; all others in one with this project.
"""

# bazel: optional = ["wids"]

import asyncio
import gc
import importlib
import importlib.util
import json
import mmap
import os
import random
import resource
import subprocess
import sys
import time
import tracemalloc
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.store_contest import contest

warnings.simplefilter("ignore")

VALUE = 300_000


def wids_tar() -> Any:
    """Return wids' reader of a mapped tar, ``None`` where there is none.

    The package itself imports torch, which its reader needs not.
    """
    found = importlib.util.find_spec("wids")
    if found is None:
        return None
    package = types.ModuleType("wids")
    package.__path__ = list(found.submodule_search_locations or [])
    sys.modules["wids"] = package
    return importlib.import_module("wids.wids_mmtar").MMIndexedTar


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
    mapped_tar = wids_tar()
    if mapped_tar is not None:
        tar = mapped_tar(f"{directory}/values.tar", verbose=False)
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
    ours, mapped = "ncore IndexedTarStore", "ncore, memory_map=True"
    places = {
        ours: base / "a.itar",
        mapped: base / "a.itar",
        "LocalStore": base / "a",
        "ZipStore": base / "a.zip",
        "ObjectStore": base / "o",
    }
    makers: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        ours: (
            lambda: IndexedTarStore(base / "a.itar", "w"),
            lambda: IndexedTarStore(base / "a.itar"),
        ),
        mapped: (
            lambda: IndexedTarStore(base / "a.itar", "w"),
            lambda: IndexedTarStore(base / "a.itar", memory_map=True),
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
    # Each its own: MemoryStore of zarr 3.1 keeps the caller's array, which would otherwise be
    # one for all and stay in the processor's cache.
    data = np.random.default_rng(0).integers(0, 256, (count, VALUE), "u1")
    arrays: dict[str, dict[str, Any]] = {}
    for name, (make, reopen) in makers.items():
        store = None
        if name == "MemoryStore" or not places[name].exists():
            store = make()
            root = zarr.create_group(store)
            for i in range(count):
                root.create_array(f"f{i}", data=data[i], chunks=(VALUE,), compressors=None)
            if name != "MemoryStore":
                store.close()
        group = zarr.open_group(store if name == "MemoryStore" else reopen(), mode="r")
        arrays[name] = {f"f{i}": group[f"f{i}"] for i in range(count)}

    def reading(opened: dict[str, Any]) -> Callable[[str], object]:
        return lambda key: opened[key][...]

    keys = [f"f{i}" for i in range(count)]
    synchronous = sync_calls(arrays[ours]["f0"])
    readers = {name: reading(opened) for name, opened in arrays.items()}
    seconds = contest(readers, keys, rounds, batch=5)
    return {
        "zarr": zarr.__version__, "count": count, "seconds": seconds, "synchronous": synchronous,
    }  # fmt: skip


def sync_calls(array: Any) -> dict[str, int]:
    """Count how zarr asks our store for the chunk of an array."""
    store = array.store
    calls = {"get": 0, "get_sync": 0}
    for name in calls:
        kept = getattr(store, name)

        def counting(*args: Any, name: str = name, kept: Any = kept, **options: Any) -> Any:
            calls[name] += 1
            return kept(*args, **options)

        setattr(store, name, counting)
    array[...]
    for name in calls:
        delattr(store, name)
    return calls


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


def open_and_read(path: str, key: str, rounds: int, nvidia: bool = False) -> dict[str, Any]:
    """Open an archive of many keys and read one value."""
    if nvidia:
        from ncore.impl.data.stores import IndexedTarStore

        def run() -> None:
            IndexedTarStore(path, index_tail_read_size=None)[key]
    else:
        from ncore.stores.indexed_tar import IndexedTarStore

        def run() -> None:
            IndexedTarStore(path, index_tail_read_size=None).read(key)

    times, cpu = [], []
    for _ in range(rounds):
        start, worked = time.perf_counter(), time.process_time()
        run()
        times.append(time.perf_counter() - start)
        cpu.append(time.process_time() - worked)
    return {"seconds": sorted(times)[len(times) // 2], "cpu": sorted(cpu)[len(cpu) // 2]}


def nvidia_open_and_read(**request: Any) -> dict[str, Any]:
    return open_and_read(**request, nvidia=True)


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
    """Values behind a server that takes 20 ms an answer: 1,000 of 50 KB, 20,000 of 2 KB."""
    from ncore.itar.location import open_source
    from ncore.itar.reader import ItarReader

    files = ("remote.itar", "many.itar")
    server = subprocess.Popen(
        [
            sys.executable, "-m", "benchmarks.store_server", str(latency),
            *(f"{directory}/{file}" for file in files),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    tell, told = server.stdin, server.stdout
    assert tell is not None
    assert told is not None
    try:
        url = told.readline().strip()
        found: dict[str, Any] = {}

        def requests() -> int:
            tell.write("\n")
            tell.flush()
            return int(told.readline())

        def timed(
            name: str, file: str, run: Callable[[ItarReader], object], **options: Any
        ) -> None:
            before = requests()
            start = time.perf_counter()
            # Room for both indexes, and for few values.
            reader = ItarReader(open_source(f"{url}/{file}", **options), 128 << 10)
            opened = time.perf_counter()
            asked = requests()
            with reader:
                begun = time.perf_counter()
                run(reader)
                found[name] = {
                    "seconds": time.perf_counter() - begun,
                    "requests": requests() - asked,
                    "open": opened - start,
                    "open requests": asked - before,
                }

        def measure(file: str) -> None:
            with ItarReader(f"{directory}/{file}") as local:
                keys = sorted(local, key=lambda key: local.entry(key).offset)
            shuffled = random.Random(3).sample(keys, len(keys))
            some = keys[:200]
            timed(f"{file} loop", file, lambda r: [r.read(k) and None for k in some], read_ahead=0)
            # A part of it tells.
            for field in ("seconds", "requests"):
                found[f"{file} loop"][field] *= len(keys) / len(some)
            timed(f"{file} read-ahead", file, lambda r: [r.read(k) and None for k in keys])
            timed(f"{file} read_many", file, lambda r: r.read_many(keys) and None)
            timed(f"{file} random read_many", file, lambda r: r.read_many(shuffled) and None)
            for width in (1, 4, 16, 64):
                timed(
                    f"{file} random, {width} at once",
                    file,
                    lambda r: r.read_many(shuffled[:320]) and None,
                    concurrency=width,
                    coalesce_gap=-1,
                )

        for file in files:
            measure(file)
        return found
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    print(json.dumps(globals()[request.pop("task")](**request)))
