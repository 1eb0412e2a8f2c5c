"""An archive that is being written, as zarr sees it.

Metadata documents, which zarr rewrites with every attribute and every child,
wait in memory; :meth:`WriteSession.close` writes each once, and the
consolidated ones (docs/format.md, "Zarr v3 content").
"""

import threading
from collections.abc import Iterable, Sequence

from ncore.itar.errors import ItarError
from ncore.itar.files import Buffer
from ncore.itar.reader import ItarReader
from ncore.itar.safe_path import is_unsafe, path_problem
from ncore.itar.writer import ItarWriter
from ncore.stores import documents
from ncore.stores.documents import ROOT_V3, ROOT_V3_CBOR
from ncore.stores.finish import write_documents
from ncore.stores.listing import ChangingKeys, prefix_range


class WriteSession:
    """Key -> bytes of one :class:`ItarWriter`, shared by every store object over it."""

    def __init__(self, writer: ItarWriter) -> None:
        self.writer = writer
        self._lock = threading.RLock()
        if not writer.changed:
            try:
                _unpack_root(writer)
            except BaseException:
                writer.suspend()
                raise
            writer.changed = False  # only in memory so far
        self._keys = ChangingKeys(writer.keys())

    @property
    def closed(self) -> bool:
        """Whether it can no longer be written."""
        return self.writer.closed

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
            if new:
                self._check_key(key)
            if documents.is_document(key):
                self.writer.defer(key, bytes(data))
            else:
                self.writer.set(key, data)
            if new:
                self._keys.add(key)

    def set_stream(self, key: str, pieces: Iterable[Buffer], size: int) -> None:
        """Store a value that comes in pieces of ``size`` bytes in all."""
        if documents.is_document(key):
            data = b"".join(pieces)
            if len(data) != size:
                raise ItarError(
                    f"{self.writer.path}: {key!r}: the payload has {len(data)} bytes, "
                    f"not the stated {size}"
                )
            self.set(key, data)
            return
        with self._lock:
            new = key not in self.writer
            if new:
                self._check_key(key)
            self.writer.set_stream(key, pieces, size)
            if new:
                self._keys.add(key)

    def copy_from(self, key: str, reader_key: str, reader: ItarReader) -> None:
        """Store a member of another archive as it lies there."""
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
            failed: OSError | None = None
            for key in keys[low:high]:
                try:
                    self.writer.delete(key)
                except OSError as error:  # the journal cannot be told; the key is gone
                    failed = error
            self._keys = ChangingKeys([*keys[:low], *keys[high:]])
            if failed is not None:
                raise failed

    def _check_key(self, key: str) -> None:
        # What no directory could hold, no directory can be made of (`unpack`).
        if is_unsafe(key):
            raise ItarError(
                f"{self.writer.path}: {key!r} cannot be a key of a zarr: {path_problem(key)}"
            )

    # Ending

    def close(self) -> None:
        """Write the documents and publish the archive."""
        with self._lock:
            if self.writer.changed and not self.writer.closed:
                try:
                    write_documents(self.writer)
                except BaseException:
                    # Half of the documents are members by now: this cannot be tried again.
                    self.writer.give_up()
                    raise
            self.writer.close()

    def discard(self) -> None:
        """End without an archive, and remove what was written."""
        self.writer.discard()

    def suspend(self) -> None:
        """End without an archive; what was written stays for ``recover``."""
        self.writer.suspend()


def _unpack_root(writer: ItarWriter) -> None:
    """Put the root's document where zarr looks for it, of an archive that is being changed.

    Without its consolidated metadata: in a group that has them zarr would not see
    what is added.
    """
    if ROOT_V3_CBOR not in writer:
        return
    name = f"{writer.path}: {ROOT_V3_CBOR}"
    root = documents.decode_cbor(writer.read(ROOT_V3_CBOR), name, 1 << 30)
    writer.delete(ROOT_V3_CBOR)
    if ROOT_V3 not in writer:
        writer.defer(ROOT_V3, documents.encode_json(documents.without_consolidated(root)))
