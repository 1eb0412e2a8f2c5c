"""Encode chunks and shards for the v3 metadata that re-encoding writes.

Only the chains that this package chooses itself: ``bytes``, ``vlen-utf8`` or
``vlen-bytes``, then ``blosc``, ``zstd``, ``gzip`` or ``crc32c``, all of it inside
``sharding_indexed`` or not. numcodecs does the work and lets go of the GIL, so
threads make it faster, which zarr's event loop does not.

https://zarr-specs.readthedocs.io/en/latest/v3/codecs/
"""

import itertools
import struct
from collections.abc import Callable
from typing import Any, Literal

import google_crc32c
import numcodecs
import numpy as np
from numcodecs.vlen import VLenBytes, VLenUTF8

_MISSING = 2**64 - 1
_SHUFFLE = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}

INDEX_CODECS = [
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "crc32c"},
]


class V3Encoder:
    """Encodes the chunks (shards, where the document says so) of one v3 array.

    Args:
        document: the array's ``zarr.json``.

    Attributes:
        chunk_shape: of what is stored under one key.
        inner_shape: of a chunk inside a shard; the same where there are no shards.

    Raises:
        ValueError: the document has a codec that this module does not write.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.chunk_shape = tuple(document["chunk_grid"]["configuration"]["chunk_shape"])
        codecs = document["codecs"]
        self.sharded = codecs[0]["name"] == "sharding_indexed"
        if self.sharded:
            configuration = codecs[0]["configuration"]
            self.inner_shape = tuple(configuration["chunk_shape"])
            codecs = configuration["codecs"]
        else:
            self.inner_shape = self.chunk_shape
        self._steps = [_step(codec) for codec in codecs]
        self._key = _chunk_key(document["chunk_key_encoding"])

    def key(self, coords: tuple[int, ...]) -> str:
        """Key of a chunk (shard) relative to its array."""
        return self._key(coords)

    def encode(
        self,
        values: np.ndarray[Any, Any],
        exists: Callable[[tuple[int, ...]], bool] | None = None,
    ) -> bytes | None:
        """Encode one chunk or shard.

        Args:
            values: of shape `chunk_shape`, in the dtype in which they are stored.
            exists: in a shard, whether the inner chunk at these coordinates (within
                the shard) holds anything; those that do not are left out.

        Returns:
            What to store, or None for a shard in which nothing exists.
        """
        if not self.sharded:
            return self._encode(values)
        grid = [n // c for n, c in zip(self.chunk_shape, self.inner_shape, strict=True)]
        parts: list[bytes] = []
        index: list[int] = []
        at = 0
        for coords in itertools.product(*map(range, grid)):
            if exists is not None and not exists(coords):
                index += (_MISSING, _MISSING)
                continue
            inner = values[
                tuple(
                    slice(i * c, (i + 1) * c) for i, c in zip(coords, self.inner_shape, strict=True)
                )
            ]
            part = self._encode(inner)
            parts.append(part)
            index += (at, len(part))
            at += len(part)
        if not parts:
            return None
        raw = struct.pack(f"<{len(index)}Q", *index)
        return b"".join([*parts, raw, struct.pack("<I", google_crc32c.value(raw))])

    def _encode(self, values: Any) -> bytes:
        for step in self._steps:
            values = step(values)
        return bytes(values)


def _step(codec: dict[str, Any]) -> Callable[[Any], Any]:
    configuration = codec.get("configuration", {})
    match codec["name"]:
        case "bytes":
            order: Literal["<", ">"] = ">" if configuration.get("endian") == "big" else "<"

            def to_bytes(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
                # Not tobytes(): it goes element by element through an inner chunk of a shard.
                stored = values.dtype.newbyteorder(order)
                flat = np.ascontiguousarray(values.astype(stored, copy=False))
                return flat.reshape(-1).view(np.uint8)

            return to_bytes
        case "vlen-utf8":
            text = VLenUTF8()
            return lambda values: text.encode(np.ascontiguousarray(values))
        case "vlen-bytes":
            binary = VLenBytes()
            return lambda values: binary.encode(np.ascontiguousarray(values))
        case "blosc":
            blosc = numcodecs.Blosc(
                cname=configuration["cname"],
                clevel=configuration["clevel"],
                shuffle=_SHUFFLE[configuration["shuffle"]],
                blocksize=configuration.get("blocksize", 0),
                typesize=configuration["typesize"],
            )
            return blosc.encode  # type: ignore[no-any-return]
        case "zstd":
            return numcodecs.Zstd(  # type: ignore[no-any-return]
                level=configuration["level"], checksum=configuration.get("checksum", False)
            ).encode
        case "gzip":
            return numcodecs.GZip(level=configuration["level"]).encode  # type: ignore[no-any-return]
        case "crc32c":
            return lambda raw: bytes(raw) + struct.pack("<I", google_crc32c.value(bytes(raw)))
    raise ValueError(f"codec {codec['name']} cannot be written here")


def _chunk_key(encoding: dict[str, Any]) -> Callable[[tuple[int, ...]], str]:
    default = encoding["name"] == "default"
    configuration = encoding.get("configuration", {})
    separator: str = configuration.get("separator", "/" if default else ".")

    def key(coords: tuple[int, ...]) -> str:
        if default:
            return separator.join(["c", *map(str, coords)])
        return separator.join(map(str, coords)) if coords else "0"

    return key
