"""A fresh copy of an archive: no dead space, checksums for all, a newly packed index."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ncore.itar.digest import crc32c
from ncore.itar.errors import ItarDigestError
from ncore.itar.files import OS_FILES, Files
from ncore.itar.index import Entry
from ncore.itar.location import open_source
from ncore.itar.reader import ItarReader
from ncore.itar.writer import Digest, ItarWriter

_PIECE = 8 << 20
"""Larger payloads pass through in pieces of so many bytes."""


@dataclass
class RepackReport:
    """What a repack did."""

    source: str
    output: str
    members: int
    size_before: int
    """Bytes of the file."""
    size_after: int
    dead_bytes: int
    """Bytes of the old archive that belonged to no key, and are gone."""


def repack(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    digests: Sequence[Digest] | None = None,
    index_preset: int | None = None,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
    files: Files = OS_FILES,
) -> RepackReport:
    """Write all members anew, in the order in which they lie.

    Every payload that has a checksum is compared with it on the way, so damage is
    found and not given a new, fitting checksum.

    Args:
        path: the archive, local or at a URL.
        output: where the new one goes; ``None`` replaces the old one when the new one is
            complete and synced.
        digests: checksums that the new index holds; ``None``: CRC-32C and those that the
            archive has.
        index_preset: xz preset of the new index; ``None`` chooses by size.
        overwrite: whether an archive at ``output`` may be replaced.
        storage_options: of URLs, as for :func:`~ncore.itar.location.open_source`.
        progress: called with (payload bytes done, payload bytes in all).
        files: the file system (for tests).

    Raises:
        ItarFormatError: the archive cannot be opened.
        ItarDigestError: a payload is damaged; the archive is left as it is.
        ItarExistsError: ``output`` exists and may not be replaced.
        ItarLockedError: another writer has it open.
    """
    options = dict(storage_options or {})
    target = path if output is None else output
    writer = ItarWriter(
        target,
        "w" if output is None or overwrite else "x",
        digests=digests or (),
        index_preset=index_preset,
        storage_options=options,
        files=files,
    )
    try:
        # Opened under the writer's lock: nobody changes it meanwhile.
        with ItarReader(open_source(path, **options)) as reader:
            if digests is None:
                writer.choose_digests(
                    *(("crc32c",) if reader.index.md5 is None else ("crc32c", "md5"))
                )
            _copy(reader, writer, progress)
            report = RepackReport(
                reader.name, str(writer.path), len(reader), reader.source.size, 0, reader.dead_bytes
            )
    except BaseException:
        writer.discard()
        raise
    writer.close()
    report.size_after = writer.file_size
    return report


def _copy(
    reader: ItarReader, writer: ItarWriter, progress: Callable[[int, int], None] | None
) -> None:
    index = reader.index
    total = int(index.sizes.sum(dtype=np.uint64))
    done = 0
    for i in np.argsort(index.offsets, kind="stable").tolist():
        entry = index.entry(i)
        pieces = _checked_pieces(reader, entry)
        if entry.size <= _PIECE:
            writer.set(entry.key, b"".join(pieces), crc32c=entry.crc32c, md5=entry.md5)
        else:
            writer.set_stream(entry.key, pieces, entry.size)
        done += entry.size
        if progress is not None:
            progress(done, total)


def _checked_pieces(reader: ItarReader, entry: Entry) -> Iterator[bytes]:
    """Yield a payload in pieces; after the last one it raises if the payload is damaged."""
    checksum = 0
    md5 = None if entry.md5 is None else hashlib.md5(usedforsecurity=False)
    for at in range(0, entry.size, _PIECE):
        piece = reader.source.read(entry.offset + at, min(_PIECE, entry.size - at))
        if entry.crc32c is not None:
            checksum = crc32c(piece, checksum)
        if md5 is not None:
            md5.update(piece)
        yield piece
    for name, good in (
        ("CRC-32C", entry.crc32c in (None, checksum)),
        ("MD5", md5 is None or md5.digest() == entry.md5),
    ):
        if not good:
            raise ItarDigestError(
                f"{reader.name}: the payload of {entry.key!r} is damaged (its {name} "
                "differs from the index); nothing was changed"
            )
