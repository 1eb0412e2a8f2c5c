"""From a planned action to bytes that have been checked.

Small entries are read whole; large ones stream. Either way the bytes are
hashed as they pass and compared with what the source listed, so a target only
commits what is right.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from ncore.transfer.actions import Action
from ncore.transfer.backend import Bytes, Entry, Payload, Source
from ncore.transfer.digests import Digest, Hasher, digest_of, hasher, is_known
from ncore.transfer.errors import DigestMismatchError, EntryChangedError, TransferError
from ncore.transfer.keys import show_key
from ncore.transfer.report import Report

WHOLE = 2 << 20
"""Entries up to this size (bytes) are held in memory, one a worker."""
_HASH_IN_THREAD = 1 << 19


@dataclass
class Sending:
    """One entry on its way: its payload, and what was seen of its bytes.

    Attributes:
        action: What was planned.
        entry: The source's entry.
        payload: What the target is given.
        sent: Digests of the bytes that went over, by algorithm.
    """

    action: Action
    entry: Entry
    payload: Payload
    sent: dict[str, str] = field(default_factory=dict)


class Payloads:
    """Makes payloads of one source's entries for one target.

    Args:
        source: Where the bytes are.
        also_digest: Algorithm that the target reports after a write, hashed
            along to compare.
        report: Counts bytes as they pass.
    """

    def __init__(self, source: Source, also_digest: str | None, report: Report) -> None:
        self._source = source
        self._also = also_digest
        self._report = report

    def make(self, action: Action) -> Sending:
        """Return the payload of a create or replace action; no I/O."""
        entry = action.source
        assert entry is not None
        digest = entry.digest if entry.digest and is_known(entry.digest.algorithm) else None
        payload = Payload(
            key=action.key,
            size=entry.size,
            digest=digest,
            mtime=entry.mtime,
            replaces=action.target,
            data=None,
            open=lambda offset, prior: self._stream(sending, offset, prior),
        )
        sending = Sending(action, entry, payload)
        return sending

    async def load(self, sending: Sending) -> None:
        """Read a small entry whole and check it.

        Raises:
            DigestMismatchError: These are not the bytes that were listed.
        """
        entry, payload = sending.entry, sending.payload
        data = await self._source.read(entry)
        self._report.bytes_moved += len(data)
        if len(data) != entry.size:
            raise _wrong_size(self._source, entry, len(data))
        if payload.digest is not None:
            found = await _digest(data, payload.digest.algorithm)
            sending.sent[found.algorithm] = found.value
            self._check(entry, payload.digest, found)
        payload.data = data

    async def need_digest(self, sending: Sending, algorithm: str) -> None:
        """See that the payload has a digest of this algorithm before it is written."""
        payload, entry = sending.payload, sending.entry
        if payload.digest is not None and payload.digest.algorithm == algorithm:
            return
        if payload.data is not None:
            payload.digest = await _digest(payload.data, algorithm)
        elif self._source.capabilities.cheap_digests:
            (digest,) = await self._source.digests([entry], algorithm)
            if isinstance(digest, TransferError):
                raise digest
            payload.digest = digest
        else:
            # Nothing but reading it tells; it is read again to be written.
            h = hasher(algorithm, entry.size)
            async for chunk in self._stream(sending, 0, ()):
                h.update(chunk)
            payload.digest = Digest(algorithm, h.hexdigest())
        sending.sent[algorithm] = payload.digest.value

    async def reported(self, sending: Sending, digest: Digest) -> None:
        """Compare what the target says that it holds with what was sent.

        Raises:
            DigestMismatchError: They differ.
        """
        sent = sending.sent.get(digest.algorithm)
        if sent is None and sending.payload.data is not None and is_known(digest.algorithm):
            sent = (await _digest(sending.payload.data, digest.algorithm)).value
        if sent is not None and sent != digest.value:
            raise DigestMismatchError(
                f"{show_key(sending.payload.key)!r}: the target holds {digest}, "
                f"but {digest.algorithm}:{sent} was sent"
            )

    async def _stream(
        self, sending: Sending, offset: int, prior: Iterable[bytes]
    ) -> AsyncIterator[Bytes]:
        entry, expected = sending.entry, sending.payload.digest
        algorithms = {expected.algorithm} if expected else set()
        if self._also is not None and is_known(self._also):
            algorithms.add(self._also)
        hashers = {a: hasher(a, entry.size) for a in sorted(algorithms)}
        if offset:
            await asyncio.to_thread(_update_all, hashers, prior)
        at = offset
        if at != entry.size:
            async for chunk in self._source.stream(entry, offset):
                at += len(chunk)
                if 0 <= entry.size < at:
                    break
                if len(chunk) >= _HASH_IN_THREAD:
                    await asyncio.to_thread(_update_all, hashers, (chunk,))
                else:
                    _update_all(hashers, (chunk,))
                self._report.bytes_moved += len(chunk)
                yield chunk
        if entry.size >= 0 and at != entry.size:
            raise _wrong_size(self._source, entry, at)
        for algorithm, h in hashers.items():
            found = Digest(algorithm, h.hexdigest())
            sending.sent[algorithm] = found.value
            if expected is not None and expected.algorithm == algorithm:
                self._check(entry, expected, found)

    def _check(self, entry: Entry, expected: Digest, found: Digest) -> None:
        if expected == found:
            return
        if self._source.capabilities.cheap_digests and entry.digest is None:
            # We hashed the file ourselves a moment ago.
            raise EntryChangedError(f"{show_key(entry.key)!r} changed while it was being read")
        raise DigestMismatchError(
            f"{show_key(entry.key)!r}: expected {expected}, the bytes have "
            f"{found.algorithm}:{found.value}"
        )


def _update_all(hashers: dict[str, Hasher], chunks: Iterable[Bytes]) -> None:
    for chunk in chunks:
        for h in hashers.values():
            h.update(chunk)


async def _digest(data: Bytes, algorithm: str) -> Digest:
    if len(data) >= _HASH_IN_THREAD:
        return await asyncio.to_thread(digest_of, data, algorithm)
    return digest_of(data, algorithm)


def _wrong_size(source: Source, entry: Entry, got: int) -> DigestMismatchError:
    return DigestMismatchError(
        f"{show_key(entry.key)!r}: {entry.size} bytes were listed, {source.url} sent {got}"
    )
