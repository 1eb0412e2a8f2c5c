"""Modes w and x: write beside, appear under the name when complete and synced."""

import contextlib
import errno
import warnings
from pathlib import Path

from ncore.itar.deferred_journal import DeferredJournal, journal_path
from ncore.itar.errors import ItarExistsError, ItarIOError, UnfinishedArchiveWarning
from ncore.itar.files import Files
from ncore.itar.lock import WriterLock
from ncore.itar.permissions import inherit_permissions
from ncore.itar.tail_journal import roll_back

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""How file systems without hard links refuse one."""


def partial_path(archive: Path) -> Path:
    """Return the file that holds an archive until it is closed."""
    return archive.with_name(archive.name + ".partial")


def set_aside_path(archive: Path) -> Path:
    """Return the file that keeps what an earlier writer left unfinished."""
    return archive.with_name(archive.name + ".partial.old")


class PartialTarget:
    """A new archive in ``<archive>.partial``, with a journal of deferred values beside it."""

    index = None
    start = 0

    def __init__(self, archive: Path, name: str, files: Files, *, exclusive: bool) -> None:
        """Take the writer's lock and begin an empty file.

        Args:
            archive: the file itself (:func:`~ncore.itar.place.file_to_write`).
            name: how messages call it.
            files: the file system.
            exclusive: refuse to replace an archive, now and when publishing.

        Raises:
            ItarExistsError: ``exclusive`` and it exists.
            ItarNotFoundError: the directory does not exist.
            ItarLockedError: another writer has it.
            ItarAccessError: no file can be made in its directory.
        """
        self.archive = archive
        self.path = partial_path(archive)
        self._name = name
        self._files = files
        self._exclusive = exclusive
        if exclusive and archive.exists():
            raise ItarExistsError(f"{name}: already exists")
        self._lock = WriterLock(archive, name)
        try:
            roll_back(archive, files)
            self._set_aside()
            self.file = files.create(self.path)
            # From the start: what is private must not lie open until it is complete.
            inherit_permissions(archive, self.path)
            self.deferred = DeferredJournal(self.path, files)
        except BaseException:
            self._lock.release()
            raise

    def publish(self) -> None:
        """Give the complete, synced file its name.

        Raises:
            ItarExistsError: exclusive, and someone else made an archive there meanwhile.
            ItarIOError: the file is no longer where it was begun.
        """
        self.file.close()
        try:
            if self._exclusive:
                try:
                    self._files.link(self.path, self.archive)
                except FileExistsError:
                    raise ItarExistsError(
                        f"{self._name}: was made by someone else meanwhile; ours stays in "
                        f"{self.path}"
                    ) from None
                except OSError as error:
                    if error.errno not in _NO_LINKS or self.archive.exists():
                        raise
                    self._files.replace(self.path, self.archive)
                else:
                    self._files.unlink(self.path)
            else:
                self._files.replace(self.path, self.archive)
        except FileNotFoundError:
            raise ItarIOError(
                f"{self._name}: its directory was moved or removed while it was written. The "
                f"archive is complete where {self.path.name} now lies; rename it"
            ) from None
        except IsADirectoryError:
            raise ItarIOError(
                f"{self._name}: has become a directory meanwhile; the archive is complete, as "
                f"{self.path}: rename it"
            ) from None
        self._files.fsync_dir(self.archive.parent)
        self.deferred.discard()
        self._forget(set_aside_path(self.archive))

    def discard(self) -> None:
        """Remove everything that was written."""
        self.file.close()
        self._files.unlink(self.path)
        self.deferred.discard()

    def abandon(self) -> None:
        """Leave what was written for ``recover``."""

    def close(self) -> None:
        """Free the file and the lock; what is unpublished stays for ``recover``."""
        with contextlib.suppress(OSError):
            self.file.close()
        self.deferred.close()
        self._lock.release()

    def _set_aside(self) -> None:
        """Keep what a writer left unfinished, should somebody still want it recovered."""
        aside = set_aside_path(self.archive)
        journal, aside_journal = journal_path(self.path), journal_path(aside)
        left = self.path.exists()
        # Of two that were left, the one that holds more: a writer that dies at once, again
        # and again, must not push out what one achieved before.
        keep = left and self._size(self.path) > self._size(aside)
        if keep:
            self._forget(aside)
            self._files.replace(self.path, aside)
        # Where only the journal is there, its partial file was set aside, and then came a crash.
        if (keep or not left) and journal.exists() and not aside_journal.exists():
            self._files.replace(journal, aside_journal)
        else:
            # It must not outlive the partial file it belongs to.
            self._files.unlink(journal)
        if not aside.exists():
            self._forget(aside)
            return
        warnings.warn(
            f"{self._name}: an earlier writer did not finish it; what it wrote is {aside.name} "
            "until this one is finished. To have it, `ncore itar recover` that file now",
            UnfinishedArchiveWarning,
            stacklevel=6,
        )

    @staticmethod
    def _size(partial: Path) -> int:
        """Bytes of a partial file and its journal; -1 without the file."""
        if not partial.exists():
            return -1
        journal = journal_path(partial)
        return partial.stat().st_size + (journal.stat().st_size if journal.exists() else 0)

    def _forget(self, aside: Path) -> None:
        for path in (journal_path(aside), aside):
            if path.exists():
                self._files.unlink(path)
