"""A zarr hierarchy in one indexed tar file."""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from ncore.itar.errors import ItarClosedError, ItarKeyError, ItarReadOnlyError
from ncore.itar.index import Entry
from ncore.itar.reader import DEFAULT_TAIL, ItarReader
from ncore.itar.writer import Digest, ItarWriter
from ncore.stores.documents import CONSOLIDATED_V2_CBOR
from ncore.stores.listing import children, prefix_range
from ncore.stores.read_session import ReadSession
from ncore.stores.write_session import WriteSession

Mode = Literal["r", "w", "x"]


class IndexedTarStore(Store):
    """Zarr store over one ``.itar`` archive (docs/format.md).

    Reading is safe under threads, fork and spawn; a read-only store pickles to
    its location. Writing needs one :meth:`close`, which writes the metadata and
    the index and lets the archive appear under its name; until then, and if the
    ``with`` block is left by an exception, whatever had that name stays.

    Attributes:
        path: where the archive lies.
        mode: how it was opened.
    """

    supports_writes: bool = True
    supports_deletes: bool = True
    supports_listing: bool = True

    path: Path
    mode: Mode

    def __init__(
        self,
        itar_path: str | os.PathLike[str],
        mode: Mode = "r",
        index_tail_read_size: int | None = DEFAULT_TAIL,
        *,
        verify_reads: bool = False,
        digests: Sequence[Digest] = ("crc32c",),
        index_preset: int | None = None,
    ) -> None:
        """Open an archive or begin one.

        Args:
            itar_path: where it lies.
            mode: ``r`` reads a finished archive; ``w`` makes one, in place of one that is
                there; ``x`` makes one where there is none.
            index_tail_read_size: bytes to read at opening; ``None`` for two exact reads
                (:class:`~ncore.itar.reader.ItarReader`).
            verify_reads: check each whole value read against its CRC-32C.
            digests: checksums to put in the index when writing.
            index_preset: xz preset of the index when writing; ``None`` chooses by size.

        Raises:
            ItarNotFoundError: there is no archive to read, no directory to write in.
            ItarFormatError: it is not an itar archive, or a damaged one.
            ItarExistsError: mode ``x`` and it exists.
            ItarLockedError: another writer has it open.
        """
        super().__init__(read_only=mode == "r")
        self.path = Path(itar_path)
        self.mode = mode
        self._options: dict[str, Any] = {
            "index_tail_read_size": index_tail_read_size,
            "verify_reads": verify_reads,
            "digests": tuple(digests),
            "index_preset": index_preset,
        }
        self._owner = True
        self._session: ReadSession | WriteSession
        if mode == "r":
            self._session = ReadSession(
                ItarReader(self.path, index_tail_read_size, verify_reads=verify_reads)
            )
        else:
            self._session = WriteSession(
                ItarWriter(self.path, mode, digests=digests, index_preset=index_preset)
            )

    # Raw access, past zarr's buffers

    def read(self, key: str) -> bytes:
        """Return a value as bytes.

        Raises:
            ItarKeyError: there is no such key.
        """
        data = self._session.get(key)
        if data is None:
            raise ItarKeyError(f"{self.path}: no key {key!r}")
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
                raise ItarKeyError(f"{self.path}: no key {key!r}")
            found.append(data)
        return found

    def keys(self) -> list[str]:
        """Return all keys in order, as :meth:`list` does."""
        return list(self._session.sorted_keys())

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
            raise ItarClosedError(f"{self.path}: being written; close it and open it for reading")
        return self._session.reader

    def copy_from(
        self, source: "IndexedTarStore | ItarReader", key: str, new_key: str | None = None
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
        """Bytes of a finished archive's tar part that belong to no key."""
        return self.reader.dead_bytes

    def reload_resources(self) -> None:
        """Open a read-only archive anew, as it is now. Never needed after a fork.

        It is there for callers who know it from NVIDIA's ncore; while writing it does nothing.
        """
        if isinstance(self._session, ReadSession):
            reader = self._session.reader
            reader.reload_resources()
            self._session = ReadSession(reader)

    # Life

    def with_read_only(self, read_only: bool = False) -> "IndexedTarStore":
        # docstring inherited
        if self.mode == "r" and not read_only:
            raise NotImplementedError(
                f"with_read_only is not implemented for the {type(self)} store type."
            )
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._read_only = read_only
        twin._is_open = False
        twin._owner = False
        return twin

    def close(self) -> None:
        """Free a store; finish the archive of one opened for writing."""
        if self._owner:
            self._session.close()
        self._is_open = False

    def discard(self) -> None:
        """End writing without an archive, and remove what was written; what was there stays."""
        if self._owner and isinstance(self._session, WriteSession):
            self._session.discard()
        self._is_open = False

    def __exit__(self, exc_type: type[BaseException] | None, *args: object) -> None:
        # A half-written archive must not appear under its name.
        if exc_type is not None and self._owner and isinstance(self._session, WriteSession):
            self._session.suspend()
            self._is_open = False
        else:
            self.close()

    def __eq__(self, value: object) -> bool:
        if not isinstance(value, type(self)) or self.read_only != value.read_only:
            return False
        if self.mode == value.mode == "r":
            return self.path.absolute() == value.path.absolute()
        return self._session is value._session

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"itar://{self.path}"

    def __repr__(self) -> str:
        return f"IndexedTarStore('{self}', mode={self.mode!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.mode != "r":
            raise TypeError(
                f"{self.path}: a store that is being written cannot be pickled; "
                "close it and open it for reading"
            )
        return _reopen, (type(self), self.path, self._options)

    # Reading

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return a value or part of it, ``None`` if there is none, without an event loop."""
        data = self._session.get(key) if byte_range is None else self._get_part(key, byte_range)
        if data is None:
            return None
        if prototype is None:
            prototype = default_buffer_prototype()
        return prototype.buffer.from_bytes(data)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        # docstring inherited
        if not self._is_open:
            await self._open()
        return self.get_sync(key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        # docstring inherited
        return [
            self.get_sync(key, prototype=prototype, byte_range=byte_range)
            for key, byte_range in key_ranges
        ]

    def get_ranges_sync(
        self,
        key: str,
        byte_ranges: Sequence[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        max_gap_bytes: int = 1 << 20,
        max_coalesced_bytes: int = 16 << 20,
    ) -> Sequence[tuple[int, Buffer | None]]:
        """Return (position, bytes) of many parts of one value.

        Raises:
            BaseExceptionGroup: of one ``FileNotFoundError`` if there is no such value, as
                zarr's own stores do.
        """
        if byte_ranges and not self._session.exists(key):
            raise BaseExceptionGroup("chunk read failed", [FileNotFoundError(key)])
        return [
            (i, self.get_sync(key, prototype=prototype, byte_range=byte_range))
            for i, byte_range in enumerate(byte_ranges)
        ]

    async def get_ranges(
        self,
        key: str,
        byte_ranges: Sequence[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        max_concurrency: int = 10,
        max_gap_bytes: int = 1 << 20,
        max_coalesced_bytes: int = 16 << 20,
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Yield (position, bytes) of many parts of one value, in batches."""
        if byte_ranges:
            yield self.get_ranges_sync(key, byte_ranges, prototype=prototype)

    async def _get_many(
        self, requests: Iterable[tuple[str, BufferPrototype, ByteRequest | None]]
    ) -> AsyncGenerator[tuple[str, Buffer | None], None]:
        # docstring inherited
        for key, prototype, byte_range in requests:
            yield key, self.get_sync(key, prototype=prototype, byte_range=byte_range)

    async def exists(self, key: str) -> bool:
        # docstring inherited
        return self._session.exists(key)

    async def getsize(self, key: str) -> int:
        # docstring inherited
        size = self._session.size(key)
        if size is None:
            raise FileNotFoundError(key)
        return size

    async def getsize_prefix(self, prefix: str) -> int:
        # docstring inherited
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        return self._session.size_of_prefix(prefix)

    async def is_empty(self, prefix: str) -> bool:
        # docstring inherited
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        low, high = prefix_range(self._session.sorted_keys(), prefix)
        return low == high

    async def list(self) -> AsyncIterator[str]:
        # docstring inherited
        for key in list(self._session.sorted_keys()):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        keys = self._session.sorted_keys()
        low, high = prefix_range(keys, prefix)
        for key in keys[low:high]:
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        prefix = prefix.rstrip("/")
        for name in list(children(self._session.sorted_keys(), prefix and prefix + "/")):
            # zarr would warn that it is no part of a hierarchy.
            if name != CONSOLIDATED_V2_CBOR:
                yield name

    # Writing

    def set_sync(self, key: str, value: Buffer) -> None:
        """Store a value without an event loop."""
        self._writing().set(key, _bytes_of(value))

    def delete_sync(self, key: str) -> None:
        """Remove a value, if there is one, without an event loop."""
        self._writing().delete(key)

    async def set(self, key: str, value: Buffer) -> None:
        # docstring inherited
        if not self._is_open:
            await self._open()
        self._writing().set(key, _bytes_of(value))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        # docstring inherited
        if not self._is_open:
            await self._open()
        self._writing().set_if_not_exists(key, _bytes_of(value))

    async def delete(self, key: str) -> None:
        # docstring inherited
        self._writing().delete(key)

    async def delete_dir(self, prefix: str) -> None:
        # docstring inherited
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        self._writing().delete_prefix(prefix)

    def _writing(self) -> WriteSession:
        if self._read_only or not isinstance(self._session, WriteSession):
            raise ItarReadOnlyError(
                f"{self.path}: store was opened in read-only mode and does not support writing"
            )
        return self._session

    def _get_part(self, key: str, byte_range: ByteRequest) -> bytes | None:
        session = self._session
        if isinstance(byte_range, RangeByteRequest):
            start, stop = byte_range.start, byte_range.end
        elif isinstance(byte_range, OffsetByteRequest):
            start, stop = byte_range.offset, 1 << 62
        elif isinstance(byte_range, SuffixByteRequest):
            size = session.size(key) or 0
            start, stop = max(0, size - byte_range.suffix), size
        else:
            raise ValueError(f"Unexpected byte_range, got {byte_range}.")
        return session.get_range(key, start, stop) if session.exists(key) else None


def _reopen(cls: type[IndexedTarStore], path: Path, options: dict[str, Any]) -> IndexedTarStore:
    return cls(path, "r", **options)


def _bytes_of(value: Buffer) -> memoryview:
    if not isinstance(value, Buffer):
        raise TypeError(f"a store's values are zarr Buffers, not {type(value).__name__}")
    return np.ascontiguousarray(value.as_numpy_array()).data.cast("B")
