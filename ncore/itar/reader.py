"""Random access to a finished archive."""

import copy
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ncore.itar.digest import crc32c
from ncore.itar.errors import ItarDigestError, ItarFormatError, ItarKeyError, ItarOptionError
from ncore.itar.index import Entry, Index
from ncore.itar.index_codec import decode_index
from ncore.itar.location import open_source
from ncore.itar.remote import RemoteSource
from ncore.itar.source import ByteSource, FileSource
from ncore.itar.tar_header import BLOCK
from ncore.itar.trailer import Trailer, decode_trailer

if TYPE_CHECKING:
    from ncore.itar.batching import Batching

_TRIES = 5
DEFAULT_TAIL = 1 << 20
"""Bytes read at opening; most indexes lie inside."""
_LOCAL_TAIL = 64 << 10
"""Of a local file that many, unless asked for: a second read costs less than fresh memory."""


class ItarReader:
    """Key -> payload of one archive.

    Reading takes no lock and keeps no position: any number of threads may read,
    and a child process after a fork. It pickles to its location.

    Attributes:
        index: the entries; :class:`~ncore.itar.index.Index`.
        trailer: where the index lies in the file.
    """

    def __init__(
        self,
        source: ByteSource | str | os.PathLike[str],
        index_tail_read_size: int | None = DEFAULT_TAIL,
        verify_reads: bool = False,
    ) -> None:
        """Open an archive and read its index.

        Args:
            source: a path or URL, or anything with ranged reads (:func:`open_source
                <ncore.itar.location.open_source>` makes one with options).
            index_tail_read_size: bytes to read at opening, in one go, in the hope that
                they hold the whole index; payloads that lie inside are later served
                from them; of a local file 64 KiB where this is the default.
                ``None``: two exact reads and no such cache.
            verify_reads: check each payload against its CRC-32C, where the index has one.

        Raises:
            ItarNotFoundError: there is no such file.
            ItarFormatError: it is not an itar archive, or a damaged one.
        """
        # Not by the protocol: Python 3.11 would ask a remote source for its size already.
        if isinstance(source, str | os.PathLike):
            source = open_source(source)
        if index_tail_read_size is not None and index_tail_read_size < 0:
            raise ItarOptionError(
                f"index_tail_read_size={index_tail_read_size}: give a number of bytes, or None"
            )
        self.source: ByteSource = source
        self.verify_reads = verify_reads
        self._tail_size = index_tail_read_size
        self._open()

    def _open(self) -> None:
        for attempt in range(_TRIES):
            try:
                return self._load()
            except BaseException as error:
                source = self.source
                again = (
                    isinstance(error, ItarFormatError)
                    and isinstance(source, FileSource)
                    and attempt < _TRIES - 1
                    and source.was_changed()
                )
                source.close()
                if not again:
                    raise
                # A writer was at the file's end just then: its journal tells the old one.
                self.source = copy.copy(source)

    def _load(self) -> None:
        source = self.source
        wanted = max(BLOCK, self._tail_size or BLOCK)
        if wanted == DEFAULT_TAIL and isinstance(source, FileSource):
            wanted = _LOCAL_TAIL
        tail = source.read_tail(wanted)
        tail_start = source.size - len(tail)
        self.trailer: Trailer = decode_trailer(tail[-BLOCK:], source.size, source.name)
        offset, size = self.trailer
        if offset >= tail_start:
            data = tail[offset - tail_start : offset - tail_start + size]
        else:
            data = source.read(offset, size)
        self.index: Index = decode_index(data, offset, source.name)
        keep = offset - tail_start if self._tail_size is not None else 0
        self._tail = tail[: max(0, keep)]
        self._tail_start = tail_start if self._tail else offset

    @property
    def name(self) -> str:
        """How messages call the archive."""
        return self.source.name

    @property
    def tail_start(self) -> int:
        """From which offset on payloads were read together with the index."""
        return self._tail_start

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.index.find(key) >= 0

    def __iter__(self) -> Iterator[str]:
        return iter(self.index)

    def keys(self) -> list[str]:
        """Return all keys in file order."""
        return self.index.keys()

    def entry(self, key: str) -> Entry:
        """Return offset, size and digests of a key.

        Raises:
            ItarKeyError: there is no such key.
        """
        return self.index.entry(self._find(key))

    def entries(self) -> Iterator[Entry]:
        """Yield every entry in file order."""
        return (self.index.entry(i) for i in range(len(self.index)))

    def read(self, key: str) -> bytes:
        """Return the payload of a key.

        Raises:
            ItarKeyError: there is no such key.
            ItarChangedError: the file changed since it was opened.
            ItarDigestError: ``verify_reads`` is on and the payload is damaged.
        """
        data = self.get(key)
        if data is None:
            raise self._missing(key)
        return data

    def get(self, key: str) -> bytes | None:
        """Return the payload of a key, ``None`` if there is none; else as :meth:`read`."""
        index = self.index
        i = index.find(key)
        if i < 0:
            return None
        # Index.span written out: a call takes as long as reading two kilobytes.
        offset, size = index.offset_at[i], index.size_at[i]
        if offset >= self._tail_start:
            at = offset - self._tail_start
            data = self._tail[at : at + size]
        else:
            data = self.source.read(offset, size)
        if self.verify_reads:
            self._verify(i, data)
        return data

    def in_tail(self, key: str) -> bool:
        """Return whether the key exists and its payload was read with the index."""
        i = self.index.find(key)
        return i >= 0 and self.index.span(i)[0] >= self._tail_start

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Return bytes ``start`` to ``stop`` of a payload; what lies past its end is left out."""
        i = self._find(key)
        if self.verify_reads:
            return self.read(key)[start:stop]
        offset, size = self.index.span(i)
        start, stop = min(start, size), min(stop, size)
        if stop <= start:
            return b""
        if offset >= self._tail_start:
            at = offset - self._tail_start
            return self._tail[at + start : at + stop]
        return self.source.read(offset + start, stop - start)

    async def read_async(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return a payload or part of it, for an event loop.

        Of a remote archive, reads that are asked for at the same moment are fetched
        together (:class:`~ncore.itar.batching.Batching`); a local one is read at once.
        """
        i = self._find(key)
        offset, size = self.index.span(i)
        whole = start == 0 and (stop is None or stop >= size)
        if offset >= self._tail_start or not isinstance(self.source, RemoteSource):
            return self.read(key) if whole else self.read_range(key, start, stop or 0)
        if self.verify_reads or whole:
            data = await self._batching.read(offset, size)
            if self.verify_reads:
                self._verify(i, data)
            return data if whole else data[start:stop]
        stop = min(size if stop is None else stop, size)
        if stop <= start:
            return b""
        return await self._batching.read(offset + start, stop - start)

    @cached_property
    def _batching(self) -> "Batching":
        from ncore.itar.batching import Batching  # brings asyncio

        assert isinstance(self.source, RemoteSource)
        return Batching(self.source)

    def read_many(self, keys: Sequence[str]) -> list[bytes]:
        """Return the payloads of many keys, in the order of ``keys``.

        A remote source fetches them concurrently and neighbours in one request.

        Raises:
            ItarKeyError: one of them is missing.
        """
        spans = [self.index.span(self._find(key)) for key in keys]
        found: list[bytes] = [b""] * len(spans)
        remote = []
        for i, (offset, size) in enumerate(spans):
            if offset >= self._tail_start:
                at = offset - self._tail_start
                found[i] = self._tail[at : at + size]
            else:
                remote.append(i)
        for i, data in zip(remote, self.source.read_many([spans[i] for i in remote]), strict=True):
            found[i] = data
        if self.verify_reads:
            for key, data in zip(keys, found, strict=True):
                self._verify(self._find(key), data)
        return found

    def view(self, key: str, start: int = 0, stop: int | None = None) -> memoryview:
        """Return a payload without copying it, as a read-only view of the mapped file.

        Of an archive that is not a local file it is a view of bytes fetched.

        Args:
            key: which.
            start: first byte of the payload to show.
            stop: behind the last one; what lies past the payload's end is left out.

        Raises:
            ItarKeyError: there is no such key.
            ItarChangedError: the file has been cut since it was opened. (If that happens
                while the view is in use, the process dies of SIGBUS.)
            ItarDigestError: ``verify_reads`` is on and the payload is damaged.
        """
        i = self._find(key)
        offset, size = self.index.span(i)
        if not isinstance(self.source, FileSource):
            return memoryview(self.read(key))[start:stop]
        found = self.source.view(offset, size)
        if self.verify_reads:
            self._verify(i, found)
        return found if start == 0 and stop is None else found[start:stop]

    def read_or_view(
        self, key: str, start: int, stop: int, least: int
    ) -> bytes | memoryview | None:
        """Return part of a payload, of at least ``least`` bytes as :meth:`view`, else as bytes.

        ``None`` if there is no such key.
        """
        i = self.index.find(key)
        if i < 0:
            return None
        offset, size = self.index.span(i)
        if min(stop, size) - start < least or not isinstance(self.source, FileSource):
            return self.read_range(key, start, stop)
        found = self.source.view(offset, size)
        if self.verify_reads:
            self._verify(i, found)
        return found if start == 0 and stop >= size else found[start:stop]

    def read_into(self, key: str, buffer: bytearray) -> memoryview:
        """Return a payload as the beginning of a buffer that the caller uses again and again.

        Of an archive that is not a local file, or if the buffer is too small, it is
        another one: :meth:`view`.

        Raises:
            ItarKeyError: there is no such key.
            ItarDigestError: ``verify_reads`` is on and the payload is damaged.
        """
        i = self._find(key)
        offset, size = self.index.span(i)
        if not isinstance(self.source, FileSource) or size > len(buffer):
            return self.view(key)
        found = memoryview(buffer)[:size]
        self.source.read_into(offset, found)
        if self.verify_reads:
            self._verify(i, found)
        return found

    def verify(self, key: str) -> bool | None:
        """Check one payload against its CRC-32C.

        Returns:
            Whether they match, ``None`` if the index holds no checksum.
        """
        i = self._find(key)
        if self.index.crc32c is None:
            return None
        offset, size = self.index.span(i)
        return crc32c(self.source.read(offset, size)) == int(self.index.crc32c[i])

    @property
    def dead_bytes(self) -> int:
        """Bytes of the tar part that belong to no key (0 in an archive closed after writing)."""
        return self.index.dead_bytes()

    def reload_resources(self) -> None:
        """Open the archive anew, as it is now. Never needed after a fork."""
        old, self.source = self.source, copy.copy(self.source)
        try:
            self._open()
        except BaseException:
            self.source = old
            raise
        self.__dict__.pop("_batching", None)
        old.close()

    def close(self) -> None:
        """Free the file. Views stay valid."""
        self.source.close()

    def __enter__(self) -> "ItarReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ItarReader({self.name!r}, {len(self)} keys)"

    def __reduce__(self) -> tuple[object, ...]:
        return (ItarReader, (self.source, self._tail_size, self.verify_reads))

    def _find(self, key: str) -> int:
        i = self.index.find(key)
        if i < 0:
            raise self._missing(key)
        return i

    def _missing(self, key: str) -> ItarKeyError:
        return ItarKeyError(f"{self.name}: no key {key!r}")

    def _verify(self, i: int, data: bytes | memoryview) -> None:
        stored = self.index.crc32c
        if stored is not None and crc32c(data) != int(stored[i]):
            raise ItarDigestError(
                f"{self.name}: the payload of {self.index.key(i)!r} is damaged "
                "(its CRC-32C differs from the index)"
            )
