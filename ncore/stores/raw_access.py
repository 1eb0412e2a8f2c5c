"""Values of an archive as plain bytes, past zarr's buffers and its event loop."""

from collections.abc import Iterable, Sequence

from ncore.itar.errors import ItarClosedError, ItarKeyError, ItarReadOnlyError
from ncore.itar.index import Entry
from ncore.itar.reader import ItarReader
from ncore.stores.read_session import ReadSession
from ncore.stores.write_session import WriteSession


class RawAccess:
    """The part of :class:`~ncore.stores.indexed_tar.IndexedTarStore` that knows no zarr."""

    name: str
    """How messages call the archive: its path, or its URL without credentials."""
    _read_only: bool
    _session: ReadSession | WriteSession

    def read(self, key: str) -> bytes:
        """Return a value as bytes.

        Raises:
            ItarKeyError: there is no such key.
        """
        data = self._session.get(key)
        if data is None:
            raise ItarKeyError(f"{self.name}: no key {key!r}")
        return data

    def view(self, key: str) -> memoryview:
        """Return a value without copying it, as a read-only view of the mapped file.

        Of metadata documents, and while writing, it is a view of a copy.

        Raises:
            ItarKeyError: there is no such key.
        """
        if isinstance(self._session, ReadSession) and key in self._session.reader:
            return self._session.reader.view(key)
        return memoryview(self.read(key))

    def read_many(self, keys: Sequence[str]) -> list[bytes]:
        """Return many values in the order of ``keys``; remote ones are fetched together.

        Raises:
            ItarKeyError: one of them is missing.
        """
        found = []
        for key, data in zip(keys, self._session.get_many(keys), strict=True):
            if data is None:
                raise ItarKeyError(f"{self.name}: no key {key!r}")
            found.append(data)
        return found

    def write(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """Store a value.

        Args:
            key: a relative path without empty, ``.`` and ``..`` components.
            data: the value.

        Raises:
            ItarError: that cannot be a key.
            ItarReadOnlyError: the store is not open for writing.
        """
        self._writing().set(key, data)

    def write_stream(self, key: str, pieces: Iterable[bytes | memoryview], size: int) -> None:
        """Store a value that comes in pieces, with no more than one of them in memory.

        Args:
            key: where; metadata documents are gathered in memory nevertheless.
            pieces: the value in order.
            size: their total in bytes.

        Raises:
            ItarError: they do not add up to ``size``; the archive is then as before.
            ItarReadOnlyError: the store is not open for writing.
        """
        self._writing().set_stream(key, pieces, size)

    def keys(self) -> list[str]:
        """Return all keys in order, as :meth:`list` does."""
        return list(self._session.sorted_keys())

    def holds(self, key: str) -> bool:
        """Whether there is such a key, without an event loop."""
        return self._session.exists(key)

    def sorted_keys(self) -> Sequence[str]:
        """Return all keys in order, decoded as they are looked at; valid until the next change."""
        return self._session.sorted_keys()

    def size_of_prefix(self, prefix: str) -> int:
        """Return the stored bytes of all keys that begin with ``prefix``, without a scan."""
        return self._session.size_of_prefix(prefix)

    def entry(self, key: str) -> Entry:
        """Return where a member of a finished archive lies, with its digests.

        Raises:
            ItarKeyError: there is no such member.
        """
        return self.reader.entry(key)

    @property
    def reader(self) -> ItarReader:
        """The container below a store that is open for reading.

        Raises:
            ItarClosedError: the store is being written.
        """
        if not isinstance(self._session, ReadSession):
            raise ItarClosedError(f"{self.name}: being written; close it and open it for reading")
        return self._session.reader

    def copy_from(
        self, source: "RawAccess | ItarReader", key: str, new_key: str | None = None
    ) -> None:
        """Store a value of another archive verbatim, with the checksums that it has there.

        Args:
            source: open for reading.
            key: of a member there.
            new_key: its key here; the same by default.

        Raises:
            ItarKeyError: there is no such member.
        """
        reader = source if isinstance(source, ItarReader) else source.reader
        self._writing().copy_from(key if new_key is None else new_key, key, reader)

    @property
    def dead_bytes(self) -> int:
        """Bytes of the tar part that belong to no key.

        While writing: those that the archive will have once it is closed. They are of values
        that were there before and have been replaced or deleted since.
        """
        if isinstance(self._session, WriteSession):
            return self._session.writer.dead_bytes
        return self.reader.dead_bytes

    def reload_resources(self) -> None:
        """Open a read-only archive anew, as it is now. Never needed after a fork.

        It is there for callers who know it from NVIDIA's ncore; while writing it does nothing.
        """
        if isinstance(self._session, ReadSession):
            reader = self._session.reader
            reader.reload_resources()
            self._session = ReadSession(reader)

    def _writing(self) -> WriteSession:
        if self._read_only or not isinstance(self._session, WriteSession):
            raise ItarReadOnlyError(
                f"{self.name}: store was opened in read-only mode and does not support writing"
            )
        return self._session
