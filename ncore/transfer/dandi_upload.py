"""A zarr on a DANDI server as a target: presigned PUTs, deletes in batches, finalize.

The server computes the zarr's checksum after ``finalize``. It is compared with
what the transfer should have left there: the entries that were listed, less
those deleted, with those written. Their sum under a hash tells whether the
listing afterwards is that one, in any order and in no memory; the checksum
over that listing then tells whether the server's is right.
"""

import asyncio
import hashlib
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ncore.transfer.backend import DeleteFailure, Entry, Outcome, Payload
from ncore.transfer.checksum import DirectoryDigest, SortedWalk, ZarrEntry
from ncore.transfer.dandi_client import DandiClient
from ncore.transfer.dandi_zarr import (
    DandiZarrSource,
    base64_md5,
    signed_headers,
)
from ncore.transfer.digests import Digest
from ncore.transfer.errors import (
    AccessDeniedError,
    ChecksumError,
    DigestMismatchError,
    EntryNotFoundError,
    TransferError,
    TransientError,
)
from ncore.transfer.keys import show_key

Json = Any
_PRESIGN_BATCH = 500
_DELETE_BATCH = 100
_RENEWALS = 3
_BUSY = ("Uploaded", "Ingesting")
_MISSING = re.compile(r"File zarr/[^/]+/(.*) does not exist", re.S)


@dataclass(frozen=True)
class Polling:
    """How a finalized zarr is waited for.

    Attributes:
        first: Seconds before the first look; each next wait is half as long again.
        longest: Seconds between two looks at most.
        limit: Seconds after which waiting ends in an error.
    """

    first: float = 0.05
    longest: float = 10.0
    limit: float = 7200.0


class _Sum:
    """A hash of a set of entries that grows and shrinks with it (additive, mod 2**256)."""

    def __init__(self) -> None:
        self._value = 0

    def add(self, key: str, size: int, md5: str) -> None:
        self._value += self._hash(key, size, md5)

    def remove(self, key: str, size: int, md5: str) -> None:
        self._value -= self._hash(key, size, md5)

    @property
    def value(self) -> int:
        return self._value % (1 << 256)

    @staticmethod
    def _hash(key: str, size: int, md5: str) -> int:
        text = f"{size}/{md5}/{key}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, digest_size=32).digest(), "big")


