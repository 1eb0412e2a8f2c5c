"""Two ways to copy bytes out of a local file, and which of them is the faster one here."""

import time
from collections.abc import Callable

Copy = Callable[[int, int], bytes]
"""Offset and size of a range -> its bytes."""

PERIOD = 256
"""After so many copies both ways are compared anew."""

TRIALS = 6
"""Copies of a period that are timed, every other one of each way."""


class CopyChoice:
    """Copies by the one of two ways that took less time lately.

    A copy out of mapped pages takes half to nine tenths of the time of ``pread``; where
    the processor's string moves dislike how source and target lie to each other, it takes
    several times as long (on a Zen 4, 12 times for targets 1 to 15 bytes further into a
    page). Which it will be cannot be told beforehand, so it is measured: a few copies of
    each way now and then, the best of which counts. Threads may share it: what they spoil
    for each other is a measurement.
    """

    def __init__(
        self, first: Copy, second: Copy, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._ways = (first, second)
        self._clock = clock
        self._chosen = first
        self._best = [float("inf")] * 2  # seconds a byte in this period
        self._turn = 0

    @property
    def takes_first(self) -> bool:
        """Whether the first way is the one chosen at present."""
        return self._chosen is self._ways[0]

    def __call__(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset`` on."""
        turn = self._turn
        self._turn = turn + 1 if turn + 1 < PERIOD else 0
        if turn >= TRIALS:
            return self._chosen(offset, size)
        way = turn % 2
        started = self._clock()
        data = self._ways[way](offset, size)
        self._best[way] = min(self._best[way], (self._clock() - started) / max(1, size))
        if turn == TRIALS - 1:
            first, second = self._best
            self._chosen = self._ways[second < first]
            self._best = [float("inf")] * 2
        return data
