"""HTTP as the backends need it: bodies as sent, errors of ours, no credentials of its own.

Nothing is decompressed and no redirect is followed unasked: a digest is of the
bytes that are stored, and a header meant for one host must not reach another.
"""

import asyncio
import base64
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from ncore.transfer.errors import (
    AccessDeniedError,
    EntryChangedError,
    EntryNotFoundError,
    TransferError,
    TransientError,
)
from ncore.transfer.http_connection import Body, HttpConnection
from ncore.transfer.http_message import Headers, make_head
from ncore.transfer.keys import show_key

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHOWN_BODY = 300
_SHOWN_BYTES = 4096
_CHUNK = 1 << 20
_WHOLE = 1 << 62
_IDLE_SECONDS = 15.0
_NEXT_ADDRESS_SECONDS = 0.25
_FIELDS = {"User-Agent": "ncore", "Accept": "*/*", "Accept-Encoding": "identity"}


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
    if status in (301, 302, 303, 307, 308) and headers.get("Location"):
        try:
            leads = show_key(shown_url(urljoin(url, headers["Location"])))
        except ValueError:
            return TransferError(message)
        return TransferError(f"{message}; it redirects to {leads}: name that server if it is meant")
    return TransferError(message)


def _line_failed(method: str, url: str, error: Exception) -> TransferError:
    message = f"{method} {shown_url(url)}: {str(error) or type(error).__name__}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransferError(f"{method} {shown_url(url)}: {error.verify_message}")
    return TransientError(message)


class _Place(NamedTuple):
    """What a connection leads to; connections to one place serve each other's requests."""

    host: str
    port: int
    is_tls: bool
    proxy: str | None


class _Request(NamedTuple):
    """A URL taken apart."""

    place: _Place
    target: str
    host_field: str


