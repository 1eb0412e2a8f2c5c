"""Checking what is there of a zarr against its manifest, subtree by subtree.

Only what is there is read. A directory whose entries are all there and right
is *complete*: its checksum is proven, and through the manifest's chain of
checksums that it belongs to the whole. One that lacks some is *partial*.
"""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from ncore.transfer.backend import Entry, Source
from ncore.transfer.checksum import DirectoryDigest, DirectoryEntry, ZarrEntry
from ncore.transfer.errors import TransferError
from ncore.transfer.manifest import ManifestItem, WholeDirectory, read_manifest

_AT_ONCE = 1000
_PROBLEMS_KEPT = 1000


class SubtreeState(StrEnum):
    """How much of a directory is there."""

    COMPLETE = "complete"
    """All of it, and right."""
    PARTIAL = "partial"
    """Some of it; what is there is right."""
    ABSENT = "absent"
    """Nothing of it."""
    WRONG = "wrong"
    """Something of it is not what the manifest says."""


class Subtree(NamedTuple):
    """What was found out about one directory.

    Attributes:
        path: The directory, ``""`` for the root.
        state: How much of it is there.
        digest: Its checksum, as the manifest proves.
        present: Files that are there and right.
        present_bytes: Bytes of them.
        wrong: Files that are not what the manifest says, or not in it.
    """

    path: str
    state: SubtreeState
    digest: DirectoryDigest
    present: int
    present_bytes: int
    wrong: int


class Problem(NamedTuple):
    """One entry that is not as it should be."""

    key: str
    what: str


