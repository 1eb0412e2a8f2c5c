"""Re-encode arrays: decode v2 chunks, encode v3 chunks or shards, in threads, memory bounded."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from ncore.convert.encode_v3 import V3Encoder
from ncore.convert.plan import ArrayPlan
from ncore.convert.read_v2 import V2Reader
from ncore.convert.source import Source
from ncore.convert.stored_chunks import Coords, block_region, touched_blocks
from ncore.convert.v3_values import to_v3_values

S = TypeVar("S")
T = TypeVar("T")

_OBJECT_BYTES = 64  # a guess at what a Python string takes, for the memory bound


Encoded = tuple[str, bytes]
"""Relative key and bytes to store."""


class BlockEncoder:
    """Encodes the blocks (chunks or shards of the new layout) of one array.

    Args:
        plan: the array.
        source: where its chunks are.
        root: the node of the source that became the root.
        memory: bytes that decoded values in flight may take.
        allow_pickle: unpickle pickled objects.

    Attributes:
        block_bytes: decoded size of a block.
    """

    def __init__(
        self, plan: ArrayPlan, source: Source, root: str, *, memory: int, allow_pickle: bool
    ) -> None:
        array, document = plan.array, plan.translation.document
        assert document is not None
        self._encoder = V3Encoder(document)
        self._block = self._encoder.chunk_shape
        self._array = array
        self._form = plan.translation.form
        itemsize = _OBJECT_BYTES if array.dtype.hasobject else array.dtype.itemsize
        self.block_bytes = max(1, math.prod(self._block) * itemsize)
        same_chunks = self._block == tuple(max(1, c) for c in array.chunks)
        self._reader = V2Reader(
            source,
            (f"{root}/" if root else "") + plan.prefix,
            array,
            plan.node.keys,
            allow_pickle=allow_pickle,
            # Chunks that straddle two blocks are decoded once if there is room.
            cache_bytes=0 if same_chunks else memory // 4,
            memory=memory,
        )
        is_bytes = array.object_codec == "vlen-bytes"
        self._missing: object = b"" if is_bytes else document["fill_value"]

    def blocks(self) -> list[Coords]:
        """Coordinates of the blocks that hold anything."""
        return touched_blocks(self._array, self._reader.stored, self._block)

    def keys_of(self, coords: Coords) -> Iterator[str]:
        """Relative keys of the source's chunks that a block is made of."""
        region = block_region(self._array.shape, self._block, coords)
        for chunk in self._reader.touching(region):
            if self._reader.exists(chunk):
                yield self._array.chunk_key(chunk)

    def encode(self, coords: Coords) -> Encoded | None:
        """Encode one block; None where nothing of it needs to be stored."""
        region = block_region(self._array.shape, self._block, coords)
        reader, inner_shape = self._reader, self._encoder.inner_shape
        values = to_v3_values(reader.region(region), self._form, missing=self._missing)
        full = _padded(values, self._block, reader, self._missing)

        def exists(inner: Coords) -> bool:
            start = [r.start + i * c for r, i, c in zip(region, inner, inner_shape)]  # noqa: B905
            if any(s >= r.stop for s, r in zip(start, region, strict=True)):
                return False
            part = tuple(
                slice(s, min(s + c, r.stop))
                for s, c, r in zip(start, inner_shape, region, strict=True)
            )
            return any(reader.exists(chunk) for chunk in reader.touching(part))

        data = self._encoder.encode(full, exists)
        return None if data is None else (self._encoder.key(coords), data)


def reencode(
    plan: ArrayPlan,
    source: Source,
    root: str,
    *,
    jobs: int,
    memory: int,
    allow_pickle: bool,
) -> Iterator[Encoded]:
    """Encode an array anew.

    Args:
        plan: the array.
        source: where its chunks are.
        root: the node of the source that became the root.
        jobs: threads.
        memory: bytes that decoded values in flight may take.
        allow_pickle: unpickle pickled objects.

    Yields:
        Relative key and bytes to store, in the order of the chunk grid.

    Raises:
        ChunkDecodeError: a chunk is damaged.
    """
    encoder = BlockEncoder(plan, source, root, memory=memory, allow_pickle=allow_pickle)
    # Values, their padded copy and the encoded bytes are alive at the same time.
    most = max(1, min(2 * jobs, memory // (3 * encoder.block_bytes)))
    with ThreadPoolExecutor(max(1, min(jobs, most))) as pool:
        for encoded in in_order(pool, encoder.encode, encoder.blocks(), most):
            if encoded is not None:
                yield encoded


def in_order(pool: Executor, work: Callable[[S], T], items: Iterable[S], most: int) -> Iterator[T]:
    """Results of ``work`` for each item, in order; at most ``most`` are under way."""
    waiting: deque[Future[T]] = deque()
    try:
        for item in items:
            while len(waiting) >= most:
                yield waiting.popleft().result()
            waiting.append(pool.submit(work, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


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
