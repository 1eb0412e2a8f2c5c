"""What the reader needs to know of a zarr array, from its v2 or v3 metadata document.

Building a ``zarr.Array`` costs about a millisecond, more than reading most
of what a frame holds. The arrays that NCore writers make, of any generation,
come in two forms only: uncompressed bytes, and one Blosc buffer a chunk. Those
are recognised here and decoded by :mod:`ncore.data.v4.array_reader`; of any
other form only ``direct`` is set to false, and zarr itself reads it.

Formats: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html and
https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, Literal

import numpy as np

from ncore.data.v4.errors import SequenceFormatError

# Data types of the v3 core specification, and float16, by their names there.
_V3_DTYPES = frozenset(
    (
        "bool",
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
        *(f"float{bits}" for bits in (16, 32, 64)),
        *(f"complex{bits}" for bits in (64, 128)),
    )
)
_FLOAT_FILLS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}

# What numpy 1 holds (2 takes 64 dimensions), and a size whose bytes fit 63 bits.
_MOST_DIMENSIONS = 32
_MOST_ELEMENTS = 1 << 58

Compressor = Literal["none", "blosc"]


@dataclass(frozen=True, slots=True)
class ArrayMetadata:
    """One array's form.

    Attributes:
        shape: shape of the array.
        chunks: shape of a chunk; the last chunk of a dimension may reach beyond the array.
        dtype: dtype of the stored elements, byte order included. Of an array
            that is not ``direct`` it may be None.
        compressor: how a chunk's bytes are compressed.
        fill_value: value of the elements of an absent chunk; None if it is not
            a plain number, in which case zarr is asked.
        key_prefix: what precedes the chunk's indices in its key.
        separator: what stands between the chunk's indices.
        direct: whether the chunks can be decoded without zarr.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any] | None
    compressor: Compressor
    fill_value: int | float | bool | complex | None
    key_prefix: str
    separator: str
    direct: bool

    def chunk_key(self, path: str, index: tuple[int, ...]) -> str:
        """Key of the chunk at ``index`` of the array at ``path``."""
        name = self.separator.join(map(str, index))
        if self.key_prefix:
            name = f"{self.key_prefix}{self.separator}{name}" if index else self.key_prefix
        elif not index:
            name = "0"
        return f"{path}/{name}" if path else name


@lru_cache(maxsize=256)
def _dtype(text: str) -> np.dtype[Any]:
    return np.dtype(text)


def _extents(value: Any, what: str, where: str) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(n) is int and n >= 0 for n in value):
        raise SequenceFormatError(f"{where}: {what} {value!r:.100} is no list of sizes")
    if len(value) > _MOST_DIMENSIONS or prod(value) > _MOST_ELEMENTS:
        raise SequenceFormatError(f"{where}: {what} {value!r:.100} is more than an array can have")
    return tuple(value)


def _check_separator(separator: Any, where: str) -> None:
    if separator not in ("/", "."):
        raise SequenceFormatError(f"{where}: chunk key separator {separator!r:.40}")


def _plain_fill(value: Any, dtype: np.dtype[Any] | None) -> int | float | bool | None:
    if dtype is None or dtype.kind not in "biuf":
        return None
    if isinstance(value, str):
        return _FLOAT_FILLS.get(value)
    return value if isinstance(value, (bool, int, float)) else None


def parse_v2(document: Mapping[str, Any], where: str) -> ArrayMetadata:
    """Read a decoded ``.zarray`` document.

    Args:
        document: the decoded JSON.
        where: file and node path, for error messages.

    Raises:
        SequenceFormatError: the document lacks what every array has.
    """
    try:
        shape = _extents(document["shape"], "shape", where)
        chunks = _extents(document["chunks"], "chunks", where)
        type_string = document["dtype"]
        compressor = document["compressor"]
        filters = document["filters"]
    except KeyError as error:
        raise SequenceFormatError(f"{where}: array metadata without {error}") from None
    if len(shape) != len(chunks):
        raise SequenceFormatError(f"{where}: {len(shape)} dimensions but {len(chunks)} chunk sizes")
    dtype = None
    if isinstance(type_string, str):
        try:
            dtype = _dtype(type_string)
        except TypeError:
            raise SequenceFormatError(f"{where}: unknown dtype {type_string!r}") from None
    kind = None
    if compressor is None:
        kind = "none"
    elif isinstance(compressor, dict) and compressor.get("id") == "blosc":
        kind = "blosc"
    direct = (
        kind is not None
        and dtype is not None
        and dtype.kind != "O"
        and not filters
        # The order of the elements says nothing where there is one dimension.
        and (document.get("order", "C") == "C" or len(shape) < 2)
        and 0 not in chunks
    )
    separator = document.get("dimension_separator") or "."
    _check_separator(separator, where)
    return ArrayMetadata(
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        compressor="blosc" if kind == "blosc" else "none",
        fill_value=_plain_fill(document.get("fill_value"), dtype),
        key_prefix="",
        separator=separator,
        direct=direct,
    )


