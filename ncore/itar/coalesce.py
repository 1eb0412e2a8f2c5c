"""Which requests fetch which ranges: neighbours in one, none too large."""

from collections.abc import Sequence
from typing import NamedTuple


class Request(NamedTuple):
    """One ranged request and what is cut out of its answer."""

    start: int
    stop: int
    """The bytes [start, stop) of the object."""
    parts: list[int]
    """Which of the ranges asked for lie inside it, as positions in the list given."""


def coalesce(ranges: Sequence[tuple[int, int]], gap: int, most: int) -> list[Request]:
    """Group (offset, size) ranges into requests, ordered by offset.

    Args:
        ranges: what is wanted, in any order; empty ones need no request.
        gap: two ranges share a request if at most this many unwanted bytes lie between.
        most: a request that joins ranges is not larger than this; a single larger range
            stays whole.
    """
    order = sorted((i for i, (_, size) in enumerate(ranges) if size > 0), key=ranges.__getitem__)
    found: list[Request] = []
    for i in order:
        start, size = ranges[i]
        stop = start + size
        if found:
            last = found[-1]
            joined = max(last.stop, stop)
            if stop <= last.stop or (start - last.stop <= gap and joined - last.start <= most):
                found[-1] = Request(last.start, joined, last.parts)
                last.parts.append(i)
                continue
        found.append(Request(start, stop, [i]))
    return found


def cut(
    requests: Sequence[Request], answers: Sequence[bytes], ranges: Sequence[tuple[int, int]]
) -> list[bytes]:
    """Return the bytes of each range, given the answer to each request."""
    parts = [b""] * len(ranges)
    for request, answer in zip(requests, answers, strict=True):
        for i in request.parts:
            offset, size = ranges[i]
            at = offset - request.start
            # A request for one range is that range: do not copy it.
            parts[i] = answer if size == len(answer) else answer[at : at + size]
    return parts
