"""Finding members by their tar headers, where there is no index to ask."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ncore.itar.source import ByteSource
from ncore.itar.tar_header import BLOCK, TarMember, padded, parse_block, parse_pax, pax_size

_SEARCH = 1 << 20
_PAX_MOST = 1 << 20
"""Longest extended header that is taken for one."""


@dataclass
class ScanReport:
    """What a scan found besides whole members. Filled while it runs."""

    cut: TarMember | None = None
    """The last member, where the file ends inside its payload."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Spans (start, stop) of the file in which no member begins that should."""
    end: int = 0
    """Offset behind the last whole member."""


def scan_members(source: ByteSource, report: ScanReport | None = None) -> Iterator[TarMember]:
    """Yield every whole member of a tar file, in file order.

    It goes on behind damage at the next valid header, and ends at the end-of-archive
    blocks. Members of other types than regular files, and the holes that an unfinished
    writer leaves, are stepped over.

    Args:
        source: the file; its ``size`` must be known.
        report: where to note what is no whole member.
    """
    report = report if report is not None else ScanReport()
    size = source.size
    at = 0
    while at + BLOCK <= size:
        block = source.read(at, BLOCK)
        if not any(block) and _is_end(source, at):
            return
        member, regular = _member_at(source, at, block)
        if member is None:
            found = _next_header(source, at + BLOCK)
            if found < 0:
                report.gaps.append((at, size))
                return
            report.gaps.append((at, found))
            at = found
            continue
        if member.offset + member.size > size:
            report.cut = member if regular else report.cut
            return
        if regular:
            report.end = min(member.end, size)
            yield member
        at = member.end


def _member_at(source: ByteSource, start: int, block: bytes) -> tuple[TarMember | None, bool]:
    """Return (the member whose header blocks begin at ``start``, whether it is a regular file)."""
    path: str | None = None
    stated: int | None = None
    at = start
    while True:
        header = parse_block(block)
        if header is None:
            return None, False
        if header.typeflag not in (b"x", b"g", b"L"):
            break
        data = at + BLOCK
        if header.size > _PAX_MOST or data + padded(header.size) + BLOCK > source.size:
            return None, False
        content = source.read(data, header.size)
        if header.typeflag == b"L":  # GNU tar's long name
            path = content.rstrip(b"\0").decode(errors="surrogateescape")
        elif header.typeflag == b"x":
            records = parse_pax(content)
            if records is None:
                return None, False
            path = records.get("path", path)
            found = pax_size(records)
            stated = stated if found is None else found
        at = data + padded(header.size)
        block = source.read(at, BLOCK)
    name = header.name.decode(errors="surrogateescape") if path is None else path
    size = header.size if stated is None else stated
    return TarMember(name, start, at + BLOCK, size), header.typeflag in (b"0", b"\0")


def _is_end(source: ByteSource, at: int) -> bool:
    second = at + BLOCK
    return second + BLOCK > source.size or not any(source.read(second, BLOCK))


def _next_header(source: ByteSource, at: int) -> int:
    """Return the offset of the next valid header from ``at`` on, -1 if there is none."""
    while at + BLOCK <= source.size:
        count = min(_SEARCH, source.size - at) // BLOCK
        blocks = np.frombuffer(source.read(at, count * BLOCK), np.uint8).reshape(count, BLOCK)
        looks = (blocks[:, 257:262] == np.frombuffer(b"ustar", np.uint8)).all(axis=1)
        for i in np.flatnonzero(looks):
            if parse_block(blocks[i].tobytes()) is not None:
                return at + int(i) * BLOCK
        at += count * BLOCK
    return -1