class DandiZarrTarget(DandiZarrSource):
    """A zarr asset of a draft, made when the first entry is written.

    Args:
        client: The API, with a token.
        dandiset_id: Six digits.
        path: Path of the asset in the dandiset.
        zarr_id: Identifier of the zarr if the asset is there already.
        asset_id: Identifier of that asset.
        polling: How to wait for the checksum.

    Attributes:
        checksum: The zarr's checksum as the server computed it, once finished.
    """

    def __init__(
        self,
        client: DandiClient,
        dandiset_id: str,
        path: str,
        zarr_id: str | None = None,
        asset_id: str | None = None,
        polling: Polling | None = None,
    ) -> None:
        url = f"dandi://{client.instance}/{dandiset_id}/{path}"
        super().__init__(client, zarr_id or "", url, asset_id)
        self.capabilities = replace(
            self.capabilities,
            writable=True,
            write_digest="md5",
            write_batch=_PRESIGN_BATCH,
            delete_batch=_DELETE_BATCH,
            exclusive_names=True,
        )
        self.checksum: str | None = None
        self._dandiset_id = dandiset_id
        self._path = path
        self._polling = polling or Polling()
        self._urls: dict[str, str] = {}
        self._listed: DirectoryDigest | None = None
        self._expected: _Sum | None = None
        self._changed = False

    # Listing, with an eye on the whole.

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """See :meth:`ncore.transfer.backend.Source.list`."""
        if not self.zarr_id:
            if not prefix and not after:
                self._expected = _Sum()
            return
        pages = super().list(prefix, after=after)
        if prefix or after:
            async for page in pages:
                yield page
            return
        whole = _Whole()
        async for page in pages:
            whole.add(page)
            yield page
        self._listed, self._expected = whole.finish()

    async def stat(self, key: str) -> Entry | None:
        """See :meth:`ncore.transfer.backend.Source.stat`."""
        return await super().stat(key) if self.zarr_id else None

    # Writing.

    async def start(self) -> None:
        """Make the zarr and its asset unless they are there; wait out an ingestion."""
        if self.zarr_id:
            zarr = await self._zarr()
            if zarr["status"] in _BUSY:
                await self._until_complete()
            return
        self.zarr_id = await self._make_zarr()
        await self._make_asset()

    async def prepare(self, payloads: Sequence[Payload]) -> None:
        """Have the PUTs of a batch signed."""
        for start in range(0, len(payloads), _PRESIGN_BATCH):
            await self._sign(payloads[start : start + _PRESIGN_BATCH])

    async def write(self, payload: Payload) -> Digest | None:
        """See :meth:`ncore.transfer.backend.Target.write`."""
        if payload.digest is None or payload.digest.algorithm != "md5":
            raise TransferError(f"{show_key(payload.key)!r}: its MD5 must be known first")
        self._changed = True
        if payload.key not in self._urls:
            await self._sign([payload])
        renewals = 0
        while True:
            url = self._urls[payload.key]
            try:
                digest = await self._put(url, payload, payload.digest.value)
                break
            except AccessDeniedError:
                # Most often a URL that has expired while it waited for its turn.
                if renewals == _RENEWALS:
                    raise
                renewals += 1
                await self._sign([payload])
        self._urls.pop(payload.key, None)
        if self._expected is not None:
            old = payload.replaces
            if old is not None and old.digest is not None:
                self._expected.remove(old.key, old.size, old.digest.value)
            self._expected.add(payload.key, payload.size, payload.digest.value)
        return digest

    async def delete(self, entries: Sequence[Entry]) -> Sequence[DeleteFailure]:
        """See :meth:`ncore.transfer.backend.Target.delete`."""
        self._changed = True
        failures: Sequence[DeleteFailure] = ()
        for start in range(0, len(entries), _DELETE_BATCH):
            batch = entries[start : start + _DELETE_BATCH]
            failures = [*failures, *await self._delete_batch(batch)]
        failed = {failure.key for failure in failures}
        for entry in entries:
            if self._expected is not None and entry.digest and entry.key not in failed:
                self._expected.remove(entry.key, entry.size, entry.digest.value)
        return failures

    async def finish(self, outcome: Outcome) -> None:
        """Have the server compute the checksum; compare it in full mode."""
        if not self.zarr_id:
            return
        zarr = await self._zarr()
        if self._changed or zarr["status"] == "Pending":
            if zarr["status"] == "Pending":
                await self._finalize()
            zarr = await self._until_complete()
        elif zarr["status"] in _BUSY:
            zarr = await self._until_complete()
        self.checksum = zarr.get("checksum")
        if outcome.complete and self._expected is not None:
            await self._compare()

    async def abort(self) -> None:
        """An object is there whole or not at all: nothing to clear away."""

    async def _sign(self, payloads: Sequence[Payload]) -> None:
        wanted = [
            {"path": p.key, "base64md5": base64_md5(p.digest.value)}
            for p in payloads
            if p.digest is not None
        ]
        path = f"/zarr/{self.zarr_id}/files/"
        self._changed = True
        urls = await self.client.post(path, wanted)
        if (
            not isinstance(urls, list)
            or len(urls) != len(wanted)
            or not all(isinstance(url, str) for url in urls)
        ):
            raise self.client.unexpected(path)
        self._urls.update(zip([item["path"] for item in wanted], urls, strict=True))

    async def _put(self, url: str, payload: Payload, md5: str) -> Digest | None:
        headers = {"Content-MD5": base64_md5(md5), "Content-Length": str(payload.size)}
        if "x-amz-tagging" in signed_headers(url):
            headers["x-amz-tagging"] = "embargoed=true"
        data = payload.data if payload.data is not None else payload.stream()
        try:
            async with self.client.session.exchange(
                "PUT", url, headers=headers, data=data
            ) as answer:
                etag = answer.headers.get("ETag", "").strip('"')
        except TransferError as error:
            if "BadDigest" in str(error):
                raise DigestMismatchError(
                    f"{show_key(payload.key)!r}: other bytes arrived than were sent; {error}"
                ) from None
            if "NotImplemented" in str(error):
                raise TransientError(str(error)) from None
            raise
        return Digest("md5", etag) if re.fullmatch("[0-9a-f]{32}", etag) else None

    async def _delete_batch(self, batch: Sequence[Entry]) -> Sequence[DeleteFailure]:
        waiting = [entry.key for entry in batch]
        while waiting:
            try:
                await self.client.delete(
                    f"/zarr/{self.zarr_id}/files/", [{"path": key} for key in waiting]
                )
                return []
            except AccessDeniedError as error:
                return [DeleteFailure(key, error) for key in waiting]
            except TransientError:
                raise
            except TransferError as error:
                # One that is gone makes the server refuse all.
                gone = _MISSING.search(str(error))
                left = [key for key in waiting if gone is None or key != gone[1]]
                if len(left) == len(waiting):
                    left = [key for key in waiting if await self.stat(key) is not None]
                if len(left) == len(waiting):
                    return [DeleteFailure(key, error) for key in waiting]
                waiting = left
        return []

    # The zarr and its asset.

    async def _zarr(self) -> dict[str, Json]:
        path = f"/zarr/{self.zarr_id}/"
        zarr = await self.client.get(path)
        if not isinstance(zarr, dict) or not isinstance(zarr.get("status"), str):
            raise self.client.unexpected(path)
        return zarr

    async def _make_zarr(self) -> str:
        body = {"name": self._path, "dandiset": self._dandiset_id}
        try:
            made = await self.client.post("/zarr/", body)
            return str(made["zarr_id"])
        except (AccessDeniedError, EntryNotFoundError, TransientError):
            raise
        except TransferError as error:
            if "unique set" not in str(error) and "already exists" not in str(error):
                raise
        # Left by an upload that ended before the asset was made.
        query = {"dandiset": self._dandiset_id, "name": self._path}
        found = await self.client.get("/zarr/", query)
        for zarr in found["results"]:
            if zarr["name"] == self._path and zarr["dandiset"] == self._dandiset_id:
                return str(zarr["zarr_id"])
        raise TransferError(f"{self.url}: the server has a zarr of this name but does not show it")

    async def _make_asset(self) -> None:
        info = await self.client.get("/info/")
        now = datetime.now(UTC).isoformat()
        metadata = {
            "schemaVersion": info.get("schema_version"),
            "schemaKey": "Asset",
            "path": self._path,
            "encodingFormat": "application/x-zarr",
            "access": [{"schemaKey": "AccessRequirements", "status": "dandi:OpenAccess"}],
            "dateModified": now,
            "blobDateModified": now,
        }
        await self.client.post(
            f"/dandisets/{self._dandiset_id}/versions/draft/assets/",
            {"metadata": metadata, "zarr_id": self.zarr_id},
        )

    # The checksum.

    async def _finalize(self) -> None:
        try:
            await self.client.post(f"/zarr/{self.zarr_id}/finalize/")
        except TransferError as error:
            # A retry of a request whose answer was lost finds it done.
            if "ingest" not in str(error):
                raise

    async def _until_complete(self) -> dict[str, Json]:
        polling = self._polling
        begun, wait = time.monotonic(), polling.first
        while True:
            zarr = await self._zarr()
            if zarr["status"] == "Complete":
                return zarr
            left = polling.limit - (time.monotonic() - begun)
            if left <= 0:
                raise TransferError(
                    f"{self.url}: everything was sent, but the server has not computed the "
                    f"checksum within {polling.limit:g} s (status {zarr['status']}); running the "
                    "same command again sends nothing twice and waits on"
                )
            await asyncio.sleep(min(wait, left))
            wait = min(wait * 1.5, polling.longest)

    async def _compare(self) -> None:
        assert self._expected is not None
        if self._changed:
            whole = _Whole()
            async for page in DandiZarrSource.list(self):
                whole.add(page)
            ours, there = whole.finish()
            if there.value != self._expected.value:
                raise TransferError(
                    f"{self.url}: what the server lists is not what was uploaded; someone else "
                    "may be writing to it. Run the same command again"
                )
        else:
            ours = self._listed
        if ours is not None and self.checksum != str(ours):
            raise DigestMismatchError(
                f"{self.url}: the server's checksum is {self.checksum}, that of the files is {ours}"
            )


class _Whole:
    """A whole listing as it passes: its zarr checksum and its sum."""

    def __init__(self) -> None:
        self._sum = _Sum()
        self._walk: SortedWalk | None = SortedWalk()

    def add(self, page: Sequence[Entry]) -> None:
        """Take the next page."""
        entries = [ZarrEntry(e.key, e.size, e.digest.value if e.digest else "") for e in page]
        for entry in entries:
            self._sum.add(*entry)
        if self._walk is not None:
            try:
                deque(self._walk.feed(entries), maxlen=0)
            except ChecksumError:
                self._walk = None  # keys that no zarr has, or multipart ETags

    def finish(self) -> tuple[DirectoryDigest | None, _Sum]:
        """Return the checksum (None if there is none) and the sum."""
        if self._walk is None:
            return None, self._sum
        *_, root = self._walk.finish()
        return root.digest, self._sum
