"""Modes r+ and a on an archive that exists: append, and publish by dropping a journal."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from ncore.itar.errors import ItarIOError, ItarNotFoundError, ItarOptionError
from ncore.itar.files import Buffer, Files, WritableFile
from ncore.itar.index import Index
from ncore.itar.lock import WriterLock
from ncore.itar.partial_target import partial_path
from ncore.itar.place import raise_unwritable
from ncore.itar.reader import ItarReader
from ncore.itar.tail_journal import (
    TailJournal,
    drop_tail_journal,
    put_back,
    roll_back,
    write_tail_journal,
)


class InPlaceTarget:
    """A finished archive whose end is about to change."""

    deferred = None  # what dies with the writer was never promised: the old archive comes back

    def __init__(self, archive: Path, name: str, files: Files) -> None:
        """Take the writer's lock, undo what a dead writer left, and read the index.

        Args:
            archive: the file itself (:func:`~ncore.itar.place.file_to_write`).
            name: how messages call it.
            files: the file system.

        Raises:
            ItarNotFoundError: there is no such archive.
            ItarFormatError: it is not an archive, or a damaged one.
            ItarLockedError: another writer has it.
            ItarOptionError: the file has a second name.
            ItarAccessError: it may not be written.
        """
        self.archive = archive
        self._name = name
        self._files = files
        self._saved: TailJournal | None = None
        if not archive.exists():
            raise ItarNotFoundError(f"{name}: no such file")
        self._lock = WriterLock(archive, name)
        try:
            try:
                self._lock.take_file(archive)
            except OSError as error:
                if error.errno is None:  # one of ours, which says all
                    raise
                raise_unwritable(name, error)
            self._refuse_second_name()
            roll_back(archive, files)
            with ItarReader(archive) as reader:
                self.index: Index = reader.index
            self.start = self.index.members_end()
            self.file = _Guarded(files.open(archive), self)
        except BaseException:
            self._lock.release()
            raise

    def begin(self) -> None:
        """Save the end of the archive. Called before its first change.

        Raises:
            ItarIOError: the archive is no longer where it was.
        """
        self._check_place()
        self._saved = write_tail_journal(self.archive, self.file.inner, self.start, self._files)

    def publish(self) -> None:
        """Drop the journal: from here on the new archive is the archive.

        Raises:
            ItarIOError: the archive is no longer where it was.
        """
        if self.file.begun:
            self._check_place()
            drop_tail_journal(self.archive, self._files)
        self.file.begun = False

    def discard(self) -> None:
        """Bring the old archive back."""
        if self.file.begun:
            assert self._saved is not None
            put_back(self.file.inner, self._saved)
            # A journal that went along when the archive was moved says what is true already.
            if self._lock.covers(self.archive):
                drop_tail_journal(self.archive, self._files)
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

    def _refuse_second_name(self) -> None:
        """A reader by the other name would not know of the journal, and see half a change."""
        if self.archive.stat().st_nlink == 1:
            return
        partial = partial_path(self.archive)
        if partial.exists() and partial.samefile(self.archive):
            # A writer in mode x died between giving the new name and removing the old one.
            self._files.unlink(partial)
        if self.archive.stat().st_nlink == 1:
            return
        beside = [
            entry.name
            for entry in os.scandir(self.archive.parent)
            if entry.inode() == self.archive.stat().st_ino and entry.name != self.archive.name
        ]
        where = f", among them {sorted(beside)[0]!r} beside it" if beside else ""
        raise ItarOptionError(
            f"{self._name}: the file has {self.archive.stat().st_nlink} names (hard links)"
            f"{where}; changed in place, it would change under all of them, and a crash could "
            "be undone under one only. Change a copy (`cp` and `mv` it over this name), or "
            "remove the other names"
        )

    def _check_place(self) -> None:
        if not self._lock.covers(self.archive):
            raise ItarIOError(
                f"{self._name}: the archive or its directory was moved, replaced or removed while "
                "it was open for changing, so the change is undone"
            )


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
