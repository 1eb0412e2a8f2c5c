"""Tar headers as an itar archive has them: POSIX.1-2001 (PAX) over ustar, one fixed form.

The layout is that of Python's ``tarfile`` in its default format with all
fields but name and size at rest (docs/format.md, "Member"). Written by hand
because the writer makes 10^5 of them a second and must not change with the
Python version it runs under.
"""

from collections.abc import Mapping
from typing import NamedTuple

BLOCK = 512
RECORD = 20 * BLOCK
"""The tar part ends on a multiple of this (tar's default blocking factor)."""
USTAR_SIZE_LIMIT = 8**11
"""First payload size that eleven octal digits cannot hold (8 GiB)."""

_MODE_OWNER = b"0000644\0" + b"0000000\0" * 2
_PAX_MODE_OWNER = b"0000000\0" * 3
_MTIME = b"00000000000\0"
# typeflag, linkname, magic and version; uname .. prefix and the block's rest are zero.
_REST = b"%b" + bytes(100) + b"ustar\x0000" + bytes(247)
_REST_FILE = _REST % b"0"
_REST_PAX = _REST % b"x"
_REST_HOLE = _REST % b"N"
_PAX_NAME = b"././@PaxHeader"
_HOLE_NAME = b"./@NcoreHole"
# The checksum counts its own eight bytes as spaces.
_SUM_FILE = sum(_MODE_OWNER) + sum(_MTIME) + sum(_REST_FILE) + 8 * 0x20
_SUM_PAX = sum(_PAX_MODE_OWNER) + sum(_MTIME) + sum(_REST_PAX) + 8 * 0x20
_SUM_HOLE = sum(_PAX_MODE_OWNER) + sum(_MTIME) + sum(_REST_HOLE) + 8 * 0x20


def padded(size: int) -> int:
    """Return ``size`` rounded up to whole tar blocks."""
    return -(-size // BLOCK) * BLOCK


def encode_header(key: str, size: int) -> bytes:
    """Return all header blocks of one member: a ustar block, before it PAX blocks where needed.

    Args:
        key: member name, stored verbatim.
        size: payload size in bytes.

    Raises:
        UnicodeEncodeError: ``key`` cannot be written as UTF-8 (a lone surrogate).
    """
    if key.isascii() and len(key) <= 100 and size < USTAR_SIZE_LIMIT:
        name = key.encode()
        digits = b"%011o\0" % size
        return b"%b%b%b%b%06o\0 %b" % (
            name.ljust(100, b"\0"),
            _MODE_OWNER,
            digits,
            _MTIME,
            _SUM_FILE + sum(name) + sum(digits),
            _REST_FILE,
        )
    records = b""
    if not key.isascii() or len(key) > 100:
        records += _pax_record(b"path", key.encode())
    if size >= USTAR_SIZE_LIMIT:
        records += _pax_record(b"size", b"%d" % size)
        size = 0
    pax = _block(
        _PAX_NAME, len(records), owner=_PAX_MODE_OWNER, rest=_REST_PAX, base_sum=_SUM_PAX
    ) + records.ljust(padded(len(records)), b"\0")
    # Readers without PAX see a shortened name, "?" where it is not ASCII.
    short = key.encode("ascii", "replace")[:100]
    return pax + _block(short, size, owner=_MODE_OWNER, rest=_REST_FILE, base_sum=_SUM_FILE)


def encode_hole(span: int) -> bytes:
    """Return the header of a freed span of ``span`` bytes in a file that is still being written.

    The type is one that POSIX leaves to implementations, so a scan of an
    unfinished file steps over the span. Finished archives have none.
    """
    # A span of 8 GiB and more does not fit the digits; the scan then resumes
    # inside the hole at the next header that it finds.
    size = min(span - BLOCK, USTAR_SIZE_LIMIT - BLOCK)
    return _block(_HOLE_NAME, size, owner=_PAX_MODE_OWNER, rest=_REST_HOLE, base_sum=_SUM_HOLE)


def header_size(key: str, size: int) -> int:
    """Return ``len(encode_header(key, size))``."""
    if key.isascii() and len(key) <= 100 and size < USTAR_SIZE_LIMIT:
        return BLOCK
    return len(encode_header(key, size))


class TarMember(NamedTuple):
    """One member as its header blocks describe it."""

    key: str
    start: int
    """Absolute offset of its first header block (the PAX header where there is one)."""
    offset: int
    """Absolute offset of its payload."""
    size: int
    """Payload size in bytes."""

    @property
    def end(self) -> int:
        """Absolute offset behind the payload and its padding."""
        return self.offset + padded(self.size)


class HeaderBlock(NamedTuple):
    """The fields of one 512-byte header that matter here."""

    name: bytes
    size: int
    typeflag: bytes


def parse_block(block: bytes) -> HeaderBlock | None:
    """Return the fields of one header block, ``None`` if it is not a valid one."""
    if len(block) != BLOCK or block[257:262] != b"ustar":
        return None
    stated = _octal(block[148:156])
    if stated != sum(block[:148]) + 8 * 0x20 + sum(block[156:]):
        return None
    size = _octal(block[124:136])
    if size is None:
        return None
    name = block[:100].split(b"\0", 1)[0]
    prefix = block[345:500].split(b"\0", 1)[0]
    if prefix and block[257:263] == b"ustar\0":
        name = prefix + b"/" + name
    return HeaderBlock(name, size, block[156:157])


def parse_pax(records: bytes) -> dict[str, str] | None:
    """Return the records of a PAX extended header, ``None`` if they are malformed."""
    found: dict[str, str] = {}
    pos = 0
    while pos < len(records):
        digits, space, _ = records[pos : pos + 21].partition(b" ")
        if not space or not digits.isdigit():
            return None
        end = pos + int(digits)
        body = records[pos + len(digits) + 1 : end]
        name, equals, value = body.partition(b"=")
        if end > len(records) or not equals or not value.endswith(b"\n"):
            return None
        try:
            found[name.decode()] = value[:-1].decode()
        except UnicodeDecodeError:
            return None
        pos = end
    return found


def pax_size(records: Mapping[str, str]) -> int | None:
    """Return the payload size that the records of a PAX header state, if they state one."""
    digits = records.get("size", "")
    # str.isdigit() holds for more than int() reads.
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None


def _pax_record(name: bytes, value: bytes) -> bytes:
    # The length counts its own digits.
    body = len(name) + len(value) + 3
    length = body + len(str(body))
    length = body + len(str(length))
    return b"%d %b=%b\n" % (length, name, value)


def _block(name: bytes, size: int, *, owner: bytes, rest: bytes, base_sum: int) -> bytes:
    digits = b"%011o\0" % size
    checksum = base_sum + sum(name) + sum(digits)
    return b"%b%b%b%b%06o\0 %b" % (
        name.ljust(100, b"\0"), owner, digits, _MTIME, checksum, rest,
    )  # fmt: skip


def _octal(field: bytes) -> int | None:
    if field[:1] == b"\x80":  # GNU base-256, positive
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0", 1)[0].strip()
    if digits.strip(b"01234567"):  # int() would take a sign, and underscores
        return None
    return int(digits or b"0", 8)
