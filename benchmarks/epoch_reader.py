"""One reader of the epoch benchmark in a process of its own; run by epoch.py.

``epoch_reader.py NAME FOLDER ACTION ...`` prints one JSON object. Nothing is imported
before it is needed: the cold start is part of what is measured.
"""

# bazel: optional = ["array_record", "grain", "h5py", "pyarrow", "streaming"]
# bazel: optional = ["webdataset", "wids"]

import time

STARTED = time.perf_counter()

import itertools  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterable, Iterator  # noqa: E402
from typing import Any  # noqa: E402

PAGE = 4096
Get = Callable[[int], Any]
"""Index -> bytes of an image."""


def images(folder: str, count: int | None = None) -> Iterator[bytes]:
    """Yield the images in order, from the file that all readers' files are made of."""
    with open(f"{folder}/offsets.json") as file:
        offsets = json.load(file)
    with open(f"{folder}/images.bin", "rb") as file:
        for start, stop in list(itertools.pairwise(offsets))[:count]:
            yield file.read(stop - start)


class Pread:
    """The yardstick: a bare os.pread loop over one file."""

    slow = False

    def write(self, folder: str) -> None:
        """Nothing: it reads the file that the others are made of."""

    def open(self, folder: str) -> Get:
        with open(f"{folder}/offsets.json") as file:
            offsets = json.load(file)
        fd = os.open(f"{folder}/images.bin", os.O_RDONLY)
        return lambda i: os.pread(fd, offsets[i + 1] - offsets[i], offsets[i])


class Ncore:
    """A camera of an NCore V4 sequence: FrameSource, bytes."""

    slow = False

    def write(self, folder: str) -> None:
        from pathlib import Path

        import numpy as np

        from ncore.data.interval import HalfClosedInterval
        from ncore.data.v4.cameras import CameraSensorComponent
        from ncore.data.v4.sequence_writer import SequenceComponentGroupsWriter

        span = HalfClosedInterval(0, 1 << 40)
        with SequenceComponentGroupsWriter(Path(folder), "ncore", "s", span, {}) as writer:
            camera = writer.register_component_writer(CameraSensorComponent.Writer, "front")
            for i, image in enumerate(images(folder)):
                times = np.array([i * 33_000, i * 33_000 + 10_000], np.uint64)
                camera.store_frame(image, "jpeg", times, {}, {})

    def source(self, folder: str) -> Any:
        from ncore.loaders.frame_source import FrameSource

        return FrameSource(f"{folder}/ncore.ncore4.zarr.itar", ["front"])

    def open(self, folder: str) -> Get:
        source = self.source(folder)
        return lambda i: source[i]["front"]["image"]


class NcoreInPlace(Ncore):
    """The same with a decoder that reads one byte of every page and copies nothing."""

    def write(self, folder: str) -> None:
        """Nothing: it reads what Ncore wrote."""

    def source(self, folder: str) -> Any:
        from ncore.loaders.frame_source import FrameSource

        return FrameSource(f"{folder}/ncore.ncore4.zarr.itar", ["front"], decode=touch)


def touch(data: memoryview) -> bytes:
    """Read every page; return as many bytes as there are pages."""
    return data[::PAGE].tobytes()


class Wids:
    """wids: a tar with an index made by scanning it."""

    slow = False

    def write(self, folder: str) -> None:
        if os.path.exists(f"{folder}/web-000000.tar"):  # noqa: PTH110 (imports nothing)
            return
        import webdataset

        with webdataset.ShardWriter(f"{folder}/web-%06d.tar", maxcount=1_000, maxsize=1 << 40,
                                    verbose=0) as writer:  # fmt: skip
            for i, image in enumerate(images(folder)):
                writer.write({"__key__": f"{i:08d}", "jpg": image})

    def open(self, folder: str) -> Get:
        from pathlib import Path

        import wids

        shards = sorted(Path(folder).glob("web-*.tar"))
        with open(f"{folder}/offsets.json") as file:
            count = len(json.load(file)) - 1
        per = 1_000
        listed = [
            {"url": str(path), "nsamples": min(per, count - n * per)}
            for n, path in enumerate(shards)
        ]
        dataset = wids.ShardListDataset(listed, cache_dir=folder, keep=True, transformations=[])
        return lambda i: dataset[i][".jpg"].read()


class Mds:
    """MosaicML streaming: MDS shards."""

    slow = False

    def _streaming(self) -> Any:
        # It imports torchvision for image data sets, which are not measured, and PyPI's
        # wheel of that does not load beside a torch without CUDA.
        import importlib.machinery
        import types

        for name in ("", ".datasets", ".transforms", ".transforms.functional"):
            module = types.ModuleType(f"torchvision{name}")
            module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
            module.VisionDataset = object  # type: ignore[attr-defined]
            module.to_tensor = None  # type: ignore[attr-defined]
            sys.modules[module.__name__] = module
        import streaming

        return streaming

    def write(self, folder: str) -> None:
        streaming = self._streaming()

        with streaming.MDSWriter(out=f"{folder}/mds", columns={"jpg": "bytes"}) as writer:
            for image in images(folder):
                writer.write({"jpg": image})

    def open(self, folder: str) -> Get:
        streaming = self._streaming()

        dataset = streaming.StreamingDataset(local=f"{folder}/mds", batch_size=1, shuffle=False)
        return lambda i: dataset[i]["jpg"]


class ArrayRecord:
    """ArrayRecord through Grain's data source."""

    slow = False

    def write(self, folder: str) -> None:
        from array_record.python import array_record_module as module

        writer = module.ArrayRecordWriter(f"{folder}/images.array_record", "group_size:1")
        for image in images(folder):
            writer.write(image)
        writer.close()

    def open(self, folder: str) -> Get:
        import grain

        source = grain.sources.ArrayRecordDataSource([f"{folder}/images.array_record"])
        return lambda i: source[i]


