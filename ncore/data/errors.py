"""Errors of the data layer.

NVIDIA's ncore checks most of its arguments with ``assert``, so callers (and
their tests) catch ``AssertionError``. A wrong value is a ``ValueError``, and
``assert`` vanishes under ``python -O``. :class:`InvalidDataError` is therefore
raised explicitly and is both: code written for either keeps working.
"""

from ncore.errors import NcoreError


class DataError(NcoreError):
    """Base class of the errors of :mod:`ncore.data`."""


class InvalidDataError(DataError, ValueError, AssertionError):
    """A value breaks a documented rule (shape, dtype, range, order, uniqueness)."""


class DataTypeError(DataError, TypeError):
    """An argument has a type that the call cannot work with."""


class UnknownNameError(DataError, KeyError):
    """A name (enum member, frame of reference, attribute, sensor) does not exist."""


class MissingFieldError(DataError, KeyError):
    """Encoded parameters lack a field that has no default."""


class UnknownModelTypeError(DataError, ValueError):
    """An encoded type string has no registered class, or is registered already."""


class IndexRangeError(DataError, IndexError):
    """There is no frame, point cloud or return of this index."""
