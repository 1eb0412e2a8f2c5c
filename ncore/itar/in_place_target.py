"""Modes r+ and a on an archive that exists: append, and publish by dropping a journal."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ncore.itar.errors import ItarNotFoundError
from ncore.itar.files import Buffer, Files, WritableFile
from ncore.itar.index import Index
from ncore.itar.lock import WriterLock
from ncore.itar.reader import ItarReader
from ncore.itar.tail_journal import drop_tail_journal, roll_back, write_tail_journal


class InPlaceTarget:
    """A finished archive whose end is about to change."""

    deferred = None  # what dies with the writer was never promised: the old archive comes back

    def __init__(self, archive: Path, files: Files) -> None:
        """Take the writer's lock, undo what a dead writer left, and read the index.

        Raises:
            ItarNotFoundError: there is no such archive.
            ItarFormatError: it is not an archive, or a damaged one.
            ItarLockedError: another writer has it.
        """
        self.archive = archive
        self._files = files
        if not archive.exists():
            raise ItarNotFoundError(f"{archive}: no such file")
        self._lock = WriterLock(archive)
        try:
            roll_back(archive, files)
            with ItarReader(archive) as reader:
                self.index: Index = reader.index
            self.start = self.index.members_end()
            self.file = _Guarded(files.open(archive), self)
        except BaseException:
            self._lock.release()
            raise

    def begin(self) -> None:
        """Save the end of the archive. Called before its first change."""
        write_tail_journal(self.archive, self.file.inner, self.start, self._files)

    def publish(self) -> None:
        """Drop the journal: from here on the new archive is the archive."""
        if self.file.begun:
            drop_tail_journal(self.archive, self._files)
        self.file.begun = False

    def discard(self) -> None:
        """Bring the old archive back."""
        if self.file.begun:
            self.file.inner.close()
            roll_back(self.archive, self._files)
            self.file.begun = False

    def abandon(self) -> None:
        """Bring the old archive back; should that fail, the next writer does it."""
        with contextlib.suppress(OSError):
            self.discard()

    def close(self) -> None:
        """Free the file and the lock."""
        with contextlib.suppress(OSError):
            self.file.inner.close()
        self._lock.release()


class _Guarded:
    """The archive's file, which saves its end before it lets anything change."""

    def __init__(self, inner: WritableFile, target: InPlaceTarget) -> None:
        self.inner = inner
        self.begun = False
        self._target = target

    def pwrite(self, buffers: Sequence[Buffer], offset: int) -> None:
        self._begin()
        self.inner.pwrite(buffers, offset)

    def truncate(self, size: int) -> None:
        self._begin()
        self.inner.truncate(size)

    def pread(self, size: int, offset: int) -> bytes:
        return self.inner.pread(size, offset)

    def size(self) -> int:
        return self.inner.size()

    def fsync(self) -> None:
        self.inner.fsync()

    def close(self) -> None:
        self.inner.close()

    def _begin(self) -> None:
        if not self.begun:
            self._target.begin()
            self.begun = True
