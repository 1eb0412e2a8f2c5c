"""A directory takes the place of another one, with no moment without either where possible."""

import ctypes
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def replace_directory(new: Path, place: Path) -> Path | None:
    """Move the directory ``new`` to ``place``.

    What is at ``place`` is exchanged with it in one step on Linux, so that a crash
    leaves the one or the other. Where the system cannot do that there are two
    renames; a crash between them leaves the old one under the name that is
    returned otherwise.

    Args:
        new: a directory in the same file system as ``place``.
        place: where it goes; a directory or nothing.

    Returns:
        Where the old directory is now, for the caller to remove; None if there was none.
    """
    if not place.exists():
        new.rename(place)
        return None
    if _exchange(new, place):
        return new
    retired = new.with_name(f"{new.name}.replaced")
    place.rename(retired)
    try:
        new.rename(place)
    except OSError:
        retired.rename(place)
        raise
    return retired


def _exchange(a: Path, b: Path) -> bool:
    """Let two directories change names; False if the system has no way to."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    names = (_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b))
    return bool(rename(*names, _RENAME_EXCHANGE) == 0)
