"""The file operations that writing an archive consists of.

Everything that changes a disk goes through here, so that a test can stop a
writer before any one of them, or lose what was not yet synced.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ncore.itar.durable import start_writeback
from ncore.itar.errors import ItarIOError
from ncore.itar.place import raise_unwritable

_WRITEBACK = 16 << 20
"""After so many bytes the system is told to begin putting them on the disk."""

Buffer = bytes | bytearray | memoryview


class WritableFile(Protocol):
    """A file open for reading and writing at any offset."""

    def pwrite(self, buffers: Sequence[Buffer], offset: int) -> None:
        """Write all buffers end to end from ``offset``."""
        ...

    def pread(self, size: int, offset: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer at the end of the file."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        ...

    def size(self) -> int:
        """Return the file's size in bytes."""
        ...

    def fsync(self) -> None:
        """Return when everything written is on the disk."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Files(Protocol):
    """The file system, as far as writing an archive needs it."""

    def create(self, path: Path) -> WritableFile:
        """Open a new, empty file; one that exists is emptied."""
        ...

    def open(self, path: Path) -> WritableFile:
        """Open an existing file."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Give a file another name, in place of whatever had it."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """Give a file one more name.

        Raises:
            FileExistsError: the name is taken.
        """
        ...

    def unlink(self, path: Path) -> None:
        """Remove a name; none is no error."""
        ...

    def fsync_dir(self, path: Path) -> None:
        """Return when the names in a directory are on the disk."""
        ...


class OsFile:
    """A :class:`WritableFile` of the operating system."""

    def __init__(self, path: Path, flags: int) -> None:
        self._path = path
        try:
            self._fd = os.open(path, flags | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise_unwritable(path, error)
        self._unwritten = 0

    def pwrite(self, buffers: Sequence[Buffer], offset: int) -> None:  # docstring inherited
        try:
            self._unwritten += self._pwrite(buffers, offset)
        except OSError as error:
            raise self._failure("written", error) from None
        if self._unwritten >= _WRITEBACK:
            # Else all of it waits for the sync at the end, with the disk idle until then.
            self._unwritten = 0
            start_writeback(self._fd)

    def _pwrite(self, buffers: Sequence[Buffer], offset: int) -> int:
        total = sum(map(len, buffers))
        done = os.pwritev(self._fd, buffers, offset)
        if done == total:
            return total
        for buffer in buffers:  # a large write came back short
            if done >= len(buffer):
                done -= len(buffer)
                offset += len(buffer)
                continue
            with memoryview(buffer) as view:
                at = done
                while at < len(view):
                    at += os.pwrite(self._fd, view[at:], offset + at)
            offset += len(buffer)
            done = 0
        return total

    def pread(self, size: int, offset: int) -> bytes:  # docstring inherited
        data = os.pread(self._fd, size, offset)
        while len(data) < size:
            more = os.pread(self._fd, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def truncate(self, size: int) -> None:  # docstring inherited
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise self._failure("cut", error) from None

    def size(self) -> int:  # docstring inherited
        return os.fstat(self._fd).st_size

    def fsync(self) -> None:  # docstring inherited
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise self._failure("synced", error) from None

    def _failure(self, what: str, error: OSError) -> ItarIOError:
        failure = ItarIOError(f"{self._path}: cannot be {what}: {error.strerror}")
        failure.errno = error.errno
        return failure

    def close(self) -> None:  # docstring inherited
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            os.close(self._fd)


class OsFiles:
    """The :class:`Files` of the operating system."""

    def create(self, path: Path) -> WritableFile:  # docstring inherited
        return OsFile(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)

    def open(self, path: Path) -> WritableFile:  # docstring inherited
        return OsFile(path, os.O_RDWR)

    def replace(self, source: Path, target: Path) -> None:  # docstring inherited
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:  # docstring inherited
        target.hardlink_to(source)

    def unlink(self, path: Path) -> None:  # docstring inherited
        path.unlink(missing_ok=True)

    def fsync_dir(self, path: Path) -> None:  # docstring inherited
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Some network file systems cannot; there the rename itself is durable.
            with contextlib.suppress(OSError):
                os.fsync(fd)
        finally:
            os.close(fd)


OS_FILES = OsFiles()
