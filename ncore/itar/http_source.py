"""One URL read by plain HTTP range requests (RFC 9110 §14), in any process.

It serves what the object-store client cannot: URLs whose query is part of their
address (presigned ones), servers that answer a range with status 200, and
forked children, in which that client's threads do not exist.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from ncore.itar.errors import ItarAccessError, ItarIOError, ItarNotFoundError, ItarRangeError
from ncore.itar.object_url import redact
from ncore.itar.remote import RemoteSource, RemoteTuning, Version, changed

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)\Z")
_SECONDS = re.compile(r"\d{1,6}\Z", re.ASCII)
_RETRIED = (429, 500, 502, 503, 504)
_TRIES = 6
_PAUSE = 0.1
"""Seconds before the second try; doubled before each further one."""
_PAUSE_MOST = 60
"""Seconds at most that a server may ask to wait."""
_REDIRECTS = 10
_T = TypeVar("_T")


class _PassingError(Exception):
    """The server says that it cannot answer just now, and perhaps after how many seconds it can."""

    def __init__(self, message: str, after: float) -> None:
        super().__init__(message)
        self.after = after


class HttpSource(RemoteSource):
    """A ByteSource over one ``http(s)`` URL."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        tuning: RemoteTuning | None = None,
        timeout: float = 60.0,
    ) -> None:
        """Make it; nothing is requested yet.

        Args:
            url: the address, with its query; messages show it without.
            headers: sent with each request to this host, not to one it redirects to
                (``Authorization``, ``Cookie``).
            tuning: how requests are shaped.
            timeout: seconds to wait for the connection, and for each piece of an answer.
        """
        self._url = url
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._manager: PoolManager | None = None
        super().__init__(redact(url), tuning or RemoteTuning())

    def _start(self) -> None:
        super()._start()
        self._manager = None

    def _open(self, tail: int) -> tuple[bytes, Version]:
        return self._attempt(lambda: self._open_once(tail))

    def _open_once(self, tail: int) -> tuple[bytes, Version]:
        response = self._request(f"bytes=-{tail}", {})
        try:
            if response.status == 416:
                # An empty object has no last byte; the server tells its size.
                return b"", Version(self._span(response)[2])
            start, stop, size = self._span(response)
            if stop != size or stop - start != min(tail, size):
                raise self._no_ranges()
            data = response.read()
        finally:
            response.release_conn()
        return data, _version(response, size)

    def _get(self, start: int, stop: int, version: Version) -> bytes:
        return self._attempt(lambda: self._get_once(start, stop, version))

    def _get_once(self, start: int, stop: int, version: Version) -> bytes:
        condition = {"If-Match": version.strong_etag} if version.strong_etag else {}
        response = self._request(f"bytes={start}-{stop - 1}", condition)
        try:
            if response.status in (404, 412, 416):
                raise changed(self.name)
            first, end, size = self._span(response)
            version.check(_version(response, size), self.name)
            if (first, end) != (start, stop):
                raise self._no_ranges()
            return response.read()
        finally:
            response.release_conn()

    def _attempt(self, once: Callable[[], _T]) -> _T:
        """Call ``once`` again, after a while, where the network or the server fails in passing.

        Not by urllib3's own retries: it logs each with the URL's query, which may be a
        signature, and does not repeat what breaks off in the body.
        """
        from urllib3.exceptions import HTTPError

        for left in reversed(range(_TRIES)):
            pause = _PAUSE * 2 ** (_TRIES - 1 - left)
            try:
                return once()
            except _PassingError as error:
                if not left:
                    raise ItarIOError(str(error)) from None
                pause = max(pause, min(error.after, _PAUSE_MOST))
            except HTTPError as error:
                # urllib3's text holds the URL with its query.
                if not left:
                    raise ItarIOError(
                        f"{self.name}: cannot be reached ({type(error).__name__}); check the "
                        "address and the network"
                    ) from None
            time.sleep(pause)
        raise AssertionError

    def _request(self, byte_range: str, condition: Mapping[str, str]) -> "BaseHTTPResponse":
        headers = {"Accept-Encoding": "identity", **self._headers, "Range": byte_range, **condition}
        pools = self._pools()
        response = pools.request("GET", self._url, headers=headers, preload_content=False)
        if response.status < 400 or response.status in (412, 416):
            return response
        response.close()
        if response.status == 404 and self._version is None:
            raise ItarNotFoundError(f"{self.name}: the server has no such object")
        if response.status == 404:
            raise changed(self.name)
        if response.status in (401, 403):
            raise ItarAccessError(
                f"{self.name}: the server refuses it (HTTP {response.status}); check the "
                "credentials, or whether a signed URL has expired"
            )
        message = f"{self.name}: the server answered HTTP {response.status}"
        if response.status in _RETRIED:
            after = response.headers.get("Retry-After", "")
            raise _PassingError(message, int(after) if _SECONDS.match(after) else 0)
        raise ItarIOError(message)

    def _span(self, response: "BaseHTTPResponse") -> tuple[int, int, int]:
        """Return start, stop and the object's size as the answer states them."""
        match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if match is None or len(match[0]) > 80:
            response.close()  # do not download the whole object
            raise self._no_ranges()
        if match[1] is None:
            return 0, 0, int(match[3])
        return int(match[1]), int(match[2]) + 1, int(match[3])

    def _no_ranges(self) -> ItarRangeError:
        return ItarRangeError(
            f"{self.name}: the server ignores byte ranges; download the archive and open the copy"
        )

    def _pools(self) -> "PoolManager":
        self._own()
        if self._manager is None:
            import urllib3

            self._manager = urllib3.PoolManager(
                maxsize=self._tuning.concurrency,
                timeout=urllib3.Timeout(self._timeout),
                retries=urllib3.Retry(
                    total=_REDIRECTS,
                    connect=0,
                    read=0,
                    status=0,
                    other=0,
                    respect_retry_after_header=False,
                    remove_headers_on_redirect=("Authorization", "Cookie", *self._headers),
                ),
            )
        return self._manager

    def close(self) -> None:  # docstring inherited
        super().close()
        if self._manager is not None and self._pid == os.getpid():
            self._manager.clear()

    def __reduce__(self) -> tuple[object, ...]:
        return HttpSource, (self._url, self._headers, self._tuning, self._timeout)


def _version(response: "BaseHTTPResponse", size: int) -> Version:
    return Version(size, response.headers.get("ETag"), response.headers.get("Last-Modified"))
