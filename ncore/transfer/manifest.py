"""Manifests: every entry's size and MD5 and every directory's checksum, as JSON Lines.

The lines stand in the order in which :func:`ncore.transfer.checksum.walk_sorted`
yields: entries by key, each directory after what lies in it, the root last::

    {"ncore_zarr_manifest":1}
    {"path":".zgroup","size":17,"md5":"64ff7cacfd563bcb243eea0725da18bf"}
    {"path":"0/0","size":3,"md5":"900150983cd24fb0d6963f7d28e17f72"}
    {"directory":"0","checksum":"b8ba54d6ab7ffd08bc0fb5a4adf41bd8-1--3"}
    {"directory":"","checksum":"5ce51f5dc4bd4e0be45ac9a2e6b1cbbb-2--20"}

So one zarr has one manifest, byte for byte, and a manifest proves itself: each
directory's checksum follows from the lines before it, up to the root's, which
is the zarr's. A file cut short lacks the root. A directory may stand alone,
without what lies in it (a pruned manifest): its checksum still counts towards
those above it, so a part can be proven against the whole.

A manifest is read as hostile input: nothing of it is believed before its
checksum has come out right, and memory stays that of the open directories.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import IO, NamedTuple

from ncore.transfer.checksum import (
    DirectoryDigest,
    DirectoryEntry,
    SortedWalk,
    ZarrEntry,
    check_entry,
)
from ncore.transfer.errors import ChecksumError, ManifestError

_VERSION = 1
_FIRST = '{"ncore_zarr_manifest":1}'
# S3's keys have at most 1,024 bytes, six characters each at worst in JSON.
_LONGEST_LINE = 1 << 16
_LARGEST = 1 << 63
_END = object()


class WholeDirectory(NamedTuple):
    """A directory of a pruned manifest, known by its checksum alone."""

    path: str
    digest: DirectoryDigest


ManifestItem = ZarrEntry | DirectoryEntry | WholeDirectory


def format_item(item: ManifestItem) -> str:
    """Return a manifest's line, without its end."""
    quoted = encode_basestring_ascii(item.path)
    if isinstance(item, ZarrEntry):
        return f'{{"path":{quoted},"size":{item.size},"md5":"{item.md5}"}}'
    return f'{{"directory":{quoted},"checksum":"{item.digest}"}}'


class ManifestWriter:
    """Writes a manifest beside its place and puts it there once it is whole.

    A context manager: leaving it by an error leaves nothing, and what stood
    there before stays. Entries are given to :meth:`add` in key order.

    Args:
        path: The manifest's place.

    Attributes:
        checksum: The zarr's checksum, once it is written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._part = self._path.with_name(f".{self._path.name}.{os.getpid()}.ncore-part")
        self._walk = SortedWalk()
        self._file: IO[str] | None = None
        self.checksum: DirectoryDigest | None = None

    def __enter__(self) -> "ManifestWriter":
        try:
            self._file = open(self._part, "w", encoding="ascii", newline="\n")
        except OSError as error:
            raise ManifestError(f"{self._path}: cannot be written: {error.strerror}") from None
        self._file.write(f"{_FIRST}\n")
        return self

    def add(self, entries: Iterable[ZarrEntry]) -> None:
        """Write the next entries.

        Raises:
            ChecksumError: One is malformed or out of order.
        """
        self._write(self._walk.feed(entries))

    def add_directory(self, directory: WholeDirectory) -> None:
        """Write a directory by its checksum alone."""
        self._write(self._walk.enter(directory.path.rpartition("/")[0]))
        self._walk.take_directory(DirectoryEntry(*directory))
        self._write([directory])

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        assert self._file is not None
        try:
            if kind is None:
                for item in self._walk.finish():
                    self._write([item])
                    self.checksum = item.digest
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._part.replace(self._path)
        finally:
            self._file.close()
            with contextlib.suppress(FileNotFoundError):
                self._part.unlink()

    def _write(self, items: Iterable[ManifestItem]) -> None:
        assert self._file is not None
        self._file.writelines([f"{format_item(item)}\n" for item in items])


def is_manifest(path: str | os.PathLike[str]) -> bool:
    """Return whether a file begins as a manifest does."""
    try:
        with open(path, "rb") as file:
            return file.read(len(_FIRST) + 1) == f"{_FIRST}\n".encode()
    except OSError:
        return False


def write_manifest(path: str | os.PathLike[str], entries: Iterable[ZarrEntry]) -> DirectoryDigest:
    """Write the manifest of entries in key order; return the zarr's checksum.

    Raises:
        ChecksumError: An entry is malformed or out of order.
        ManifestError: The file cannot be written.
    """
    with ManifestWriter(path) as writer:
        writer.add(entries)
    assert writer.checksum is not None
    return writer.checksum


def read_manifest(
    path: str | os.PathLike[str], expect: str | DirectoryDigest | None = None
) -> Iterator[ManifestItem]:
    """Yield a manifest's lines, each directory's checksum proven by those before it.

    Args:
        path: The file.
        expect: The checksum that the zarr is known to have.

    Raises:
        ManifestError: It is no manifest, malformed, cut short, out of order, or
            contradicts itself or ``expect``; the message names the line. Until
            the last line has been read only what lies in directories that were
            yielded is proven.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror}") from None
    with file:
        yield from _Reader(os.fspath(path), file).items(None if expect is None else str(expect))


