"""An indexed tar archive as target.

An archive is published as one: it appears when everything has been written, and
stays away when anything failed. One that is there is changed in place under a
journal (docs/crash-promises.md): it is the old archive until everything has
been written, and again the old one after a failure or a crash. What was
replaced or deleted leaves dead space, which ``ncore itar repack`` removes.
"""

import asyncio
import mmap
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
from zarr.core.buffer import Buffer, cpu

from ncore.itar.errors import ItarError
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.transfer.backend import Capabilities, DeleteFailure, Entry, Outcome, Payload
from ncore.transfer.digests import Digest
from ncore.transfer.errors import EntryExistsError, TransferError
from ncore.transfer.itar_source import ItarSource
from ncore.transfer.keys import check_key, show_key


class ItarTarget:
    """One local archive, made or changed.

    Args:
        path: Where it lies or will lie.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = self.local_path = Path(path)
        self.only: str | None = None
        self.url = str(path)
        self.capabilities = Capabilities(
            writable=True, cheap_digests=True, concurrency=16, published_whole=True
        )
        self._old: ItarSource | None = None
        self._planned_on = self._state()
        if self._planned_on is not None:
            self._old = self._source()
        self._new: IndexedTarStore | None = None
        self._written: set[str] = set()

    def _state(self) -> tuple[int, int, int] | None:
        """Return what tells whether the archive is still the same, None without one."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _source(self) -> ItarSource:
        return ItarSource(lambda: IndexedTarStore(self.path, mode="r"), self.url, is_local=True)

    def rewrites(self, key: str) -> bool:
        """Return whether this is the root's document, which the archive holds as CBOR."""
        return self._old is not None and self._old.rewrites(key)

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """List the entries of the archive that is there."""
        if self._old is not None:
            async for page in self._old.list(prefix, after=after):
                yield page

    async def stat(self, key: str) -> Entry | None:
        """Return one entry of the archive that is there."""
        return None if self._old is None else await self._old.stat(key)

    async def read(self, entry: Entry) -> bytes:
        """Return one entry of the archive that is there."""
        return await self._there.read(entry)

    async def stream(self, entry: Entry, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield one entry of the archive that is there."""
        async for chunk in self._there.stream(entry, offset):
            yield chunk

    async def digests(
        self, entries: Sequence[Entry], algorithm: str
    ) -> Sequence[Digest | TransferError]:
        """Return digests of entries of the archive that is there."""
        return await self._there.digests(entries, algorithm)

    @property
    def _there(self) -> ItarSource:
        if self._old is None:
            raise TransferError(f"{self.url}: no such archive")
        return self._old

    async def start(self) -> None:
        """Begin the new archive, or to change the old one."""
        if self._new is None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                if self._state() != self._planned_on:
                    # The plan was made for what is no longer there.
                    raise TransferError(
                        f"{self.url}: was changed by another writer meanwhile; run again"
                    )
                if self._old is None:
                    self._new = IndexedTarStore(self.path, mode="x", digests=("crc32c", "md5"))
                else:
                    self._new = IndexedTarStore(self.path, mode="r+")
            except (ItarError, OSError) as e:
                raise TransferError(f"{self.url}: cannot be written: {e}") from e

    async def prepare(self, payloads: Sequence[Payload]) -> None:
        """Do nothing."""

    async def write(self, payload: Payload) -> Digest | None:
        """Write one member."""
        check_key(payload.key)
        if payload.key in self._written:
            raise EntryExistsError(f"{self.url}: {payload.key!r} was written already")
        try:
            if payload.data is not None:
                await self._set(payload.key, cpu.Buffer.from_bytes(payload.data))
            else:
                await self._write_large(payload)
        except ItarError as e:
            raise TransferError(str(e)) from e
        except OSError as e:
            if isinstance(e, TransferError):
                raise
            raise TransferError(f"{self.url}: {show_key(payload.key)!r}: {e.strerror or e}") from e
        self._written.add(payload.key)
        return None

    async def _set(self, key: str, value: Buffer) -> None:
        assert self._new is not None
        await self._new.set(key, value)

    async def _write_large(self, payload: Payload) -> None:
        # Members follow one another, so one that arrives in pieces waits on
        # disk until it is whole and right.
        with tempfile.TemporaryFile(dir=self.path.parent) as f:
            async for chunk in payload.stream():
                f.write(chunk)
            f.flush()
            if f.tell() == 0:
                await self._set(payload.key, cpu.Buffer.from_bytes(b""))
                return
            with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                values = np.frombuffer(mapped, np.uint8)
                await self._set(payload.key, cpu.Buffer.from_array_like(values))
                del values

    async def delete(self, entries: Sequence[Entry]) -> Sequence[DeleteFailure]:
        """Delete members."""
        await self.start()
        assert self._new is not None
        failures = []
        for entry in entries:
            try:
                await self._new.delete(entry.key)
            except ItarError as e:
                failures.append(DeleteFailure(entry.key, TransferError(str(e))))
        return failures

    async def finish(self, outcome: Outcome) -> None:
        """Publish the archive."""
        if self._new is None:
            return
        if outcome.failed:
            await self.abort()
            raise TransferError(
                f"{self.url}: {outcome.failed} entries failed, so the archive was not written"
            )
        try:
            await asyncio.to_thread(self._new.close)
        except (ItarError, OSError) as e:
            raise TransferError(f"{self.url}: {e}") from e
        self._new = None
        if self._old is not None:
            await self._old.close()
        self._planned_on = self._state()
        self._old = self._source()

    async def abort(self) -> None:
        """Leave the archive that was there, and nothing else."""
        if self._new is not None:
            self._new.discard()
            self._new = None

    async def close(self) -> None:
        """Close both archives."""
        await self.abort()
        if self._old is not None:
            await self._old.close()
