"""The zarr checksum: one digest for a whole zarr, out of its files' MD5s.

A directory's digest is the MD5 of a canonical JSON text that lists the digest,
name and size of what lies directly in it, followed by how many files and bytes
it holds with all its descendants: ``md5-count--size``. So a zarr's checksum is
the root of a Merkle tree, and a change of one file needs only the directories
above it hashed again. The algorithm is that of the DANDI archive; for the keys
that a store can hold the results are byte-identical with those of the Python
package ``zarr_checksum`` 0.4.7.

Two ways to compute it:

* :func:`walk_sorted` takes entries in key order (as servers list them), keeps
  only the directories that are open, and yields each directory as it closes.
* :class:`ZarrChecksumTree` takes them in any order, and takes changes.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import md5
from itertools import chain, groupby
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from ncore.transfer.errors import ChecksumError

# A single-part MD5, or the ETag of a multipart upload (md5 of md5s, "-", parts).
_FILE_DIGEST = re.compile(r"[0-9a-f]{32}(?:-[1-9][0-9]{0,4})?")
_ZARR_CHECKSUM = re.compile(r"([0-9a-f]{32})-(0|[1-9][0-9]{0,18})--(0|[1-9][0-9]{0,18})")
# What would make a key name another key's file, or one outside the zarr.
_UNCLEAN_NAMES = frozenset(("", ".", ".."))
_UNCLEAN_KEY = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)")

is_file_digest: Callable[[str], object] = _FILE_DIGEST.fullmatch
"""Truthy for the lower-case hexadecimal MD5 of a file (or a multipart ETag)."""


class ZarrEntry(NamedTuple):
    """One file of a zarr.

    Attributes:
        path: Key relative to the zarr's root, ``/`` between components.
        size: Number of bytes.
        md5: Lower-case hexadecimal MD5 of its bytes.
    """

    path: str
    size: int
    md5: str


class DirectoryDigest(NamedTuple):
    """Digest of a directory; written as ``md5-file_count--size``.

    Attributes:
        md5: MD5 of the directory's canonical listing.
        file_count: Number of files in it and below it.
        size: Number of bytes in those files.
    """

    md5: str
    file_count: int
    size: int

    def __str__(self) -> str:
        return f"{self.md5}-{self.file_count}--{self.size}"

    @classmethod
    def parse(cls, text: str) -> "DirectoryDigest":
        """Parse ``md5-file_count--size``.

        Raises:
            ChecksumError: The text is not a zarr checksum.
        """
        match = _ZARR_CHECKSUM.fullmatch(text)
        if match is None:
            raise ChecksumError(
                f"not a zarr checksum: {text[:100]!r}; expected MD5-FILES--BYTES, "
                f"such as {EMPTY_ZARR_DIGEST}"
            )
        return cls(match[1], int(match[2]), int(match[3]))


class DirectoryEntry(NamedTuple):
    """A directory of a zarr with its digest; the root's path is ``""``."""

    path: str
    digest: DirectoryDigest


def is_clean_key(key: str) -> bool:
    """Whether no component of a key is empty, ``.`` or ``..`` (so it names one place)."""
    return _UNCLEAN_KEY.search(key) is None


def check_entry(path: str, size: int, digest: str) -> None:
    """Refuse an entry that cannot be part of a zarr checksum.

    Raises:
        ChecksumError: Naming the key and what is wrong with it.
    """
    if _UNCLEAN_KEY.search(path) is not None:
        raise ChecksumError(
            f"key {path!r} is not a path inside a zarr: empty, '.' and '..' components "
            "would make two keys name one file"
        )
    if not is_file_digest(digest):
        raise ChecksumError(f"key {path!r}: {digest[:100]!r} is not an MD5 in lower-case hex")
    if size < 0:
        raise ChecksumError(f"key {path!r}: size {size} is negative")


