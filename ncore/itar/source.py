"""Where an archive's bytes come from: ranged reads, local or not."""

import mmap
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from ncore.itar.errors import (
    ItarAccessError,
    ItarChangedError,
    ItarClosedError,
    ItarFormatError,
    ItarNotFoundError,
)
from ncore.itar.files import OsFile
from ncore.itar.place import absolute_path, file_behind
from ncore.itar.tail_journal import (
    TailJournal,
    check_witness,
    read_tail_journal,
    tail_journal_path,
)

_NOWHERE = 1 << 62
_CAN_ADVISE = hasattr(mmap, "MADV_WILLNEED")
_PREAD_MOST = 1 << 30
"""Linux reads at most 0x7ffff000 bytes a call."""


class ByteSource(Protocol):
    """Random access to the bytes of one archive. Every method may be called by any thread."""

    @property
    def name(self) -> str:
        """How messages call it; without credentials."""
        ...

    @property
    def size(self) -> int:
        """Size of the whole archive in bytes."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly ``size`` bytes from ``offset``.

        Raises:
            ItarChangedError: the archive no longer has them or was replaced.
        """
        ...

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each (offset, size), in this order."""
        ...

    def read_tail(self, size: int) -> bytes:
        """Return the last ``size`` bytes, or all if there are fewer. Called first."""
        ...

    def close(self) -> None:
        """Free what it holds. Reading afterwards raises :class:`ItarClosedError`."""
        ...


class _Descriptor(int):
    """A file descriptor that is closed with the last reference to it.

    A thread that is inside a call with it holds one, so the number cannot become that of
    another file meanwhile, whose bytes the call would return.
    """

    __slots__ = ()

    def __del__(self) -> None:
        os.close(self)


_CLOSED = -1


class FileSource:
    """A local file, read with ``pread``: no shared position, no lock, right after a fork."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file.

        Attributes:
            path: absolute, and with the links that were given, by which it is opened anew.

        Raises:
            ItarNotFoundError: it does not exist.
            ItarAccessError: it may not be read.
            ItarFormatError: it is a directory or another thing that is not a file.
        """
        self._name = os.fspath(path)
        self.path = Path(absolute_path(path))
        # Its journal lies beside the file itself, not beside a link to it.
        self._file = Path(file_behind(self.path))
        try:
            # Without O_NONBLOCK opening a named pipe waits for a writer.
            self._fd: int = _Descriptor(
                os.open(self._file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            )
        except FileNotFoundError:
            from ncore.itar.unfinished import describe_missing

            raise ItarNotFoundError(describe_missing(self._name, self._file)) from None
        except PermissionError as error:
            raise ItarAccessError(f"{self._name}: cannot be read: {error.strerror}") from None
        status = os.fstat(self._fd)
        if stat.S_ISDIR(status.st_mode):
            raise ItarFormatError(
                f"{self._name}: is a directory, not an itar archive; `ncore itar pack` makes one "
                "of it"
            )
        if not stat.S_ISREG(status.st_mode):
            raise ItarFormatError(f"{self._name}: not a file, so it is not an itar archive")
        self._size = status.st_size
        self._map: mmap.mmap | None = None
        # While a writer changes the archive in place, its old end lies in a journal.
        self._tail_start = _NOWHERE
        self._tail = b""
        journal = read_tail_journal(self._file)
        if journal is not None:
            self._check(journal)
            self._size, self._tail_start, _, self._tail = journal

    @property
    def name(self) -> str:  # docstring inherited
        return self._name

    @property
    def size(self) -> int:  # docstring inherited
        return self._size

    def fileno(self) -> int:
        """Return the file descriptor; it stays open while it is referred to.

        Raises:
            ItarClosedError: the source is closed.
        """
        fd = self._fd
        if fd < 0:
            raise ItarClosedError(f"{self._name}: the archive is closed")
        return fd

    def read(self, offset: int, size: int) -> bytes:  # docstring inherited
        if offset + size > self._tail_start:
            return self._read_over_tail(offset, size)
        try:
            data = os.pread(self._fd, size, offset)
        except OSError:
            self.fileno()  # says so if the source is closed
            raise
        if len(data) == size:
            return data
        return self._read_rest(data, offset, size)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` with the bytes from ``offset`` on; it spares a fresh allocation."""
        if offset + len(buffer) > self._tail_start:
            buffer[:] = self._read_over_tail(offset, len(buffer))
            return
        done = os.preadv(self.fileno(), [buffer], offset)
        if done < len(buffer):
            buffer[done:] = self._read_rest(b"", offset + done, len(buffer) - done)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:  # docstring inherited
        return [self.read(offset, size) for offset, size in ranges]

    def read_tail(self, size: int) -> bytes:  # docstring inherited
        size = min(size, self._size)
        return self.read(self._size - size, size)

    def view(self, offset: int, size: int) -> memoryview:
        """Return a read-only view of the file's mapped pages; nothing is copied.

        It stays valid after :meth:`close`. Cutting the file short in place (no
        writer of this project does) while a view is used kills the process, as
        with every memory map.

        Raises:
            ItarChangedError: the file has been cut already.
        """
        if offset + size > self._tail_start:  # payloads lie before it, or should
            return memoryview(self._read_over_tail(offset, size))
        mapped = self._map  # another thread may close the source
        if mapped is None:
            length = min(self._size, self._tail_start)
            if length == 0:
                return memoryview(b"")
            if os.lseek(self.fileno(), 0, os.SEEK_END) < length:
                raise self._cut(length)
            mapped = self._map = mmap.mmap(self.fileno(), length, access=mmap.ACCESS_READ)
        # The size by way of the unused position: fstat takes four times as long.
        if os.lseek(self.fileno(), 0, os.SEEK_END) < offset + size:
            raise self._cut(offset + size)
        return memoryview(mapped)[offset : offset + size]

    def will_need(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Have the kernel fetch each (offset, size) of views to come, all at once.

        Without it a view of what is not in memory is fetched page after page as it is
        touched. Returns at once; does nothing where the platform has no such call.
        """
        if self._map is None:
            self.view(0, 0)
        mapped = self._map
        if mapped is None or not _CAN_ADVISE:
            return
        length = len(mapped)
        for offset, size in ranges:
            start = offset - offset % mmap.PAGESIZE
            stop = min(offset + size, length)
            if start < stop:
                mapped.madvise(mmap.MADV_WILLNEED, start, stop - start)

    def close(self) -> None:  # docstring inherited
        self._fd = _CLOSED  # reads that have begun keep it open
        self._map = None  # and views the map

    def __enter__(self) -> "FileSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"FileSource({self.name!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return FileSource, (self.path,)

    def was_changed(self) -> bool:
        """Return whether a writer has been at the end of the file since it was opened."""
        now = os.fstat(self.fileno())
        try:
            same = os.path.samestat(now, self.path.stat())
        except FileNotFoundError:
            return True
        return not same or now.st_size != self._size or tail_journal_path(self._file).exists()

    def _check(self, journal: TailJournal) -> None:
        file = OsFile(self._file, os.O_RDONLY)
        try:
            check_witness(self._file, file, journal)
        finally:
            file.close()

    def _read_over_tail(self, offset: int, size: int) -> bytes:
        self.fileno()
        at = offset - self._tail_start
        if at >= 0:
            return self._tail[at : at + size]
        return self._read_rest(b"", offset, -at) + self._tail[: size + at]

    def _read_rest(self, data: bytes, offset: int, size: int) -> bytes:
        parts = [data]
        done = len(data)
        while done < size:
            part = os.pread(self.fileno(), min(size - done, _PREAD_MOST), offset + done)
            if not part:
                raise self._cut(offset + size)
            parts.append(part)
            done += len(part)
        return b"".join(parts)

    def _cut(self, end: int) -> ItarChangedError:
        return ItarChangedError(
            f"{self._name}: ends before byte {end}; it was {self._size} bytes long when it was "
            "opened and has been cut since"
        )
