"""What differs between two manifests, and the part of a manifest that proves a selection.

No data is touched; both read their manifests once, in constant memory but for
the directories that are open.
"""

import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from ncore.transfer.checksum import DirectoryDigest, DirectoryEntry, ZarrEntry
from ncore.transfer.manifest import ManifestItem, ManifestWriter, WholeDirectory, read_manifest


class Change(StrEnum):
    """How an entry differs."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Difference(NamedTuple):
    """One entry, or one directory that a pruned manifest only knows as a whole.

    Attributes:
        change: How it differs.
        path: The entry; a directory with a slash at its end.
        old: ``size`` and ``md5`` before (a directory's digest), None if added.
        new: Likewise after, None if removed.
    """

    change: Change
    path: str
    old: ZarrEntry | WholeDirectory | None
    new: ZarrEntry | WholeDirectory | None


def diff_manifests(
    old: str | os.PathLike[str], new: str | os.PathLike[str]
) -> Iterator[Difference]:
    """Yield what differs, in key order.

    Raises:
        ManifestError: A manifest is not good.
    """
    ours, theirs = _Lines(old), _Lines(new)
    while True:
        a, b = ours.now, theirs.now
        if a is None and b is None:
            return
        if isinstance(a, WholeDirectory) or isinstance(b, WholeDirectory):
            yield from _directories(ours, theirs)
        elif b is None or (a is not None and a.path < b.path):
            yield Difference(Change.REMOVED, ours.take().path, a, None)
        elif a is None or b.path < a.path:
            yield Difference(Change.ADDED, theirs.take().path, None, b)
        else:
            ours.take()
            theirs.take()
            if a != b:
                yield Difference(Change.CHANGED, a.path, a, b)


class _Lines:
    """A manifest's entries and whole directories, one ahead."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._items = read_manifest(path)
        self.ended: DirectoryDigest | None = None
        self.now: ZarrEntry | WholeDirectory | None = None
        self._advance()

    def take(self) -> ZarrEntry | WholeDirectory:
        """Return the entry that is next and go on."""
        taken = self.now
        assert taken is not None
        self._advance()
        return taken

    def skip(self, directory: str) -> DirectoryDigest | None:
        """Pass over what lies below a directory; return its digest, None if it is not there."""
        now = self.now
        below = f"{directory}/"
        if isinstance(now, WholeDirectory) and now.path == directory:
            self._advance()
            return now.digest
        if now is None or not now.path.startswith(below):
            return None
        digest = None
        for item in self._items:
            if isinstance(item, DirectoryEntry) and item.path == directory:
                digest = item.digest
                break
        self._advance()
        return digest

    def _advance(self) -> None:
        self.now = None
        for item in self._items:
            if not isinstance(item, DirectoryEntry):
                self.now = item
                return


def _sort_key(item: ZarrEntry | WholeDirectory | None) -> tuple[bool, str]:
    if item is None:
        return True, ""
    return False, item.path if isinstance(item, ZarrEntry) else f"{item.path}/"


def _directories(ours: _Lines, theirs: _Lines) -> Iterator[Difference]:
    """Compare where at least one side is at a directory that it knows as a whole."""
    a, b = ours.now, theirs.now
    first = min(a, b, key=_sort_key)
    if isinstance(first, ZarrEntry):
        holder = b if first is a else a
        assert isinstance(holder, WholeDirectory)
        if not first.path.startswith(f"{holder.path}/"):
            # An entry before the directory: as any other.
            side, change = (ours, Change.REMOVED) if first is a else (theirs, Change.ADDED)
            side.take()
            old, new = (first, None) if first is a else (None, first)
            yield Difference(change, first.path, old, new)
            return
        path = holder.path
    else:
        assert first is not None
        path = first.path
    old_digest, new_digest = ours.skip(path), theirs.skip(path)
    if old_digest == new_digest:
        return
    old_side = WholeDirectory(path, old_digest) if old_digest is not None else None
    new_side = WholeDirectory(path, new_digest) if new_digest is not None else None
    change = Change.CHANGED
    if old_side is None or new_side is None:
        change = Change.ADDED if old_side is None else Change.REMOVED
    yield Difference(change, f"{path}/", old_side, new_side)


def prune_manifest(
    manifest: str | os.PathLike[str],
    path: str | os.PathLike[str],
    matches: Callable[[str], bool],
) -> DirectoryDigest:
    """Write the part of a manifest that proves the selected entries against the whole.

    A directory without any selected entry is left as its checksum alone; one
    with some keeps the digests of everything directly in it.

    Args:
        manifest: The whole manifest.
        path: Where the part goes.
        matches: Whether a key is selected.

    Returns:
        The whole zarr's checksum, which the part has too.
    """
    # Of each open directory: its prefix, what lies in it, whether to keep that.
    stack: list[tuple[str, list[ManifestItem], list[bool]]] = [("", [], [True])]
    with ManifestWriter(path) as writer:
        for item in read_manifest(manifest):
            if isinstance(item, DirectoryEntry):
                if not item.path:
                    continue
                _, held, (keep,) = stack.pop()
                above = stack[-1][1]
                above.extend(held if keep else [WholeDirectory(*item)])
                stack[-1][2][0] |= keep
            else:
                while (slash := item.path.find("/", len(stack[-1][0]))) >= 0:
                    stack.append((item.path[: slash + 1], [], [False]))
                stack[-1][1].append(item)
                if isinstance(item, ZarrEntry) and matches(item.path):
                    stack[-1][2][0] = True
            if len(stack) == 1:
                _write(writer, stack[0][1])
                stack[0][1].clear()
        _write(writer, stack[0][1])
    assert writer.checksum is not None
    return writer.checksum


def _write(writer: ManifestWriter, items: list[ManifestItem]) -> None:
    for item in items:
        if isinstance(item, WholeDirectory):
            writer.add_directory(item)
        elif isinstance(item, ZarrEntry):
            writer.add([item])
