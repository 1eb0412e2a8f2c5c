"""Who may read a file that takes the place of another: whoever might read the old one."""

import contextlib
import os
import stat
from pathlib import Path

_ACL = "system.posix_acl_access"
_OF_A_FOLDER = "system.posix_acl_default"
_LABEL = "security.selinux"


def inherit_permissions(old: Path, new: Path) -> None:
    """Give ``new`` what ``old`` has of owner, group, mode, access list and extended attributes.

    As far as the process may and the file system can; where there is no ``old``, nothing
    changes. Where the group cannot be given, its members get no more than everybody.
    """
    try:
        was = old.stat()
    except FileNotFoundError:
        return
    now = new.stat()
    # A file that other users run under their owner's rights is none of ours; a directory
    # that gives its group to what is made in it remains one.
    mode = stat.S_IMODE(was.st_mode) & (0o7777 if stat.S_ISDIR(was.st_mode) else 0o777)
    if was.st_gid != now.st_gid:
        try:
            os.chown(new, -1, was.st_gid)
        except OSError:
            mode = mode & 0o707 | (mode & 0o007) << 3
    if was.st_uid != now.st_uid:
        with contextlib.suppress(OSError):
            os.chown(new, was.st_uid, -1)
    _inherit_attributes(old, new)  # before the mode, which is part of an access list
    # Some network file systems have no modes.
    with contextlib.suppress(OSError):
        new.chmod(mode)


def _inherit_attributes(old: Path, new: Path) -> None:
    if not hasattr(os, "listxattr"):  # Linux has it
        return
    had, has = _attributes(old), _attributes(new)
    for name in (_ACL, _OF_A_FOLDER):
        if name in has and name not in had:  # given by the folder, which gave it not to the old one
            with contextlib.suppress(OSError):
                os.removexattr(new, name)
    for name, value in had.items():
        if has.get(name) != value:
            with contextlib.suppress(OSError):
                os.setxattr(new, name, value)


def _attributes(path: Path) -> dict[str, bytes]:
    """Extended attributes that belong to a name, not to the bytes that were under it."""
    found: dict[str, bytes] = {}
    with contextlib.suppress(OSError):  # a file system without them
        for name in os.listxattr(path):
            if name.startswith("user.") or name in (_ACL, _OF_A_FOLDER, _LABEL):
                found[name] = os.getxattr(path, name)
    return found
