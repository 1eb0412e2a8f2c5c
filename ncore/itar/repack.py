"""A fresh copy of an archive: no dead space, checksums for all, a newly packed index."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ncore.itar.digest import crc32c
from ncore.itar.errors import ItarDigestError
from ncore.itar.files import OS_FILES, Files
from ncore.itar.location import open_source
from ncore.itar.reader import ItarReader
from ncore.itar.writer import Digest, ItarWriter


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
    digests: Sequence[Digest] = ("crc32c",),
    index_preset: int | None = None,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
    files: Files = OS_FILES,
) -> RepackReport:
    """Write all members anew, in the order in which they lie.

    Every payload that has a CRC-32C is checked against it on the way, so damage is
    found and not given a new, fitting checksum.

    Args:
        path: the archive, local or at a URL.
        output: where the new one goes; ``None`` replaces the old one when the new one is
            complete and synced.
        digests: checksums that the new index holds.
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
        digests=digests,
        index_preset=index_preset,
        storage_options=options,
        files=files,
    )
    try:
        # Opened under the writer's lock: nobody changes it meanwhile.
        with ItarReader(open_source(path, **options)) as reader:
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
        data = reader.view(entry.key)
        if entry.crc32c is not None and crc32c(data) != entry.crc32c:
            raise ItarDigestError(
                f"{reader.name}: the payload of {entry.key!r} is damaged (its CRC-32C "
                "differs from the index); nothing was changed"
            )
        writer.set(entry.key, data, crc32c=entry.crc32c, md5=entry.md5)
        done += entry.size
        if progress is not None:
            progress(done, total)
