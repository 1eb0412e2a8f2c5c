"""Errors of the filter and location language."""

from ncore.errors import NcoreError


class SelectError(NcoreError, ValueError):
    """A filter or a location that cannot be understood. Base of both kinds."""


class ZarrFilterError(SelectError):
    """A filter specification is malformed; the message quotes it and lists what is allowed."""


class LocationError(SelectError):
    """A URL or path is not a location; the message quotes it and says what is accepted."""
