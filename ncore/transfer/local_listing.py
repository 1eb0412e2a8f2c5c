"""Walking a directory in key order, a page at a time.

Names are sorted as the keys they lead to: a directory as its name with the
slash. Memory is that of the names in the directories on the current path.
"""

# Strings, since a Path for each of a million files costs more than its stat.
# ruff: noqa: PTH114, PTH116, PTH118

import os
import stat
from collections.abc import Iterator

from ncore.transfer.backend import Entry
from ncore.transfer.errors import TransferError
from ncore.transfer.filesystem import is_kept_as
from ncore.transfer.keys import show_key

STAGING_SUFFIX = ".ncore-part"
"""Directories ``.NAME.ncore-part`` hold what is not yet complete; never listed."""

VERSION_CONTROL_NAMES = frozenset((".dandi", ".datalad", ".git", ".gitattributes", ".gitmodules"))
"""Names that are not part of a zarr, though they may lie in its directory."""


def is_staging(name: str) -> bool:
    """Return whether a name is one of ours for unfinished work."""
    return name.endswith(STAGING_SUFFIX) and name.startswith(".")


def walk(
    root: str,
    prefix: str = "",
    after: str = "",
    *,
    follow_links: bool = True,
    skip_names: frozenset[str] = frozenset(),
) -> Iterator[Entry]:
    """Yield the files below a directory as entries, in key order.

    Args:
        root: The directory.
        prefix: Only keys that start with this string.
        after: Only keys greater than this one.
        follow_links: Descend into links to directories; else such a link is
            listed as an entry of unknown size.
        skip_names: Names of files and directories to pass over.

    Raises:
        TransferError: A link leads back to a directory above it.
        OSError: A directory cannot be read.
    """
    top, _, _ = prefix.rpartition("/")
    if any(part in ("", ".", "..") for part in top.split("/")) and top:
        return
    path = os.path.join(root, top) if top else root
    if top and not follow_links and _link_above(root, top):
        return
    try:
        stack = [_sorted_names(path, skip_names, follow_links)]
        if top and not is_kept_as(root, top):
            return  # it is there by another name only
    except (FileNotFoundError, NotADirectoryError):
        if top:
            return
        raise
    keys = [f"{top}/" if top else ""]
    paths = [path]
    while stack:
        for name in stack[-1]:
            key = keys[-1] + name
            if name.endswith("/"):
                if not (key.startswith(prefix) or prefix.startswith(key)):
                    continue
                if key <= after and not after.startswith(key) and _passed(key, after):
                    continue
                path = f"{paths[-1]}/{name[:-1]}"
                if os.path.islink(path):
                    _refuse_cycle(path, paths, key)
                stack.append(_sorted_names(path, skip_names, follow_links))
                keys.append(key)
                paths.append(path)
                break
            if key.startswith(prefix) and key > after:
                yield entry_of(key, f"{paths[-1]}/{name}")
        else:
            stack.pop()
            keys.pop()
            paths.pop()


def _passed(directory: str, after: str) -> bool:
    """Return whether every key below ``directory`` (with slash) is <= ``after``."""
    return directory[:-1] + "0" <= after  # "0" is the character after "/"


def _link_above(root: str, top: str) -> bool:
    path = root
    for part in top.split("/"):
        path = os.path.join(path, part)
        if os.path.islink(path):
            return True
    return False


def _sorted_names(path: str, skip_names: frozenset[str], follow_links: bool) -> Iterator[str]:
    names = []
    with os.scandir(path) as items:
        for item in items:
            name = item.name
            if name in skip_names or is_staging(name):
                continue
            if item.is_dir(follow_symlinks=follow_links):
                name += "/"
            names.append(name)
    names.sort()
    return iter(names)


def entry_of(key: str, path: str) -> Entry:
    """Return a file as an entry, a link as what it leads to."""
    try:
        status = os.stat(path)
    except OSError:  # a link to nothing, or just deleted
        return Entry(key, -1)
    if not stat.S_ISREG(status.st_mode):
        return Entry(key, -1)
    return Entry(key, status.st_size, None, status.st_mtime)


def _refuse_cycle(path: str, above: list[str], key: str) -> None:
    here = os.stat(path)
    for directory in above:
        if os.path.samestat(here, os.stat(directory)):
            raise TransferError(
                f"{show_key(key)!r} is a symbolic link to a directory above it: "
                "it has no end; remove the link or exclude it with --zarr-not"
            )
