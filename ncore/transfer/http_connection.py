"""One HTTP/1.1 connection, made for bodies that are hashed and stored.

It receives a body of known length without a copy and imports next to nothing,
and both shows in every transfer. In return it does only what a transfer wants:
no redirect is followed, nothing is decompressed, no cookie is kept.

Source: RFC 9110 and 9112.
"""

import asyncio
from collections.abc import AsyncIterator
from ssl import SSLContext
from typing import cast

from ncore.transfer.http_body import IncomingBody
from ncore.transfer.http_message import Headers, HttpProtocolError, parse_head

Body = bytes | bytearray | memoryview | AsyncIterator[bytes | bytearray]
"""What a request can carry: bytes at hand, or a stream of known length."""

_SCRATCH = 1 << 16
_MOST_HEAD = 1 << 16
_SEND_AT_ONCE = 1 << 18


class HttpConnection(asyncio.BufferedProtocol):
    """Sends one request after another and receives their answers.

    Args:
        stall_seconds: How long the other side may do nothing when it is its
            turn.

    Attributes:
        status: Status of the answer, 0 before its head has come.
        headers: Its header fields.
        was_silent: Not a byte of an answer has come.
        idle_since: When the connection became idle (the loop's time).
    """

    def __init__(self, stall_seconds: float) -> None:
        self.status = 0
        self.headers = Headers({})
        self.was_silent = True
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._error: BaseException | None = None
        self._scratch = memoryview(bytearray(_SCRATCH))
        self._head: bytearray | None = None  # while the head is awaited
        self._body: IncomingBody | None = None  # from then on
        self._method = ""
        self._piece_bytes = _SCRATCH
        self._keep = False
        self._stall = stall_seconds
        self._active = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_our_turn = True
        self._waiter: asyncio.Future[None] | None = None
        self._is_full = False  # what was written waits for the other side
        self._is_paused = False  # what has come waits for us

    @property
    def is_alive(self) -> bool:
        """Whether a request can be sent."""
        return self._error is None and self._transport is not None

    @property
    def is_reusable(self) -> bool:
        """Whether the answer has come whole and the other side keeps the line open."""
        body = self._body
        return self._keep and body is not None and body.is_over and self.is_alive

    # The exchange.

    async def send(self, head: bytes, method: str, body: Body | None, piece_bytes: int) -> None:
        """Send a request and wait for the head of its answer.

        Args:
            head: What :func:`ncore.transfer.http_message.make_head` returned.
            method: Method of the request.
            body: Bytes, or a stream of as many as the head says.
            piece_bytes: Receive the answer's body in pieces of up to so many.

        Raises:
            OSError: The line failed (`ConnectionError`) or stalled
                (`TimeoutError`).
        """
        self.status, self.was_silent = 0, True
        self._head, self._body = bytearray(), None
        self._method, self._piece_bytes = method, piece_bytes
        self._keep = False
        self._is_our_turn = True
        if body is None:
            self._write(head)
        elif not isinstance(body, (bytes, bytearray, memoryview)):
            self._write(head)
            async for part in body:
                if not await self._sent(part):
                    break
        elif len(body) <= _SCRATCH:
            self._write(b"".join((head, body)))
        else:
            self._write(head)
            view = memoryview(body)
            for start in range(0, len(view), _SEND_AT_ONCE):
                if not await self._sent(view[start : start + _SEND_AT_ONCE]):
                    break
        while not self.status:
            await self._progress()

    async def pieces(self) -> AsyncIterator[bytearray]:
        """Yield the body's pieces; each is the receiver's to keep.

        Raises:
            OSError: As :meth:`send`.
        """
        body = self._body
        assert body is not None
        while True:
            while (piece := body.pop()) is not None:
                if self._is_paused and body.waiting < self._piece_bytes:
                    self._resume()
                yield piece
            if body.is_over:
                return
            await self._progress()

    async def read(self, most: int) -> bytes | bytearray:
        """Return the whole body, or of a longer one its first ``most`` bytes or some more."""
        parts = []
        size = 0
        async for piece in self.pieces():
            parts.append(piece)
            size += len(piece)
            if size >= most:
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def start_tls(self, context: SSLContext, host: str) -> None:
        """Go on under TLS, as after a proxy's CONNECT.

        Raises:
            OSError: The handshake failed.
        """
        assert self._transport is not None
        made = await self._loop.start_tls(
            self._transport, self, context, server_hostname=host, ssl_handshake_timeout=self._stall
        )
        if made is None:
            raise HttpProtocolError("closed during the TLS handshake")
        self._transport = made

    def close(self) -> None:
        """Close the line at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        if self._error is not None:
            raise self._error
        assert self._transport is not None
        self._transport.write(data)

    async def _sent(self, part: bytes | bytearray | memoryview) -> bool:
        """Send a part of the body; return whether more is wanted."""
        if not self.status:
            self._write(part)
            while self._is_full and not self.status:
                await self._progress()
        if self.status:
            # An answer before the request has ended: most often a refusal.
            self._keep = False
        return not self.status

    # Waiting: only the other side can stall.

    async def _progress(self) -> None:
        """Wait until something has happened on the line."""
        if self._error is not None:
            raise self._error
        self._is_our_turn = False
        self._active = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._stall, self._look)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._is_our_turn = True

    def _look(self) -> None:
        self._timer = None
        if self._is_our_turn:
            return
        left = self._active + self._stall - self._loop.time()
        if left > 0.001:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._fail(TimeoutError(f"nothing came for {self._stall:g} s"))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._error)
        self.close()

    def _resume(self) -> None:
        self._is_paused = False
        if self._transport is not None:
            self._transport.resume_reading()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is under way."""
        if exc is None and self._body is not None and self._body.closed():
            self._error = HttpProtocolError("the other side closed the connection")
            self._wake()
            self.close()
        else:
            self._fail(exc or HttpProtocolError("the other side closed the connection"))

    def pause_writing(self) -> None:
        """Make the sender wait."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Let the sender go on."""
        self._is_full = False
        self._wake()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go: of a body of known length, straight into its piece."""
        direct = None if self._body is None else self._body.buffer()
        return self._scratch if direct is None else direct

    def buffer_updated(self, nbytes: int) -> None:
        """Take the next bytes."""
        self._active = self._loop.time()
        self.was_silent = False
        body = self._body
        try:
            if body is None:
                if self._head is None:
                    raise HttpProtocolError("sent something unasked")
                self._head += self._scratch[:nbytes]
                body = self._try_head(self._head)
            elif body.buffer() is not None:
                body.filled(nbytes)
            else:
                body.take(self._scratch[:nbytes])
        except HttpProtocolError as error:
            self._fail(error)
            return
        if body is None:
            return
        if body.is_over:
            self.idle_since = self._active
            self._wake()
        elif body.waiting:
            self._wake()
            if body.waiting >= 2 * self._piece_bytes and not self._is_paused:
                self._is_paused = True
                if self._transport is not None:
                    self._transport.pause_reading()

    def _try_head(self, head: bytearray) -> IncomingBody | None:
        """Read the head if it is whole, and what came with it of the body."""
        while True:
            end = head.find(b"\r\n\r\n")
            if end < 0:
                if len(head) > _MOST_HEAD:
                    raise HttpProtocolError("the header fields do not end")
                return None
            status, is_new, fields = parse_head(bytes(head[:end]))
            del head[: end + 4]
            if status == 101:
                raise HttpProtocolError("switches to another protocol unasked")
            if status >= 200:
                break
        body = IncomingBody(self._method, status, fields, self._piece_bytes)
        body.take(memoryview(head))
        connection = fields.get("connection", "").lower()
        is_kept = "close" not in connection and (is_new or "keep-alive" in connection)
        self._keep = is_kept and body.is_framed
        self._head, self._body = None, body
        self.status, self.headers = status, fields
        self._wake()
        return body
