"""Modes w and x: write beside, appear under the name when complete and synced."""

import contextlib
import logging
from pathlib import Path

from ncore.itar.deferred_journal import DeferredJournal, journal_path
from ncore.itar.errors import ItarExistsError, ItarNotFoundError
from ncore.itar.files import Files
from ncore.itar.lock import WriterLock
from ncore.itar.tail_journal import roll_back

_log = logging.getLogger(__name__)


def partial_path(archive: Path) -> Path:
    """Return the file that holds an archive until it is closed."""
    return archive.with_name(archive.name + ".partial")


class PartialTarget:
    """A new archive in ``<archive>.partial``, with a journal of deferred values beside it."""

    index = None
    start = 0

    def __init__(self, archive: Path, files: Files, *, exclusive: bool) -> None:
        """Take the writer's lock and begin an empty file.

        Args:
            exclusive: refuse to replace an archive, now and when publishing.

        Raises:
            ItarExistsError: ``exclusive`` and it exists.
            ItarNotFoundError: the directory does not exist.
            ItarLockedError: another writer has it.
        """
        self.archive = archive
        self.path = partial_path(archive)
        self._files = files
        self._exclusive = exclusive
        if exclusive and archive.exists():
            raise ItarExistsError(f"{archive}: already exists")
        try:
            self._lock = WriterLock(archive)
        except FileNotFoundError:
            raise ItarNotFoundError(f"{archive}: its directory does not exist") from None
        try:
            roll_back(archive, files)
            if self.path.exists():
                _log.warning(
                    "%s: replacing %s, left behind by a writer that did not finish",
                    archive,
                    self.path.name,
                )
            # The old journal must not outlive the old partial file it belongs to.
            files.unlink(journal_path(self.path))
            self.file = files.create(self.path)
            self.deferred = DeferredJournal(self.path, files)
        except BaseException:
            self._lock.release()
            raise

    def publish(self) -> None:
        """Give the complete, synced file its name.

        Raises:
            ItarExistsError: exclusive, and someone else made an archive there meanwhile.
        """
        self.file.close()
        if self._exclusive:
            try:
                self._files.link(self.path, self.archive)
            except FileExistsError:
                raise ItarExistsError(
                    f"{self.archive}: was made by someone else meanwhile; ours stays in {self.path}"
                ) from None
            self._files.unlink(self.path)
        else:
            self._files.replace(self.path, self.archive)
        self._files.fsync_dir(self.archive.parent)
        self.deferred.discard()

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
