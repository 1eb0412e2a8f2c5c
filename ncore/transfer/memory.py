"""A root in memory: what the planner and the executor are tested against."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence

from ncore.transfer.backend import Capabilities, DeleteFailure, Entry, Outcome, Payload
from ncore.transfer.digests import Digest, digest_of
from ncore.transfer.errors import EntryExistsError, EntryNotFoundError, TransferError


class MemoryBackend:
    """Entries in a dictionary.

    Args:
        entries: key -> bytes.
        url: Name for messages.
        page_size: Entries in a page of a listing.
        capabilities: What to claim.
    """

    def __init__(
        self,
        entries: Mapping[str, bytes] | None = None,
        *,
        url: str = "memory:",
        page_size: int = 1000,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.url = url
        self.capabilities = capabilities or Capabilities(
            writable=True, list_digest="md5", cheap_digests=True, list_ranges=True
        )
        self.entries: dict[str, bytes] = dict(entries or {})
        self.mtimes: dict[str, float] = {}
        self.requests: list[str] = []
        self.outcome: Outcome | None = None
        self._page_size = page_size

    def _entry(self, key: str) -> Entry:
        data = self.entries[key]
        algorithm = self.capabilities.list_digest
        digest = digest_of(data, algorithm) if algorithm else None
        return Entry(key, len(data), digest, self.mtimes.get(key))

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """List entries in pages, in key order."""
        keys = sorted(k for k in self.entries if k.startswith(prefix) and k > after)
        self.requests.append(f"list {prefix} {after}")
        for start in range(0, len(keys), self._page_size):
            if start:
                self.requests.append(f"list {prefix} {keys[start - 1]}")
            page = keys[start : start + self._page_size]
            yield [self._entry(key) for key in page if key in self.entries]

    async def stat(self, key: str) -> Entry | None:
        """Return one entry, None if there is none."""
        self.requests.append(f"stat {key}")
        return self._entry(key) if key in self.entries else None

    async def read(self, entry: Entry) -> bytes:
        """Return all bytes of one entry."""
        self.requests.append(f"read {entry.key}")
        try:
            return self.entries[entry.key]
        except KeyError:
            raise EntryNotFoundError(f"{self.url}: no entry {entry.key!r}") from None

    async def stream(self, entry: Entry, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of one entry from ``offset`` on."""
        data = await self.read(entry)
        for start in range(offset, len(data), 1 << 16):
            yield data[start : start + (1 << 16)]

    async def digests(
        self, entries: Sequence[Entry], algorithm: str
    ) -> Sequence[Digest | TransferError]:
        """Return each entry's digest."""
        return [digest_of(self.entries[e.key], algorithm) for e in entries]

    async def close(self) -> None:
        """Do nothing."""

    async def start(self) -> None:
        """Do nothing."""

    async def prepare(self, payloads: Sequence[Payload]) -> None:
        """Do nothing."""

    async def write(self, payload: Payload) -> Digest | None:
        """Write one entry."""
        self.requests.append(f"write {payload.key}")
        if payload.replaces is None and payload.key in self.entries:
            raise EntryExistsError(f"{self.url}: {payload.key!r} exists")
        data = payload.data
        if data is None:
            data = b"".join([chunk async for chunk in payload.stream()])
        self.entries[payload.key] = bytes(data)
        self.mtimes[payload.key] = time.time() if payload.mtime is None else payload.mtime
        return digest_of(data, "md5")

    async def delete(self, entries: Sequence[Entry]) -> Sequence[DeleteFailure]:
        """Delete entries."""
        for entry in entries:
            self.requests.append(f"delete {entry.key}")
            self.entries.pop(entry.key, None)
        return []

    async def finish(self, outcome: Outcome) -> None:
        """Remember the outcome."""
        self.outcome = outcome

    async def abort(self) -> None:
        """Do nothing."""