def digest_directory(
    files: list[ZarrEntry], directories: list[tuple[str, DirectoryDigest]], cut: int = 0
) -> DirectoryDigest:
    """Digest a directory from what lies directly in it.

    Args:
        files: Its files; sorted in place.
        directories: ``(name, digest)`` of each directory that is not empty;
            sorted in place.
        cut: How many characters of the files' paths come before their names.
    """
    # Sorting is by code point, which str comparison is. Both lists are usually
    # in order already, which costs one pass.
    files.sort()
    directories.sort()
    quote = encode_basestring_ascii
    file_items = [
        f'{{"digest":"{digest}","name":{quote(path[cut:])},"size":{size}}}'
        for path, size, digest in files
    ]
    count = len(files)
    total = sum([size for _, size, _ in files])
    directory_items = []
    for name, (digest, below, size) in directories:
        directory_items.append(
            f'{{"digest":"{digest}-{below}--{size}","name":{quote(name)},"size":{size}}}'
        )
        count += below
        total += size
    text = f'{{"directories":[{",".join(directory_items)}],"files":[{",".join(file_items)}]}}'
    return DirectoryDigest(md5(text.encode(), usedforsecurity=False).hexdigest(), count, total)


EMPTY_ZARR_DIGEST = digest_directory([], [])
"""Digest of a zarr without any file."""


class _OpenDirectory:
    """What a walk has seen of a directory that more keys may follow in."""

    __slots__ = ("directories", "files", "name", "prefix")

    def __init__(self, prefix: str, name: str) -> None:
        self.prefix = prefix
        self.name = name
        self.files: list[ZarrEntry] = []
        self.directories: list[tuple[str, DirectoryDigest]] = []

    def digest(self) -> DirectoryDigest:
        return digest_directory(self.files, self.directories, len(self.prefix))


class SortedWalk:
    """A walk through a zarr in key order, a page at a time; see :func:`walk_sorted`."""

    def __init__(self) -> None:
        self._current = _OpenDirectory("", "")
        self._stack: list[_OpenDirectory] = []
        self._last = ""

    def feed(self, entries: Iterable[ZarrEntry]) -> Iterator[ZarrEntry | DirectoryEntry]:
        """Yield the next entries, and the directories that end among them."""
        current, stack, last = self._current, self._stack, self._last
        prefix = current.prefix
        cut = len(prefix)
        for entry in entries:
            path, size, digest = entry
            if path <= last:
                raise _disorder(last, path)
            if path.startswith(prefix) and (name := path[cut:]) and "/" not in name:
                # Same directory as the entry before: its components were checked.
                if name in _UNCLEAN_NAMES or size < 0 or not is_file_digest(digest):
                    check_entry(path, size, digest)
            else:
                check_entry(path, size, digest)
                while not path.startswith(prefix):
                    done = current.digest()
                    yield DirectoryEntry(prefix[:-1], done)
                    name, current = current.name, stack.pop()
                    current.directories.append((name, done))
                    prefix = current.prefix
                    cut = len(prefix)
                while (slash := path.find("/", cut)) >= 0:
                    stack.append(current)
                    prefix = path[: slash + 1]
                    current = _OpenDirectory(prefix, path[cut:slash])
                    cut = slash + 1
            current.files.append(entry)
            last = path
            yield entry
        self._current, self._last = current, last

    @property
    def open_directory(self) -> str:
        """The innermost directory that more entries may follow in."""
        return self._current.prefix[:-1]

    def leave(self) -> DirectoryEntry:
        """Close the innermost open directory and return it."""
        current = self._current
        done = current.digest()
        if self._stack:
            self._current = self._stack.pop()
            self._current.directories.append((current.name, done))
        return DirectoryEntry(current.prefix[:-1], done)

    def take_files(self, parent: str, files: list[ZarrEntry]) -> None:
        """Take files of one directory, in key order; the quick way where nobody looks on.

        Raises:
            ChecksumError: One is out of order, listed twice or malformed.
        """
        _check_siblings(parent, files)
        paths = [path for path, _, _ in files]
        last = self._last
        for path in paths:
            if path <= last:
                raise _disorder(last, path)
            last = path
        for _ in self.enter(parent):
            pass
        self._current.files += files
        self._last = last

    def take_directory(self, directory: DirectoryEntry) -> None:
        """Take a directory as a whole, by its digest; what it lies in must be open.

        Raises:
            ChecksumError: It is out of order, or lies in no open directory.
        """
        path, digest = directory
        prefix = self._current.prefix
        name = path[len(prefix) :]
        if not path.startswith(prefix) or "/" in name or name in _UNCLEAN_NAMES:
            raise ChecksumError(f"directory {path!r} does not lie in {self.open_directory!r}")
        if f"{path}/" <= self._last:
            raise ChecksumError(f"directory {path!r} is not in order")
        self._current.directories.append((name, digest))
        self._last = f"{path}/\U0010ffff"

    def enter(self, path: str) -> Iterator[DirectoryEntry]:
        """Yield what ends, and open what begins, before something directly in ``path``."""
        wanted = f"{path}/" if path else ""
        while not wanted.startswith(self._current.prefix):
            yield self.leave()
        cut = len(self._current.prefix)
        while (slash := wanted.find("/", cut)) >= 0:
            name = wanted[cut:slash]
            if name in _UNCLEAN_NAMES:
                raise ChecksumError(f"directory {path!r} is not a path inside a zarr")
            self._stack.append(self._current)
            cut = slash + 1
            self._current = _OpenDirectory(wanted[:cut], name)

    def finish(self) -> Iterator[DirectoryEntry]:
        """Yield the directories that are still open; the root last."""
        while self._stack:
            yield self.leave()
        yield self.leave()


