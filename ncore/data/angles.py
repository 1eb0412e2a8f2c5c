"""Angles of spinning sensors: relative to a reference, and fields of view."""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from ncore.data.checks import check
from ncore.data.errors import InvalidDataError

SpinningDirection = Literal["cw", "ccw"]
AngleT = TypeVar("AngleT")


@dataclass
class FOV:
    """A field of view about one axis.

    Args:
        start_rad: first angle seen, radians.
        span_rad: extent in the given direction, radians, at least 0.
        direction: ``"cw"``: angles decrease from the start; ``"ccw"``: they increase.
    """

    start_rad: float
    span_rad: float
    direction: SpinningDirection


@dataclass
class RelativeAngleResult(Generic[AngleT]):
    """Angles relative to a reference.

    Args:
        relative_angle_rad: in ``[0, 2 pi)``, radians, dtype of the input.
        wrap_around_flag: whether input and reference lie more than a turn apart.
    """

    relative_angle_rad: AngleT
    wrap_around_flag: AngleT


def relative_angle(
    ref_angle_rad: Any, angle_rad: AngleT, direction: SpinningDirection
) -> RelativeAngleResult[AngleT]:
    """Return how far one has to turn from a reference to reach angles.

    Args:
        ref_angle_rad: the reference, radians.
        angle_rad: NumPy scalar or array of a floating dtype, radians.
        direction: ``"cw"`` (towards smaller angles) or ``"ccw"``.

    Raises:
        InvalidDataError: an unknown direction, or angles without a dtype.
    """
    check_direction(direction)
    angles: Any = angle_rad
    check(hasattr(angles, "dtype"), f"angles must have a dtype; {type(angles).__name__} has none")
    difference = angles - ref_angle_rad if direction == "ccw" else ref_angle_rad - angles
    turn = angles.dtype.type(2 * np.pi)
    return RelativeAngleResult(np.mod(difference, turn), abs(difference) > turn)


def check_direction(direction: Any) -> None:
    """Raise :class:`InvalidDataError` unless the direction is ``"cw"`` or ``"ccw"``."""
    if direction not in ("cw", "ccw"):
        raise InvalidDataError(f"Invalid spinning direction: {direction} (must be 'cw' or 'ccw')")
