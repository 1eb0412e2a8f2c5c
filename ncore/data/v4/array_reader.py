"""Arrays and blobs read straight from a store's bytes.

Every function takes the array's metadata, the store that holds the chunks and
the node path of the array. What is not in a directly decodable form
(see :mod:`ncore.data.v4.array_metadata`) is read by zarr, with the same result.
"""

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.data.v4.array_metadata import ArrayMetadata
from ncore.data.v4.blosc import load_blosc
from ncore.data.v4.byte_stores import ByteStore
from ncore.data.v4.errors import ChunkError


def read_array(metadata: ArrayMetadata, store: ByteStore, path: str) -> npt.NDArray[Any]:
    """Return the whole array, writable, in its stored dtype.

    Raises:
        ChunkError: a chunk's bytes do not decode to the chunk's size.
    """
    if not metadata.direct or metadata.dtype is None:
        return _read_through_zarr(store, path)
    shape, chunks = metadata.shape, metadata.chunks
    if 0 in shape:
        return np.empty(shape, metadata.dtype)
    if chunks == shape:
        chunk = _read_chunk(metadata, store, path, (0,) * len(shape))
        return _read_through_zarr(store, path) if chunk is None else chunk
    out = np.empty(shape, metadata.dtype)
    counts = [-(-n // c) for n, c in zip(shape, chunks, strict=True)]
    for index in product(*map(range, counts)):
        chunk = _read_chunk(metadata, store, path, index)
        if chunk is None:
            return _read_through_zarr(store, path)
        target = tuple(
            slice(i * c, min((i + 1) * c, n)) for i, c, n in zip(index, chunks, shape, strict=True)
        )
        out[target] = chunk[tuple(slice(s.stop - s.start) for s in target)]
    return out


def read_row(metadata: ArrayMetadata, store: ByteStore, path: str, row: int) -> npt.NDArray[Any]:
    """Return ``array[row]`` reading only the chunks it needs.

    Raises:
        IndexError: no such row.
        ChunkError: a chunk's bytes do not decode to the chunk's size.
    """
    shape, chunks = metadata.shape, metadata.chunks
    if not shape or not -shape[0] <= row < shape[0]:
        raise IndexError(f"row {row} of {path!r}, which has shape {shape}")
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
        if metadata.fill_value is None:
            return None
        return np.full(metadata.chunks, metadata.fill_value, metadata.dtype)
    out = np.empty(metadata.chunks, metadata.dtype)
    if metadata.compressor == "blosc":
        _decompress_blosc(raw, out, f"{store.location}: chunk {key!r}")
    elif len(raw) == out.nbytes:
        out.reshape(-1).view(np.uint8)[:] = np.frombuffer(raw, np.uint8)
    else:
        raise ChunkError(
            f"{store.location}: chunk {key!r} holds {len(raw)} bytes, not {out.nbytes}"
        )
    return out


def _decompress_blosc(raw: bytes | memoryview, out: npt.NDArray[Any], what: str) -> None:
    # A Blosc buffer begins with version, versionlz, flags, typesize (a byte each)
    # and the sizes nbytes, blocksize, cbytes (uint32, little-endian). The decoder
    # trusts them, so what they say is compared with what is there.
    if len(raw) < 16:
        raise ChunkError(f"{what} is cut: {len(raw)} bytes are no Blosc buffer")
    nbytes = int.from_bytes(raw[4:8], "little")
    cbytes = int.from_bytes(raw[12:16], "little")
    if nbytes != out.nbytes or cbytes != len(raw):
        raise ChunkError(
            f"{what} is damaged: a Blosc buffer of {cbytes} bytes for {nbytes}, "
            f"where {len(raw)} for {out.nbytes} are expected"
        )
    try:
        load_blosc().decompress(raw, out)
    except (RuntimeError, ValueError) as error:
        raise ChunkError(f"{what} does not decompress: {error}") from error


def _read_through_zarr(store: ByteStore, path: str) -> npt.NDArray[Any]:
    import zarr

    array = zarr.open_array(store.zarr_store(), path=path, mode="r")
    return np.asarray(array[...])
