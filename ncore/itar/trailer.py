"""The last block of an archive: where its index lies."""

import struct
from typing import NamedTuple

from ncore.itar.errors import ItarFormatError
from ncore.itar.tar_header import BLOCK, RECORD

MAGIC = b"itar"
INDEX_CBOR_XZ = 1
"""The only index type: CBOR in an xz stream."""

_STRUCT = struct.Struct("<4sIQI")
_HINT = "it is not a finished itar archive (`ncore itar recover` rebuilds one that was cut off)"


class Trailer(NamedTuple):
    """Where the index lies."""

    index_offset: int
    """Absolute offset of the xz stream; also the end of the tar part."""
    index_size: int
    """Length of the xz stream in bytes."""


def encode_trailer(trailer: Trailer) -> bytes:
    """Return the 512-byte block.

    Raises:
        ItarFormatError: the index has 4 GiB or more, which the format cannot say.
    """
    if trailer.index_size >= 1 << 32:
        raise ItarFormatError("an index of 4 GiB or more does not fit the itar format")
    return _STRUCT.pack(MAGIC, INDEX_CBOR_XZ, *trailer).ljust(BLOCK, b"\0")


def decode_trailer(block: bytes, file_size: int, name: str) -> Trailer:
    """Return the trailer in the last ``BLOCK`` bytes of a file.

    Args:
        block: the last 512 bytes.
        file_size: size of the whole file.
        name: the file, for the message.

    Raises:
        ItarFormatError: it is no trailer, or points outside the file.
    """
    if file_size < BLOCK or len(block) < BLOCK:
        raise ItarFormatError(f"{name}: {file_size} bytes long; {_HINT}")
    magic, kind, offset, size = _STRUCT.unpack_from(block)
    if magic != MAGIC:
        raise ItarFormatError(f"{name}: no itar magic in its last block; {_HINT}")
    if kind != INDEX_CBOR_XZ:
        raise ItarFormatError(f"{name}: index type {kind} is unknown (only 1 is)")
    if size == 0 or offset + size > file_size - BLOCK:
        raise ItarFormatError(
            f"{name}: the index at {offset}, {size} bytes, does not fit in a file of "
            f"{file_size} bytes"
        )
    return Trailer(offset, size)


def end_of_tar(members_end: int) -> int:
    """Return where the tar part ends: at least two zero blocks, then up to a full record."""
    return -(-(members_end + 2 * BLOCK) // RECORD) * RECORD
