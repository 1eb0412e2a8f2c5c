"""The tar part of an archive that is being written: where the next member goes.

Members are appended through a buffer. A freed span at the end is cut off; one
in the middle is remembered, used again for a member that fits, and squeezed out
by :meth:`MemberLog.compact`.
"""

import bisect
import contextlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ncore.itar.files import Buffer, WritableFile
from ncore.itar.tar_header import BLOCK, encode_hole, padded

_BUFFER = 1 << 20
_DIRECT = 64 << 10
"""Payloads from this size on are written without a copy into the buffer."""
_MOVE = 8 << 20
_PAD = [bytes(n) for n in range(BLOCK)]


class PayloadSizeError(ValueError):
    """The pieces of a payload do not add up. The message lacks file and key."""


class MemberLog:
    """Allocates, writes and reads spans of whole blocks. Not safe for threads by itself."""

    def __init__(self, file: WritableFile, start: int) -> None:
        """Begin at offset ``start``; what the file holds from there on is garbage."""
        self._file = file
        self.start = start
        self.end = start
        self._flushed = start
        self._buffer = bytearray()
        self._hole_ends: dict[int, int] = {}
        self._hole_starts: dict[int, int] = {}
        self._by_size: list[tuple[int, int]] = []

    def append(self, header: bytes, payload: Buffer) -> int:
        """Write a member and return the offset of its payload."""
        size = len(payload)
        span = len(header) + padded(size)
        if self._by_size and (at := self._take_hole(span)) >= 0:
            try:
                self.flush()  # the hole may lie in the buffer
                # The header last: until then a scan sees the hole, never half a value.
                self._file.pwrite([payload, _PAD[-size % BLOCK]], at + len(header))
                self._file.pwrite([header], at)
            except BaseException:
                self._add_hole(at, at + span)
                raise
            return at + len(header)
        offset = self.end + len(header)
        if size >= _DIRECT:
            # The buffer stays as it is if this fails, so the log stays true.
            buffers: list[Buffer] = [self._buffer, header, payload, _PAD[-size % BLOCK]]
            try:
                self._file.pwrite(buffers, self._flushed)
            except OSError:
                with contextlib.suppress(OSError):
                    self._file.truncate(self._flushed)  # a part of it may have arrived
                raise
            self._buffer = bytearray()
            self.end += span
            self._flushed = self.end
            return offset
        buffer = self._buffer
        buffer += header
        buffer += payload
        buffer += _PAD[-size % BLOCK]
        self.end += span
        if len(buffer) >= _BUFFER:
            try:
                self.flush()
            except BaseException:
                self.end -= span
                del buffer[len(buffer) - span :]
                raise
        return offset

    def append_stream(self, header: bytes, size: int, chunks: Iterable[Buffer]) -> int:
        """Write a member whose payload of ``size`` bytes comes in pieces; return its offset.

        Raises:
            PayloadSizeError: the pieces do not add up to ``size``. Nothing is then kept.
        """
        self.flush()
        offset = at = self.end + len(header)
        self._file.pwrite([header], self.end)
        for chunk in chunks:
            if at + len(chunk) > offset + size:
                raise PayloadSizeError(f"the payload is longer than the stated {size} bytes")
            self._file.pwrite([chunk], at)
            at += len(chunk)
        if at != offset + size:
            raise PayloadSizeError(f"the payload has {at - offset} bytes, not the stated {size}")
        self._file.pwrite([_PAD[-size % BLOCK]], at)
        self.end = self._flushed = offset + padded(size)
        return offset

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes of a member written before."""
        if offset >= self._flushed:
            at = offset - self._flushed
            return bytes(self._buffer[at : at + size])
        return self._file.pread(size, offset)

    def free(self, start: int, end: int) -> None:
        """Give back the span of one member, header blocks included."""
        start = self._forget_hole(self._hole_starts.get(start, start), start)
        if end in self._hole_ends:
            end = self._forget_hole(end, self._hole_ends[end], want_end=True)
        if end == self.end:
            if start >= self._flushed:
                del self._buffer[start - self._flushed :]
            else:
                self._buffer.clear()
                self._flushed = start
                # A scan for recovery must not find what was superseded.
                self._file.truncate(start)
            self.end = start
            return
        self._add_hole(start, end)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        if self._buffer:
            self._file.pwrite([self._buffer], self._flushed)
            self._flushed += len(self._buffer)
            self._buffer = bytearray()

    @property
    def has_holes(self) -> bool:
        """Whether freed spans lie between members."""
        return bool(self._by_size)

    def compact(self, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> int:
        """Squeeze out the holes by moving what lies behind them forward.

        A scan of the file for recovery finds every member at any moment of it, save those
        of the batch (of a few megabytes, or one member) that is on its way.

        Args:
            starts: offsets of the members' first header blocks, shape (n,). Changed in place
                to where they are afterwards.
            ends: offsets behind the members' padding, shape (n,).

        Returns:
            How many members were moved.
        """
        self.flush()
        if not self._by_size:
            return 0
        target = min(self._hole_ends)
        order = np.argsort(starts, kind="stable")
        order = order[np.searchsorted(starts[order], target) :]
        batch: list[int] = []
        for i, follower in zip(order.tolist(), [*order[1:].tolist(), -1], strict=True):
            batch.append(i)
            begin, end = int(starts[batch[0]]), int(ends[i])
            adjacent = follower >= 0 and int(starts[follower]) == end
            if adjacent and int(ends[follower]) - begin <= _MOVE:
                continue
            self._move(begin, end, target)
            starts[batch] -= begin - target
            target += end - begin
            batch = []
        self.end = self._flushed = target
        self._hole_ends.clear()
        self._hole_starts.clear()
        self._by_size.clear()
        return len(order)

    def _move(self, begin: int, end: int, target: int) -> None:
        """Move whole members forward. Their first block comes last; a hole stands for it."""
        self._file.pwrite([encode_hole(end - target)], target)
        first = self._file.pread(BLOCK, begin)
        shift = begin - target
        for at in range(begin + BLOCK, end, _MOVE):
            self._file.pwrite([self._file.pread(min(_MOVE, end - at), at)], at - shift)
        if shift >= BLOCK:
            self._file.pwrite([encode_hole(shift)], end - shift)
        self._file.pwrite([first], target)

    def _take_hole(self, span: int) -> int:
        i = bisect.bisect_left(self._by_size, (span, 0))
        if i == len(self._by_size):
            return -1
        _, start = self._by_size[i]
        end = self._hole_ends[start]
        self._forget_hole(start, end)
        if end - start > span:
            self._add_hole(start + span, end)
        return start

    def _add_hole(self, start: int, end: int) -> None:
        self._hole_ends[start] = end
        self._hole_starts[end] = start
        bisect.insort(self._by_size, (end - start, start))
        header = encode_hole(end - start)
        if start >= self._flushed:
            at = start - self._flushed
            self._buffer[at : at + BLOCK] = header
        else:
            self._file.pwrite([header], start)

    def _forget_hole(self, start: int, end: int, *, want_end: bool = False) -> int:
        """Drop the hole from ``start`` to ``end`` if there is one; return its start (or end)."""
        if start != end:
            del self._hole_ends[start]
            del self._hole_starts[end]
            i = bisect.bisect_left(self._by_size, (end - start, start))
            del self._by_size[i]
        return end if want_end else start