class Hdf5:
    """h5py: a dataset of bytes an image."""

    slow = False

    def write(self, folder: str) -> None:
        import h5py
        import numpy as np

        with h5py.File(f"{folder}/images.h5", "w") as file:
            for i, image in enumerate(images(folder)):
                file.create_dataset(str(i), data=np.frombuffer(image, np.uint8))

    def open(self, folder: str) -> Get:
        import h5py

        file = h5py.File(f"{folder}/images.h5", "r")
        return lambda i: file[str(i)][()]


class Parquet:
    """pyarrow: a row group an image."""

    slow = True

    def write(self, folder: str) -> None:
        import pyarrow
        import pyarrow.parquet

        schema = pyarrow.schema([("jpg", pyarrow.binary())])
        path = f"{folder}/images.parquet"
        with pyarrow.parquet.ParquetWriter(path, schema, compression="none",
                                           use_dictionary=False) as writer:  # fmt: skip
            for image in images(folder):
                writer.write_table(pyarrow.table({"jpg": [image]}, schema=schema))

    def open(self, folder: str) -> Get:
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(f"{folder}/images.parquet")
        return lambda i: file.read_row_group(i)["jpg"][0].as_py()


class ZarrStore:
    """zarr-python: an array of bytes an image in one of its own stores."""

    slow = True
    count = 1_000
    """Images written: zarr takes a minute for ten thousand arrays."""

    def store(self, folder: str, mode: str) -> Any:
        raise NotImplementedError

    def write(self, folder: str) -> None:
        import numpy as np
        import zarr

        store = self.store(folder, "w")
        group = zarr.create_group(store)
        for i, image in enumerate(images(folder, self.count)):
            data = np.frombuffer(image, np.uint8)
            group.create_array(str(i), data=data, chunks=data.shape, compressors=None)
        store.close()

    def open(self, folder: str) -> Get:
        import zarr

        group = zarr.open_group(self.store(folder, "r"), mode="r")
        return lambda i: group[str(i % self.count)][...]


class ZarrLocal(ZarrStore):
    """zarr-python, LocalStore."""

    def store(self, folder: str, mode: str) -> Any:
        from zarr.storage import LocalStore

        return LocalStore(f"{folder}/images.zarr", read_only=mode == "r")


class ZarrZip(ZarrStore):
    """zarr-python, ZipStore."""

    def store(self, folder: str, mode: str) -> Any:
        from zarr.storage import ZipStore

        return ZipStore(f"{folder}/images.zip", mode=mode, read_only=mode == "r")


READERS: dict[str, type] = {
    "os.pread": Pread,
    "ncore": Ncore,
    "ncore, in place": NcoreInPlace,
    "wids": Wids,
    "MosaicML MDS": Mds,
    "ArrayRecord, Grain": ArrayRecord,
    "HDF5 (h5py)": Hdf5,
    "Parquet (pyarrow)": Parquet,
    "zarr LocalStore": ZarrLocal,
    "zarr ZipStore": ZarrZip,
}


BLOCK = 100
"""Images that a reader and the yardstick read by turns, so that a machine that slows down
or speeds up meanwhile does so for both."""


def take(get: Get, order: Iterable[int], sizes: list[int]) -> tuple[int, float]:
    """Read in this order; return bytes and seconds."""
    started, total = time.perf_counter(), 0
    for i in order:
        get(i)
        total += sizes[i]
    return total, time.perf_counter() - started


def epoch(gets: list[Get], order: list[int], sizes: list[int], limit: float) -> list[list[float]]:
    """Read in this order with each, by turns, until the time of one is up.

    Returns:
        Bytes and seconds of each.
    """
    found = [[0.0, 0.0] for _ in gets]
    for start in range(0, len(order), BLOCK):
        for figures, get in zip(found, gets, strict=True):
            size, seconds = take(get, order[start : start + BLOCK], sizes)
            figures[0] += size
            figures[1] += seconds
        if max(seconds for _, seconds in found) > limit:
            break
    return found


def run(name: str, folder: str, action: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Do one action of a reader."""
    reader = READERS[name]()
    if action == "write":
        started = time.perf_counter()
        reader.write(folder)
        os.sync()  # what is still to be written would disturb what is read
        return {"seconds": time.perf_counter() - started}
    get = reader.open(folder)
    if action == "cold":
        size = len(get(arguments["index"]))
        return {"seconds": time.perf_counter() - STARTED, "size": size}
    import random

    with open(f"{folder}/offsets.json") as file:
        offsets = json.load(file)
    sizes = [b - a for a, b in itertools.pairwise(offsets)]
    yardstick = Pread().open(folder)
    rounds: list[list[list[float]]] = []
    # The first epoch brings what a reader keeps, and the files, into memory.
    for number in range(arguments["epochs"] + 1):
        order = list(range(len(sizes)))
        random.Random(number).shuffle(order)
        mine = order[arguments["rank"] :: arguments["ranks"]]
        found: list[list[float]] = []
        if arguments["ranks"] == 1:
            found = epoch([get, yardstick], mine, sizes, arguments["limit"])
        else:
            # Workers together, one phase after the other, the first one first every other time.
            for one in [get, yardstick][:: -1 if number % 2 else 1]:
                print("ready", flush=True)
                sys.stdin.readline()
                found += epoch([one], mine, sizes, arguments["limit"])
            if number % 2:
                found.reverse()
        if number:
            rounds.append(found)
    return {"rounds": rounds}


if __name__ == "__main__":
    answer = run(sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)  # some readers leave threads behind
