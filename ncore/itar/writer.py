"""Writing an archive: members one after the other, then the index."""

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ncore.itar.digest import crc32c
from ncore.itar.entry_table import EntryTable
from ncore.itar.errors import ItarClosedError, ItarError, ItarKeyError, ItarOptionError
from ncore.itar.files import OS_FILES, Buffer, Files
from ncore.itar.index_codec import check_preset
from ncore.itar.location import is_remote, local_path
from ncore.itar.member_log import MemberLog, PayloadSizeError
from ncore.itar.object_url import redact
from ncore.itar.open_writers import OPEN_WRITERS, warn_unclosed
from ncore.itar.partial_target import partial_path
from ncore.itar.place import file_to_write
from ncore.itar.reader import ItarReader
from ncore.itar.tar_header import encode_header, header_size, padded
from ncore.itar.target import WriteMode, open_target
from ncore.itar.trailer import Trailer, encode_trailer, end_of_tar

Digest = Literal["crc32c", "md5"]

_COPY = 4 << 20
"""Payloads up to this size are copied through one buffer; larger ones from a map."""


class ItarWriter:
    """Key -> payload of an archive that is being written. Safe for threads.

    A key may be set again and deleted; the closed file shows no trace of it.
    Nothing is visible under the archive's name before :meth:`close` returns, and
    whatever had that name stays readable until then.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: WriteMode = "w",
        *,
        digests: Sequence[Digest] = ("crc32c",),
        index_preset: int | None = None,
        storage_options: Mapping[str, Any] | None = None,
        files: Files = OS_FILES,
    ) -> None:
        """Begin an archive.

        Args:
            path: where it will be; for a URL it is written locally and uploaded at the end.
            mode: ``w`` replaces an archive that is there, ``x`` refuses to. ``r+`` changes
                one that is there; ``a`` changes it, or begins one.
            digests: checksums of each payload to put in the index. An archive that is
                changed goes on with those it has.
            index_preset: xz preset of the index; ``None`` chooses by size.
            storage_options: of the URL, as for :func:`~ncore.itar.location.open_source`.
            files: the file system (for tests).

        Raises:
            ItarExistsError: mode ``x`` and it exists.
            ItarLockedError: another writer has it open.
            ItarNotFoundError: its directory does not exist; mode ``r+`` and it does not.
            ItarAccessError: it or its directory may not be written.
            ItarIOError: it cannot be written for another reason.
            ItarOptionError: an impossible mode, digest or preset; modes ``r+`` and ``a`` of an
                archive at a URL, or of a file with a second name (hard link); something else
                than a file is there.
        """
        _check_digests(digests)
        if mode not in ("w", "x", "r+", "a"):
            raise ItarOptionError(f"mode {mode!r} is none of w, x, r+, a")
        check_preset(index_preset)
        remote = is_remote(path)
        self.path: Path | str = redact(str(path)) if remote else Path(local_path(path))
        # Found once: relative to what is the current directory now.
        place = self.path if isinstance(self.path, str) else file_to_write(local_path(path))
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._index_preset = index_preset
        self._deferred: dict[str, bytes] = {}
        self._copy_buffer = bytearray(0)
        self._target = open_target(
            place, str(path), str(self.path), mode, storage_options or {}, files
        )
        self._log = MemberLog(self._target.file, self._target.start)
        index = self._target.index
        self._entries = _table(digests) if index is None else EntryTable.of(index)
        self.changed = index is None
        """Whether closing has anything to write. A new archive is written even if empty."""
        self.file_size = 0
        """Bytes of the finished archive; known once it is closed."""
        self._state = "open"
        OPEN_WRITERS.add(self)

    def choose_digests(self, *digests: Digest) -> None:
        """Say anew which checksums a new archive gets, before its first member.

        Raises:
            ItarError: it has members already.
        """
        _check_digests(digests)
        with self._lock:
            if self._target.index is not None or self._entries.rows:
                raise ItarError(f"{self.path}: has members already, and their checksums")
            self._entries = _table(digests)

    # Reading what was written

    def __len__(self) -> int:
        return len(self._entries.rows) + len(self._deferred)

    def __contains__(self, key: object) -> bool:
        return key in self._entries.rows or key in self._deferred

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> list[str]:
        """Return all keys, in no particular order."""
        with self._lock:
            return [*self._entries.rows, *self._deferred]

    def getsize(self, key: str) -> int:
        """Return the size of a payload in bytes.

        Raises:
            ItarKeyError: there is no such key.
        """
        with self._lock:
            if key in self._deferred:
                return len(self._deferred[key])
            return self._find(key)[1]

    def read(self, key: str) -> bytes:
        """Return the payload of a key.

        Raises:
            ItarKeyError: there is no such key.
        """
        with self._lock:
            self._check_open()
            if key in self._deferred:
                return self._deferred[key]
            return self._log.read(*self._find(key))

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Return bytes ``start`` to ``stop`` of a payload; what lies past its end is left out."""
        with self._lock:
            self._check_open()
            if key in self._deferred:
                return self._deferred[key][start:stop]
            offset, size = self._find(key)
            start, stop = min(start, size), min(stop, size)
            return self._log.read(offset + start, max(0, stop - start))

    @property
    def deferred(self) -> Mapping[str, bytes]:
        """The values that wait for the end, by key."""
        return self._deferred

    # Writing

    def set(
        self, key: str, data: Buffer, *, crc32c: int | None = None, md5: bytes | None = None
    ) -> None:
        """Write a member; one that has the key is replaced.

        Args:
            key: any non-empty text without NUL, stored verbatim.
            data: the payload.
            crc32c: its CRC-32C if known; trusted, not computed again.
            md5: its MD5 if known (16 bytes); trusted, not computed again.

        Raises:
            ItarError: the key cannot be a member's name.
        """
        header = _header(key, len(data))
        checksum = _crc32c(data) if crc32c is None and self._entries.with_crc32c else crc32c
        if md5 is None and self._entries.with_md5:
            md5 = hashlib.md5(data, usedforsecurity=False).digest()
        with self._lock:
            self._check_open()
            # The new value first: should the disk be full, the old one remains.
            offset = self._log.append(header, data)
            if key in self._entries.rows or key in self._deferred:
                self._remove(key)
            self._record(key, offset, len(data), checksum, md5)

    def set_stream(self, key: str, chunks: Iterable[Buffer], size: int) -> None:
        """Write a member whose payload comes in pieces.

        Args:
            key: as for :meth:`set`.
            chunks: pieces of the payload in order.
            size: their total in bytes.

        Raises:
            ItarError: they do not add up to ``size``; the archive is then as before.
        """
        header = _header(key, size)
        md5 = hashlib.md5(usedforsecurity=False) if self._entries.with_md5 else None
        checksum = 0

        def digested() -> Iterator[Buffer]:
            nonlocal checksum
            for chunk in chunks:
                checksum = _crc32c(chunk, checksum)
                if md5 is not None:
                    md5.update(chunk)
                yield chunk

        with self._lock:
            self._check_open()
            try:
                offset = self._log.append_stream(header, size, digested())
            except PayloadSizeError as error:
                raise ItarError(f"{self.path}: {key!r}: {error}") from None
            if key in self._entries.rows or key in self._deferred:
                self._remove(key)
            digest = None if md5 is None else md5.digest()
            self._record(key, offset, size, checksum, digest)

    def copy_from(self, reader: ItarReader, key: str, new_key: str | None = None) -> None:
        """Write a member of another archive, with the checksums that it has there.

        Raises:
            ItarKeyError: the other archive has no such key.
        """
        entry = reader.entry(key)
        name = key if new_key is None else new_key
        with self._lock:
            if not self._copy_buffer:
                self._copy_buffer = bytearray(_COPY)
            data = reader.read_into(key, self._copy_buffer)
            self.set(name, data, crc32c=entry.crc32c, md5=entry.md5)

    def defer(self, key: str, data: bytes) -> None:
        """Set a key whose value waits in memory and is written once, at the end.

        A journal beside the file keeps it for ``recover`` meanwhile.
        """
        _check_key(key)
        with self._lock:
            self._check_open()
            journal = self._target.deferred
            if journal is not None:
                if key in self._deferred:
                    journal.replaced(key, self._deferred[key])
                journal.put(key, data, self._deferred)
            if key in self._entries.rows:
                self._remove(key)
            self._deferred[key] = data
            self.changed = True

    def write_deferred(self, key: str) -> None:
        """Write the member of a deferred key now; the journal keeps the value as well.

        To be used right before :meth:`close`, by one who cares about the order.
        """
        with self._lock:
            self._check_open()
            data = self._deferred[key]
            checksum = _crc32c(data) if self._entries.with_crc32c else None
            md5 = None
            if self._entries.with_md5:
                md5 = hashlib.md5(data, usedforsecurity=False).digest()
            offset = self._log.append(encode_header(key, len(data)), data)
            del self._deferred[key]
            self._record(key, offset, len(data), checksum, md5)

    def delete(self, key: str) -> None:
        """Remove a key.

        Raises:
            ItarKeyError: there is no such key.
        """
        with self._lock:
            self._check_open()
            if key not in self._entries.rows and key not in self._deferred:
                raise ItarKeyError(f"{self.path}: no key {key!r}")
            self._remove(key)

    @property
    def dead_bytes(self) -> int:
        """Bytes that will belong to no key once it is closed: of the old archive, in its place."""
        with self._lock:
            if not self.changed and self._target.index is not None:
                return self._target.index.dead_bytes()
            starts, _, ends = self._entries.blocks()
            old = starts < self._log.start
            return self._log.start - int((ends[old] - starts[old]).sum())

    # Ending

    def close(self) -> None:
        """Write what was deferred and the index, sync, and publish under the archive's name.

        Raises:
            ItarClosedError: the writer was inherited through a fork, and only its maker may
                close it; or closing it has failed before.
            ItarError: it cannot be completed or published; the message says what is left.
        """
        with self._lock:
            if self._state == "failed":
                raise ItarClosedError(
                    f"{self.path}: closing it has failed before, so there is no new archive; "
                    f"{self._what_is_left()}"
                )
            if self._state != "open":
                return
            self._check_open()
            try:
                if self.changed:
                    for key in sorted(self._deferred):
                        self.write_deferred(key)
                    self._finish()
                    self._target.publish()
            except BaseException:
                self.give_up()
                raise
            self._end()

    def give_up(self) -> None:
        """End as after a :meth:`close` that failed: another one will not look like success."""
        with self._lock:
            if self._state == "open":
                try:
                    with contextlib.suppress(OSError):
                        if self._target.index is None:
                            self._log.flush()
                    self._target.abandon()
                finally:
                    self._end()
                    self._state = "failed"

    def discard(self) -> None:
        """End without an archive, and remove what was written."""
        with self._lock:
            if self._state == "open":
                self._check_open()
                try:
                    self._target.discard()
                finally:
                    self._end()

    def suspend(self) -> None:
        """End without an archive, but leave what was written for ``recover``."""
        with self._lock:
            if self._state == "open":
                self._check_open()
                try:
                    if self._target.index is None:
                        self._log.flush()
                    self._target.abandon()
                finally:
                    self._end()

    @property
    def closed(self) -> bool:
        """Whether it was closed, discarded or suspended."""
        return self._state != "open"

    def __enter__(self) -> "ItarWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A half-written archive must not appear under its name.
        self.close() if kind is None else self.suspend()

    def __del__(self) -> None:
        if getattr(self, "_state", "") == "open" and os.getpid() == self._pid:
            self.end_forgotten()

    def end_forgotten(self) -> None:
        """Say that nobody closed the writer, and leave what it wrote for ``recover``."""
        if self._state == "open" and os.getpid() == self._pid:
            warn_unclosed(
                f"{self.path}: was opened for writing and never closed, so there is no new "
                f"archive; {self._what_is_left()}. Write in a `with` block, or call close()"
            )
            self.suspend()

    def _what_is_left(self) -> str:
        if self._target.index is not None:
            return "what was changed is undone"
        if not isinstance(self.path, Path):
            return "what was written is gone"
        return (
            f"what was written is in {partial_path(self.path).name} beside it, of which "
            f"`ncore itar recover {self.path}` makes an archive"
        )

    def __repr__(self) -> str:
        return f"ItarWriter({str(self.path)!r}, {self._state}, {len(self)} keys)"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            f"{self.path}: an archive that is being written cannot be pickled; "
            "close it and open it for reading"
        )

    def _end(self) -> None:
        OPEN_WRITERS.discard(self)
        self._state = "closed"
        self._target.close()

    def _check_open(self) -> None:
        if self._state != "open":
            raise ItarClosedError(f"{self.path}: the archive is closed")
        if os.getpid() != self._pid:
            raise ItarClosedError(
                f"{self.path}: being written by process {self._pid}, from which this one was forked"
            )

    def _find(self, key: str) -> tuple[int, int]:
        try:
            return self._entries.span(key)
        except KeyError:
            raise ItarKeyError(f"{self.path}: no key {key!r}") from None

    def _record(
        self, key: str, offset: int, size: int, checksum: int | None, md5: bytes | None
    ) -> None:
        self.changed = True
        self._entries.add(key, offset, size, checksum, md5)

    def _remove(self, key: str) -> None:
        self.changed = True
        value = self._deferred.pop(key, None)
        if value is not None:
            if self._target.deferred is not None:
                self._target.deferred.remove(key, value)
            return
        offset, size = self._entries.pop(key)
        if offset < self._log.start:
            return  # of the old archive, which must remain; dead until a repack
        self._log.free(offset - header_size(key, size), offset + padded(size))

    def _finish(self) -> None:
        """Write end-of-archive blocks, index and trailer; cut and sync the file."""
        moved = None
        if self._log.has_holes:
            starts, payloads, ends = self._entries.blocks()
            payloads -= starts
            self._log.compact(starts, ends)
            moved = starts + payloads
        index = self._entries.encode(self._index_preset, moved)
        self._log.flush()
        end = self._log.end
        tar_end = end_of_tar(end)
        tail = [
            bytes(tar_end - end),
            index.ljust(padded(len(index)), b"\0"),
            encode_trailer(Trailer(tar_end, len(index))),
        ]
        self._target.file.pwrite(tail, end)
        self.file_size = end + sum(map(len, tail))
        self._target.file.truncate(self.file_size)
        self._target.file.fsync()


_crc32c = crc32c


def _check_digests(digests: Sequence[Digest]) -> None:
    if isinstance(digests, str) or set(digests) - {"crc32c", "md5"}:
        raise ItarOptionError(
            f"digests={digests!r}: give the names as a sequence, such as "
            "('crc32c',), ('crc32c', 'md5') or ()"
        )


def _table(digests: Sequence[Digest]) -> EntryTable:
    return EntryTable(with_crc32c="crc32c" in digests, with_md5="md5" in digests)


def _header(key: str, size: int) -> bytes:
    _check_key(key)
    return encode_header(key, size)


def _check_key(key: str) -> None:
    if not key or "\0" in key:
        raise ItarError(f"{key!r} cannot be a key: it is empty or holds a NUL")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise ItarError(f"{key!r} cannot be a key: it is not Unicode text") from None
