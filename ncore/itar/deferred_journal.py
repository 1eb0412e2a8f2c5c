"""Values that wait in memory for the archive to be closed, kept on disk meanwhile.

A record a change, appended to ``<partial file>.deferred``; if the writer dies
the values of its last moment are read back from there (docs/format.md,
"Journals"). Not synced: it is for a process that dies, a power cut may take
the last records.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

from ncore.itar.digest import crc32c
from ncore.itar.files import Files, WritableFile
from ncore.itar.permissions import inherit_permissions

_MAGIC = b"itar deferred 1\n"
_HEAD = struct.Struct("<IIq")
"""CRC-32C of the rest of the record, key size, value size (-1: the key was removed)."""
_REWRITE_SLACK = 4 << 20


def journal_path(partial: Path) -> Path:
    """Return the journal that belongs to a partial file."""
    return partial.with_name(partial.name + ".deferred")


class DeferredJournal:
    """The journal of one writer. The file is made with the first record."""

    def __init__(self, partial: Path, files: Files) -> None:
        self.path = journal_path(partial)
        self._partial = partial
        self._files = files
        self._file: WritableFile | None = None
        self._end = 0
        self._live = 0

    def put(self, key: str, value: bytes, current: Mapping[str, bytes]) -> None:
        """Record that ``key`` now has ``value``; ``current`` are all values without it."""
        record = _record(key, value)
        if self._end > 2 * self._live + _REWRITE_SLACK:
            self._rewrite(current)
        self._append(record)
        self._live += len(record)

    def remove(self, key: str, value: bytes) -> None:
        """Record that ``key``, which had ``value``, is gone or about to be replaced."""
        self._live -= _HEAD.size + len(key.encode()) + len(value)
        self._append(_record(key, None))

    def replaced(self, key: str, value: bytes) -> None:
        """Count the record that the next :meth:`put` of ``key`` makes void."""
        self._live -= _HEAD.size + len(key.encode()) + len(value)

    def discard(self) -> None:
        """Remove the journal."""
        self.close()
        self._files.unlink(self.path)

    def close(self) -> None:
        """Close the file and leave it."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _append(self, record: bytes) -> None:
        if self._file is None:
            file = self._create(self.path)
            try:
                file.pwrite([_MAGIC], 0)
            except BaseException:
                file.close()
                raise
            self._file = file
            self._end = len(_MAGIC)
        self._file.pwrite([record], self._end)
        self._end += len(record)

    def _rewrite(self, current: Mapping[str, bytes]) -> None:
        fresh = self.path.with_name(self.path.name + ".new")
        file = self._create(fresh)
        records = [_MAGIC, *(_record(key, value) for key, value in current.items())]
        file.pwrite([b"".join(records)], 0)
        file.fsync()
        self._files.replace(fresh, self.path)
        self.close()
        self._file = file
        self._end = sum(map(len, records))

    def _create(self, path: Path) -> WritableFile:
        file = self._files.create(path)
        inherit_permissions(self._partial, path)
        return file


def read_journal(path: Path) -> dict[str, bytes]:
    """Return the values in a journal, as far as it is whole; none if there is no journal."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    found: dict[str, bytes] = {}
    if not data.startswith(_MAGIC):
        return found
    pos = len(_MAGIC)
    while pos + _HEAD.size <= len(data):
        checksum, key_size, value_size = _HEAD.unpack_from(data, pos)
        end = pos + _HEAD.size + key_size + max(0, value_size)
        if end > len(data) or crc32c(data[pos + 4 : end]) != checksum:
            break
        body = pos + _HEAD.size
        try:
            key = data[body : body + key_size].decode()
        except UnicodeDecodeError:
            break
        found.pop(key, None)
        if value_size >= 0:
            found[key] = data[body + key_size : end]
        pos = end
    return found


def _record(key: str, value: bytes | None) -> bytes:
    name = key.encode()
    head = _HEAD.pack(0, len(name), -1 if value is None else len(value))
    body = head[4:] + name + (value or b"")
    return crc32c(body).to_bytes(4, "little") + body
