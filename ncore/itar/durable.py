"""Make files durable: sync of many files in one call where the system has it."""

import ctypes
import os
from pathlib import Path


def sync_tree(path: Path) -> None:
    """Make everything written to the file system of ``path`` durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        try:
            syncfs = ctypes.CDLL(None, use_errno=True).syncfs
        except (AttributeError, OSError):
            os.sync()
            return
        if syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    finally:
        os.close(fd)


def sync_file(path: Path) -> None:
    """Make one file, or the entries of one directory, durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
