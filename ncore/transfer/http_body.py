"""The body of an HTTP/1.1 answer, as its bytes arrive; no I/O here.

A body of known length is received straight into the buffer that its reader
gets: no byte of it passes through a parser.

Source: RFC 9112, section 6 (message body length) and 7 (chunked coding).
"""

import re
from collections import deque

from ncore.transfer.http_message import Headers, HttpProtocolError

_MOST_LINE = 1 << 16
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")
_UNTIL_CLOSED = -1
_BEHIND_CHUNK = -2
_TRAILER = -3


class IncomingBody:
    """Takes bytes, gives pieces.

    Args:
        method: Method of the request.
        status: Status of the answer.
        headers: Header fields of the answer.
        piece_bytes: Size of the pieces at most, where the length is known.

    Attributes:
        is_over: All of it has come.
        is_framed: Where it ends is beyond doubt, so that another answer can
            follow on the same line.
        waiting: Bytes in pieces that nobody has taken yet.

    Raises:
        HttpProtocolError: The head says nothing sensible about its length.
    """

    def __init__(self, method: str, status: int, headers: Headers, piece_bytes: int) -> None:
        self.is_over = False
        self.is_framed = True
        self.waiting = 0
        self._piece_bytes = piece_bytes
        self._pieces: deque[bytearray] = deque()
        self._piece: bytearray | None = None
        self._view: memoryview | None = None
        self._at = 0
        # Bytes yet to come; in the chunked coding those of the chunk.
        self._left = _UNTIL_CLOSED
        self._line: bytearray | None = None
        coding = headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length", "")
        is_tunnel = method == "CONNECT" and status == 200
        if method == "HEAD" or status in (204, 304) or is_tunnel:
            self.is_over = True
        elif coding == "chunked":
            self._left, self._line = 0, bytearray()
            self.is_framed = not length  # both: a sign of smuggling
        elif coding:
            raise HttpProtocolError("a transfer coding that was not asked for")
        elif length:
            if not length.isascii() or not length.isdigit() or len(length) > 18:
                raise HttpProtocolError("a Content-Length that is no number")
            self._left = int(length)
            self._next_piece()
        else:
            self.is_framed = False

    def buffer(self) -> memoryview | None:
        """Return where the next bytes may be put, None if they must be taken by :meth:`take`."""
        return None if self._view is None else self._view[self._at :]

    def filled(self, count: int) -> None:
        """Count bytes that were put into :meth:`buffer`."""
        assert self._view is not None
        assert self._piece is not None
        self._at += count
        self._left -= count
        if self._at == len(self._view):
            self._add(self._piece)
            self._next_piece()

    def take(self, data: memoryview) -> None:
        """Take bytes that were received elsewhere.

        Raises:
            HttpProtocolError: They are not as the coding demands, or are more
                than was announced.
        """
        while data:
            if self.is_over:
                raise HttpProtocolError("sent more than it announced")
            if self._view is not None:
                count = min(len(data), len(self._view) - self._at)
                self._view[self._at : self._at + count] = data[:count]
                self.filled(count)
                data = data[count:]
            elif self._line is None:
                self._add(bytearray(data))
                return
            elif self._left > 0:
                count = min(len(data), self._left)
                self._left = self._left - count or _BEHIND_CHUNK
                self._add(bytearray(data[:count]))
                data = data[count:]
            else:
                data = self._take_line(self._line, data)

    def closed(self) -> bool:
        """Note that the line was closed; return whether that is where the body ends."""
        if self._line is None and self._left == _UNTIL_CLOSED:
            self.is_over = True
        return self.is_over

    def pop(self) -> bytearray | None:
        """Return the next piece, None if none waits."""
        if not self._pieces:
            return None
        piece = self._pieces.popleft()
        self.waiting -= len(piece)
        return piece

    def _next_piece(self) -> None:
        if self._left:
            self._piece = bytearray(min(self._left, self._piece_bytes))
            self._view, self._at = memoryview(self._piece), 0
        else:
            self._piece = self._view = None
            self.is_over = True

    def _add(self, piece: bytearray) -> None:
        self._pieces.append(piece)
        self.waiting += len(piece)

    def _take_line(self, line: bytearray, data: memoryview) -> memoryview:
        """Take a line between chunks; return what follows it."""
        known = len(line)
        line += data[:_MOST_LINE]
        end = line.find(b"\n")
        if end < 0:
            if len(line) >= _MOST_LINE:
                raise HttpProtocolError("a line between chunks does not end")
            return data[:0]
        text = bytes(line[:end]).removesuffix(b"\r")
        line.clear()
        if self._left == _BEHIND_CHUNK:
            if text:
                raise HttpProtocolError("a chunk is longer than it says")
            self._left = 0
        elif self._left == _TRAILER:
            self.is_over = not text
        else:
            size = _CHUNK_SIZE.fullmatch(text)
            if size is None:
                raise HttpProtocolError("a chunk's size is no number")
            # After the last chunk come trailer fields, and an empty line.
            self._left = int(size[1], 16) or _TRAILER
        return data[end + 1 - known :]
