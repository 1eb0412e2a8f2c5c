"""Directories out of flat keys: bisection in sorted order instead of a scan."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

import numpy as np

from ncore.itar.index import Index


def prefix_range(keys: Sequence[str], prefix: str) -> tuple[int, int]:
    """Return (first, behind the last) position of the sorted keys that begin with ``prefix``."""
    if not prefix:
        return 0, len(keys)
    low = bisect_left(keys, prefix)
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return low, len(keys)
    behind = stem[:-1] + chr(ord(stem[-1]) + 1)
    return low, bisect_left(keys, behind, low)


def children(keys: Sequence[str], prefix: str) -> Iterator[str]:
    """Yield the names directly below a directory, each once.

    Args:
        keys: sorted.
        prefix: of the directory: empty, or with a slash at its end.
    """
    at, stop = prefix_range(keys, prefix)
    files: set[str] = set()
    while at < stop:
        name, slash, _ = keys[at][len(prefix) :].partition("/")
        if not slash:
            files.add(name)
            at += 1
        else:
            # All keys of this subdirectory end before the sibling that "0" would begin.
            at = bisect_left(keys, prefix + name + "0", at, stop)
            if name in files:
                continue
        if name:
            yield name


class IndexKeys(Sequence[str]):
    """The keys of an archive's index in sorted order, decoded as they are looked at."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._order = index.order.data

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, i):  # type: ignore[no-untyped-def]
        if isinstance(i, slice):
            return [self._index.key(j) for j in self._order[i]]
        return self._index.key(self._order[i])

    def size(self, low: int, high: int) -> int:
        """Return the payload bytes of the keys from position ``low`` to before ``high``."""
        return int(self._index.sizes[np.asarray(self._order[low:high])].sum(dtype=np.int64))


class ChangingKeys:
    """Keys of an archive that is being written, kept in order at the cost of few moves."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._sorted = sorted(keys)
        self._new: list[str] = []

    def add(self, key: str) -> None:
        """Add a key that is not there yet."""
        self._new.append(key)

    def remove(self, key: str) -> None:
        """Remove a key that is there."""
        if self._new and self._new[-1] == key:
            self._new.pop()
            return
        keys = self.sorted()
        del keys[bisect_left(keys, key)]

    def sorted(self) -> list[str]:
        """Return all keys in order; valid until the next change."""
        if self._new:
            if len(self._new) < 16:
                for key in self._new:
                    insort(self._sorted, key)
            else:
                self._sorted.extend(self._new)
                self._sorted.sort()
            self._new.clear()
        return self._sorted
