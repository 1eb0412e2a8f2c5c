"""Members that lie one behind the other, so that one read fetches many small ones."""

from collections.abc import Iterator, Sequence

from ncore.itar.index import Index

_GAP = 4 << 10
"""Between payloads of neighbours lie padding and a header, of three blocks for long keys."""
_MOST = 1 << 20
"""Bytes fetched at once."""


def member_runs(index: Index, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut entries, in the order given, into runs of neighbours.

    Args:
        index: of the archive.
        numbers: numbers of entries in it.

    Yields:
        First and behind the last position in ``numbers`` of each run. A run of several
        spans at most a mebibyte of the file.
    """
    offsets, sizes = index.offset_at, index.size_at
    first = begin = end = 0
    for at, number in enumerate(numbers):
        offset = offsets[number]
        after = offset + sizes[number]
        if at > first and not (0 <= offset - end <= _GAP and after - begin <= _MOST):
            yield first, at
            first = at
        if at == first:
            begin = offset
        end = after
    if numbers:
        yield first, len(numbers)
