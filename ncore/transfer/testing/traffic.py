"""What went over the wire: every request noted, faults applied to the answers."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from aiohttp import web

from ncore.transfer.testing.faults import Fault


class Seen(NamedTuple):
    """One request.

    Attributes:
        host: ``"api"`` or ``"s3"``.
        method: HTTP method.
        target: Path and query, percent-decoded.
        status: Status of the answer; 0 when the line was cut.
        authorization: The header's value, None if it was not sent.
    """

    host: str
    method: str
    target: str
    status: int
    authorization: str | None


@dataclass
class Traffic:
    """The requests of both hosts.

    Attributes:
        log: Every request, oldest first (empty when ``keep_log`` is off).
        counts: Number of requests by ``(host, method)``.
        faults: What is to go wrong; the first that hits a request applies.
        keep_log: Whether ``log`` is filled.
    """

    log: list[Seen] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    keep_log: bool = True

    def count(self, host: str = "", method: str = "", path: str = "") -> int:
        """Count logged requests; ``path`` is a regular expression on the target."""
        return sum(
            1
            for seen in self.log
            if host in ("", seen.host)
            and method in ("", seen.method)
            and re.search(path, seen.target)
        )

    def clear(self) -> None:
        """Forget the requests seen so far (faults stay)."""
        self.log.clear()
        self.counts.clear()

    async def serve(
        self,
        host: str,
        request: web.BaseRequest,
        handler: Callable[[], Awaitable[web.Response]],
    ) -> web.StreamResponse:
        """Answer one request: the handler's answer, or what a fault makes of it."""
        method, target = request.method, unquote(request.raw_path)
        status = 0
        try:
            fault = next((f for f in self.faults if f.hits(host, method, target)), None)
            if fault is None:
                answer: web.StreamResponse = await handler()
            else:
                answer = await self._fail(fault, request, handler)
            status = answer.status
            return answer
        finally:
            self.counts[host, method] += 1
            if self.keep_log:
                seen = Seen(host, method, target, status, request.headers.get("Authorization"))
                self.log.append(seen)

    async def _fail(
        self,
        fault: Fault,
        request: web.BaseRequest,
        handler: Callable[[], Awaitable[web.Response]],
    ) -> web.StreamResponse:
        if fault.drop:
            if request.transport is not None:
                request.transport.abort()
            raise asyncio.CancelledError
        if fault.truncate is None and fault.stall:
            await asyncio.sleep(fault.stall)
        if fault.status is not None:
            await request.read()
            return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
        answer = await handler()
        body = answer.body if isinstance(answer.body, bytes) else b""
        if fault.corrupt and body:
            answer.body = bytes([body[0] ^ 0xFF]) + body[1:]
        if fault.truncate is None:
            return answer
        partial = web.StreamResponse(status=answer.status, headers=answer.headers)
        partial.content_length = len(body)
        await partial.prepare(request)
        await partial.write(body[: fault.truncate])
        if fault.stall:
            await asyncio.sleep(fault.stall)
        if request.transport is not None:
            request.transport.abort()
        return partial
