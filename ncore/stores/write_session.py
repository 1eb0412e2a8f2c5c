"""An archive that is being written, as zarr sees it.

Metadata documents, which zarr rewrites with every attribute and every child,
wait in memory; :meth:`WriteSession.close` writes each once, and the
consolidated ones (docs/format.md, "Zarr v3 content").
"""

import threading
import warnings
from collections.abc import Sequence

from ncore.itar.files import Buffer
from ncore.itar.writer import ItarWriter
from ncore.stores import documents
from ncore.stores.documents import (
    CONSOLIDATED_V2_CBOR,
    ROOT_V3,
    ROOT_V3_CBOR,
    V2_NAMES,
    Document,
)
from ncore.stores.listing import ChangingKeys, prefix_range


class WriteSession:
    """Key -> bytes of one :class:`ItarWriter`, shared by every store object over it."""

    def __init__(self, writer: ItarWriter) -> None:
        self.writer = writer
        self._lock = threading.RLock()
        self._keys = ChangingKeys(writer.keys())

    # What every session offers

    def get(self, key: str) -> bytes | None:
        """Return a value, ``None`` if there is none."""
        with self._lock:
            return self.writer.read(key) if key in self.writer else None

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        """Return part of a value that exists."""
        return self.writer.read_range(key, start, stop)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return many values."""
        return [self.get(key) for key in keys]

    def size(self, key: str) -> int | None:
        """Return the size of a value in bytes, ``None`` if there is none."""
        with self._lock:
            return self.writer.getsize(key) if key in self.writer else None

    def exists(self, key: str) -> bool:
        """Return whether there is a value."""
        return key in self.writer

    def sorted_keys(self) -> Sequence[str]:
        """Return the keys in order, as they are now."""
        with self._lock:
            return self._keys.sorted()

    def size_of_prefix(self, prefix: str) -> int:
        """Return the bytes of all values below a prefix."""
        with self._lock:
            keys = self._keys.sorted()
            low, high = prefix_range(keys, prefix)
            return sum(map(self.writer.getsize, keys[low:high]))

    # Writing

    def set(self, key: str, data: Buffer) -> None:
        """Store a value; a metadata document is only remembered."""
        with self._lock:
            new = key not in self.writer
            if documents.is_document(key):
                self.writer.defer(key, bytes(data))
            else:
                self.writer.set(key, data)
            if new:
                self._keys.add(key)

    def copy_from(self, key: str, reader_key: str, reader: object) -> None:
        """Store a member of another archive as it lies there."""
        from ncore.itar.reader import ItarReader

        assert isinstance(reader, ItarReader)
        with self._lock:
            new = key not in self.writer
            if documents.is_document(key):
                self.writer.defer(key, reader.read(reader_key))
            else:
                self.writer.copy_from(reader, reader_key, key)
            if new:
                self._keys.add(key)

    def set_if_not_exists(self, key: str, data: Buffer) -> None:
        """Store a value unless there is one."""
        with self._lock:
            if key not in self.writer:
                self.set(key, data)

    def delete(self, key: str) -> None:
        """Remove a value; there need not be one."""
        with self._lock:
            if key in self.writer:
                self.writer.delete(key)
                self._keys.remove(key)

    def delete_prefix(self, prefix: str) -> None:
        """Remove all values below a prefix."""
        with self._lock:
            keys = self._keys.sorted()
            low, high = prefix_range(keys, prefix)
            for key in keys[low:high]:
                self.writer.delete(key)
            self._keys = ChangingKeys([*keys[:low], *keys[high:]])

    # Ending

    def close(self) -> None:
        """Write the documents and publish the archive."""
        with self._lock:
            if self.writer.closed:
                return
            self._write_v2()
            self._write_v3()
            self.writer.close()

    def discard(self) -> None:
        """End without an archive, and remove what was written."""
        self.writer.discard()

    def suspend(self) -> None:
        """End without an archive; what was written stays for ``recover``."""
        self.writer.suspend()

    def _write_v3(self) -> None:
        deferred = dict(self.writer.deferred)
        root_data = deferred.get(ROOT_V3)
        nodes = _parsed(deferred, (ROOT_V3,))
        root = nodes.pop(ROOT_V3, None)
        if root_data is None:
            return
        if root is None:
            # Not zarr's; it stays a member as it is.
            return
        if root.get("node_type") == "group":
            by_path = {documents.node_path(key): document for key, document in nodes.items()}
            root = {**root, "consolidated_metadata": documents.inline_consolidated(by_path)}
        packed = documents.encode_cbor(root)
        if packed is None:
            warnings.warn(
                f"{self.writer.path}: the root's zarr.json cannot be written as CBOR; "
                "it stays a plain member",
                stacklevel=3,
            )
            return
        self.writer.delete(ROOT_V3)
        for key in documents.sorted_paths(self.writer.deferred):
            self.writer.write_deferred(key)
        self.writer.set(ROOT_V3_CBOR, packed)

    def _write_v2(self) -> None:
        deferred = dict(self.writer.deferred)
        found = _parsed(deferred, V2_NAMES)
        if ".zgroup" not in found:
            return
        ordered = {key: found[key] for key in documents.sorted_paths(found)}
        packed = documents.encode_cbor({"zarr_consolidated_format": 1, "metadata": ordered})
        if packed is not None:
            self.writer.set(CONSOLIDATED_V2_CBOR, packed)


def _parsed(deferred: dict[str, bytes], names: Sequence[str]) -> dict[str, Document]:
    found = {}
    for key, data in deferred.items():
        if key.rpartition("/")[2] in names:
            document = documents.parse_json(data)
            if document is not None:
                found[key] = document
    return found
