"""Arrays and blobs read straight from a store's bytes.

Every function takes the array's metadata, the store that holds the chunks and
the node path of the array. What is not in a directly decodable form
(see :mod:`ncore.data.v4.array_metadata`) is read by zarr, with the same result.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.data.errors import IndexRangeError
from ncore.data.v4.array_metadata import ArrayMetadata
from ncore.data.v4.blosc import load_blosc
from ncore.data.v4.byte_stores import ByteStore
from ncore.data.v4.errors import ChunkError
from ncore.errors import NcoreError

_MOST_UNSTORED = 1 << 30
_MOST_UNSTORED_CHUNKS = 1 << 16
"""An array beyond either must have all its chunks: crafted metadata could claim any size."""


def read_array(metadata: ArrayMetadata, store: ByteStore, path: str) -> npt.NDArray[Any]:
    """Return the whole array, writable, in its stored dtype.

    Raises:
        ChunkError: a chunk's bytes do not decode to the chunk's size.
    """
    if not metadata.direct or metadata.dtype is None:
        return _read_through_zarr(store, path)
    shape, chunks = metadata.shape, metadata.chunks
    if 0 in shape:
        return _allocate(shape, metadata.dtype, store, path)
    if shape == () and metadata.dtype.itemsize == 0:
        # The original's form of an empty string, whose chunk it pads to one character.
        return np.zeros(shape, metadata.dtype)
    if chunks == shape:
        chunk = _read_chunk(metadata, store, path, (0,) * len(shape))
        return _read_through_zarr(store, path) if chunk is None else chunk
    out = _allocate(shape, metadata.dtype, store, path)
    counts = [-(-n // c) for n, c in zip(shape, chunks, strict=True)]
    for index in _indices(counts):
        chunk = _read_chunk(metadata, store, path, index)
        if chunk is None:
            return _read_through_zarr(store, path)
        target = tuple(
            slice(i * c, min((i + 1) * c, n)) for i, c, n in zip(index, chunks, shape, strict=True)
        )
        out[target] = chunk[tuple(slice(s.stop - s.start) for s in target)]
    return out


def _indices(counts: list[int]) -> Iterator[tuple[int, ...]]:
    # itertools.product and np.ndindex take memory for every index, of which there may be
    # as many as crafted metadata claims.
    for number in range(prod(counts)):
        index = []
        for count in reversed(counts):
            number, at = divmod(number, count)
            index.append(at)
        yield tuple(reversed(index))


def read_row(metadata: ArrayMetadata, store: ByteStore, path: str, row: int) -> npt.NDArray[Any]:
    """Return ``array[row]`` reading only the chunks it needs.

    Raises:
        IndexRangeError: no such row (an ``IndexError``).
        ChunkError: a chunk's bytes do not decode to the chunk's size.
    """
    shape, chunks = metadata.shape, metadata.chunks
    if not shape or not -shape[0] <= row < shape[0]:
        raise IndexRangeError(f"{store.location}: {path!r} has no row {row}, it has shape {shape}")
    row %= shape[0]
    if metadata.direct and chunks == (1, *shape[1:]) and 0 not in shape:
        chunk = _read_chunk(metadata, store, path, (row, *[0] * (len(shape) - 1)))
        if chunk is not None:
            return chunk.reshape(shape[1:])
    whole = read_array(metadata, store, path)
    return whole[row : row + 1].reshape(whole.shape[1:]).copy()


def read_blob(metadata: ArrayMetadata, store: ByteStore, path: str) -> bytes:
    """Return the bytes of an array that holds one opaque value, trailing NULs included.

    Blobs have been stored as a 0-d ``|S<n>`` scalar (the original), which numpy
    would strip of its trailing NULs, and as 1-D ``uint8`` (camera labels of the
    original, and everything that this project writes).
    """
    if not metadata.direct or metadata.dtype is None:
        return _read_through_zarr(store, path).tobytes()
    nbytes = metadata.dtype.itemsize
    for n in metadata.shape:
        nbytes *= n
    if nbytes == 0:
        return b""
    one_chunk = len(metadata.shape) <= 1 and metadata.chunks >= metadata.shape
    if one_chunk and metadata.compressor == "none":
        raw = store.read(metadata.chunk_key(path, (0,) * len(metadata.shape)))
        if raw is not None:
            if len(raw) == nbytes:
                return raw
            if len(raw) > nbytes and metadata.shape:  # a chunk reaching beyond the array
                return raw[:nbytes]
            raise ChunkError(f"{store.location}: {path!r} holds {len(raw)} bytes, not {nbytes}")
        if metadata.dtype.kind == "S":
            return b"\0" * nbytes  # the fill value of the writers is the empty string
    return read_array(metadata, store, path).tobytes()


def _read_chunk(
    metadata: ArrayMetadata, store: ByteStore, path: str, index: tuple[int, ...]
) -> npt.NDArray[Any] | None:
    """Decode one chunk; None if it is absent and its fill value is no plain number."""
    assert metadata.dtype is not None
    key = metadata.chunk_key(path, index)
    raw = store.view(key)
    if raw is None:
        return _absent_chunk(metadata, store, key)
    # The size is compared before memory is taken: metadata may claim any.
    size = prod(metadata.chunks) * metadata.dtype.itemsize
    if metadata.compressor == "blosc":
        what = f"{store.location}: chunk {key!r}"
        _check_blosc(raw, size, what)
        out = np.empty(metadata.chunks, metadata.dtype)
        try:
            load_blosc().decompress(raw, out)
        except (RuntimeError, ValueError) as error:
            raise ChunkError(f"{what} does not decompress: {error}") from error
        return out
    if len(raw) != size:
        raise ChunkError(f"{store.location}: chunk {key!r} holds {len(raw)} bytes, not {size}")
    out = np.empty(metadata.chunks, metadata.dtype)
    out.reshape(-1).view(np.uint8)[:] = np.frombuffer(raw, np.uint8)
    return out


def _absent_chunk(metadata: ArrayMetadata, store: ByteStore, key: str) -> npt.NDArray[Any] | None:
    assert metadata.dtype is not None
    # Writers of NCore data leave no chunk out, so that this happens at all is rare.
    counts = (-(-n // c) for n, c in zip(metadata.shape, metadata.chunks, strict=True))
    size = max(prod(metadata.shape), prod(metadata.chunks)) * metadata.dtype.itemsize
    if size > _MOST_UNSTORED or prod(counts) > _MOST_UNSTORED_CHUNKS:
        raise ChunkError(
            f"{store.location}: chunk {key!r} is missing, of an array that claims {size} bytes"
        )
    if metadata.fill_value is None:
        return None
    try:
        return np.full(metadata.chunks, metadata.fill_value, metadata.dtype)
    except OverflowError:
        raise ChunkError(
            f"{store.location}: chunk {key!r} is missing, and the fill value "
            f"{metadata.fill_value} is no {metadata.dtype}"
        ) from None


def _allocate(
    shape: tuple[int, ...], dtype: np.dtype[Any], store: ByteStore, path: str
) -> npt.NDArray[Any]:
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError):
        raise ChunkError(
            f"{store.location}: array {path!r} claims a shape of {shape}, more than fits memory"
        ) from None


def _check_blosc(raw: bytes | memoryview, size: int, what: str) -> None:
    # A Blosc buffer begins with version, versionlz, flags, typesize (a byte each)
    # and the sizes nbytes, blocksize, cbytes (uint32, little-endian). The decoder
    # trusts them, so what they say is compared with what is there.
    if len(raw) < 16:
        raise ChunkError(f"{what} is cut: {len(raw)} bytes are no Blosc buffer")
    nbytes = int.from_bytes(raw[4:8], "little")
    cbytes = int.from_bytes(raw[12:16], "little")
    if nbytes != size or cbytes != len(raw):
        raise ChunkError(
            f"{what} is damaged: a Blosc buffer of {cbytes} bytes for {nbytes}, "
            f"where {len(raw)} for {size} are expected"
        )


def _read_through_zarr(store: ByteStore, path: str) -> npt.NDArray[Any]:
    import zarr

    try:
        array = zarr.open_array(store.zarr_store(), path=path, mode="r")
        return np.asarray(array[...])
    except NcoreError:
        raise
    except Exception as error:
        # Codecs raise what they like (gzip an OSError), zarr and numpy likewise.
        raise ChunkError(
            f"{store.location}: array {path!r} cannot be read by zarr "
            f"({type(error).__name__}: {error!s:.200})"
        ) from error
