"""Checks of argument types and arrays that several data types share."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.data.errors import InvalidDataError


def check(condition: object, message: str) -> None:
    """Raise :class:`InvalidDataError` unless ``condition`` holds."""
    if not condition:
        raise InvalidDataError(message)


def check_array(name: str, value: Any, shape: tuple[int | None, ...], dtype: npt.DTypeLike) -> None:
    """Check type, shape and dtype of an array.

    Args:
        name: what the array is, for the message.
        value: the array.
        shape: expected shape; ``None`` stands for any length.
        dtype: expected dtype.

    Raises:
        InvalidDataError: it is no array, or its shape or dtype differs.
    """
    if not isinstance(value, np.ndarray):
        raise InvalidDataError(f"{name} must be a NumPy array, not {type(value).__name__}")
    fits = value.ndim == len(shape) and all(
        expected is None or length == expected
        for length, expected in zip(value.shape, shape, strict=True)
    )
    if not fits:
        wanted = str(tuple("N" if length is None else length for length in shape)).replace("'", "")
        raise InvalidDataError(f"{name} must have shape {wanted}, not {value.shape}")
    if value.dtype != dtype:
        raise InvalidDataError(f"{name} must have dtype {np.dtype(dtype)}, not {value.dtype}")


class ArrayFieldsEq:
    """Equality by value for dataclasses that hold arrays (declared with ``eq=False``)."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        for name in self.__dataclass_fields__:  # type: ignore[attr-defined]
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, np.ndarray) or isinstance(theirs, np.ndarray):
                if not (
                    getattr(mine, "dtype", None) == getattr(theirs, "dtype", None)
                    and np.array_equal(mine, theirs)
                ):
                    return False
            elif mine != theirs:
                return False
        return True