def _disorder(last: str, path: str) -> ChecksumError:
    if path == last and last:
        return ChecksumError(f"key {path!r} is listed twice")
    return ChecksumError(f"keys are not in order: {path!r} follows {last!r}")


def walk_sorted(entries: Iterable[ZarrEntry]) -> Iterator[ZarrEntry | DirectoryEntry]:
    """Walk a zarr in key order, with every directory's digest after its last key.

    Memory is that of the directories between the root and the current key.

    Args:
        entries: The zarr's files sorted by path (by code points, the same order
            as that of UTF-8 bytes, in which S3 and DANDI list).

    Yields:
        Each entry as it came; each directory once all below it has come; the
        root, with path ``""`` and the zarr's checksum, last.

    Raises:
        ChecksumError: An entry is out of order, listed twice or malformed.
    """
    walk = SortedWalk()
    yield from walk.feed(entries)
    yield from walk.finish()


class ZarrChecksumTree:
    """The files of a zarr in any order, and its checksum after any change.

    Only directories above a changed file are hashed again by :meth:`process`.
    """

    def __init__(self, entries: Iterable[ZarrEntry] = ()) -> None:
        # Files by directory, as they came: of entries with one path the last
        # one holds, and one of negative size says that the file is gone.
        # Directories in _stale are in that state, the others are tidy.
        self._files: dict[str, list[ZarrEntry]] = {}
        self._below: dict[str, dict[str, DirectoryDigest]] = {}
        self._digests: dict[str, DirectoryDigest] = {}
        self._stale: set[str] = {""}
        self.add_leaves(entries)

    def add_leaf(self, path: str, size: int, digest: str) -> None:
        """Add a file or replace it.

        Args:
            path: Key relative to the zarr's root.
            size: Number of bytes.
            digest: MD5 in lower-case hexadecimal.

        Raises:
            ChecksumError: The key, size or digest is malformed.
        """
        self.add_leaves([ZarrEntry(path, size, digest)])

    def add_leaves(self, entries: Iterable[ZarrEntry]) -> None:
        """Add or replace many files; see :meth:`add_leaf`. One bad entry refuses all."""
        added: defaultdict[str, list[ZarrEntry]] = defaultdict(list)
        for entry in entries:
            added[entry[0].rpartition("/")[0]].append(entry)
        for parent, files in added.items():
            _check_siblings(parent, files)
        self._merge(added)

    def discard(self, path: str) -> None:
        """Remove a file if it is there. Directories left empty vanish from the checksum."""
        parent = path.rpartition("/")[0]
        if parent in self._files:
            self._merge({parent: [ZarrEntry(path, -1, "")]})

    def process(self) -> DirectoryDigest:
        """Return the checksum of the whole zarr."""
        # In descending order what lies below a directory comes before it.
        for path in sorted(self._stale, reverse=True):
            files = self._files.get(path)
            if files is None:
                files = []
            else:
                if len(files) > 1 or files[0][1] < 0:
                    latest = {entry[0]: entry for entry in files}
                    files = [entry for entry in latest.values() if entry[1] >= 0]
                if files:
                    self._files[path] = files
                else:
                    del self._files[path]
            below = self._below.get(path)
            cut = len(path) + 1 if path else 0
            digest = digest_directory(files, list(below.items()) if below else [], cut)
            parent, _, name = path.rpartition("/")
            if digest.file_count or not path:
                self._digests[path] = digest
                if path:
                    self._below.setdefault(parent, {})[name] = digest
            else:
                self._digests.pop(path, None)
                self._below.get(parent, {}).pop(name, None)
        self._stale.clear()
        return self._digests[""]

    def directories(self) -> Iterator[DirectoryEntry]:
        """Yield every directory that holds a file, with its digest, in path order."""
        self.process()
        for path in sorted(self._digests):
            yield DirectoryEntry(path, self._digests[path])

    def entries(self) -> Iterator[ZarrEntry]:
        """Yield the files in key order."""
        self.process()
        yield from sorted(chain.from_iterable(self._files.values()))

    def _merge(self, added: Mapping[str, list[ZarrEntry]]) -> None:
        stale = self._stale
        for parent, files in added.items():
            known = self._files.setdefault(parent, files)
            if known is not files:
                known.extend(files)
            # A stale directory's ancestors are stale already.
            while parent not in stale:
                stale.add(parent)
                parent = parent.rpartition("/")[0]


