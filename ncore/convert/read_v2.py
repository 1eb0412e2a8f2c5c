"""Read regions of a v2 array: chunks decoded by numcodecs, missing ones filled."""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np

from ncore.convert.decode_v2 import V2Decoder
from ncore.convert.source import Source
from ncore.convert.stored_chunks import Region, stored_chunks
from ncore.convert.translate_fill import decode_v2_fill
from ncore.convert.v2_metadata import V2Array


class V2Reader:
    """One v2 array as values; any number of threads may share it.

    Args:
        source: the store.
        prefix: of the array's keys in the store: empty, or ending in ``/``.
        array: its metadata.
        keys: the relative keys that exist.
        allow_pickle: unpickle pickled objects.
        cache_bytes: decoded chunks to keep for the next region, in bytes.
        memory: bytes to which a chunk of Python objects may decode.

    Attributes:
        stored: grid coordinates of the chunks that are there, in order.
    """

    def __init__(
        self,
        source: Source,
        prefix: str,
        array: V2Array,
        keys: dict[str, int],
        *,
        allow_pickle: bool = False,
        cache_bytes: int = 0,
        memory: int = 1 << 30,
    ) -> None:
        self.array = array
        self._source = source
        self._prefix = prefix
        self._keys = keys
        self._decoder = V2Decoder(array, allow_pickle=allow_pickle, memory=memory)
        self.stored = stored_chunks(array, keys)
        self._cache: OrderedDict[tuple[int, ...], np.ndarray[Any, Any]] = OrderedDict()
        self._cache_bytes = cache_bytes
        self._cached = 0
        self._lock = threading.Lock()
        self.fill: Any = (
            array.fill_value
            if array.dtype.hasobject
            else decode_v2_fill(array.fill_value, array.dtype)
        )

    def exists(self, coords: tuple[int, ...]) -> bool:
        """Whether a chunk is there (a missing one reads as the fill value)."""
        return self.array.chunk_key(coords) in self._keys

    def touching(self, region: Region) -> Iterator[tuple[int, ...]]:
        """Coordinates of the chunks that a region touches."""
        return itertools.product(
            *(
                range(s.start // c, -(-s.stop // c)) if s.stop > s.start else range(0)
                for s, c in zip(region, self.array.chunks, strict=True)
            )
        )

    def chunk(self, coords: tuple[int, ...]) -> np.ndarray[Any, Any] | None:
        """A decoded chunk in its full shape, in the v2 dtype; None if missing."""
        if not self.exists(coords):
            return None
        with self._lock:
            if coords in self._cache:
                self._cache.move_to_end(coords)
                return self._cache[coords]
        key = self._prefix + self.array.chunk_key(coords)
        values = self._decoder.decode(self._source.read(key), key)
        if self._cache_bytes >= values.nbytes:
            with self._lock:
                if coords not in self._cache:
                    self._cache[coords] = values
                    self._cached += values.nbytes
                while self._cached > self._cache_bytes:
                    self._cached -= self._cache.popitem(last=False)[1].nbytes
        return values

    def region(self, region: Region) -> np.ndarray[Any, Any]:
        """The values of a region (within the array's shape), in the v2 dtype."""
        shape = tuple(s.stop - s.start for s in region)
        chunks = self.array.chunks
        out: np.ndarray[Any, Any] | None = None
        touching = list(self.touching(region))
        complete = all(map(self.exists, touching))
        for coords in touching:
            values = self.chunk(coords)
            low = [i * c for i, c in zip(coords, chunks, strict=True)]
            inside: Any = tuple(
                slice(max(s.start - at, 0), min(s.stop - at, c))
                for s, at, c in zip(region, low, chunks, strict=True)
            )
            # The ellipsis keeps a 0-dimensional array an array.
            part = None if values is None else values[(..., *inside)]
            if part is not None and out is None and part.shape == shape:
                return part  # the region lies within one chunk
            if out is None:
                out = np.empty(shape, self.array.dtype) if complete else self._filled(shape)
            if part is not None:
                to: Any = tuple(
                    slice(i.start + at - s.start, i.stop + at - s.start)
                    for s, at, i in zip(region, low, inside, strict=True)
                )
                out[(..., *to)] = part
        return self._filled(shape) if out is None else out

    def _filled(self, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        out: np.ndarray[Any, Any] = np.empty(shape, dtype=self.array.dtype)
        out[...] = self.fill
        return out
