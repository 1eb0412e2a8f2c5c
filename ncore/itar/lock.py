"""One writer at a time: a lock file beside the archive that names its holder."""

import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path

from ncore.itar.errors import ItarLockedError


class WriterLock:
    """An exclusive advisory lock (``flock``) on ``<archive>.lock``.

    The operating system drops it with the process, so a lock file left behind
    by a crash hinders nobody.
    """

    def __init__(self, archive: Path) -> None:
        """Take the lock.

        Raises:
            ItarLockedError: another writer has it.
        """
        self.path = archive.with_name(archive.name + ".lock")
        self._pid = os.getpid()
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(fd, 4096, 0)
                os.close(fd)
                raise ItarLockedError(
                    f"{archive}: another writer has it open: {_describe(holder)}"
                ) from None
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

    def release(self) -> None:
        """Give the lock back. In a forked child it only forgets it."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        if os.getpid() == self._pid:
            self.path.unlink(missing_ok=True)
            fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.release()


def _describe(holder: bytes) -> str:
    try:
        found = json.loads(holder)
        return (
            f"process {found['pid']} ({found['program']}) on {found['host']} since {found['since']}"
        )
    except (ValueError, TypeError, KeyError):
        return "an unknown process"
