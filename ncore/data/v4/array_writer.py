"""Zarr v3 metadata documents and chunk bytes of the arrays that components write.

Two forms only, both of which every zarr v3 implementation reads
(docs/ncore-v4.md says why): numbers as little-endian (or, where the given array
is big-endian, big-endian) bytes in Blosc LZ4 with bit shuffle, and blobs as
uncompressed 1-D ``uint8``.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.data.v4.blosc import load_blosc

# numpy's name is the v3 name for all of these; other dtypes have no v3 core data type.
_CORE_KINDS = "biufc"
_CNAME, _CLEVEL, _BITSHUFFLE = b"lz4", 5, 2


def is_core_dtype(dtype: np.dtype[Any]) -> bool:
    """Whether ``dtype`` is a data type of the zarr v3 core specification (or float16)."""
    return dtype.kind in _CORE_KINDS and dtype.itemsize <= (16 if dtype.kind == "c" else 8)


def group_document(attributes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The ``zarr.json`` document of a group."""
    return {"attributes": attributes or {}, "zarr_format": 3, "node_type": "group"}


def array_document(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunks: tuple[int, ...],
    compressed: bool,
    attributes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The ``zarr.json`` document of an array.

    Args:
        shape: shape of the array.
        dtype: a core dtype; its byte order becomes the ``bytes`` codec's.
        chunks: chunk shape, without zeros.
        compressed: Blosc LZ4 level 5 with bit shuffle, or no compression.
        attributes: JSON attributes.
    """
    bytes_codec: dict[str, Any] = {"name": "bytes"}
    if dtype.itemsize > 1:
        big = dtype.newbyteorder("=") != dtype
        bytes_codec["configuration"] = {"endian": "big" if big else "little"}
    codecs = [bytes_codec]
    if compressed:
        codecs.append(
            {
                "name": "blosc",
                "configuration": {
                    "typesize": dtype.itemsize,
                    "cname": _CNAME.decode(),
                    "clevel": _CLEVEL,
                    "shuffle": "bitshuffle",
                    "blocksize": 0,
                },
            }
        )
    fill: Any = {"b": False, "f": 0.0, "c": [0.0, 0.0]}.get(dtype.kind, 0)
    return {
        "shape": list(shape),
        "data_type": _data_type(dtype),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": codecs,
        "attributes": attributes or {},
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


@cache
def _data_type(dtype: np.dtype[Any]) -> str:
    return dtype.name  # which numpy computes anew each time, at length


def chunk_shape(shape: tuple[int, ...], rows_apart: bool = False) -> tuple[int, ...]:
    """The chunk shape for an array stored whole, or with one chunk for each row.

    A chunk has no zero extent, even where the array has one.
    """
    extents = (1, *shape[1:]) if rows_apart else shape
    return tuple(max(1, n) for n in extents)


def encoded_chunks(
    data: npt.NDArray[Any], chunks: tuple[int, ...], compressed: bool
) -> Iterator[tuple[str, bytes | memoryview]]:
    """Yield the key (relative to the array) and the bytes of every chunk of ``data``.

    ``chunks`` must divide the shape; what has no elements has no chunks.
    """
    if 0 in data.shape:
        return
    data = np.asarray(data, order="C")
    if not data.shape:
        yield "c", _encode(data, compressed)
        return
    counts = [n // c for n, c in zip(data.shape, chunks, strict=True)]
    for index in product(*map(range, counts)):
        part = data
        if max(counts) > 1:
            part = np.ascontiguousarray(
                data[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))]
            )
        yield "c/" + "/".join(map(str, index)), _encode(part, compressed)


def _encode(part: npt.NDArray[Any], compressed: bool) -> bytes | memoryview:
    if not compressed:
        return part.tobytes()
    # Blosc takes the element size, which bit shuffle needs, from the buffer.
    encoded: bytes = load_blosc().compress(part, _CNAME, _CLEVEL, _BITSHUFFLE)
    return encoded
