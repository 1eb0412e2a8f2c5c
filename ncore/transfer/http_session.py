"""HTTP as the backends need it: bodies as sent, errors of ours, no credentials of its own.

Nothing is decompressed and no redirect is followed unasked: a digest is of the
bytes that are stored, and a header meant for one host must not reach another.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from ncore.transfer.errors import (
    AccessDeniedError,
    EntryChangedError,
    EntryNotFoundError,
    TransferError,
    TransientError,
)

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHOWN_BODY = 300
_CHUNK = 1 << 20


def shown_url(url: str) -> str:
    """Return a URL fit for messages: without user, query (it may be a signature), fragment."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, None if it asks for nothing."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def failure(
    method: str, url: str, status: int, headers: Mapping[str, str], body: str
) -> TransferError:
    """Return the error that an answer other than success means."""
    said = " ".join(body[:_SHOWN_BODY].split())
    message = f"{method} {shown_url(url)}: HTTP {status}" + (f", {said}" if said else "")
    if status in _TRANSIENT or (status == 400 and "RequestTimeout" in body):
        return TransientError(message, retry_after=retry_after(headers))
    if status in (401, 403):
        return AccessDeniedError(message)
    if status in (404, 410):
        return EntryNotFoundError(message)
    if status == 412:
        return EntryChangedError(f"{message}; it changed after it was listed")
    return TransferError(message)


def _line_failed(method: str, url: str, error: Exception) -> TransferError:
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return TransferError(f"{shown_url(url)} is not a URL to ask")
    return TransientError(f"{method} {shown_url(url)}: {str(error) or type(error).__name__}")


class HttpSession:
    """A pool of connections.

    Args:
        connections: Most connections at once, over all hosts.
        connect_seconds: How long to wait for a connection.
        stall_seconds: How long to wait for the next byte.
    """

    def __init__(
        self,
        *,
        connections: int = 64,
        connect_seconds: float = 30.0,
        stall_seconds: float = 60.0,
    ) -> None:
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=connect_seconds, sock_read=stall_seconds
        )
        self._proxies = getproxies()
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Made on first use: it belongs to the loop that runs then.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=300),
                timeout=self._timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "ncore", "Accept-Encoding": "identity"},
                skip_auto_headers=("Content-Type",),
                read_bufsize=1 << 20,
            )
        return self._session

    def _proxy_for(self, url: str) -> str | None:
        """Return the proxy that the environment names for a URL (``HTTPS_PROXY``, ``NO_PROXY``).

        aiohttp's own ``trust_env`` would send passwords of a ``.netrc`` too.
        """
        if not self._proxies:
            return None
        parts = urlsplit(url)
        proxy = self._proxies.get(parts.scheme) or self._proxies.get("all")
        return None if proxy is None or proxy_bypass(parts.hostname or "") else proxy

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | AsyncIterator[bytes] | None = None,
        success: tuple[int, ...] = (200,),
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and give its answer, whose body the caller reads inside.

        Args:
            method: HTTP method.
            url: URL, percent-encoded as it is to go over the wire.
            headers: Headers for this request alone.
            data: Body. A stream needs ``Content-Length`` among the headers.
            success: Status codes that are no failure.

        Raises:
            TransientError: The line failed or stalled, or the server is busy.
            TransferError: Any other status.
        """
        try:
            # encoded: yarl would tidy the path and so break a signature.
            async with self._open().request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=data,
                allow_redirects=False,
                proxy=self._proxy_for(url),
            ) as answer:
                if answer.status not in success:
                    body = (await answer.content.read(4096)).decode("utf-8", "replace")
                    raise failure(method, url, answer.status, answer.headers, body)
                yield answer
        except (TimeoutError, aiohttp.ClientError, ConnectionError) as error:
            raise _line_failed(method, url, error) from None

    async def fetch(self, url: str, headers: Mapping[str, str]) -> bytes:
        """GET all of a small body.

        Raises:
            TransferError: As :meth:`exchange`.
        """
        try:
            async with self._open().get(
                URL(url, encoded=True),
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy_for(url),
            ) as answer:
                if answer.status != 200:
                    body = (await answer.content.read(4096)).decode("utf-8", "replace")
                    raise failure("GET", url, answer.status, answer.headers, body)
                return await answer.read()
        except (TimeoutError, aiohttp.ClientError, ConnectionError) as error:
            raise _line_failed("GET", url, error) from None

    async def body(
        self, url: str, headers: Mapping[str, str], offset: int = 0
    ) -> AsyncIterator[bytes]:
        """GET a URL and yield its bytes from ``offset`` on (``Range`` is the caller's).

        Raises:
            TransferError: As :meth:`exchange`.
        """
        async with self.exchange("GET", url, headers=headers, success=(200, 206)) as answer:
            # A server that ignores Range sends all of it.
            skip = offset if answer.status == 200 else 0
            async for chunk in answer.content.iter_chunked(_CHUNK):
                if skip >= len(chunk):
                    skip -= len(chunk)
                    continue
                yield chunk[skip:] if skip else chunk
                skip = 0

    async def close(self) -> None:
        """Close every connection. May be called twice."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
