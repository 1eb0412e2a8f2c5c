"""Other chunks, shards or compressor on the way."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ncore.convert.encode_v3 import INDEX_CODECS
from ncore.convert.errors import LayoutError
from ncore.convert.translate_codecs import bytes_codec, reencoding_codecs
from ncore.convert.translate_dtype import translate_dtype
from ncore.convert.translation import Action, Form, Translation
from ncore.convert.v2_metadata import V2Array

_BYTE = np.dtype(np.uint8)
_BLOSC_NAMES = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")
_BLOSC_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")
_OBJECT_BYTES = 32  # what a string takes, when chunks are asked for by size


@dataclass(frozen=True)
class Layout:
    """How arrays are to be laid out.

    Attributes:
        chunks: shape of a chunk, for arrays with so many dimensions; or bytes
            that a decoded chunk may have at most; None keeps the chunks.
        shards: shape of a shard (each length a multiple of the chunk's), or
            bytes that a decoded shard may have at most; None writes no shards.
        compressor: v3 codecs after the array-to-bytes codec; None keeps the
            compressor, ``()`` means none.
    """

    chunks: tuple[int, ...] | int | None = None
    shards: tuple[int, ...] | int | None = None
    compressor: tuple[dict[str, Any], ...] | None = None

    @property
    def asks(self) -> bool:
        """Whether anything is to change."""
        return not (self.chunks is None and self.shards is None and self.compressor is None)


def relayout(translation: Translation, array: V2Array, layout: Layout) -> Translation:
    """Change a translation so that the array is written as the layout asks.

    Arrays to which it does not apply (another number of dimensions, single
    values, NCore's images) stay as they are.

    Raises:
        LayoutError: shards are no multiple of chunks.
    """
    if translation.document is None or translation.form is Form.BLOB or not layout.asks:
        return translation
    if not array.shape or math.prod(array.shape) == 0:
        return translation
    document = dict(translation.document)
    itemsize = _OBJECT_BYTES if array.dtype.hasobject else array.dtype.itemsize
    old = tuple(document["chunk_grid"]["configuration"]["chunk_shape"])
    chunks = _chunks(layout.chunks, array.shape, old, itemsize)
    shards = _shards(layout.shards, array.shape, chunks, itemsize)
    warnings = translation.warnings
    if shards is not None and array.dtype.kind == "V":
        # zarr 3.1 compares fill values by hash in a shard, and these have none.
        shards = None
        warnings = (*warnings, "structs and raw bytes are not sharded: zarr 3.1 cannot read them")
    if chunks == old and shards is None and layout.compressor is None:
        return replace(translation, warnings=warnings)
    codecs = _plain_codecs(translation, array)
    if layout.compressor is not None:
        codecs = [codecs[0], *(_with_typesize(c, itemsize) for c in layout.compressor)]
    if shards is not None:
        if any(s % c for s, c in zip(shards, chunks, strict=True)):
            raise LayoutError(
                f"shards {list(shards)} are no multiple of chunks {list(chunks)} "
                f"of array {array.path or '/'!r}"
            )
        configuration = {
            "chunk_shape": list(chunks),
            "codecs": codecs,
            "index_codecs": INDEX_CODECS,
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": configuration}]
    document["chunk_grid"] = {
        "name": "regular",
        "configuration": {"chunk_shape": list(shards or chunks)},
    }
    document["chunk_key_encoding"] = {"name": "default", "configuration": {"separator": "/"}}
    document["codecs"] = codecs
    reason = translation.reason or "another layout was asked for"
    return replace(
        translation, action=Action.REENCODE, document=document, reason=reason, warnings=warnings
    )


def parse_compressor(text: str) -> tuple[dict[str, Any], ...]:
    """``none``, ``zstd[:LEVEL]``, ``gzip[:LEVEL]`` or ``blosc[:CNAME[:LEVEL[:SHUFFLE]]]``.

    Raises:
        ValueError: it is none of these.
    """
    name, *rest = text.split(":")
    match name:
        case "none" if not rest:
            return ()
        case "zstd" if len(rest) <= 1:
            level = _level(text, rest[0] if rest else "3", -131072, 22)
            return ({"name": "zstd", "configuration": {"level": level, "checksum": False}},)
        case "gzip" if len(rest) <= 1:
            level = _level(text, rest[0] if rest else "5", 0, 9)
            return ({"name": "gzip", "configuration": {"level": level}},)
        case "blosc" if len(rest) <= 3:
            cname, clevel, shuffle = [*rest, *["zstd", "5", "shuffle"][len(rest) :]]
            if cname not in _BLOSC_NAMES or shuffle not in _BLOSC_SHUFFLES:
                raise ValueError(
                    f"compressor {text!r}: CNAME is one of {', '.join(_BLOSC_NAMES)}; SHUFFLE one "
                    f"of {', '.join(_BLOSC_SHUFFLES)}"
                )
            configuration = {
                "typesize": 1,
                "cname": cname,
                "clevel": _level(text, clevel, 0, 9),
                "shuffle": shuffle,
                "blocksize": 0,
            }
            return ({"name": "blosc", "configuration": configuration},)
    raise ValueError(
        f"compressor {text!r} is none of none, zstd[:LEVEL], gzip[:LEVEL], "
        "blosc[:CNAME[:LEVEL[:SHUFFLE]]]"
    )


def _level(text: str, level: str, least: int, most: int) -> int:
    try:
        number = int(level)
    except ValueError:
        number = most + 1
    if not least <= number <= most:
        raise ValueError(f"compressor {text!r}: LEVEL is a number from {least} to {most}")
    return number


def parse_extent(text: str) -> tuple[int, ...] | int:
    """A shape (``256,256``) or a size in bytes (``64MiB``, ``10MB``).

    Raises:
        ValueError: it is neither.
    """
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
    try:
        for unit, factor in units.items():
            if text.upper().endswith(unit):
                return int(float(text[: -len(unit)]) * factor)
        shape = tuple(int(part) for part in text.split(","))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is neither a shape such as 64,64 nor a size such as 64MiB"
        ) from None
    if not all(n > 0 for n in shape):
        raise ValueError(f"{text!r}: lengths must be positive")
    return shape


def _plain_codecs(translation: Translation, array: V2Array) -> list[dict[str, Any]]:
    """The chain for values written anew, without shards."""
    assert translation.document is not None
    if translation.action is Action.REENCODE:
        codecs: list[dict[str, Any]] = translation.document["codecs"]
        return codecs
    if array.dtype.hasobject:
        serializer = "vlen-bytes" if array.object_codec == "vlen-bytes" else "vlen-utf8"
        first = {"name": serializer, "configuration": {}}
        return [first, *reencoding_codecs(array, _BYTE)[1:]]
    structs = translation.form is Form.RAW_BYTES
    stored = translate_dtype(array.dtype, structs="raw" if structs else "flatten").native
    codecs = reencoding_codecs(array, stored)
    return [bytes_codec(stored), *codecs[1:]]


def _chunks(
    asked: tuple[int, ...] | int | None,
    shape: tuple[int, ...],
    old: tuple[int, ...],
    itemsize: int,
) -> tuple[int, ...]:
    if asked is None:
        return old
    if isinstance(asked, tuple):
        return asked if len(asked) == len(shape) else old
    lengths = list(shape)
    while math.prod(lengths) * itemsize > asked and max(lengths) > 1:
        longest = lengths.index(max(lengths))
        lengths[longest] = -(-lengths[longest] // 2)
    return tuple(lengths)


def _shards(
    asked: tuple[int, ...] | int | None,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    itemsize: int,
) -> tuple[int, ...] | None:
    if asked is None:
        return None
    if isinstance(asked, tuple):
        return asked if len(asked) == len(shape) else None
    grid = [-(-n // c) for n, c in zip(shape, chunks, strict=True)]
    counts = [1] * len(grid)
    size = math.prod(chunks) * itemsize
    # The last dimension first: its chunks lie beside each other in a C-order scan.
    for axis in reversed(range(len(grid))):
        others = math.prod(counts) // counts[axis]
        most = max(1, asked // (size * others))
        counts[axis] = min(grid[axis], most)
        if counts[axis] < grid[axis]:
            break
    return tuple(n * c for n, c in zip(counts, chunks, strict=True))


def _with_typesize(codec: dict[str, Any], itemsize: int) -> dict[str, Any]:
    if codec["name"] != "blosc":
        return codec
    typesize = itemsize if itemsize <= 255 else 1
    return {"name": "blosc", "configuration": {**codec["configuration"], "typesize": typesize}}
