"""A zarr on a DANDI server as a source: listed by the API, read from its public bucket."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from ncore.transfer.backend import Bytes, Capabilities, Entry
from ncore.transfer.dandi_client import DandiClient
from ncore.transfer.dandi_listing import RangeLister
from ncore.transfer.digests import Digest
from ncore.transfer.errors import (
    AccessDeniedError,
    EntryNotFoundError,
    TransferError,
    UnsupportedError,
)
from ncore.transfer.keys import show_key

Json = Any
_MD5 = re.compile(r"[0-9a-f]{32}")


def quote_key(key: str) -> str:
    """Percent-encode a key as S3's signatures want a path."""
    return quote(key, safe="/-_.~", errors="surrogatepass")


def entry_of(item: Json) -> Entry:
    """Return the entry that one line of a listing tells of.

    Raises:
        KeyError, TypeError, ValueError: The line is not of the documented form.
    """
    key, size, etag = item["Key"], item["Size"], item["ETag"].strip('"')
    if not isinstance(key, str) or type(size) is not int or size < 0:
        raise TypeError(key)
    digest = Digest("md5", etag) if _MD5.fullmatch(etag) else None
    mtime = datetime.fromisoformat(item["LastModified"]).timestamp()
    return Entry(key, size, digest, mtime, etag)


class DandiZarrSource:
    """The files of one zarr archive.

    Bytes come straight from the object store where the archive names a public
    place; if that refuses, through the API, which signs a URL for each file.

    Args:
        client: The API.
        zarr_id: Identifier of the zarr.
        url: Its place, for messages.
        asset_id: Identifier of an asset that says where its files lie; asked
            when the first is read.
    """

    def __init__(
        self, client: DandiClient, zarr_id: str, url: str, asset_id: str | None = None
    ) -> None:
        self.url = url
        self.zarr_id = zarr_id
        self.capabilities = Capabilities(
            list_digest="md5", concurrency=32, list_ranges=True, exclusive_names=False
        )
        self.client = client
        client.retain()
        self._closed = False
        self._asset_id = asset_id
        self._direct: asyncio.Task[str | None] | None = None
        self._is_open = True
        self._lister = RangeLister(self._fetch)

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """See :meth:`ncore.transfer.backend.Source.list`."""
        async for page in self._lister.pages(prefix, after):
            yield page

    async def stat(self, key: str) -> Entry | None:
        """See :meth:`ncore.transfer.backend.Source.stat`; one request."""
        # Of all keys that start with it, the key itself comes first.
        found = await self._lister.first(key)
        return found if found is not None and found.key == key else None

    async def read(self, entry: Entry) -> Bytes:
        """See :meth:`ncore.transfer.backend.Source.read`."""
        direct = await self._direct_url() if self._is_open else None
        if direct is not None:
            # The way of nearly every file, without the generators of the general one.
            headers = {"If-Match": f'"{entry.etag}"'} if entry.etag else {}
            try:
                url = direct + quote_key(entry.key)
                return await self.client.session.fetch(url, headers, entry.size + 1)
            except (AccessDeniedError, EntryNotFoundError):
                pass
        return b"".join([chunk async for chunk in self.stream(entry)])

    async def stream(self, entry: Entry, offset: int = 0) -> AsyncIterator[Bytes]:
        """See :meth:`ncore.transfer.backend.Source.stream`."""
        headers = {}
        if entry.etag:
            headers["If-Match"] = f'"{entry.etag}"'
        if offset:
            headers["Range"] = f"bytes={offset}-"
        refused: TransferError | None = None
        direct = await self._direct_url() if self._is_open else None
        if direct is not None:
            try:
                async for chunk in self.client.session.body(
                    direct + quote_key(entry.key), headers, offset
                ):
                    yield chunk
                return
            except (AccessDeniedError, EntryNotFoundError) as error:
                refused = error  # not public, or not there: the API knows
        try:
            url = await self.client.redirect(
                f"/zarr/{self.zarr_id}/files/", {"prefix": entry.key, "download": "true"}
            )
        except (AccessDeniedError, EntryNotFoundError) as error:
            raise refused or error from None
        async for chunk in self.client.session.body(url, headers, offset):
            yield chunk
        if isinstance(refused, AccessDeniedError):
            self._is_open = False  # do not knock in vain for every file

    async def _direct_url(self) -> str | None:
        """Return the public URL below which the files lie, None if none is named."""
        if self._asset_id is None:
            return None
        if self._direct is None:
            self._direct = asyncio.ensure_future(self._ask_direct_url(self._asset_id))
        elif self._direct.done() and self._direct.exception() is None:
            return self._direct.result()
        try:
            return await asyncio.shield(self._direct)
        except TransferError:
            self._direct = None
            raise

    async def _ask_direct_url(self, asset_id: str) -> str | None:
        path = f"/assets/{asset_id}/"
        metadata = await self.client.get(path)
        if not isinstance(metadata, dict):
            raise self.client.unexpected(path)
        for url in metadata.get("contentUrl") or ():
            if (
                isinstance(url, str)
                and url.startswith(("https://", "http://"))
                and not url.startswith(f"{self.client.api_url}/")
                and f"/zarr/{self.zarr_id}" in url
                and "?" not in url
            ):
                return url.rstrip("/") + "/"
        return None

    async def digests(
        self, entries: Sequence[Entry], algorithm: str
    ) -> Sequence[Digest | TransferError]:
        """See :meth:`ncore.transfer.backend.Source.digests`; only MD5, as listed."""
        if algorithm != "md5":
            raise UnsupportedError(f"{self.url}: the server gives MD5 only, not {algorithm}")
        return [
            entry.digest
            or TransferError(f"{show_key(entry.key)!r}: the server gives no MD5 for it")
            for entry in entries
        ]

    async def close(self) -> None:
        """Let go of the client, which others may share."""
        if not self._closed:
            self._closed = True
            await self.client.close()

    async def _fetch(self, prefix: str, after: str, limit: int) -> tuple[Sequence[Entry], bool]:
        path = f"/zarr/{self.zarr_id}/files/"
        query: dict[str, object] = {"limit": limit}
        if prefix:
            query["prefix"] = prefix
        if after:
            query["after"] = after
        body = await self.client.get(path, query)
        try:
            return [entry_of(item) for item in body["results"]], bool(body["next"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self.client.unexpected(path) from None


def base64_md5(hexadecimal: str) -> str:
    """Return an MD5 as ``Content-MD5`` has it."""
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def signed_headers(url: str) -> frozenset[str]:
    """Return the names of the headers that a presigned URL obliges to."""
    found = re.search(r"[?&]X-Amz-SignedHeaders=([^&]*)", url)
    return frozenset(unquote(found[1]).split(";")) if found else frozenset()
