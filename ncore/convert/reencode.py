"""Re-encode arrays: decode v2 chunks, encode v3 chunks or shards, in threads, memory bounded."""

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from ncore.convert.encode_v3 import V3Encoder
from ncore.convert.plan import ArrayPlan
from ncore.convert.read_v2 import V2Reader
from ncore.convert.source import Source
from ncore.convert.stored_chunks import Region, block_region, touched_blocks
from ncore.convert.v3_values import to_v3_values

_OBJECT_BYTES = 64  # a guess at what a Python string takes, for the memory bound


def reencode(
    plan: ArrayPlan,
    source: Source,
    root: str,
    *,
    jobs: int,
    memory: int,
    allow_pickle: bool,
) -> Iterator[tuple[str, bytes, int]]:
    """Encode an array anew.

    Args:
        plan: the array.
        source: where its chunks are.
        root: the node of the source that became the root.
        jobs: threads.
        memory: bytes that decoded values in flight may take.
        allow_pickle: unpickle pickled objects.

    Yields:
        Relative key, bytes to store, and decoded size, in the order of the chunk grid.

    Raises:
        ChunkDecodeError: a chunk is damaged.
    """
    array = plan.array
    document = plan.translation.document
    assert document is not None
    encoder = V3Encoder(document)
    block = encoder.chunk_shape
    itemsize = _OBJECT_BYTES if array.dtype.hasobject else array.dtype.itemsize
    block_bytes = max(1, math.prod(block) * itemsize)
    same_chunks = block == tuple(max(1, c) for c in array.chunks)
    prefix = (f"{root}/" if root else "") + plan.prefix
    reader = V2Reader(
        source,
        prefix,
        array,
        plan.node.keys,
        allow_pickle=allow_pickle,
        # Chunks that straddle two blocks are decoded once if there is room.
        cache_bytes=0 if same_chunks else memory // 4,
        memory=memory,
    )
    missing: object = b"" if array.object_codec == "vlen-bytes" else document["fill_value"]

    def one(coords: tuple[int, ...], region: Region) -> tuple[str, bytes | None, int]:
        values = to_v3_values(reader.region(region), plan.translation.form, missing=missing)
        full = _padded(values, block, reader, missing)

        def exists(inner: tuple[int, ...]) -> bool:
            start = [r.start + i * c for r, i, c in zip(region, inner, encoder.inner_shape)]  # noqa: B905
            if any(s >= r.stop for s, r in zip(start, region, strict=True)):
                return False
            part = tuple(
                slice(s, min(s + c, r.stop))
                for s, c, r in zip(start, encoder.inner_shape, region, strict=True)
            )
            return any(reader.exists(chunk) for chunk in reader.touching(part))

        return encoder.key(coords), encoder.encode(full, exists), block_bytes

    # Values, their padded copy and the encoded bytes are alive at the same time.
    most = max(1, min(2 * jobs, memory // (3 * block_bytes)))
    with ThreadPoolExecutor(max(1, min(jobs, most))) as pool:
        waiting: deque[Future[tuple[str, bytes | None, int]]] = deque()
        try:
            for coords in touched_blocks(array, reader.stored, block):
                waiting.append(pool.submit(one, coords, block_region(array.shape, block, coords)))
                while len(waiting) >= most:
                    yield from _result(waiting.popleft())
            while waiting:
                yield from _result(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()


def _result(future: "Future[tuple[str, bytes | None, int]]") -> Iterator[tuple[str, bytes, int]]:
    key, data, size = future.result()
    if data is not None:
        yield key, data, size


def _padded(
    values: np.ndarray[Any, Any], block: tuple[int, ...], reader: V2Reader, missing: object
) -> np.ndarray[Any, Any]:
    """Values of an edge block in the block's full shape, the rest filled."""
    if values.shape == block:
        return values
    out: np.ndarray[Any, Any] = np.empty(block, dtype=values.dtype)
    if values.dtype.hasobject:
        out[...] = missing
    elif values.dtype.kind == "V":
        out[...] = np.zeros((), dtype=values.dtype)
    else:
        out[...] = reader.fill
    out[tuple(slice(0, n) for n in values.shape)] = values
    return out
