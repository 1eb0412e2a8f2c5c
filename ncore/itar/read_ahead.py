"""Reading ahead of a reader that goes through a remote archive in order.

The second read in a row starts a stream; from then on each read may ask for one
segment beyond what is under way, so that ``n`` reads never cost more than ``n``
requests, and several segments are in flight before they are wanted. Reads at
random never match a stream and cost nothing here.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

_STREAMS = 4
"""Readers followed at once; the one not used for longest gives way."""
_LEAST = 1 << 20
"""A segment is at least this large ..."""
_KEYS = 4
"""... and holds at least about this many values of the size last read."""


class _Stream:
    """One reader's place, and the segments fetched or under way from there on."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.segments: deque[tuple[int, int, Future[bytes]]] = deque()

    def end(self) -> int:
        return self.segments[-1][1] if self.segments else self.position


class ReadAhead:
    """Serves reads of consecutive ranges from segments fetched before they are asked for."""

    def __init__(
        self, fetch: Callable[[int, int], "Future[bytes]"], size: int, window: int, gap: int
    ) -> None:
        """Make it.

        Args:
            fetch: starts fetching the bytes [start, stop).
            size: size of the archive in bytes; nothing is fetched beyond.
            window: bytes kept ahead of each reader.
            gap: a read that starts at most this many bytes after the last one's end goes on
                with it (between two members lie a header and padding).
        """
        self._fetch = fetch
        self._size = size
        self._window = window
        self._gap = gap
        self._streams: list[_Stream] = []
        self._lock = threading.Lock()

    def read(self, offset: int, size: int) -> bytes | None:
        """Return the bytes if a stream has them under way; ``None``: fetch them yourself."""
        with self._lock:
            stream = self._follow(offset, size)
            if stream is None:
                return None
            segments = self._advance(stream, offset, size)
        parts = []
        at = offset
        for start, stop, future in segments:
            data = future.result()
            parts.append(data[at - start : min(stop, offset + size) - start])
            at = stop
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _follow(self, offset: int, size: int) -> _Stream | None:
        """Return the stream this read goes on with; a first read only leaves a mark."""
        segment = self._segment(size)
        for stream in reversed(self._streams):
            if stream.position <= offset <= stream.position + self._gap:
                self._streams.remove(stream)
                # Values too large to gain from it are fetched one by one.
                if 2 * size > segment or size == 0:
                    break
                self._streams.append(stream)
                return stream
        self._streams.append(_Stream(offset + size))
        del self._streams[:-_STREAMS]
        return None

    def _advance(
        self, stream: _Stream, offset: int, size: int
    ) -> list[tuple[int, int, "Future[bytes]"]]:
        """Move the stream past this read, fetch one segment more, return what covers it."""
        segments = stream.segments
        stop = offset + size
        while segments and (segments[0][1] <= offset or _failed(segments[0][2])):
            segments.popleft()
        if not segments:
            stream.position = offset
        end = stream.end()
        if end < stop or end + self._segment(size) <= offset + self._window:
            start = max(end, offset) if not segments else end
            until = min(self._size, max(stop, start + self._segment(size)))
            if until > start:
                segments.append((start, until, self._fetch(start, until)))
        stream.position = stop
        return [s for s in segments if s[0] < stop]

    def _segment(self, size: int) -> int:
        return min(max(_LEAST, _KEYS * size), self._window // 2)


def _failed(future: "Future[bytes]") -> bool:
    return future.done() and future.exception() is not None