class _Reader:
    def __init__(self, name: str, file: IO[bytes]) -> None:
        self._name = name
        self._file = file
        self._line = 0
        self._walk = SortedWalk()

    def items(self, expect: str | None) -> Iterator[ManifestItem]:
        first = self._next()
        if not isinstance(first, dict) or "ncore_zarr_manifest" not in first:
            raise self._error("this is not a manifest of ncore")
        if first != {"ncore_zarr_manifest": _VERSION}:
            raise self._error(f"only version {_VERSION} of manifests can be read")
        while (line := self._next()) is not _END:
            try:
                item = self._item(line)
                yield item
            except ChecksumError as error:
                raise self._error(str(error)) from None
            if isinstance(item, DirectoryEntry) and not item.path:
                if expect is not None and str(item.digest) != expect:
                    raise self._error(f"the zarr's checksum is {item.digest}, not {expect}")
                if self._file.read(1):
                    self._line += 1
                    raise self._error("there is more after the root's checksum")
                return
        raise self._error("the file ends before the root's checksum: it was cut short")

    def _item(self, line: object) -> ManifestItem:
        walk = self._walk
        if isinstance(line, dict) and line.keys() == {"path", "size", "md5"}:
            entry = ZarrEntry(line["path"], line["size"], line["md5"])
            if (
                not isinstance(entry.path, str)
                or type(entry.size) is not int
                or entry.size >= _LARGEST
                or not isinstance(entry.md5, str)
            ):
                raise self._error("an entry has a string as path and md5, a number as size")
            check_entry(*entry)
            (*ended, _) = walk.feed([entry])
            if ended:
                raise self._error(f"the checksum of directory {ended[0].path!r} is missing")
            return entry
        if isinstance(line, dict) and line.keys() == {"directory", "checksum"}:
            path, text = line["directory"], line["checksum"]
            if not isinstance(path, str) or not isinstance(text, str):
                raise self._error("a directory has strings as directory and checksum")
            digest = DirectoryDigest.parse(text)
            if path != walk.open_directory:
                for missing in walk.enter(path.rpartition("/")[0]):
                    raise self._error(f"the checksum of directory {missing.path!r} is missing")
                walk.take_directory(DirectoryEntry(path, digest))
                return WholeDirectory(path, digest)
            computed = walk.leave()
            if computed.digest != digest:
                raise self._error(
                    f"directory {path!r} is said to have the checksum {digest}, "
                    f"its lines give {computed.digest}"
                )
            return computed
        raise self._error(
            "neither an entry (path, size, md5) nor a directory (directory, checksum)"
        )

    def _next(self) -> object:
        self._line += 1
        text = self._file.readline(_LONGEST_LINE)
        if not text:
            return _END
        if not text.endswith(b"\n"):
            raise self._error(
                "the line is too long" if len(text) == _LONGEST_LINE else "the line is cut short"
            )
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise self._error("this is not JSON") from None

    def _error(self, what: str) -> ManifestError:
        return ManifestError(f"{self._name}, line {self._line}: {what}")
