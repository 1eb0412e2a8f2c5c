"""Copy or link many files from one directory tree into another.

A hierarchy may have millions of chunks of a few hundred bytes, so what counts is
the number of system calls a file: two opens below open folders, one read, one
write, two closes.
"""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from ncore.convert.errors import SourceError, TargetError

_SMALL = 256 << 10
_SHARE, _SHARE_BYTES = 1024, 16 << 20
_READ = os.O_RDONLY | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# What a file system says that cannot copy between these two files inside the kernel.
_NOT_IN_KERNEL = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_CHANGED = "changed its size while it was copied"

Share = list[tuple[str, str, int]]
"""Files of one folder: name there, name here, size in bytes."""


def copy_files(
    source: str,
    target: str,
    keys: Mapping[str, str],
    sizes: Mapping[str, int],
    jobs: int,
    *,
    link: bool = False,
) -> Iterator[int]:
    """Copy files; their folders below ``target`` exist.

    Args:
        source: directory that has them.
        target: directory that gets them.
        keys: path below ``target`` → path below ``source``.
        sizes: path below ``source`` → size in bytes.
        jobs: threads.
        link: give each file a second name instead of copying it.

    Yields:
        Bytes done, now and then.

    Raises:
        SourceError: a file has vanished or has another size by now.
        TargetError: ``link``, and the two are on different file systems.
        OSError: of the file system (full, not permitted).
    """

    def one(work: tuple[str, str, Share]) -> int:
        there, here, share = work
        there = f"{source}/{there}" if there else source
        here = f"{target}/{here}" if here else target
        with _opened(there) as from_folder, _opened(here) as to_folder:
            try:
                return (_link if link else _copy)(from_folder, to_folder, share)
            except _Failed as failed:
                at, error = (there, SourceError) if failed.reading else (here, TargetError)
                raise error(f"{at}/{failed.name}: {failed}") from None

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        yield from pool.map(one, _shares(keys, sizes))


class _Failed(Exception):
    """A call failed for one file of a share, on the reading or on the writing side."""

    def __init__(self, name: str, cause: OSError | str, *, reading: bool) -> None:
        super().__init__(cause if isinstance(cause, str) else cause.strerror)
        self.name, self.reading = name, reading


def _shares(keys: Mapping[str, str], sizes: Mapping[str, int]) -> Iterable[tuple[str, str, Share]]:
    """Files of a folder in shares that are worth a thread's while."""
    folders: tuple[str, str] | None = None
    share: Share = []
    size = 0
    for here, there in keys.items():
        at, _, name = there.rpartition("/")
        to, _, new = here.rpartition("/")
        if share and ((at, to) != folders or len(share) >= _SHARE or size >= _SHARE_BYTES):
            assert folders is not None
            yield (*folders, share)
            share, size = [], 0
        folders = (at, to)
        share.append((name, new, sizes[there]))
        size += sizes[there]
    if share:
        assert folders is not None
        yield (*folders, share)


def _copy(from_folder: int, to_folder: int, share: Share) -> int:
    done = 0
    for name, new, size in share:
        try:
            reading = os.open(name, _READ, dir_fd=from_folder)
        except OSError as error:
            raise _Failed(name, error, reading=True) from None
        try:
            # One byte more than expected, so that one call tells that this was all.
            data = os.read(reading, size + 1) if size <= _SMALL else None
            if data is not None and len(data) != size:
                raise _Failed(name, _CHANGED, reading=True)
            writing = _create(new, to_folder)
            try:
                if data is None:
                    _copy_large(reading, writing, size, name)
                else:
                    write_all(writing, data)
            finally:
                os.close(writing)
        except OSError as error:
            raise _Failed(new, error, reading=False) from None
        finally:
            os.close(reading)
        done += size
    return done


def _create(name: str, folder: int) -> int:
    try:
        return os.open(name, _WRITE, 0o666, dir_fd=folder)
    except FileExistsError:
        # Of a run that was interrupted. It may be a link to a file of the source, so it is
        # removed, never written to.
        os.unlink(name, dir_fd=folder)
        return os.open(name, _WRITE, 0o666, dir_fd=folder)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of a buffer, in as many calls as that takes."""
    written = os.write(fd, data)
    rest = memoryview(data)
    while written < len(rest):
        rest = rest[written:]
        written = os.write(fd, rest)


def _copy_large(reading: int, writing: int, size: int, name: str) -> None:
    """Inside the kernel: where the file system can, both files share their blocks."""
    copied, call = 0, _copy_range
    while copied < size:
        try:
            count = call(reading, writing, copied, min(size - copied, 1 << 30))
        except OSError as error:
            if call is not _copy_range or error.errno not in _NOT_IN_KERNEL:
                raise
            call = _send
            continue
        if count == 0:
            raise _Failed(name, _CHANGED, reading=True)
        copied += count


def _copy_range(reading: int, writing: int, offset: int, size: int) -> int:
    return os.copy_file_range(reading, writing, size, offset, offset)


def _send(reading: int, writing: int, offset: int, size: int) -> int:
    os.lseek(writing, offset, os.SEEK_SET)
    return os.sendfile(writing, reading, offset, size)


def _link(from_folder: int, to_folder: int, share: Share) -> int:
    done = 0
    for name, new, size in share:
        try:
            _link_one(name, new, from_folder, to_folder)
        except OSError as error:
            if error.errno == errno.EMLINK:
                _copy(from_folder, to_folder, [(name, new, size)])
            elif error.errno in (errno.EXDEV, errno.EPERM):
                raise _Failed(
                    name, f"cannot be linked ({error.strerror}): leave --link out", reading=False
                ) from None
            else:
                raise _Failed(name, error, reading=True) from None
        done += size
    return done


def _link_one(name: str, new: str, from_folder: int, to_folder: int) -> None:
    try:
        os.link(name, new, src_dir_fd=from_folder, dst_dir_fd=to_folder)
    except FileExistsError:  # of a run that was interrupted
        os.unlink(new, dir_fd=to_folder)
        os.link(name, new, src_dir_fd=from_folder, dst_dir_fd=to_folder)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    fd = os.open(path, _FOLDER)
    try:
        yield fd
    finally:
        os.close(fd)
