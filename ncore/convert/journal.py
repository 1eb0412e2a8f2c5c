"""The record of what a run has finished, one JSON document a line, synced."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from ncore.convert.errors import ResumeError


class Journal:
    """An append-only file beside a target under construction; one process holds it at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    @property
    def held(self) -> bool:
        """Whether this process keeps others out."""
        return self._fd >= 0

    def acquire(self) -> None:
        """Open the file, creating it, and keep others out.

        Raises:
            ResumeError: another process is converting to the same target.
        """
        if self._fd >= 0:
            return
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise ResumeError(
                f"{self.path}: another process is writing to the same target"
            ) from None
        self._fd = fd

    def records(self) -> list[Any]:
        """All complete records. A last line that a crash cut short is no record."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        found = []
        for line in lines[:-1]:
            try:
                found.append(json.loads(line))
            except ValueError:
                break
        return found

    def append(self, record: Any) -> None:
        """Store one record; on disk when this returns."""
        self.acquire()
        os.write(self._fd, json.dumps(record).encode() + b"\n")
        os.fsync(self._fd)

    def clear(self) -> None:
        """Forget all records, keeping the file held."""
        self.acquire()
        os.ftruncate(self._fd, 0)

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let others in."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
