"""A zarr or a file on an HTTP server, read only.

Plain HTTP lists nothing. So what a zarr holds is told by its consolidated
metadata and its arrays' chunk grids (:mod:`ncore.transfer.zarr_keys`), or by
the index pages that many servers make of a directory; a HEAD request says
which of it is there and how large it is.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from itertools import islice
from urllib.parse import unquote, urljoin, urlsplit

from ncore.select.locations import HttpURL
from ncore.transfer.backend import Bytes, Capabilities, Entry
from ncore.transfer.digests import Digest
from ncore.transfer.errors import (
    AccessDeniedError,
    EntryNotFoundError,
    LocationError,
    TransferError,
    UnsupportedError,
)
from ncore.transfer.http_session import Answer, HttpSession, shown_url
from ncore.transfer.keys import is_unsafe
from ncore.transfer.zarr_keys import documents_of, keys_of, only_prefix

_PAGE = 256
_HEADS_AT_ONCE = 32
_INDEX_BYTES = 16 << 20
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_CONSOLIDATED = ("zarr.json", ".zmetadata", ".zarray")
_S3_ETAG = re.compile(r'"([0-9a-f]{32})"')


class _Http:
    """What both sources share: requests to one place."""

    def __init__(self, location: HttpURL, session: HttpSession | None = None) -> None:
        self.url = shown_url(location.url)
        self.capabilities = Capabilities(concurrency=32)
        self._location = location
        self._session = session or HttpSession()

    @asynccontextmanager
    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Answer]:
        """Send a request; follow redirects, never from https to http."""
        for _ in range(_MOST_REDIRECTS + 1):
            success = (200, 206, *_REDIRECTS)
            async with self._session.exchange(
                method, url, headers=headers, success=success
            ) as answer:
                if answer.status not in _REDIRECTS:
                    yield answer
                    return
                following = urljoin(url, answer.headers.get("Location", ""))
            schemes = urlsplit(url).scheme, urlsplit(following).scheme
            if schemes[1] not in ("http", "https") or schemes == ("https", "http"):
                raise AccessDeniedError(f"{shown_url(url)}: redirects to {schemes[1]!r}")
            url = following
        raise TransferError(f"{shown_url(url)}: redirects without end")

    async def _head(self, key: str, path: str) -> Entry | None:
        try:
            async with self._exchange("HEAD", self._location.request_url(path)) as answer:
                return _entry(key, answer.headers)
        except EntryNotFoundError:
            return None

    async def _get(self, url: str, most: int) -> tuple[bytes, str] | None:
        """Return a small body and its type, None if there is none."""
        try:
            async with self._exchange("GET", url) as answer:
                data = await answer.read(most + 1)
                if len(data) > most:
                    return None
                return bytes(data), answer.headers.get("Content-Type", "")
        except (EntryNotFoundError, AccessDeniedError):
            # A bucket without leave to list answers 403 for what is not there.
            return None

    async def _bytes(self, path: str, entry: Entry, offset: int) -> AsyncIterator[Bytes]:
        headers = {"If-Match": entry.etag} if entry.etag else {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        async with self._exchange("GET", self._location.request_url(path), headers) as answer:
            skip = offset if answer.status == 200 else 0
            async for chunk in answer.chunks():
                wanted = chunk[skip:]
                skip = max(0, skip - len(chunk))
                if wanted:
                    yield wanted

    async def digests(
        self, entries: Sequence[Entry], algorithm: str
    ) -> Sequence[Digest | TransferError]:
        """Refuse: the bytes would have to be downloaded."""
        raise UnsupportedError(f"{self.url}: cannot compute digests without downloading")

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


class HttpZarr(_Http):
    """The entries of a zarr below one URL.

    Args:
        location: The zarr.
        session: Connections; one of its own if None.
    """

    def __init__(self, location: HttpURL, session: HttpSession | None = None) -> None:
        super().__init__(location, session)
        self._documents: dict[str, Mapping[str, object]] | None = None
        self._asked = False

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """List entries in pages, in key order."""
        if not self._asked:
            self._documents = await self._consolidated()
            self._asked = True
        if self._documents is not None:
            keys: Iterable[str] = keys_of(self._documents)
        else:
            keys = sorted(await self._from_index(prefix.rpartition("/")[0]))
        wanted = only_prefix(iter(keys), prefix, after)
        limit = asyncio.Semaphore(_HEADS_AT_ONCE)

        async def head(key: str) -> Entry | None:
            if is_unsafe(key):
                return Entry(key, -1)  # the planner refuses it by name
            async with limit:
                return await self._head(key, key)

        while page := _take(wanted):
            found = await asyncio.gather(*map(head, page))
            there = [entry for entry in found if entry is not None]
            if there:
                yield there

    async def _consolidated(self) -> dict[str, Mapping[str, object]] | None:
        for name in _CONSOLIDATED:
            found = await self._get(self._location.request_url(name), 256 << 20)
            documents = documents_of(name, found[0]) if found else None
            if documents is not None:
                return documents
        return None

    async def _from_index(self, directory: str) -> set[str]:
        """Return the files that the server's index pages link to, below a directory."""
        keys: set[str] = set()
        waiting = [f"{directory}/" if directory else ""]
        seen = set(waiting)
        while waiting:
            base = waiting.pop()
            url = self._location.request_url(base) if base else f"{self._location.url}/"
            found = await self._get(url, _INDEX_BYTES)
            if found is None or "html" not in found[1]:
                if base and len(seen) > 1:
                    continue
                raise LocationError(
                    f"{self.url}: has neither consolidated metadata nor index pages, so what "
                    "lies there cannot be told; name an .itar or an object store instead"
                )
            for name in _links(found[0].decode("utf-8", "replace")):
                key = base + name
                if not name.endswith("/"):
                    keys.add(key)
                elif key not in seen and not is_unsafe(key[:-1]):
                    seen.add(key)
                    waiting.append(key)
        return keys

    async def stat(self, key: str) -> Entry | None:
        """Return one entry."""
        return None if is_unsafe(key) else await self._head(key, key)

    async def read(self, entry: Entry) -> bytes:
        """Return all bytes of one entry."""
        return b"".join([chunk async for chunk in self._bytes(entry.key, entry, 0)])

    async def stream(self, entry: Entry, offset: int = 0) -> AsyncIterator[Bytes]:
        """Yield the bytes of one entry from ``offset`` on."""
        async for chunk in self._bytes(entry.key, entry, offset):
            yield chunk


