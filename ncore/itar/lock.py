"""One writer at a time: a lock file beside the archive that names its holder."""

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncore.itar.errors import ItarLockedError
from ncore.itar.place import raise_unwritable


class WriterLock:
    """An exclusive advisory lock (``flock``) on ``<archive>.lock``.

    The operating system drops it with the process, so a lock file left behind
    by a crash hinders nobody.
    """

    def __init__(self, archive: Path, name: str | None = None) -> None:
        """Take the lock.

        Args:
            archive: the file itself, not a link to it (:func:`~ncore.itar.place.file_to_write`).
            name: how messages call it.

        Raises:
            ItarLockedError: another writer has it.
            ItarNotFoundError: its directory does not exist.
            ItarAccessError: no file can be made in its directory.
            ItarIOError: likewise, for another reason.
        """
        self._name = str(archive) if name is None else name
        self.path = lock_path(archive)
        self._pid = os.getpid()
        self._also = -1
        while True:
            try:
                fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                raise_unwritable(self._name, error)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(fd, 4096, 0)
                os.close(fd)
                raise ItarLockedError(f"{self._name}: {_describe(_parse(holder))}") from None
            except BaseException:
                os.close(fd)
                raise
            # A holder that just finished may have removed the name we opened.
            try:
                same = os.path.samestat(os.fstat(fd), self.path.stat())
            except FileNotFoundError:
                same = False
            if same:
                break
            os.close(fd)
        self._fd = fd
        holder = json.dumps(
            {
                "pid": self._pid,
                "host": socket.gethostname(),
                "program": Path(sys.argv[0]).name if sys.argv else "",
                "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
        ).encode()
        os.ftruncate(fd, 0)
        os.pwrite(fd, holder, 0)

    def take_file(self, archive: Path) -> None:
        """Lock the archive's file as well, as one that is to be changed where it lies.

        It may be known by a second path that has another lock file, such as a mount of
        the single file in a container.

        Raises:
            ItarLockedError: it is being changed under another path.
            OSError: it cannot be opened for writing.
        """
        fd = os.open(archive, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise ItarLockedError(
                f"{self._name}: another writer has the same file open under another path"
            ) from None
        except BaseException:
            os.close(fd)
            raise
        self._also = fd

    def covers(self, archive: Path) -> bool:
        """Whether the file that :meth:`take_file` locked still lies at this path."""
        try:
            return os.path.samestat(os.fstat(self._also), archive.stat())
        except OSError:
            return False

    def release(self) -> None:
        """Give the lock back. In a forked child it only forgets it."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        also, self._also = self._also, -1
        if os.getpid() == self._pid:
            self.path.unlink(missing_ok=True)
            fcntl.flock(fd, fcntl.LOCK_UN)
            if also >= 0:
                fcntl.flock(also, fcntl.LOCK_UN)
        os.close(fd)
        if also >= 0:
            os.close(also)

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.release()


def lock_path(archive: Path) -> Path:
    """Return the lock file of an archive."""
    return archive.with_name(archive.name + ".lock")


def who_writes(archive: Path) -> str | None:
    """Return who says to be writing an archive and may be alive, without taking the lock.

    ``None``: nobody, as far as this machine can know.
    """
    try:
        holder = _parse(lock_path(archive).read_bytes())
    except OSError:
        return None
    if holder is None or not isinstance(holder.get("pid"), int):
        return None
    if holder["host"] == socket.gethostname():
        try:
            os.kill(holder["pid"], 0)
        except PermissionError:
            pass  # alive, and somebody else's
        except OSError:
            return None
    return _process(holder)


def _parse(holder: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(holder)
    except ValueError:
        return None
    wanted = ("pid", "program", "host", "since")
    return found if isinstance(found, dict) and all(name in found for name in wanted) else None


def _describe(holder: Mapping[str, Any] | None) -> str:
    if holder is None:
        return "another writer has it open: an unknown process"
    if holder["pid"] == os.getpid() and holder["host"] == socket.gethostname():
        return (
            f"this process has it open for writing itself, since {holder['since']}: close() or "
            "discard() the store or writer that was opened first"
        )
    return f"another writer has it open: {_process(holder)}"


def _process(holder: Mapping[str, Any]) -> str:
    return (
        f"process {holder['pid']} ({holder['program']}) on {holder['host']} since {holder['since']}"
    )
