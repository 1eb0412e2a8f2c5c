"""Entries with their MD5s, from any source: what checksums and manifests are made of.

An MD5 that a listing gives (a DANDI server, an object store, an ``.itar`` with
stored digests) is taken as it is; a directory's files are read and hashed,
many at once.
"""

import os
from collections.abc import AsyncIterator, Collection, Iterable, Sequence

from ncore.transfer.backend import Entry, Source
from ncore.transfer.checksum import DirectoryDigest, SortedWalk, ZarrEntry
from ncore.transfer.errors import ManifestError, TransferError
from ncore.transfer.keys import show_key
from ncore.transfer.manifest import ManifestWriter, WholeDirectory, read_manifest

# Times of files are kept to 2 s on some file systems.
_RACY_SECONDS = 2.0


async def with_md5(source: Source, entries: Sequence[Entry]) -> list[ZarrEntry]:
    """Return entries with their MD5s, reading those for which no listing gave one.

    Raises:
        TransferError: One cannot be read.
        UnsupportedError: It would have to be downloaded.
    """
    unknown = [e for e in entries if e.digest is None or e.digest.algorithm != "md5"]
    found: dict[str, str] = {}
    if unknown:
        for entry, digest in zip(unknown, await source.digests(unknown, "md5"), strict=True):
            if isinstance(digest, TransferError):
                raise digest
            found[entry.key] = digest.value
    result = []
    for entry in entries:
        if entry.size < 0:
            raise TransferError(f"{source.url}: the size of {show_key(entry.key)!r} is not known")
        md5 = found.get(entry.key)
        if md5 is None:
            assert entry.digest is not None
            md5 = entry.digest.value
        result.append(ZarrEntry(entry.key, entry.size, md5))
    return result


async def zarr_entries(source: Source, prefix: str = "") -> AsyncIterator[list[ZarrEntry]]:
    """Yield the source's entries with their MD5s, in key order."""
    async for page in source.list(prefix):
        yield await with_md5(source, page)


async def checksum_of(source: Source) -> DirectoryDigest:
    """Return the zarr checksum of a source.

    Raises:
        TransferError: An entry cannot be listed or read.
        ChecksumError: A key is malformed.
    """
    walk = SortedWalk()
    async for entries in zarr_entries(source):
        for _ in walk.feed(entries):
            pass
    *_, root = walk.finish()
    return root.digest


async def make_manifest(source: Source, path: str | os.PathLike[str]) -> DirectoryDigest:
    """Write the manifest of a source; return the zarr's checksum.

    Raises:
        TransferError: As :func:`checksum_of`, or the file cannot be written.
    """
    with ManifestWriter(path) as writer:
        async for entries in zarr_entries(source):
            writer.add(entries)
    assert writer.checksum is not None
    return writer.checksum


async def update_manifest(
    old: str | os.PathLike[str],
    source: Source,
    path: str | os.PathLike[str],
    changed: Iterable[str] | None = None,
) -> DirectoryDigest:
    """Write the manifest anew, reading only what has changed since the old one.

    Args:
        old: The manifest before; may be the same file as ``path``.
        source: The zarr now.
        path: Where the new manifest goes.
        changed: Keys that were written, replaced or deleted, directories with
            a slash at their end; everything else is taken to be as it was. If
            None, files whose size differs or whose time is not before that of
            the old manifest are taken to have changed; a file that was put
            there with an older time and the same size is not noticed.

    Returns:
        The zarr's checksum now.
    """
    if changed is None:
        return await _update_by_time(old, source, path)
    touched = sorted(set(changed))
    replaced = _Replaced(touched)
    fresh: list[ZarrEntry] = []
    for key in replaced.roots:
        if key.endswith("/") or not key:
            async for entries in zarr_entries(source, key):
                fresh += entries
        else:
            entry = await source.stat(key)
            if entry is not None:
                fresh += await with_md5(source, [entry])
    fresh.sort()
    with ManifestWriter(path) as writer:
        at = 0
        for item in read_manifest(old):
            if isinstance(item, WholeDirectory):
                raise ManifestError(f"{os.fspath(old)}: a pruned manifest cannot be updated")
            if not isinstance(item, ZarrEntry):
                continue
            start = at
            while at < len(fresh) and fresh[at].path < item.path:
                at += 1
            writer.add(fresh[start:at])
            if item.path not in replaced:
                writer.add([item])
        writer.add(fresh[at:])
    assert writer.checksum is not None
    return writer.checksum


class _Replaced(Collection[str]):
    """Keys, and all keys below directories (with a slash at the end), sorted."""

    def __init__(self, touched: Sequence[str]) -> None:
        self._keys = {key for key in touched if key and not key.endswith("/")}
        self._directories = {key for key in touched if not key or key.endswith("/")}
        self.roots = [key for key in touched if not self._below(key)]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and (key in self._keys or self._below(key))

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.roots)

    def __len__(self) -> int:
        return len(self.roots)

    def _below(self, key: str) -> bool:
        at = key.find("/")
        while at >= 0 and at + 1 < len(key):
            if key[: at + 1] in self._directories:
                return True
            at = key.find("/", at + 1)
        return "" in self._directories and key != ""


async def _update_by_time(
    old: str | os.PathLike[str], source: Source, path: str | os.PathLike[str]
) -> DirectoryDigest:
    written = os.stat(old).st_mtime - _RACY_SECONDS  # noqa: PTH116
    before = (item for item in read_manifest(old) if isinstance(item, ZarrEntry))
    known = next(before, None)
    with ManifestWriter(path) as writer:
        async for page in source.list():
            entries: list[ZarrEntry | None] = []
            stale: list[Entry] = []
            for entry in page:
                while known is not None and known.path < entry.key:
                    known = next(before, None)
                same = (
                    known is not None
                    and known.path == entry.key
                    and known.size == entry.size
                    and entry.mtime is not None
                    and entry.mtime < written
                )
                entries.append(known if same else None)
                if not same:
                    stale.append(entry)
            fresh = iter(await with_md5(source, stale))
            writer.add([entry if entry is not None else next(fresh) for entry in entries])
        for _ in before:  # to the end: that proves the lines that were used
            pass
    assert writer.checksum is not None
    return writer.checksum