@dataclass
class Verification:
    """The outcome of a verification.

    Attributes:
        checksum: The whole zarr's checksum.
        present: Entries that are there and right.
        present_bytes: Bytes of them.
        total: Entries of the whole zarr.
        wrong: Entries that differ, cannot be read, or are not in the manifest.
        complete: The largest complete directories, in key order.
        problems: The first 1,000 wrong entries.
    """

    checksum: str = ""
    present: int = 0
    present_bytes: int = 0
    total: int = 0
    wrong: int = 0
    complete: list[Subtree] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all that is there is right."""
        return self.wrong == 0

    @property
    def is_whole(self) -> bool:
        """Whether everything is there and right."""
        return self.ok and self.present == self.total


async def verify(
    manifest: str | os.PathLike[str], source: Source, expect: str | None = None
) -> Verification:
    """Check everything that is there; see :func:`verify_subtrees` for the parts.

    Args:
        manifest: The manifest of the whole zarr (or a pruned one).
        source: The whole zarr or a part of it.
        expect: The checksum that the whole zarr is known to have.

    Raises:
        ManifestError: The manifest is not good.
        TransferError: The source cannot be listed.
    """
    result = Verification()
    kept: list[Subtree] = []
    async for found in verify_subtrees(manifest, source, expect):
        if isinstance(found, Problem):
            result.wrong += 1
            if len(result.problems) < _PROBLEMS_KEPT:
                result.problems.append(found)
            continue
        if found.state is SubtreeState.COMPLETE and found.present:
            # It makes those below it part of itself.
            below = f"{found.path}/" if found.path else ""
            while kept and kept[-1].path.startswith(below):
                kept.pop()
            kept.append(found)
        if not found.path:
            result.checksum = str(found.digest)
            result.present, result.total = found.present, found.digest.file_count
            result.present_bytes = found.present_bytes
    result.complete = kept
    return result


async def verify_subtrees(
    manifest: str | os.PathLike[str], source: Source, expect: str | None = None
) -> AsyncIterator[Subtree | Problem]:
    """Yield each directory of the manifest after what lies in it, the root last.

    Wrong entries are yielded before the directories that they lie in.
    """
    state = _State()
    batch: list[tuple[ManifestItem | Entry, Entry | None]] = []
    unread: list[Entry] = []
    async for item, entry in _merged(read_manifest(manifest, expect), source):
        batch.append((item, entry))
        if (
            isinstance(item, ZarrEntry)
            and entry is not None
            and entry.size == item.size
            and (entry.digest is None or entry.digest.algorithm != "md5")
        ):
            unread.append(entry)
        if len(unread) >= _AT_ONCE or len(batch) >= 8 * _AT_ONCE:
            for found in state.settle(batch, await _md5s(source, unread)):
                yield found
            batch, unread = [], []
    for found in state.settle(batch, await _md5s(source, unread)):
        yield found


async def _md5s(source: Source, entries: list[Entry]) -> dict[str, str | TransferError]:
    if not entries:
        return {}
    digests = await source.digests(entries, "md5")
    return {
        entry.key: digest if isinstance(digest, TransferError) else digest.value
        for entry, digest in zip(entries, digests, strict=True)
    }


async def _merged(
    items: Iterator[ManifestItem], source: Source
) -> AsyncIterator[tuple[ManifestItem | Entry, Entry | None]]:
    """Walk manifest and source side by side.

    Yields:
        A manifest's line with the source's entry of that key if there is one;
        or an entry that the manifest does not have, with itself.
    """
    item = next(items, None)
    async for page in source.list():
        for entry in page:
            while item is not None and _comes_before(item, entry.key):
                yield item, None
                item = next(items, None)
            if isinstance(item, ZarrEntry) and item.path == entry.key:
                yield item, entry
                item = next(items, None)
            else:
                yield entry, entry
    while item is not None:
        yield item, None
        item = next(items, None)


def _comes_before(item: ManifestItem, key: str) -> bool:
    if isinstance(item, ZarrEntry):
        return item.path < key
    # A directory's line comes after every key below it, the root's at the end.
    below = f"{item.path}/" if item.path else ""
    return not key.startswith(below) and below < key


class _Counts:
    __slots__ = ("present", "present_bytes", "wrong")

    def __init__(self) -> None:
        self.present = self.present_bytes = self.wrong = 0

    def add(self, other: "_Counts") -> None:
        self.present += other.present
        self.present_bytes += other.present_bytes
        self.wrong += other.wrong


class _State:
    """Counts by directory, in the order of the walk."""

    def __init__(self) -> None:
        self._counts: dict[str, _Counts] = {}

    def settle(
        self,
        batch: list[tuple[ManifestItem | Entry, Entry | None]],
        md5s: dict[str, str | TransferError],
    ) -> Iterator[Subtree | Problem]:
        for item, entry in batch:
            if isinstance(item, Entry):
                yield self._wrong(item.key, "not in the manifest")
            elif isinstance(item, ZarrEntry):
                if entry is not None:
                    yield from self._compared(item, entry, md5s)
            else:
                yield self._ended(item)

    def _compared(
        self, item: ZarrEntry, entry: Entry, md5s: dict[str, str | TransferError]
    ) -> Iterator[Problem]:
        if entry.size != item.size:
            yield self._wrong(item.path, f"{entry.size} bytes, not {item.size}")
            return
        md5 = md5s.get(item.path)
        if md5 is None and entry.digest is not None:
            md5 = entry.digest.value
        if isinstance(md5, TransferError):
            yield self._wrong(item.path, str(md5))
        elif md5 != item.md5:
            yield self._wrong(item.path, f"MD5 {md5}, not {item.md5}")
        else:
            counts = self._at(item.path.rpartition("/")[0])
            counts.present += 1
            counts.present_bytes += item.size

    def _wrong(self, key: str, what: str) -> Problem:
        self._at(key.rpartition("/")[0]).wrong += 1
        return Problem(key, what)

    def _at(self, directory: str) -> _Counts:
        counts = self._counts.get(directory)
        if counts is None:
            counts = self._counts[directory] = _Counts()
        return counts

    def _ended(self, directory: DirectoryEntry | WholeDirectory) -> Subtree:
        path, digest = directory
        counts = self._counts.pop(path, None) or _Counts()
        # What is left below it lies in directories that the manifest does not have.
        below = f"{path}/" if path else ""
        while self._counts and next(reversed(self._counts)).startswith(below):
            counts.add(self._counts.popitem()[1])
        if path and (counts.present or counts.wrong):
            self._at(path.rpartition("/")[0]).add(counts)
        if counts.wrong:
            state = SubtreeState.WRONG
        elif counts.present == digest.file_count:
            state = SubtreeState.COMPLETE
        else:
            state = SubtreeState.PARTIAL if counts.present else SubtreeState.ABSENT
        return Subtree(path, state, digest, counts.present, counts.present_bytes, counts.wrong)
