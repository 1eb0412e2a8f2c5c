"""What the file system does for a safe write: no-replace rename, sync, hops.

Each has a way for systems that lack the call; the promise is then the same but
dearer, or (sync) wider.
"""

import asyncio
import contextlib
import ctypes
import errno
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_RENAME_NOREPLACE = 1  # linux/fs.h
_RENAME_EXCL = 4  # sys/stdio.h of macOS
_SYNC_FILE_RANGE_WRITE = 2  # linux/fs.h
_OFFSET = ctypes.c_int64
_PROBE = 64
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}


def _libc_function(name: str) -> "ctypes._NamedFuncPointer | None":
    try:
        return getattr(ctypes.CDLL(None, use_errno=True), name)  # type: ignore[no-any-return]
    except (AttributeError, OSError, TypeError):
        return None


_is_mac = sys.platform == "darwin"
_renameat2 = _libc_function("renameatx_np" if _is_mac else "renameat2")
_NO_REPLACE = _RENAME_EXCL if _is_mac else _RENAME_NOREPLACE
_syncfs = _libc_function("syncfs")
_sync_file_range = None if _is_mac else _libc_function("sync_file_range")


def rename_new(name: str, new_name: str, *, from_dir: int, to_dir: int) -> None:
    """Rename a file, never over another one.

    Args:
        name: Name in the directory ``from_dir`` (a descriptor).
        new_name: Name in the directory ``to_dir``.
        from_dir: Descriptor of the directory.
        to_dir: Descriptor of the directory.

    Raises:
        FileExistsError: Something stands there; also a name that the file
            system takes to be the same (case, normal form).
        OSError: The rename failed.
    """
    if _renameat2 is not None:
        if not _renameat2(from_dir, os.fsencode(name), to_dir, os.fsencode(new_name), _NO_REPLACE):
            return
        code = ctypes.get_errno()
        if code not in _UNSUPPORTED:
            raise OSError(code, os.strerror(code), new_name)
    try:
        os.link(name, new_name, src_dir_fd=from_dir, dst_dir_fd=to_dir, follow_symlinks=False)
    except OSError as e:
        if e.errno == errno.EEXIST or e.errno not in _UNSUPPORTED:
            raise
        # No hard links here (FAT, some FUSE): look, then rename.
        with contextlib.suppress(FileNotFoundError):
            os.lstat(new_name, dir_fd=to_dir)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new_name) from None
        os.rename(name, new_name, src_dir_fd=from_dir, dst_dir_fd=to_dir)
    else:
        os.unlink(name, dir_fd=from_dir)


def stored_name(name: str, directory: int) -> str:
    """Return the name under which a file system keeps what it finds under a name.

    Another one where it takes both for the same: letters in another case (macOS,
    Windows shares, ext4 with ``casefold``), with that also other normal forms.

    Args:
        name: Name in the directory, of something that is there.
        directory: Descriptor of the directory.
    """
    other = name.swapcase()
    if other == name:
        return name  # no letters: chunks cost nothing
    try:
        os.stat(other, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return name
    # Inodes would not tell: some network file systems invent them for each name.
    names = os.listdir(directory)
    if name in names:
        return name
    folded = name.casefold()
    return next((n for n in names if n.casefold() == folded), name)


def is_kept_as(root: str | os.PathLike[str], key: str) -> bool:
    """Return whether what is found under a key is kept under this very key.

    Args:
        root: A directory.
        key: Path below it, ``/`` between components, of something that is there.
    """
    above = os.fspath(root)
    for name in key.split("/"):
        if name.swapcase() != name:
            try:
                fd = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except PermissionError:
                return True  # such a directory tells no names
            try:
                if stored_name(name, fd) != name:
                    return False
            finally:
                os.close(fd)
        above = f"{above}/{name}"
    return True


def sync_file_system(descriptor: int) -> None:
    """Bring everything written to the descriptor's file system onto the disk.

    One call for any number of files: an fsync for each of 5,000 small files
    would take longer than to transfer them.
    """
    if _syncfs is not None and _syncfs(descriptor) == 0:
        return
    os.sync()


def begin_sync(descriptor: int) -> None:
    """Have the system begin to bring a file onto the disk, and do not wait for it.

    What is written while bytes still arrive need not be waited for at the end.
    """
    if _sync_file_range is not None:
        _sync_file_range(descriptor, _OFFSET(0), _OFFSET(0), _SYNC_FILE_RANGE_WRITE)


class Hop:
    """Runs short blocking calls in the event loop while they are quick.

    A hop to a thread costs more than a small file's system calls on a local
    disk (and threads that make many of them keep the loop waiting for the
    interpreter), but on a slow file system calls in the loop would stall all
    transfers. So the typical time of recent calls decides: their median, since
    on a busy machine a few take long whatever the file system.

    Args:
        threads: Threads for slow calls.
        limit: Seconds; calls go to threads while the median is above.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        threads: int = 16,
        limit: float = 0.002,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._median = limit / 8
        self._calls = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ncore-files")

    async def run(self, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``f``, here or in a thread."""
        self._calls += 1
        # Now and then one is tried here: only here it is timed undisturbed.
        if self._median > self._limit and self._calls % _PROBE:
            return await self.thread(f, *args, **kwargs)
        start = self._clock()
        try:
            return f(*args, **kwargs)
        finally:
            # A step up for a slower call, down for a quicker one: half of each.
            slower = self._clock() - start > self._median
            self._median *= 1.2 if slower else 1 / 1.2

    async def thread(self, f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``f`` in a thread, whatever it took so far."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: f(*args, **kwargs))

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False)
