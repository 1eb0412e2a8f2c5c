"""An asset of a DANDI server that is one plain file (NWB, TIFF, …): copied whole."""

import math
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from ncore.transfer.backend import Bytes, Capabilities, Entry
from ncore.transfer.dandi_client import DandiClient
from ncore.transfer.digests import Digest, register_hasher
from ncore.transfer.errors import TransferError, UnsupportedError
from ncore.transfer.parts_md5 import PartsMd5

Json = Any
DANDI_ETAG = "dandi-etag"
"""Digest algorithm: the ETag of an upload in the parts that the archive prescribes."""
_PART = 64 << 20
_MOST_PARTS = 10_000


def dandi_part_size(size: int) -> int:
    """Return the bytes of each part of a blob of ``size`` bytes: 64 MiB, more from 640 GB on."""
    return max(_PART, math.ceil(size / _MOST_PARTS))


register_hasher(DANDI_ETAG, lambda size: PartsMd5(dandi_part_size(size)))


class DandiBlobSource:
    """One blob asset: a root with one entry.

    Args:
        client: The API.
        asset_id: Identifier of the asset.
        url: Its place, for messages.
        name: Name of the file, the entry's key.
    """

    def __init__(self, client: DandiClient, asset_id: str, url: str, name: str) -> None:
        self.url = url
        self.capabilities = Capabilities(concurrency=32)
        self.client = client
        client.retain()
        self._closed = False
        self._asset_id = asset_id
        self._name = name
        self._entry: Entry | None = None
        self._direct: str | None = None

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """See :meth:`ncore.transfer.backend.Source.list`."""
        entry = await self._look()
        if entry.key.startswith(prefix) and entry.key > after:
            yield [entry]

    async def stat(self, key: str) -> Entry | None:
        """See :meth:`ncore.transfer.backend.Source.stat`."""
        entry = await self._look()
        return entry if entry.key == key else None

    async def read(self, entry: Entry) -> bytes:
        """See :meth:`ncore.transfer.backend.Source.read`."""
        return b"".join([chunk async for chunk in self.stream(entry)])

    async def stream(self, entry: Entry, offset: int = 0) -> AsyncIterator[Bytes]:
        """See :meth:`ncore.transfer.backend.Source.stream`."""
        url = await self.client.redirect(f"/assets/{self._asset_id}/download/")
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async for chunk in self.client.session.body(url, headers, offset):
            yield chunk

    async def digests(
        self, entries: Sequence[Entry], algorithm: str
    ) -> Sequence[Digest | TransferError]:
        """See :meth:`ncore.transfer.backend.Source.digests`."""
        raise UnsupportedError(f"{self.url}: the server gives no {algorithm}")

    async def close(self) -> None:
        """Let go of the client, which others may share."""
        if not self._closed:
            self._closed = True
            await self.client.close()

    async def _look(self) -> Entry:
        if self._entry is None:
            path = f"/assets/{self._asset_id}/"
            metadata = await self.client.get(path)
            try:
                digests = metadata.get("digest") or {}
                if "dandi:sha2-256" in digests:
                    digest = Digest("sha256", digests["dandi:sha2-256"])
                elif "dandi:dandi-etag" in digests:
                    digest = Digest(DANDI_ETAG, digests["dandi:dandi-etag"])
                else:
                    digest = None
                changed = metadata.get("blobDateModified")
                mtime = datetime.fromisoformat(changed).timestamp() if changed else None
                size = metadata["contentSize"]
                if type(size) is not int or size < 0:
                    raise TypeError(size)
            except (KeyError, TypeError, ValueError, AttributeError):
                raise self.client.unexpected(path) from None
            self._entry = Entry(self._name, size, digest, mtime)
        return self._entry
