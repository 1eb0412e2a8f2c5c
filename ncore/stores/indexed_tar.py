"""A zarr hierarchy in one indexed tar file."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from ncore.itar.errors import ItarOptionError
from ncore.itar.location import is_remote, local_path, open_source
from ncore.itar.object_url import redact
from ncore.itar.place import absolute_path
from ncore.itar.reader import DEFAULT_TAIL, ItarReader
from ncore.itar.writer import Digest, ItarWriter
from ncore.stores.documents import CONSOLIDATED_V2_CBOR
from ncore.stores.listing import children, prefix_range
from ncore.stores.location import plain_location
from ncore.stores.raw_access import RawAccess
from ncore.stores.read_session import ReadSession
from ncore.stores.write_session import WriteSession

Mode = Literal["r", "r+", "a", "w", "x"]

_END = 1 << 62
"""Past the end of any value."""


class IndexedTarStore(RawAccess, Store):
    """Zarr store over one ``.itar`` archive (docs/format.md).

    Reading is safe under threads, fork and spawn; a read-only store pickles to
    its location. Writing needs one :meth:`close`, which writes the metadata and
    the index and lets the archive appear under its name; until then, and if the
    ``with`` block is left by an exception, whatever had that name stays.

    Attributes:
        name: the path, or the URL without credentials.
        mode: how it was opened.
    """

    supports_writes: bool = True
    supports_deletes: bool = True
    supports_listing: bool = True

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
        memory_map: bool = False,
        **storage_options: Any,
    ) -> None:
        """Open an archive or begin one.

        Args:
            itar_path: a path, or a URL that :func:`~ncore.itar.location.open_source` knows
                (``s3://``, ``gs://``, ``az://``, ``http(s)://``, fsspec's; a ``UPath``).
            mode: ``r`` reads a finished archive; ``w`` makes one, in place of one that is
                there; ``x`` makes one where there is none; ``r+`` changes one that is there;
                ``a`` does that or makes one. At a URL one can only be made: it is written
                locally (``TMPDIR``) and uploaded at :meth:`close`.
            index_tail_read_size: bytes to read at opening; ``None`` for two exact reads
                (:class:`~ncore.itar.reader.ItarReader`).
            verify_reads: check each whole value read against its CRC-32C.
            digests: checksums to put in the index when writing.
            index_preset: xz preset of the index when writing; ``None`` chooses by size.
            memory_map: of a local archive, hand zarr values of 64 KiB and more as views of
                the mapped file, which spares a copy. Only for files that nobody cuts short
                or overwrites in place while they are read, on a file system that does not
                fail: the process would die of SIGBUS where otherwise an error is raised.
            **storage_options: of a URL: credentials and the like under their usual names,
                and the fields of :class:`~ncore.itar.remote.RemoteTuning`. They appear in no
                message.

        Raises:
            ItarNotFoundError: there is no archive to read, no directory to write in.
            ItarAccessError: it may not be read, or no file may be made in its directory.
            ItarIOError: it cannot be written for another reason.
            ItarFormatError: it is not an itar archive, or a damaged one.
            ItarExistsError: mode ``x`` and it exists.
            ItarLockedError: another writer has it open.
            ItarOptionError: an option or the location cannot be used.
        """
        super().__init__(read_only=mode == "r")
        location, options = plain_location(itar_path, storage_options)
        if mode not in get_args(Mode):
            raise ItarOptionError(f"mode {mode!r} is none of {', '.join(get_args(Mode))}")
        if location.startswith("itar://"):
            raise ItarOptionError(
                f"{location}: itar:// is how zarr shows a store; give its path: "
                f"{location.removeprefix('itar://')}"
            )
        if "read_only" in options:
            raise ItarOptionError(
                "read_only is said by the mode: 'r', the default, reads; 'r+' changes an archive"
            )
        remote = is_remote(location)
        self.name = redact(location) if remote else local_path(location)
        # Workers and later calls may have another current directory.
        location = location if remote else absolute_path(self.name)
        self._location = location
        self.mode = mode
        self._options: dict[str, Any] = {
            "index_tail_read_size": index_tail_read_size,
            "verify_reads": verify_reads,
            "digests": tuple(digests),
            "index_preset": index_preset,
            "memory_map": memory_map,
            **options,
        }
        self._owner = True
        if mode == "r":
            source = open_source(location if remote else self.name, **options)
            self._session = ReadSession(
                ItarReader(source, index_tail_read_size, verify_reads=verify_reads)
            )
        else:
            self._session = WriteSession(
                ItarWriter(
                    location if remote else self.name,
                    mode,
                    digests=digests,
                    index_preset=index_preset,
                    storage_options=options,
                )
            )
        reading = self._session if isinstance(self._session, ReadSession) else None
        self._remote = reading is not None and reading.is_remote
        self._mapped = memory_map and reading is not None and not self._remote

    @property
    def path(self) -> Path:
        """The local path, absolute.

        Raises:
            ItarOptionError: the archive is not a local file.
        """
        if is_remote(self._location):
            raise ItarOptionError(f"{self.name}: is not a local file")
        return Path(self._location)

    @property
    def _supports_sync_io(self) -> bool:
        # zarr's synchronous pipeline would fetch remote chunks one after the other.
        return not self._remote

    # Life

    def with_read_only(self, read_only: bool = False) -> "IndexedTarStore":
        # docstring inherited
        if self.mode == "r" and not read_only:
            return type(self)(self._location, "r+", **self._options)
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
            return self._location == value._location
        return self._session is value._session

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name if "://" in self.name else f"itar://{self.name}"

    def __repr__(self) -> str:
        closed = " (closed)" if self._session.closed else ""
        return f"IndexedTarStore({self.name!r}, mode={self.mode!r}){closed}"

    def __reduce__(self) -> tuple[Any, ...]:
        if self.mode != "r":
            raise TypeError(
                f"{self.name}: a store that is being written cannot be pickled; "
                "close it and open it for reading"
            )
        return _reopen, (type(self), self._location, self._options)

    # Reading

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return a value or part of it, ``None`` if there is none, without an event loop."""
        data: bytes | memoryview | None
        if self._mapped:
            assert isinstance(self._session, ReadSession)
            data = self._session.get_mapped(key, *self._bounds(key, byte_range))
        elif byte_range is None:
            data = self._session.get(key)
        else:
            data = self._get_part(key, byte_range)
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
        if not self._remote:
            return self.get_sync(key, prototype=prototype, byte_range=byte_range)
        session = self._session
        assert isinstance(session, ReadSession)
        start, stop = self._bounds(key, byte_range)
        data = await session.get_async(key, start, stop)
        if data is None:
            return None
        return (prototype or default_buffer_prototype()).buffer.from_bytes(data)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        # docstring inherited
        return await asyncio.gather(
            *(self.get(key, prototype, byte_range) for key, byte_range in key_ranges)
        )

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
        if not byte_ranges:
            return
        if not self._remote or not self._session.exists(key):
            yield self.get_ranges_sync(key, byte_ranges, prototype=prototype)
            return
        gets = (self.get(key, prototype, byte_range) for byte_range in byte_ranges)
        yield list(enumerate(await asyncio.gather(*gets)))

    async def _get_many(
        self, requests: Iterable[tuple[str, BufferPrototype, ByteRequest | None]]
    ) -> AsyncGenerator[tuple[str, Buffer | None], None]:
        # docstring inherited
        wanted = list(requests)
        found = await asyncio.gather(*(self.get(*request) for request in wanted))
        for (key, _, _), data in zip(wanted, found, strict=True):
            yield key, data

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

    def _get_part(self, key: str, byte_range: ByteRequest) -> bytes | None:
        start, stop = self._bounds(key, byte_range)
        session = self._session
        return session.get_range(key, start, stop) if session.exists(key) else None

    def _bounds(self, key: str, byte_range: ByteRequest | None) -> tuple[int, int]:
        if byte_range is None:
            return 0, _END
        if isinstance(byte_range, RangeByteRequest):
            return byte_range.start, byte_range.end
        if isinstance(byte_range, OffsetByteRequest):
            return byte_range.offset, _END
        if isinstance(byte_range, SuffixByteRequest):
            size = self._session.size(key) or 0
            return max(0, size - byte_range.suffix), size
        raise ValueError(f"Unexpected byte_range, got {byte_range}.")


def _reopen(cls: type[IndexedTarStore], path: str, options: dict[str, Any]) -> IndexedTarStore:
    return cls(path, "r", **options)


def _bytes_of(value: Buffer) -> memoryview:
    if not isinstance(value, Buffer):
        raise TypeError(f"a store's values are zarr Buffers, not {type(value).__name__}")
    return np.ascontiguousarray(value.as_numpy_array()).data.cast("B")
