"""v2 filters and compressor → the v3 codec chain that decodes the same bytes.

v2 applies filters in order, then the compressor, and lets each of them take
arrays or bytes as it likes; v3 wants array codecs, then one codec from array
to bytes, then bytes codecs. Codecs outside the v3 specification keep the names
under which zarr-python 3 knows them, ``numcodecs.*``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ncore.convert.v2_metadata import OBJECT_CODECS, V2Array

ARRAY_FILTERS = frozenset(
    {"delta", "bitround", "fixedscaleoffset", "quantize", "packbits", "astype"}
)
BYTES_CODECS = frozenset(
    {
        "adler32",
        "blosc",
        "bz2",
        "crc32",
        "crc32c",
        "fletcher32",
        "gzip",
        "jenkins_lookup3",
        "lz4",
        "lzma",
        "shuffle",
        "zlib",
        "zstd",
    }
)
SERIALIZERS = frozenset({"pcodec", "zfpy"})

_BLOSC_SHUFFLE = {0: "noshuffle", 1: "shuffle", 2: "bitshuffle"}
# C-Blosc keeps the element size in one byte and falls back to 1 above this.
_BLOSC_MAX_TYPESIZE = 255


@dataclass(frozen=True)
class CodecTranslation:
    """A v3 codec chain for the same bytes, or why there is none.

    Attributes:
        codecs: the ``codecs`` member of ``zarr.json``.
        reencode: why no chain decodes the bytes; then ``codecs`` is empty.
        warnings: for the report.
    """

    codecs: list[dict[str, Any]]
    reencode: str = ""
    warnings: tuple[str, ...] = ()


def translate_codecs(array: V2Array, stored: np.dtype[Any]) -> CodecTranslation:
    """Describe an array's chunk bytes by v3 codecs.

    Args:
        array: its filters, compressor and order.
        stored: the dtype of the elements of a decoded chunk.
    """
    codecs: list[dict[str, Any]] = []
    foreign: list[str] = []
    stage: np.dtype[Any] | None = stored  # None once the chunk is bytes
    itemsize = stored.itemsize
    if array.order == "F" and len(array.shape) > 1:
        order = list(range(len(array.shape)))[::-1]
        codecs.append({"name": "transpose", "configuration": {"order": order}})
    chain = [*array.filters, *([array.compressor] if array.compressor else [])]
    for config in chain:
        name = config["id"]
        if name in OBJECT_CODECS:
            if name not in ("vlen-utf8", "vlen-bytes") or stage is None or not stage.hasobject:
                return CodecTranslation([], f"codec {name} has no v3 form")
            codecs.append({"name": name, "configuration": {}})
            stage, itemsize = None, 1
        elif name in ARRAY_FILTERS:
            if stage is None:
                return CodecTranslation([], f"filter {name} comes after a filter on bytes")
            after = _after(config, stage)
            if not _takes(config, stage):
                return CodecTranslation([], f"filter {name} over {stage} seen as another type")
            if stage.fields is not None or (name == "quantize" and after != stage):
                # zarr 3 does not follow the change of type.
                return CodecTranslation([], f"filter {name} from {stage} to {after}")
            if name in ("quantize", "bitround") and stage.byteorder == ">":
                # Whether these see the bytes swapped depends on zarr's version.
                return CodecTranslation([], f"filter {name} over big-endian values")
            codecs.append(_numcodecs(config))
            foreign.append(name)
            stage = after
            itemsize = stage.itemsize
        elif name in SERIALIZERS:
            if stage is None:
                return CodecTranslation([], f"codec {name} comes after a filter on bytes")
            codecs.append(_numcodecs(config))
            foreign.append(name)
            stage, itemsize = None, 1
        elif name in BYTES_CODECS:
            if stage is not None:
                codecs.append(bytes_codec(stage))
                stage = None
            codec = bytes_to_bytes(config, itemsize)
            codecs.append(codec)
            if codec["name"].startswith("numcodecs."):
                foreign.append(name)
        else:
            return CodecTranslation([], f"codec {name} has no v3 form")
    if stage is not None:
        codecs.append(bytes_codec(stage))
    warnings: tuple[str, ...] = ()
    if foreign:
        names = ", ".join(f"numcodecs.{name}" for name in dict.fromkeys(foreign))
        warnings = (f"{names}: not in the core v3 specification: not every reader knows it",)
    return CodecTranslation(codecs, warnings=warnings)


def bytes_codec(dtype: np.dtype[Any]) -> dict[str, Any]:
    """The ``bytes`` codec for elements that lie in memory as ``dtype`` says."""
    sizes = [f[0].itemsize for f in dtype.fields.values()] if dtype.fields else [dtype.itemsize]
    if dtype.kind in "bS" or max(sizes) == 1 or (dtype.kind == "V" and not dtype.fields):
        return {"name": "bytes"}
    return {
        "name": "bytes",
        "configuration": {"endian": "big" if dtype.byteorder == ">" else "little"},
    }


def bytes_to_bytes(config: Mapping[str, Any], itemsize: int) -> dict[str, Any]:
    """One v2 compressor (or filter on bytes) as a v3 codec.

    Args:
        config: numcodecs configuration.
        itemsize: of the elements before they became bytes; blosc wants to know.
    """
    match config["id"]:
        case "blosc":
            typesize = itemsize if 0 < itemsize <= _BLOSC_MAX_TYPESIZE else 1
            shuffle = config.get("shuffle", 1)
            if shuffle == -1:
                # numcodecs' AUTOSHUFFLE: decided by the element size when written.
                shuffle = 2 if itemsize == 1 else 1
            return {
                "name": "blosc",
                "configuration": {
                    "typesize": typesize,
                    "cname": config.get("cname", "lz4"),
                    "clevel": config.get("clevel", 5),
                    "shuffle": _BLOSC_SHUFFLE.get(shuffle, "noshuffle"),
                    "blocksize": config.get("blocksize", 0),
                },
            }
        case "zstd":
            return {
                "name": "zstd",
                "configuration": {
                    "level": config.get("level", 1),
                    "checksum": bool(config.get("checksum", False)),
                },
            }
        case "gzip":
            # v3 knows the levels 0 to 9; zlib's own default, -1, is 6.
            level = config.get("level", 1)
            return {"name": "gzip", "configuration": {"level": level if 0 <= level <= 9 else 6}}
        case "crc32c" if config.get("location", "end") == "end":
            return {"name": "crc32c"}
        case _:
            return _numcodecs(config)


def reencoding_codecs(array: V2Array, stored: np.dtype[Any]) -> list[dict[str, Any]]:
    """The chain for chunks that are written anew: ``bytes`` and a compressor.

    Filters are not applied again: what they decoded to is stored as it is, so
    that a lossy one loses nothing twice. The compressor stays if v3 specifies
    it; zlib becomes gzip, any other zstd.
    """
    codecs = [bytes_codec(stored)]
    for config in array.filters:
        if config["id"] in ("blosc", "zstd", "gzip", "zlib") and array.compressor is None:
            return [*codecs, _specified(config, stored.itemsize)]
    if array.compressor is not None:
        codecs.append(_specified(array.compressor, stored.itemsize))
    return codecs


def _specified(config: Mapping[str, Any], itemsize: int) -> dict[str, Any]:
    if config["id"] in ("blosc", "zstd", "gzip"):
        return bytes_to_bytes(config, itemsize)
    if config["id"] == "zlib":
        return bytes_to_bytes({**config, "id": "gzip"}, itemsize)
    return bytes_to_bytes({"id": "zstd", "level": 3}, itemsize)


def _numcodecs(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": f"numcodecs.{config['id']}",
        "configuration": {k: v for k, v in config.items() if k != "id"},
    }


def _takes(config: Mapping[str, Any], stage: np.dtype[Any]) -> bool:
    """Whether v3 reads what an array filter was given as it was given.

    v2 only looks at the bytes as the filter's type says, and at what comes out as
    the array's; zarr 3 converts the values from the one type into the other.
    """
    name = config.get("decode_dtype" if config["id"] == "astype" else "dtype")
    if name is None:
        return True
    taken = np.dtype(str(name))
    if taken.itemsize != stage.itemsize or taken.isnative != stage.isnative:
        return False
    # Among whole numbers, and from them to times and bools, converting keeps the bits.
    return taken == stage or (taken.kind in "iu" and stage.kind in "iumMb")


def _after(config: Mapping[str, Any], stage: np.dtype[Any]) -> np.dtype[Any]:
    """dtype of the elements that an array filter puts out."""
    match config["id"]:
        case "packbits":
            return np.dtype(np.uint8)
        case "astype":
            return np.dtype(str(config["encode_dtype"]))
        case "bitround":
            return stage
        case _:
            name = config.get("astype") or config.get("dtype")
            return stage if name is None else np.dtype(str(name))
