"""Finding frames by their times."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.data.errors import InvalidDataError


def closest_index_sorted(sorted_array: npt.NDArray[Any], value: Any) -> int:
    """Return the index of the value closest to a given one.

    Args:
        sorted_array: ascending values, shape ``(N,)``, ``N >= 1``.
        value: what to look for; its fraction is cut off for integer arrays.

    Returns:
        The index; of two equally close values that of the later one, of equal values
        that of the first (of the last, if all are smaller).

    Raises:
        InvalidDataError: the array is empty.
    """
    array = np.asarray(sorted_array)
    if array.size == 0:
        raise InvalidDataError("input array is empty")
    if array.dtype.kind in "iu":
        # Python's integers: exact where float64 and uint64 are not.
        value = int(value)
        limits = np.iinfo(array.dtype)
        if value > limits.max:
            return len(array) - 1
        if value < limits.min:
            return 0
        above = int(np.searchsorted(array, array.dtype.type(value)))
    else:
        above = int(np.searchsorted(array, value))
    if above == len(array):
        return above - 1
    if above == 0:
        return 0
    before, behind = array[above - 1].item(), array[above].item()
    return above - 1 if value - before < behind - value else above
