"""Writing below a directory that others may have filled: links, files in the way.

Every file is written in a staging directory beside the root and then renamed
to its final name, so that a partial file never stands under it. Directories
are opened one component at a time without following links, and files are
created relative to them, so no link in the target, whenever it was placed,
leads a write out of it.
"""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import os
import stat
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from ncore.transfer.errors import EntryExistsError, TransferError, UnsafeKeyError
from ncore.transfer.filesystem import begin_sync, rename_new, stored_name, sync_file_system
from ncore.transfer.keys import check_key, parent_of, show_key
from ncore.transfer.local_listing import STAGING_SUFFIX

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PART_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_DIRECTORIES = 128
_MOST_REMOVED = 64  # levels of empty directories
_PATH_BYTES = 4096 if sys.platform == "linux" else 1024  # PATH_MAX, with its final zero
_SYNC_EARLY = 1 << 18
_SYNC_PART = 8 << 20


class Writer:
    """Writes files below one directory.

    Args:
        root: The directory; made with its parents by :meth:`open`.
        only: Write this one file of it alone, beside other writers.
    """

    def __init__(self, root: Path, only: str | None = None) -> None:
        self._root = root
        self._only = only
        self._root_fd = -1
        self._staging_fd = -1
        self._staging: Path | None = None
        # Writes may come from several threads; descriptors are handed out as
        # duplicates, so that closing one here cannot hit one in use.
        self._lock = threading.Lock()
        self._directories: dict[str, int] = {}
        self._made: set[str] = set()  # some of the directories that this writer made
        self._serial = itertools.count(1)

    def open(self) -> None:
        """Make the directory and the staging directory, and take its lock.

        Raises:
            EntryExistsError: A file stands where the directory should be.
            TransferError: Another transfer writes there.
        """
        if self._root_fd >= 0:
            return
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise EntryExistsError(f"{self._root}: a file is in the way") from None
        self._root_fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._open_staging()
        except BaseException:
            self.close()
            raise

    def _open_staging(self) -> None:
        root = self._root.resolve()
        if self._only is None:
            beside = root.parent / f".{root.name}{STAGING_SUFFIX}"
        else:
            beside = root / f".{self._only}{STAGING_SUFFIX}"
        inside = root / f".{STAGING_SUFFIX.lstrip('.')}{STAGING_SUFFIX}"
        device = os.fstat(self._root_fd).st_dev
        for path in (beside, inside):
            if path is beside and (path == root or path.parent.stat().st_dev != device):
                continue
            try:
                path.mkdir(mode=0o700, exist_ok=True)
                fd = os.open(path, _DIRECTORY)
            except OSError as e:
                if path is inside:
                    raise TransferError(f"{self._root}: cannot write: {e.strerror}") from e
                continue
            break
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise TransferError(
                f"{self._root}: another transfer is writing here (it holds {path}); "
                "wait for it or end it"
            ) from None
        self._staging, self._staging_fd = path, fd
        for name in os.listdir(fd):  # noqa: PTH208  of a descriptor
            if not name.startswith("part-"):  # of a run that was killed
                os.unlink(name, dir_fd=fd)

    @contextlib.contextmanager
    def directory(self, path: str) -> Iterator[int]:
        """Hand out a descriptor of a directory below the root, made when missing.

        Raises:
            UnsafeKeyError: A component is a symbolic link.
            EntryExistsError: A component is a file.
        """
        with self._lock:
            fd = os.dup(self._directory(path))
        try:
            yield fd
        finally:
            os.close(fd)

    def _directory(self, path: str) -> int:
        missing = []
        while path and path not in self._directories:
            missing.append(path)
            path = parent_of(path)
        fd = self._directories[path] if path else self._root_fd
        for below in reversed(missing):
            fd = self._enter(below, fd)
        return fd

    def _enter(self, path: str, parent: int) -> int:
        """Open a directory, whose parent is open, and keep it open for a while."""
        above, _, name = path.rpartition("/")
        try:
            if above in self._made:  # so this one is most likely missing too
                fd = self._make_directory(name, path, parent)
            else:
                fd = os.open(name, _DIRECTORY, dir_fd=parent)
        except FileNotFoundError:
            fd = self._make_directory(name, path, parent)
        except OSError as e:
            if e.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            if stat.S_ISLNK(os.lstat(name, dir_fd=parent).st_mode):
                raise UnsafeKeyError(
                    f"{self._root}: {show_key(path)!r} is a symbolic link, and nothing is "
                    "written through links; remove it to go on"
                ) from None
            raise EntryExistsError(
                f"{self._root}: {show_key(path)!r} is a file where a directory is needed"
            ) from None
        if path not in self._made:
            kept = stored_name(name, parent)
            if kept != name:
                os.close(fd)
                raise self._taken_for(path, kept)
        if len(self._directories) >= _OPEN_DIRECTORIES:
            self._close_directories()
            self._made.clear()
        self._directories[path] = fd
        return fd

    def _make_directory(self, name: str, path: str, parent: int) -> int:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
            self._made.add(path)
        return os.open(name, _DIRECTORY, dir_fd=parent)

    def _check(self, key: str) -> None:
        check_key(key)
        # By descriptors a longer one could be written, but nothing could open it.
        if len(os.fsencode(f"{self._root}/{key}")) >= _PATH_BYTES:
            raise UnsafeKeyError(
                f"refused the key {show_key(key[:100])!r}...: its path would be longer than the "
                f"{_PATH_BYTES - 1} bytes that can be opened"
            )

    def write(
        self, key: str, data: bytes | bytearray, mtime: float | None, *, replace: bool
    ) -> None:
        """Write a small file, whole."""
        self._check(key)
        above, _, name = key.rpartition("/")
        temporary = f"new-{next(self._serial)}"
        fd = os.open(temporary, _NEW_FILE, 0o666, dir_fd=self._staging_fd)
        try:
            try:
                _write_all(fd, data)
                _set_mtime(fd, mtime)
                if len(data) >= _SYNC_EARLY:
                    begin_sync(fd)
            finally:
                os.close(fd)
            with self.directory(above) as parent:
                self._commit(temporary, name, parent, key, replace)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=self._staging_fd)
            raise

    def open_part(self, key: str, version: str) -> "Part":
        """Open the unfinished file of a large entry, perhaps begun by an earlier run.

        Args:
            key: The entry's key.
            version: Size and digest; another version begins afresh.
        """
        self._check(key)
        label = hashlib.sha256(f"{key}\0{version}".encode()).hexdigest()[:40]
        name = f"part-{label}"
        fd = os.open(name, _PART_FILE, 0o666, dir_fd=self._staging_fd)
        return Part(fd, name)

    def finish_part(self, part: "Part", key: str, mtime: float | None, *, replace: bool) -> None:
        """Give a finished part its final name."""
        above, _, name = key.rpartition("/")
        _set_mtime(part.fd, mtime)
        part.close()
        with self.directory(above) as parent:
            self._commit(part.name, name, parent, key, replace)

    def discard_part(self, part: "Part") -> None:
        """Delete an unfinished file."""
        part.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part.name, dir_fd=self._staging_fd)

    def _commit(self, temporary: str, name: str, parent: int, key: str, replace: bool) -> None:
        for attempt in (1, 2):
            try:
                if replace:
                    os.rename(temporary, name, src_dir_fd=self._staging_fd, dst_dir_fd=parent)
                else:
                    rename_new(temporary, name, from_dir=self._staging_fd, to_dir=parent)
                return
            except (IsADirectoryError, FileExistsError, NotADirectoryError):
                kept = stored_name(name, parent)
                if kept != name:
                    raise self._taken_for(key, kept) from None
                if attempt == 1 and _remove_empty(name, parent):
                    continue
                raise EntryExistsError(
                    f"{self._root}: {show_key(key)!r} exists (or a name that this file "
                    "system takes for the same); it was left as it is"
                ) from None

    def _taken_for(self, path: str, kept: str) -> EntryExistsError:
        above = parent_of(path)
        other = show_key(f"{above}/{kept}" if above else kept)
        return EntryExistsError(
            f"{self._root}: this file system takes {show_key(path)!r} for {other!r}, which is "
            "there, and it was left as it is; download them into different directories (--zarr, "
            "--zarr-not), or all into an archive (-o NAME.zarr.itar)"
        )

    def delete(self, key: str) -> None:
        """Delete a file (a link, not what it points to) and directories left empty."""
        check_key(key)
        *above, name = key.split("/")
        # Of the directories above it the nearest are kept open, to be removed if empty.
        nearest = deque([os.dup(self._root_fd)])
        try:
            try:
                for part in above:
                    nearest.append(os.open(part, _DIRECTORY, dir_fd=nearest[-1]))
                    if len(nearest) > _MOST_REMOVED:
                        os.close(nearest.popleft())
                os.unlink(name, dir_fd=nearest[-1])
            except FileNotFoundError:
                return
            while above and len(nearest) > 1:
                os.close(nearest.pop())
                with contextlib.suppress(FileNotFoundError):  # another thread was quicker
                    os.rmdir(above[-1], dir_fd=nearest[-1])
                self._forget("/".join(above))
                above.pop()
        except OSError as e:
            if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        finally:
            for fd in nearest:
                os.close(fd)

    def _forget(self, path: str) -> None:
        with self._lock:
            fd = self._directories.pop(path, None)
        if fd is not None:
            os.close(fd)

    def _close_directories(self) -> None:
        while self._directories:
            os.close(self._directories.popitem()[1])

    def sync(self) -> None:
        """Bring what was written onto the disk."""
        if self._root_fd >= 0:
            sync_file_system(self._root_fd)

    def close(self, *, keep_parts: bool = False) -> None:
        """Let go of descriptors and lock; remove the staging directory.

        Args:
            keep_parts: Leave parts of large files for the next run.
        """
        with self._lock:
            self._close_directories()
        if self._staging_fd >= 0:
            for name in os.listdir(self._staging_fd):  # noqa: PTH208
                if not (keep_parts and name.startswith("part-")):
                    os.unlink(name, dir_fd=self._staging_fd)
            if self._staging is not None:
                with contextlib.suppress(OSError):  # parts are left, or it is gone
                    self._staging.rmdir()
            os.close(self._staging_fd)
            self._staging_fd = -1
        if self._root_fd >= 0:
            os.close(self._root_fd)
            self._root_fd = -1