class HttpFile(_Http):
    """One file at one URL.

    Args:
        location: The file.
        session: Connections; one of its own if None.
    """

    def __init__(self, location: HttpURL, session: HttpSession | None = None) -> None:
        super().__init__(location, session)
        self._key = unquote(location.url.rstrip("/").rpartition("/")[2])

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """List the one entry."""
        if self._key.startswith(prefix) and self._key > after:
            entry = await self._head(self._key, "")
            if entry is None:
                raise EntryNotFoundError(f"{self.url}: no such file")
            yield [entry]

    async def stat(self, key: str) -> Entry | None:
        """Return the entry, if it is this one."""
        return await self._head(key, "") if key == self._key else None

    async def read(self, entry: Entry) -> bytes:
        """Return the file's bytes."""
        return b"".join([chunk async for chunk in self._bytes("", entry, 0)])

    async def stream(self, entry: Entry, offset: int = 0) -> AsyncIterator[Bytes]:
        """Yield the file's bytes from ``offset`` on."""
        async for chunk in self._bytes("", entry, offset):
            yield chunk


def _take(keys: Iterator[str]) -> Sequence[str]:
    return list(islice(keys, _PAGE))


def _entry(key: str, headers: Mapping[str, str]) -> Entry:
    length = headers.get("Content-Length", "")
    size = int(length) if length.isdecimal() else -1
    mtime = None
    with suppress(TypeError, ValueError, IndexError):
        mtime = parsedate_to_datetime(headers.get("Last-Modified", "")).timestamp()
    etag = headers.get("ETag")
    # Only of an object store is an ETag known to be the MD5.
    of_s3 = _S3_ETAG.fullmatch(etag or "") if "x-amz-request-id" in headers else None
    encrypted = any(h in headers for h in ("x-amz-server-side-encryption-aws-kms-key-id",))
    digest = Digest("md5", of_s3[1]) if of_s3 and not encrypted else None
    strong = etag if etag and not etag.startswith("W/") else None
    return Entry(key, size, digest, mtime, strong)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") if tag == "a" else None
        if href:
            self.found.append(href)


def _links(page: str) -> Iterator[str]:
    """Yield the names directly in a directory that its index page links to."""
    parser = _Links()
    parser.feed(page)
    for href in parser.found:
        name = unquote(href.removeprefix("./"))
        if "?" in href or "#" in href or ":" in href.partition("/")[0]:
            continue
        if name.rstrip("/") and "/" not in name.rstrip("/") and name not in ("../", ".."):
            yield name
