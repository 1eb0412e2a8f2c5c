"""An indexed tar archive, local or remote, as source.

Entries are the archive's logical keys: the root's ``zarr.json`` is listed
although only its CBOR form is stored, and consolidated metadata in its ``.itar``
form is not, since a reader outside an archive has no use for it. Digests come
from the index, so listing and comparing read no data.
"""

import asyncio
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from ncore.itar.errors import (
    ItarAccessError,
    ItarChangedError,
    ItarError,
    ItarIOError,
    ItarNotFoundError,
)
from ncore.itar.reader import ItarReader
from ncore.stores.documents import CONSOLIDATED_V2_CBOR, ROOT_V3
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.transfer.backend import Capabilities, Entry
from ncore.transfer.digests import Digest, digest_of
from ncore.transfer.errors import (
    AccessDeniedError,
    EntryChangedError,
    EntryNotFoundError,
    TransferError,
    TransientError,
    UnsupportedError,
)
from ncore.transfer.keys import show_key

_PAGE = 1000
_CHUNK = 4 << 20
_BATCHES_AT_ONCE = 4


class ItarSource:
    """The entries of one archive.

    Args:
        open_store: Opens the archive; called in a thread, once.
        url: Its place for messages, its path if it is local.
        is_local: Reading is cheap.
    """

    def __init__(
        self, open_store: Callable[[], IndexedTarStore], url: str, *, is_local: bool
    ) -> None:
        self.url = url
        self.capabilities = Capabilities(
            cheap_digests=is_local, list_ranges=False, concurrency=16 if is_local else 64
        )
        self._open_store = open_store
        self._is_local = is_local
        if is_local:
            self.local_path, self.only = Path(url), None
        self._store: IndexedTarStore | None = None
        self._keys: Sequence[str] = ()
        self._opening = asyncio.Lock()
        self._waiting: list[tuple[str, asyncio.Future[bytes]]] = []
        self._batches = asyncio.Semaphore(_BATCHES_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def _opened(self) -> IndexedTarStore:
        async with self._opening:
            if self._store is None:
                try:
                    self._store = await asyncio.to_thread(self._open_store)
                except (ItarError, OSError) as e:
                    raise _translate(e, self.url) from e
                keys = self._store.keys()
                self._keys = [key for key in keys if key != CONSOLIDATED_V2_CBOR]
        return self._store

    def _entry(self, store: IndexedTarStore, key: str) -> Entry:
        if key not in store.reader:  # the root's document, kept in another form
            data = store.read(key)
            return Entry(key, len(data), digest_of(data, "md5"))
        member = store.reader.entry(key)
        digest = None
        if member.md5 is not None:
            digest = Digest("md5", member.md5.hex())
        elif member.crc32c is not None:
            digest = Digest("crc32c", f"{member.crc32c:08x}")
        return Entry(key, member.size, digest)

    def rewrites(self, key: str) -> bool:
        """Return whether this is the root's document, which the archive holds as CBOR."""
        return self._store is not None and key == ROOT_V3 and key not in self._store.reader

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """List entries in pages, in key order, from the index."""
        store = await self._opened()
        low = max(bisect_left(self._keys, prefix), bisect_right(self._keys, after))
        while low < len(self._keys):
            page = [k for k in self._keys[low : low + _PAGE] if k.startswith(prefix)]
            if not page:
                return
            yield [self._entry(store, key) for key in page]
            low += _PAGE

    async def stat(self, key: str) -> Entry | None:
        """Return one entry."""
        store = await self._opened()
        at = bisect_left(self._keys, key)
        if at == len(self._keys) or self._keys[at] != key:
            return None
        return self._entry(store, key)

    async def read(self, entry: Entry) -> bytes:
        """Return one entry; of a remote archive neighbours are fetched together."""
        store = await self._opened()
        if self._is_local or entry.key not in store.reader:
            return self._raw(store, entry.key)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry.key, future))
        if len(self._waiting) == 1:
            # Whoever asks before the loop comes round joins this batch.
            task = asyncio.create_task(self._read_batch(store.reader))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    def _raw(self, store: IndexedTarStore, key: str) -> bytes:
        try:
            return store.reader.read(key) if key in store.reader else store.read(key)
        except (ItarError, OSError) as e:
            raise _translate(e, f"{self.url}: {show_key(key)}") from e

    async def _read_batch(self, reader: ItarReader) -> None:
        async with self._batches:
            batch, self._waiting = self._waiting, []
            try:
                values = await asyncio.to_thread(reader.read_many, [key for key, _ in batch])
            except (ItarError, OSError) as e:
                error = _translate(e, self.url)
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                return
            for (_, future), value in zip(batch, values, strict=True):
                if not future.done():
                    future.set_result(value)

    async def stream(self, entry: Entry, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of one entry from ``offset`` on, by range reads."""
        store = await self._opened()
        if entry.key not in store.reader:
            yield self._raw(store, entry.key)[offset:]
            return
        for start in range(offset, entry.size, _CHUNK):
            stop = min(start + _CHUNK, entry.size)
            try:
                yield await asyncio.to_thread(store.reader.read_range, entry.key, start, stop)
            except (ItarError, OSError) as e:
                raise _translate(e, f"{self.url}: {show_key(entry.key)}") from e

    async def digests(
        self, entries: Sequence[Entry], algorithm: str
    ) -> Sequence[Digest | TransferError]:
        """Return stored digests, or hash the members of a local archive."""
        store = await self._opened()

        def one(entry: Entry) -> Digest | TransferError:
            listed = self._entry(store, entry.key)
            if listed.digest is not None and listed.digest.algorithm == algorithm:
                return listed.digest
            if not self._is_local:
                raise UnsupportedError(f"{self.url}: holds no {algorithm} of its members")
            if algorithm == "md5" and entry.key in store.reader:
                view = store.reader.view(entry.key)
                return Digest("md5", hashlib.md5(view, usedforsecurity=False).hexdigest())
            try:
                return digest_of(self._raw(store, entry.key), algorithm)
            except TransferError as e:
                return e

        return await asyncio.to_thread(lambda: [one(entry) for entry in entries])

    async def has_directory(self, path: str) -> bool:
        """Return whether any entry lies below a path."""
        await self._opened()
        at = bisect_left(self._keys, path + "/")
        return at < len(self._keys) and self._keys[at].startswith(path + "/")

    async def close(self) -> None:
        """Close the archive."""
        for task in list(self._tasks):
            task.cancel()
        if self._store is not None:
            self._store.close()


def _translate(e: Exception, where: str) -> TransferError:
    # An error of the archive names it already.
    what = str(e) if isinstance(e, ItarError) else f"{where}: {e}"
    if isinstance(e, (ItarNotFoundError, FileNotFoundError)):
        return EntryNotFoundError(what)
    if isinstance(e, ItarAccessError):
        return AccessDeniedError(what)
    if isinstance(e, ItarChangedError):
        return EntryChangedError(what)
    if isinstance(e, ItarIOError):
        return TransientError(what)
    return TransferError(what)