def _check_siblings(parent: str, files: list[ZarrEntry]) -> None:
    """:func:`check_entry` of many files of one directory at the cost of a few."""
    if len(files) == 1:
        check_entry(*files[0])
        return
    cut = len(parent) + 1 if parent else 0
    names = [path[cut:] for path, _, _ in files]
    digests = [digest for _, _, digest in files]
    if (
        (parent and _UNCLEAN_KEY.search(parent) is not None)
        or not _UNCLEAN_NAMES.isdisjoint(names)
        or (not parent and "/" in "".join(names))
        or min([size for _, size, _ in files]) < 0
        or set(map(len, digests)) != {32}
        or not _is_hex("".join(digests))
    ):
        for path, size, digest in files:
            check_entry(path, size, digest)


def _is_hex(text: str) -> bool:
    """Whether a text, possibly of megabytes, is lower-case hexadecimal."""
    try:
        # Twice as fast as a pattern. White space is let through, and makes it shorter.
        return len(bytes.fromhex(text)) * 2 == len(text) and text == text.lower()
    except ValueError:
        return False


def compute_zarr_checksum(entries: Iterable[ZarrEntry]) -> DirectoryDigest:
    """Return the zarr checksum of a zarr's files, given in any order.

    ``str()`` of the result is the text that DANDI shows as
    ``dandi:dandi-zarr-checksum``.

    Raises:
        ChecksumError: An entry is malformed or listed twice.
    """
    # Sorting what is sorted already is one pass, and a walk keeps less alive
    # than a tree does.
    walk = SortedWalk()
    for parent, files in groupby(sorted(entries), _parent):
        walk.take_files(parent, list(files))
    *_, root = walk.finish()
    return root.digest


def _parent(entry: ZarrEntry) -> str:
    return entry[0].rpartition("/")[0]
