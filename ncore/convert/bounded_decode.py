"""Decode with a codec, but never to more bytes than a chunk can hold.

A chunk of a few KB may claim, or turn out, to hold many GB. What the metadata
says of a chunk bounds what its codecs may put out. The codecs of the standard
library stop there; of the others the size stands in the bytes and is read
first. A codec from another package is trusted to keep its own limits.
"""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from numcodecs.compat import ensure_bytes

_ZSTD_MAGIC = 0xFD2FB528
_ZSTD_SKIPPABLE = 0x184D2A50
_ZSTD_BLOCK = 128 << 10
_LZMA_MEMORY = 1 << 30


class DecodedSizeError(ValueError):
    """The bytes decode to more than they may."""


def bounded_decode(codec: Any, raw: Any, limit: int) -> Any:
    """What ``codec.decode(raw)`` returns.

    Args:
        codec: of numcodecs.
        raw: bytes, or anything with the buffer protocol.
        limit: bytes that may come of it.

    Raises:
        DecodedSizeError: it would be more.
    """
    inflate = _INFLATE.get(codec.codec_id)
    if inflate is not None:
        return inflate(codec, ensure_bytes(raw), limit)
    measure = _MEASURE.get(codec.codec_id)
    if measure is not None:
        size = measure(ensure_bytes(raw))
        if size > limit:
            raise _too_large(limit)
    return codec.decode(raw)


def _too_large(limit: int) -> DecodedSizeError:
    return DecodedSizeError(f"it decodes to more than {limit} bytes, which the metadata rule out")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _stream(decompressor: _Decompressor, raw: bytes, limit: int) -> tuple[bytes, bytes]:
    """What one compressed stream holds, and what follows it."""
    data = decompressor.decompress(raw, limit + 1)
    if len(data) > limit:
        raise _too_large(limit)
    if not decompressor.eof:
        raise EOFError("the compressed data end before their end marker")
    return data, decompressor.unused_data


def _streams(make: Callable[[], _Decompressor], raw: bytes, limit: int) -> bytes:
    """All streams that follow each other; zeros, and what is no stream, may follow them."""
    data, rest = _stream(make(), raw, limit)
    while rest := rest.lstrip(b"\0"):
        try:
            more, rest = _stream(make(), rest, limit - len(data))
        except (OSError, zlib.error, lzma.LZMAError):
            break
        data += more
    return data


def _gzip(codec: Any, raw: bytes, limit: int) -> bytes:
    return _streams(lambda: zlib.decompressobj(31), raw, limit)


def _zlib(codec: Any, raw: bytes, limit: int) -> bytes:
    return _stream(zlib.decompressobj(), raw, limit)[0]


def _bz2(codec: Any, raw: bytes, limit: int) -> bytes:
    return _streams(bz2.BZ2Decompressor, raw, limit)


def _lzma(codec: Any, raw: bytes, limit: int) -> bytes:
    if codec.format == lzma.FORMAT_RAW:
        make = lambda: lzma.LZMADecompressor(codec.format, filters=codec.filters)  # noqa: E731
    else:
        make = lambda: lzma.LZMADecompressor(codec.format, memlimit=_LZMA_MEMORY)  # noqa: E731
    return _streams(make, raw, limit)


def _blosc_size(raw: bytes) -> int:
    return int(struct.unpack_from("<I", raw, 4)[0])


def _lz4_size(raw: bytes) -> int:
    return int(struct.unpack_from("<I", raw)[0])


def zstd_size(raw: bytes) -> int:
    """Most bytes to which Zstandard frames can decode; exact where they tell.

    https://datatracker.ietf.org/doc/html/rfc8878#section-3.1
    """
    total = at = 0
    while at < len(raw):
        magic = struct.unpack_from("<I", raw, at)[0]
        at += 4
        if magic & ~0xF == _ZSTD_SKIPPABLE:
            at += 4 + struct.unpack_from("<I", raw, at)[0]
            continue
        if magic != _ZSTD_MAGIC:
            raise ValueError("no Zstandard frame")
        descriptor = raw[at]
        single = descriptor >> 5 & 1
        content = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
        at += 1 + (not single) + (0, 1, 2, 4)[descriptor & 3]
        told = int.from_bytes(raw[at : at + content], "little") + (256 if content == 2 else 0)
        at += content
        most, last = 0, False
        while not last:
            header = int.from_bytes(raw[at : at + 3], "little")
            if len(raw) < at + 3:
                raise ValueError("the Zstandard frame is cut short")
            at += 3
            last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
            most += _ZSTD_BLOCK if kind == 2 else size
            at += 1 if kind == 1 else size
        at += 4 * (descriptor >> 2 & 1)
        total += told if content else most
    return total


_INFLATE: dict[str, Callable[[Any, bytes, int], bytes]] = {
    "gzip": _gzip,
    "zlib": _zlib,
    "bz2": _bz2,
    "lzma": _lzma,
}
_MEASURE: dict[str, Callable[[bytes], int]] = {
    "blosc": _blosc_size,
    "lz4": _lz4_size,
    "zstd": zstd_size,
}