def parse_v3(document: Mapping[str, Any], where: str) -> ArrayMetadata:
    """Read a decoded ``zarr.json`` document of an array; see :func:`parse_v2`."""
    try:
        shape = _extents(document["shape"], "shape", where)
        data_type = document["data_type"]
        grid = document["chunk_grid"]
        encoding = document["chunk_key_encoding"]
        codecs = [_named(codec) for codec in document["codecs"]]
        grid_name, grid_options = _named(grid)
        key_name, key_options = _named(encoding)
    except KeyError as error:
        raise SequenceFormatError(f"{where}: array metadata without {error}") from None
    except (TypeError, AttributeError) as error:
        raise SequenceFormatError(f"{where}: array metadata of another form: {error}") from None
    codec_names = [name for name, _ in codecs]
    direct = (
        grid_name == "regular"
        and isinstance(data_type, str)
        and data_type in _V3_DTYPES
        and codec_names in (["bytes"], ["bytes", "blosc"])
        and key_name in ("default", "v2")
        and not document.get("storage_transformers")
    )
    dtype = None
    if isinstance(data_type, str) and data_type in _V3_DTYPES:
        endian = codecs[0][1].get("endian") if codec_names[:1] == ["bytes"] else None
        dtype = _dtype(data_type).newbyteorder(">" if endian == "big" else "<")
    chunks = shape
    if grid_name == "regular":
        chunks = _extents(grid_options.get("chunk_shape"), "chunk_shape", where)
        if len(shape) != len(chunks):
            raise SequenceFormatError(
                f"{where}: {len(shape)} dimensions but {len(chunks)} chunk sizes"
            )
    v2_keys = key_name == "v2"
    separator = key_options.get("separator") or ("." if v2_keys else "/")
    _check_separator(separator, where)
    return ArrayMetadata(
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        compressor="blosc" if "blosc" in codec_names else "none",
        fill_value=_plain_fill(document.get("fill_value"), dtype),
        key_prefix="" if v2_keys else "c",
        separator=separator,
        direct=direct and 0 not in chunks,
    )


def blob_v2(document: Mapping[str, Any]) -> int | None:
    """Size in bytes of a v2 array in the form of the original's blobs, None for other forms.

    These are 0-d ``|S<n>`` scalars without compressor. The key of their one
    chunk is ``0``.
    """
    dtype = document.get("dtype")
    if (
        document.get("shape") == []
        and document.get("compressor") is None
        and not document.get("filters")
        and isinstance(dtype, str)
        and dtype[:2] == "|S"
        and dtype[2:].isdecimal()
    ):
        return int(dtype[2:])
    return None


_BYTES_CODECS: tuple[Any, ...] = ([{"name": "bytes"}], [{"name": "bytes", "configuration": {}}])
_DEFAULT_KEYS: tuple[Any, ...] = (
    {"name": "default", "configuration": {"separator": "/"}},
    {"name": "default"},
)


def blob_v3(document: Mapping[str, Any]) -> int | None:
    """Size in bytes of a v3 array in the form of this project's blobs, None for other forms.

    These are 1-D ``uint8`` arrays of one uncompressed chunk, ``c/0``.
    """
    shape = document.get("shape")
    if (
        document.get("data_type") == "uint8"
        and isinstance(shape, list)
        and len(shape) == 1
        and document.get("codecs") in _BYTES_CODECS
        and document.get("chunk_grid")
        == {"name": "regular", "configuration": {"chunk_shape": shape}}
        and document.get("chunk_key_encoding") in _DEFAULT_KEYS
        and not document.get("storage_transformers")
    ):
        size = shape[0]
        return size if type(size) is int and size > 0 else None
    return None


def _named(extension: Any) -> tuple[str, Mapping[str, Any]]:
    """Name and configuration of an extension point, which v3 also allows as a bare name."""
    if isinstance(extension, str):
        return extension, {}
    configuration = extension.get("configuration") or {}
    if not isinstance(configuration, Mapping):
        raise TypeError(f"a configuration {configuration!r:.60} that is no object")
    return str(extension["name"]), configuration
