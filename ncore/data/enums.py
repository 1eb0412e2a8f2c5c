"""Enumerations of the NCore data types. Stored files hold the member names."""

from enum import IntEnum
from typing import Any, Self


class ResolvableEnum(IntEnum):
    """An enumeration with a member ``UNKNOWN`` for names that a newer writer introduced."""

    @classmethod
    def resolve(cls, name: Any) -> Self:
        """Return the member called ``name``, or ``UNKNOWN`` if there is none."""
        member = cls.__members__.get(name) if isinstance(name, str) else None
        return cls["UNKNOWN"] if member is None else member


class LabelSource(ResolvableEnum):
    """Where a label comes from."""

    AUTOLABEL = 1
    """Made by a labelling algorithm."""
    EXTERNAL = 2
    """Taken over from somewhere else, of unspecified origin."""
    GT_SYNTHETIC = 3
    """Ground truth of a simulation."""
    GT_ANNOTATION = 4
    """Ground truth drawn by people."""
    UNKNOWN = -1


class FrameTimepoint(IntEnum):
    """A point in time of a frame; also the column in an ``(N, 2)`` timestamp array."""

    START = 0
    END = 1


class ShutterType(IntEnum):
    """In which order the rows or columns of an image are exposed."""

    ROLLING_TOP_TO_BOTTOM = 1
    ROLLING_LEFT_TO_RIGHT = 2
    ROLLING_BOTTOM_TO_TOP = 3
    ROLLING_RIGHT_TO_LEFT = 4
    GLOBAL = 5


class ReferencePolynomial(IntEnum):
    """Which of a pair of polynomials is exact; the other approximates its inverse."""

    FORWARD = 1
    BACKWARD = 2


class LabelCategory(ResolvableEnum):
    """What kind of quantity an image label holds."""

    DEPTH = 0
    FLOW = 1
    SEGMENTATION = 2
    MASK = 3
    GEOMETRY = 4
    MATERIAL = 5
    FEATURE = 6
    OTHER = 7
    UNKNOWN = -1


class LabelUnit(ResolvableEnum):
    """The unit of a label's values."""

    METERS = 0
    PIXELS = 1
    UNITLESS = 2
    UNKNOWN = -1


class LabelEncoding(ResolvableEnum):
    """How a label's values are stored."""

    RAW = 0
    """As an array of the schema's dtype, or of its quantised dtype."""
    IMAGE_ENCODED = 1
    """As the bytes of an image file."""
    UNKNOWN = -1
