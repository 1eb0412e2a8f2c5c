"""Half-closed intervals of integer timestamps."""

from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from ncore.data.checks import check
from ncore.data.errors import DataTypeError


@dataclass(frozen=True, slots=True)
class HalfClosedInterval:
    """The integers from ``start`` up to, but without, ``stop`` (microseconds, mostly).

    Args:
        start: first value inside; a Python int.
        stop: first value behind, ``>= start``; a Python int.

    Raises:
        InvalidDataError: a bound is no Python int, or ``stop < start``.
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        check(
            isinstance(self.start, int) and isinstance(self.stop, int),
            f"an interval's bounds must be Python ints, not {self.start!r} and {self.stop!r}",
        )
        check(
            self.start <= self.stop,
            f"an interval must not end before it starts: {self.stop} < {self.start}",
        )

    @property
    def end(self) -> int:
        """Last value inside (``stop - 1``)."""
        return self.stop - 1

    @staticmethod
    def from_start_end(start: int, end: int) -> "HalfClosedInterval":
        """Return the interval that has both ``start`` and ``end`` inside."""
        return HalfClosedInterval(start, end + 1)

    def __contains__(self, item: Union[int, "np.integer[Any]", "HalfClosedInterval"]) -> bool:
        """Whether a value, or all of another interval, lies inside.

        Raises:
            DataTypeError: the item is neither an integer nor an interval.
        """
        if isinstance(item, HalfClosedInterval):
            return self.start <= item.start and item.stop <= self.stop
        if isinstance(item, (int, np.integer)):
            return self.start <= int(item) < self.stop
        raise DataTypeError(f"expected an integer or an interval, not {type(item).__name__}")

    def __len__(self) -> int:
        """Number of integers inside."""
        return self.stop - self.start

    def __bool__(self) -> bool:
        # Without this, truth would follow __len__, which cannot exceed sys.maxsize.
        return self.stop > self.start

    def intersection(self, other: "HalfClosedInterval") -> "HalfClosedInterval | None":
        """Return what both intervals have in common, ``None`` if they do not overlap.

        Raises:
            DataTypeError: the other is no interval (a ``TypeError``).
        """
        if not self.overlaps(other):
            return None
        return HalfClosedInterval(max(self.start, other.start), min(self.stop, other.stop))

    def overlaps(self, other: "HalfClosedInterval") -> bool:
        """Whether the intervals overlap (one that merely touches the other does not).

        Raises:
            DataTypeError: the other is no interval (a ``TypeError``).
        """
        if not isinstance(other, HalfClosedInterval):
            raise DataTypeError(f"expected an interval, not {type(other).__name__}")
        return self.start < other.stop and other.start < self.stop

    def cover_range(self, sorted_samples: npt.NDArray[Any]) -> range:
        """Return the indices of the samples that lie inside.

        Args:
            sorted_samples: ascending values, shape ``(N,)``, of any integer or floating dtype.

        Returns:
            The range of all indices ``i`` with ``start <= sorted_samples[i] < stop``.

        Raises:
            InvalidDataError: the samples have another shape.
        """
        samples = np.asarray(sorted_samples)
        check(samples.ndim == 1, f"samples must have shape (N,), not {samples.shape}")
        first = _first_at_least(samples, self.start)
        last = _first_at_least(samples, self.stop)
        return range(first, last) if first < last else range(0)


def _first_at_least(samples: npt.NDArray[Any], bound: int) -> int:
    """Return the index of the first sample ``>= bound``, comparing integers exactly."""
    if samples.dtype.kind in "iu":
        # In the samples' own dtype: mixed int64 and uint64 would be compared as floats.
        limits = np.iinfo(samples.dtype)
        if bound > limits.max:
            return len(samples)
        return int(np.searchsorted(samples, samples.dtype.type(max(bound, int(limits.min)))))
    return int(np.searchsorted(samples, bound))
