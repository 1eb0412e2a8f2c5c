"""An archive out of what is left of one: unclosed, cut off, or with a damaged index."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ncore.itar.deferred_journal import journal_path, read_journal
from ncore.itar.durable import sync_file
from ncore.itar.errors import (
    ItarError,
    ItarExistsError,
    ItarFormatError,
    ItarNotFoundError,
    ItarOptionError,
)
from ncore.itar.location import is_remote, local_path
from ncore.itar.lock import WriterLock
from ncore.itar.object_url import redact
from ncore.itar.partial_target import partial_path
from ncore.itar.permissions import inherit_permissions
from ncore.itar.place import file_behind, file_to_write
from ncore.itar.reader import ItarReader
from ncore.itar.scan import ScanReport, scan_members
from ncore.itar.source import FileSource
from ncore.itar.writer import ItarWriter

_PIECE = 8 << 20


@dataclass
class RecoveryReport:
    """What came back and what did not."""

    source: str
    output: str
    intact: bool = False
    """The source was a finished archive with a good index; it was copied by that."""
    members: int = 0
    """Keys in the new archive, deferred ones included."""
    payload_bytes: int = 0
    deferred: list[str] = field(default_factory=list)
    """Keys that came from the journal of a writer that did not finish."""
    superseded: int = 0
    """Members left out because a later one has their key."""
    unusable: list[str] = field(default_factory=list)
    """Names of members that cannot be keys (not UTF-8)."""
    cut_key: str | None = None
    """Key of the member inside which the file ends; its value is lost."""
    cut_missing: int = 0
    """Bytes that its payload lacks."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Damaged spans (start, stop) of the source in which members may have been."""

    spent: list[str] = field(default_factory=list)
    """Files of the writer that died, no longer needed once the new archive is found good."""

    @property
    def lost_anything(self) -> bool:
        """Whether something of the source is not in the new archive."""
        return bool(self.cut_key or self.gaps or self.unusable)


def recover(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    finish: Callable[[ItarWriter, RecoveryReport], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RecoveryReport:
    """Make a finished archive of every whole member that a damaged one has.

    Args:
        path: the damaged archive; or the name of one whose writer died, of which only
            ``<name>.partial`` exists. It is only read.
        output: where the new archive goes; it appears when complete.
        overwrite: whether ``output`` may be replaced.
        finish: called with the writer when all members are in it; the deferred values are
            among ``writer.deferred`` then.
        progress: called with (bytes of the source done, bytes in all).

    Raises:
        ItarNotFoundError: neither ``path`` nor its partial file exists.
        ItarExistsError: ``output`` exists and may not be replaced.
        ItarLockedError: the writer of the partial file is still at work.
        ItarOptionError: ``path`` is the URL of something else than a local file.
        ItarError: there is nothing in it to recover.
    """
    damaged = _find_source(path)
    archive = file_to_write(output)
    if archive.exists() and archive.samefile(damaged):
        raise ItarError(f"{damaged}: recover into another file; this one is only read")
    own_partial = partial_path(archive)
    if not (own_partial.exists() and own_partial.samefile(damaged)):
        return _recover(damaged, archive, overwrite, finish, progress)
    # A writer of this name would begin by taking the file away that is to be read.
    lock = WriterLock(archive, os.fspath(output))
    try:
        if archive.exists() and not overwrite:
            raise ItarExistsError(f"{output}: already exists")
        beside = archive.with_name(archive.name + ".recovered")
        report = _recover(damaged, beside, True, finish, progress)
        inherit_permissions(archive if archive.exists() else damaged, beside)
        beside.replace(archive)
        sync_file(archive.parent)
    finally:
        lock.release()
    report.output = os.fspath(output)
    report.spent = [str(file) for file in (damaged, journal_path(damaged)) if file.exists()]
    return report


def _recover(
    damaged: Path,
    output: Path,
    overwrite: bool,
    finish: Callable[[ItarWriter, RecoveryReport], None] | None,
    progress: Callable[[int, int], None] | None,
) -> RecoveryReport:
    report = RecoveryReport(str(damaged), str(output))
    deferred = read_journal(journal_path(damaged))
    with FileSource(damaged) as source:
        chosen = _choose(source, report)
        if not chosen and not deferred:
            raise ItarError(f"{damaged}: holds no whole member; nothing can be recovered from it")
        writer = ItarWriter(output, "w" if overwrite else "x")
        try:
            for key, (offset, size) in chosen.items():
                pieces = (
                    source.read(offset + at, min(_PIECE, size - at))
                    for at in range(0, size, _PIECE)
                )
                writer.set_stream(key, pieces, size)
                if progress is not None:
                    progress(offset + size, source.size)
            for key, value in deferred.items():
                writer.defer(key, value)
                report.deferred.append(key)
            if finish is not None:
                finish(writer, report)
            report.members = len(writer)
            report.payload_bytes = sum(map(writer.getsize, writer.keys()))
        except BaseException:
            writer.discard()
            raise
        writer.close()
    return report


def survey(path: str | os.PathLike[str]) -> RecoveryReport:
    """Return what :func:`recover` would find, without writing anything.

    Raises:
        ItarNotFoundError: neither ``path`` nor its partial file exists.
    """
    damaged = _find_source(path)
    report = RecoveryReport(str(damaged), "")
    deferred = read_journal(journal_path(damaged))
    with FileSource(damaged) as source:
        sizes = {key: size for key, (_, size) in _choose(source, report).items()}
    sizes.update((key, len(value)) for key, value in deferred.items())
    report.deferred = list(deferred)
    report.members = len(sizes)
    report.payload_bytes = sum(sizes.values())
    return report


def _find_source(location: str | os.PathLike[str]) -> Path:
    if is_remote(location):
        raise ItarOptionError(
            f"{redact(os.fspath(location))}: recovery needs a local file; download it first"
        )
    path = local_path(location)
    found = Path(file_behind(path))
    for candidate in (found, partial_path(found)):
        if candidate.is_file():
            return candidate
    raise ItarNotFoundError(f"{path}: no such file, and no {partial_path(found).name} either")


def _choose(source: FileSource, report: RecoveryReport) -> dict[str, tuple[int, int]]:
    """Return key -> (payload offset, size), in file order."""
    try:
        index = ItarReader(FileSource(source.path)).index
    except ItarFormatError:
        pass
    else:
        report.intact = True
        entries = sorted(map(index.entry, range(len(index))), key=lambda entry: entry.offset)
        return {entry.key: (entry.offset, entry.size) for entry in entries}
    scanned = ScanReport()
    chosen: dict[str, tuple[int, int]] = {}
    for member in scan_members(source, scanned):
        try:
            member.key.encode()
        except UnicodeEncodeError:
            report.unusable.append(member.key)
            continue
        if not member.key:
            report.unusable.append(member.key)
            continue
        if chosen.pop(member.key, None) is not None:
            report.superseded += 1
        chosen[member.key] = member.offset, member.size
    report.gaps = scanned.gaps
    if scanned.cut is not None:
        report.cut_key = scanned.cut.key
        report.cut_missing = scanned.cut.offset + scanned.cut.size - source.size
    return chosen