@dataclass
class Answer:
    """A response whose body is still to be read.

    Attributes:
        status: Status code.
        headers: Header fields, found whatever the case of their names.
    """

    status: int
    headers: Headers
    _connection: HttpConnection

    def chunks(self) -> AsyncIterator[bytes | bytearray]:
        """Yield the body in pieces of up to 1 MiB."""
        return self._connection.pieces()

    async def read(self, most: int = _WHOLE) -> bytes | bytearray:
        """Return the whole body; of one longer than ``most`` bytes at least so many."""
        return await self._connection.read(most)


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
        self._connect_seconds = connect_seconds
        self._stall_seconds = stall_seconds
        self._proxies = getproxies()
        self._slots = asyncio.Semaphore(connections)
        self._idle: dict[_Place, deque[HttpConnection]] = {}
        self._tls: ssl.SSLContext | None = None
        self._requests: dict[str, tuple[_Place, str]] = {}
        self._is_closed = False

    def _proxy_for(self, scheme: str, host: str) -> str | None:
        """Return the proxy that the environment names for a host (``HTTPS_PROXY``, ``NO_PROXY``).

        No password is taken from a ``.netrc``.
        """
        if not self._proxies:
            return None
        proxy = self._proxies.get(scheme) or self._proxies.get("all")
        return None if proxy is None or proxy_bypass(host) else proxy

    def _parse(self, url: str) -> _Request:
        # urlsplit costs more than the rest of a small request; origins are few.
        scheme, colon, rest = url.partition("://")
        authority, slash, _ = rest.partition("/")
        origin = f"{scheme}{colon}{authority}"
        known = self._requests.get(origin) if slash else None
        if known is None:
            known = self._origin(url)
            if slash and not any(c in authority for c in "?#@"):
                self._requests[origin] = known
            else:
                parts = urlsplit(url)
                query = f"?{parts.query}" if parts.query else ""
                return _Request(known[0], _wire(f"{parts.path or '/'}{query}", url), known[1])
        target = url[len(origin) :].partition("#")[0]
        return _Request(known[0], _wire(target, url), known[1])

    def _origin(self, url: str) -> tuple[_Place, str]:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
            if not host.isascii():
                host = host.encode("idna").decode()
        except ValueError:
            raise TransferError("what the server names as a URL is none") from None
        if parts.scheme not in ("http", "https") or not host or not _is_host(host):
            raise TransferError(f"{shown_url(url)} is not a URL to ask")
        is_tls = parts.scheme == "https"
        usual = 443 if is_tls else 80
        proxy = self._proxy_for(parts.scheme, host)
        shown = f"[{host}]" if ":" in host else host
        field = shown if port in (None, usual) else f"{shown}:{port}"
        return _Place(host, port or usual, is_tls, proxy), field

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Body | None = None,
        success: tuple[int, ...] = (200,),
        piece_bytes: int = _CHUNK,
    ) -> AsyncIterator[Answer]:
        """Send a request and give its answer, whose body the caller reads inside.

        Args:
            method: HTTP method.
            url: URL, percent-encoded as it is to go over the wire.
            headers: Headers for this request alone.
            data: Body. A stream needs ``Content-Length`` among the headers.
            success: Status codes that are no failure.
            piece_bytes: Receive the body in pieces of up to so many bytes.

        Raises:
            TransientError: The line failed or stalled, or the server is busy.
            TransferError: Any other status.
        """
        async with self._slots:
            connection, place = await self._begin(method, url, headers, data, piece_bytes)
            try:
                if connection.status not in success:
                    raise await _refusal(method, url, connection)
                yield Answer(connection.status, connection.headers, connection)
            except (OSError, EOFError) as error:
                if isinstance(error, TransferError):
                    raise
                raise _line_failed(method, url, error) from None
            finally:
                self._release(connection, place)

    async def fetch(self, url: str, headers: Mapping[str, str], most: int) -> bytes | bytearray:
        """GET all of a small body; of one longer than ``most`` bytes at least so many.

        Raises:
            TransferError: As :meth:`exchange`.
        """
        # The way of every small file, so without the context manager.
        async with self._slots:
            connection, place = await self._begin("GET", url, headers, None, most)
            try:
                if connection.status != 200:
                    raise await _refusal("GET", url, connection)
                return await connection.read(most)
            except (OSError, EOFError) as error:
                if isinstance(error, TransferError):
                    raise
                raise _line_failed("GET", url, error) from None
            finally:
                self._release(connection, place)

    async def body(
        self, url: str, headers: Mapping[str, str], offset: int = 0
    ) -> AsyncIterator[bytes | bytearray]:
        """GET a URL and yield its bytes from ``offset`` on (``Range`` is the caller's).

        Raises:
            TransferError: As :meth:`exchange`.
        """
        async with self.exchange("GET", url, headers=headers, success=(200, 206)) as answer:
            # A server that ignores Range sends all of it.
            skip = offset if answer.status == 200 else 0
            async for chunk in answer.chunks():
                if skip >= len(chunk):
                    skip -= len(chunk)
                    continue
                yield chunk[skip:] if skip else chunk
                skip = 0

    async def _begin(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        data: Body | None,
        piece_bytes: int,
    ) -> tuple[HttpConnection, _Place]:
        """Send a request over a connection that is there or a new one."""
        place, target, host = self._parse(url)
        fields = {"Host": host, **_FIELDS, **(headers or {})}
        if place.proxy is not None and not place.is_tls:
            target = f"http://{host}{target}"
            fields |= _proxy_fields(place.proxy)
        is_bytes = data is None or isinstance(data, (bytes, bytearray, memoryview))
        if data is not None and is_bytes:
            fields["Content-Length"] = str(len(data))  # type: ignore[arg-type]
        elif data is None and method in ("POST", "PUT"):
            fields["Content-Length"] = "0"
        try:
            head = make_head(method, target, fields)
        except ValueError as error:
            raise TransferError(f"{shown_url(url)}: {error}") from None
        try:
            while True:
                connection = self._idle_one(place)
                is_used = connection is not None
                connection = connection or await self._connect(place, url)
                try:
                    await connection.send(head, method, data, piece_bytes)
                except BaseException as error:
                    connection.close()
                    # Closed by the server while it was idle, which shows only now.
                    is_stale = is_used and connection.was_silent
                    if is_stale and is_bytes and isinstance(error, ConnectionError):
                        continue
                    raise
                return connection, place
        except (OSError, EOFError) as error:
            if isinstance(error, TransferError):
                raise
            raise _line_failed(method, url, error) from None

    def _idle_one(self, place: _Place) -> HttpConnection | None:
        idle = self._idle.get(place)
        while idle:
            connection = idle.pop()
            age = asyncio.get_running_loop().time() - connection.idle_since
            if connection.is_alive and age < _IDLE_SECONDS:
                return connection
            connection.close()
        return None

    def _release(self, connection: HttpConnection, place: _Place) -> None:
        if connection.is_reusable and not self._is_closed:
            self._idle.setdefault(place, deque()).append(connection)
        else:
            connection.close()

    async def _connect(self, place: _Place, url: str) -> HttpConnection:
        loop = asyncio.get_running_loop()
        host, port, is_tls = place.host, place.port, place.is_tls
        if place.proxy is not None:
            proxy = urlsplit(place.proxy if "//" in place.proxy else f"http://{place.proxy}")
            if proxy.scheme not in ("http", "https") or not proxy.hostname:
                raise TransferError(
                    f"the environment names a proxy of the kind {proxy.scheme!r}; only HTTP "
                    "proxies can be used"
                )
            is_tls = proxy.scheme == "https"
            host, port = proxy.hostname, proxy.port or (443 if is_tls else 80)
        async with asyncio.timeout(self._connect_seconds):
            _, connection = await loop.create_connection(
                lambda: HttpConnection(self._stall_seconds),
                host,
                port,
                ssl=self._tls_context() if is_tls else None,
                happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
            )
            if place.proxy is not None and place.is_tls:
                try:
                    await self._tunnel(connection, place, url)
                except BaseException:
                    connection.close()
                    raise
        return connection

    async def _tunnel(self, connection: HttpConnection, place: _Place, url: str) -> None:
        assert place.proxy is not None
        shown = f"[{place.host}]" if ":" in place.host else place.host
        authority = f"{shown}:{place.port}"
        fields = {"Host": authority, **_proxy_fields(place.proxy)}
        await connection.send(make_head("CONNECT", authority, fields), "CONNECT", None, _CHUNK)
        if connection.status != 200:
            raise TransientError(
                f"{shown_url(url)}: the proxy refused to connect: HTTP {connection.status}"
            )
        await connection.start_tls(self._tls_context(), place.host)

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    async def close(self) -> None:
        """Close every connection. May be called twice."""
        self._is_closed = True
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # the loop closes sockets in its next turn


async def _refusal(method: str, url: str, connection: HttpConnection) -> TransferError:
    """Return the error that an answer other than success means."""
    try:
        body = bytes(await connection.read(_SHOWN_BYTES))[:_SHOWN_BYTES]
    except OSError:
        body = b""  # its status is known all the same
    text = body.decode("utf-8", "replace")
    return failure(method, url, connection.status, connection.headers, text)


def _wire(target: str, url: str) -> str:
    """Return a path and query as it may go over the wire.

    Raises:
        TransferError: It holds a control character.
    """
    if target.isascii() and target.isprintable() and " " not in target:
        return target
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in target):
        raise TransferError(f"{shown_url(url)} is not a URL to ask")
    return quote(target, safe="%/:?[]@!$&'()*+,;=-._~", errors="surrogatepass")


def _is_host(host: str) -> bool:
    return all(c.isalnum() or c in ".-_:%" for c in host)


def _proxy_fields(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    if parts.username is None:
        return {}
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(user).decode()}"}
