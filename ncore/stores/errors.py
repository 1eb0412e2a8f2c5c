"""What can go wrong with a zarr inside an archive."""

from ncore.errors import NcoreError
from ncore.itar.errors import ItarFormatError


class StoreError(NcoreError):
    """Base of the errors of this layer."""


class StoreLocationError(StoreError, ValueError):
    """A path or URL that no store can be opened from. The message says why."""


class ConsolidatedMetadataError(StoreError, ItarFormatError):
    """The consolidated metadata of an archive is damaged or of an unknown kind."""


class ConsolidatedMetadataWarning(UserWarning):
    """The consolidated metadata is missing or stale; the plain documents were read instead."""
