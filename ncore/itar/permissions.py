"""Who may read a file that takes the place of another: whoever might read the old one."""

import contextlib
import os
import stat
from pathlib import Path


def inherit_permissions(old: Path, new: Path) -> None:
    """Give ``new`` owner, group and mode of ``old``, as far as the process may; none: no change.

    Where the group cannot be given, its members get no more than everybody.
    """
    try:
        was = old.stat()
    except FileNotFoundError:
        return
    now = new.stat()
    mode = stat.S_IMODE(was.st_mode) & 0o777
    if was.st_gid != now.st_gid:
        try:
            os.chown(new, -1, was.st_gid)
        except OSError:
            mode = mode & 0o707 | (mode & 0o007) << 3
    if was.st_uid != now.st_uid:
        with contextlib.suppress(OSError):
            os.chown(new, was.st_uid, -1)
    # Some network file systems have no modes.
    with contextlib.suppress(OSError):
        new.chmod(mode)
