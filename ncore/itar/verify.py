"""Is everything in an archive as its index says?"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ncore.itar.digest import crc32c
from ncore.itar.errors import ItarError
from ncore.itar.index import Entry
from ncore.itar.reader import ItarReader
from ncore.itar.tar_header import (
    BLOCK,
    encode_header,
    padded,
    parse_block,
    parse_pax,
    pax_size,
)

_PIECE = 8 << 20


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it must be."""

    key: str | None
    """The key that it concerns, if one."""
    kind: str
    """``header``, ``crc32c``, ``md5``, ``overlap``, ``read`` or ``end``."""
    message: str


@dataclass
class VerifyReport:
    """What a verification looked at and found."""

    name: str
    members: int = 0
    payload_bytes: int = 0
    with_crc32c: bool = False
    """Whether the index holds CRC-32C checksums (all are compared then)."""
    with_md5: bool = False
    dead_bytes: int = 0
    unusual_headers: int = 0
    """Headers that are right but not the bytes that this project's writer makes."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems


def verify(
    reader: ItarReader | str | os.PathLike[str],
    *,
    payloads: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> VerifyReport:
    """Compare an archive with its index: tar headers, spans, end, and every checksum.

    Args:
        reader: the archive, or its location. Opening has checked the index itself.
        payloads: read all payloads; ``False`` looks at headers and structure only.
        progress: called with (payload bytes done, payload bytes in all).

    Raises:
        ItarFormatError: it cannot even be opened.
    """
    if not isinstance(reader, ItarReader):
        with ItarReader(reader) as opened:
            return verify(opened, payloads=payloads, progress=progress)
    index = reader.index
    report = VerifyReport(
        reader.name,
        members=len(index),
        payload_bytes=int(index.sizes.sum(dtype=np.uint64)),
        with_crc32c=index.crc32c is not None,
        with_md5=index.md5 is not None,
        dead_bytes=reader.dead_bytes,
    )
    done = 0
    end = 0
    for i in np.argsort(index.offsets, kind="stable").tolist():
        entry = index.entry(i)
        report.problems.extend(_check_header(reader, entry, end, report))
        end = max(end, entry.offset + padded(entry.size))
        if payloads:
            report.problems.extend(_check_payload(reader, entry))
        done += entry.size
        if progress is not None:
            progress(done, report.payload_bytes)
    report.problems.extend(_check_end(reader, end))
    return report


def _check_header(
    reader: ItarReader, entry: Entry, previous_end: int, report: VerifyReport
) -> Iterator[Problem]:
    expected = encode_header(entry.key, entry.size)
    start = entry.offset - len(expected)
    if entry.offset < BLOCK or entry.offset - BLOCK < previous_end:
        yield Problem(entry.key, "overlap", "its header would lie inside the member before it")
        return
    try:
        # One PAX header more than expected is looked at where the bytes differ.
        found = reader.source.read(max(start, 0), entry.offset - max(start, 0))
    except ItarError as error:
        yield Problem(entry.key, "read", str(error))
        return
    if found == expected:
        return
    block = parse_block(found[-BLOCK:])
    if block is None:
        yield Problem(entry.key, "header", "there is no valid tar header before its payload")
        return
    name = block.name.decode(errors="replace")
    size = block.size
    if len(found) > BLOCK:
        pax = parse_block(found[:BLOCK])
        records = None
        if pax is not None and pax.typeflag == b"x":
            records = parse_pax(found[BLOCK : BLOCK + pax.size])
        if records is None:
            yield Problem(entry.key, "header", "its extended tar header is damaged")
            return
        name = records.get("path", name)
        stated = pax_size(records)
        size = size if stated is None else stated
    if name != entry.key:
        yield Problem(entry.key, "header", f"its tar header names it {name!r}")
    elif size != entry.size:
        yield Problem(
            entry.key, "header", f"its tar header says {size} bytes, the index {entry.size}"
        )
    else:
        report.unusual_headers += 1


def _check_payload(reader: ItarReader, entry: Entry) -> Iterator[Problem]:
    checksum = 0
    md5 = None if entry.md5 is None else hashlib.md5(usedforsecurity=False)
    try:
        for at in range(0, entry.size, _PIECE):
            piece = reader.source.read(entry.offset + at, min(_PIECE, entry.size - at))
            if entry.crc32c is not None:
                checksum = crc32c(piece, checksum)
            if md5 is not None:
                md5.update(piece)
    except ItarError as error:
        yield Problem(entry.key, "read", str(error))
        return
    if entry.crc32c is not None and checksum != entry.crc32c:
        yield Problem(
            entry.key, "crc32c", f"CRC-32C is {checksum:08x}, the index says {entry.crc32c:08x}"
        )
    if md5 is not None and entry.md5 is not None and md5.digest() != entry.md5:
        yield Problem(
            entry.key, "md5", f"MD5 is {md5.hexdigest()}, the index says {entry.md5.hex()}"
        )


def _check_end(reader: ItarReader, end: int) -> Iterator[Problem]:
    tar_end = reader.trailer.index_offset
    if end + 2 * BLOCK > tar_end:
        yield Problem(None, "end", "the two zero blocks that end a tar file are missing")
        return
    if any(reader.source.read(tar_end - 2 * BLOCK, 2 * BLOCK)):
        yield Problem(None, "end", "the blocks before the index are not zero")
