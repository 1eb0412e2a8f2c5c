"""The end of an archive that is being changed in place, kept until the change is complete.

Modes r+ and a overwrite nothing of an archive but what follows its last
member: end-of-archive blocks, index and trailer. Those bytes lie in
``<archive>.journal`` before the first of them is touched, and the journal goes
when the new ones are on the disk. While it is there the archive is what it was
(docs/format.md, "Journals"; docs/crash-promises.md).
"""

import struct
from pathlib import Path
from typing import NamedTuple

from ncore.itar.digest import crc32c
from ncore.itar.errors import ItarFormatError
from ncore.itar.files import Files, WritableFile
from ncore.itar.permissions import inherit_permissions

_MAGIC = b"itar journal 1\n\0"
_HEAD = struct.Struct("<16sQQII")
"""Magic, size of the archive, offset of the saved tail, CRC-32C of the bytes before it, and of
the tail."""
_WITNESS = 4096
"""Bytes before the tail by which the journal knows its archive."""


class TailJournal(NamedTuple):
    """What a journal holds."""

    file_size: int
    """Size of the archive before the change."""
    start: int
    """Offset in the archive at which :attr:`tail` lay."""
    witness: int
    """CRC-32C of up to 4,096 bytes before ``start``, which no change touches."""
    tail: bytes


def tail_journal_path(archive: Path) -> Path:
    """Return the journal of an archive."""
    return archive.with_name(archive.name + ".journal")


def write_tail_journal(archive: Path, file: WritableFile, start: int, files: Files) -> TailJournal:
    """Save everything from ``start`` on, and return it. Then it is on the disk."""
    size = file.size()
    tail = file.pread(size - start, start)
    saved = TailJournal(size, start, _witness(file, start), tail)
    head = _HEAD.pack(_MAGIC, size, start, saved.witness, crc32c(tail))
    path = tail_journal_path(archive)
    journal = files.create(path)
    try:
        inherit_permissions(archive, path)
        journal.pwrite([crc32c(head).to_bytes(4, "little"), head, tail], 0)
        journal.fsync()
    finally:
        journal.close()
    files.fsync_dir(archive.parent)
    return saved


def read_tail_journal(archive: Path) -> TailJournal | None:
    """Return the journal of an archive; ``None`` if there is none.

    One that was not completely written counts as none: the archive was not yet
    touched when the writer died.
    """
    try:
        data = tail_journal_path(archive).read_bytes()
    except FileNotFoundError:
        return None
    begin = 4 + _HEAD.size
    if len(data) < begin or crc32c(data[4:begin]) != int.from_bytes(data[:4], "little"):
        return None
    magic, size, start, witness, checksum = _HEAD.unpack_from(data, 4)
    tail = data[begin:]
    if magic != _MAGIC or len(tail) != size - start or crc32c(tail) != checksum:
        return None
    return TailJournal(size, start, witness, tail)


def check_witness(archive: Path, file: WritableFile, journal: TailJournal) -> None:
    """Compare a journal with the archive beside it.

    Raises:
        ItarFormatError: it is the journal of another file.
    """
    if file.size() < journal.start or _witness(file, journal.start) != journal.witness:
        raise ItarFormatError(
            f"{archive}: {tail_journal_path(archive).name} beside it is the journal of another "
            "file, which this one has replaced; if this file is the right one, remove the journal"
        )


def roll_back(archive: Path, files: Files) -> bool:
    """Undo a change that was not completed. The caller holds the writer's lock.

    Returns:
        Whether there was one.

    Raises:
        ItarFormatError: the journal belongs to another file.
    """
    path = tail_journal_path(archive)
    if not path.exists():
        return False
    journal = read_tail_journal(archive)
    if journal is not None and archive.exists():
        file = files.open(archive)
        try:
            check_witness(archive, file, journal)
            put_back(file, journal)
        finally:
            file.close()
    files.unlink(path)
    files.fsync_dir(archive.parent)
    return journal is not None


def put_back(file: WritableFile, journal: TailJournal) -> None:
    """Make an archive again what it was before its change. When this returns it is on the disk."""
    file.pwrite([journal.tail], journal.start)
    file.truncate(journal.file_size)
    file.fsync()


def drop_tail_journal(archive: Path, files: Files) -> None:
    """Complete a change: the archive as it now is on the disk is the archive."""
    files.unlink(tail_journal_path(archive))
    files.fsync_dir(archive.parent)


def _witness(file: WritableFile, start: int) -> int:
    size = min(start, _WITNESS)
    return crc32c(file.pread(size, start - size))