class Part:
    """An unfinished file.

    Attributes:
        fd: Its descriptor, -1 when closed.
        name: Its name in the staging directory.
        size: Bytes that it holds.
    """

    def __init__(self, fd: int, name: str) -> None:
        self.fd = fd
        self.name = name
        self.size = os.fstat(fd).st_size

    def prior(self) -> Iterator[bytes]:
        """Yield the bytes that it holds."""
        at = 0
        while at < self.size:
            data = os.pread(self.fd, min(1 << 20, self.size - at), at)
            if not data:
                return
            at += len(data)
            yield data

    def append(self, data: bytes | bytearray) -> None:
        """Write the next bytes."""
        view = memoryview(data)
        before = self.size
        while view:
            n = os.pwrite(self.fd, view, self.size)
            self.size += n
            view = view[n:]
        if before // _SYNC_PART != self.size // _SYNC_PART:
            begin_sync(self.fd)

    def truncate(self) -> None:
        """Begin afresh."""
        os.ftruncate(self.fd, 0)
        self.size = 0

    def close(self) -> None:
        """Close the descriptor."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _write_all(fd: int, data: bytes | bytearray) -> None:
    n = os.write(fd, data) if data else 0
    while n < len(data):
        n += os.write(fd, memoryview(data)[n:])


def _set_mtime(fd: int, mtime: float | None) -> None:
    if mtime is not None:
        with contextlib.suppress(OSError, OverflowError):  # a time no file system can hold
            os.utime(fd, (mtime, mtime))


def _remove_empty(name: str, parent: int, levels: int = _MOST_REMOVED) -> bool:
    """Remove a directory that holds no file at any depth; return whether it is gone."""
    if not levels:
        return False
    try:
        fd = os.open(name, _DIRECTORY, dir_fd=parent)
    except OSError:
        return False
    try:
        with os.scandir(fd) as items:
            names = [item.name for item in items]
        if not all(_remove_empty(inner, fd, levels - 1) for inner in names):
            return False
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=parent)
    return True
