"""What can go wrong with a zarr inside an archive."""

from ncore.errors import NcoreError
from ncore.itar.errors import ItarFormatError


class StoreError(NcoreError):
    """Base of the errors of this layer."""


class StoreLocationError(StoreError, ValueError):
    """A path or URL that no store can be opened from. The message says why."""


class StoreNotFoundError(StoreError, FileNotFoundError):
    """There is nothing at this place."""


class StoreExistsError(StoreError, FileExistsError):
    """Something exists where a new zarr was to be."""


class ConsolidatedMetadataError(StoreError, ItarFormatError):
    """The consolidated metadata of an archive is damaged or of an unknown kind."""


class ConsolidatedMetadataWarning(UserWarning):
    """The consolidated metadata is missing or stale; the plain documents were read instead."""


class PackError(StoreError, ValueError):
    """What should be packed cannot be read, or cannot be a zarr's key. The message says which."""


class UnpackError(StoreError, ValueError):
    """A key cannot be a file below the target directory. The message says which and why."""


class MissingPackageError(StoreError, ImportError):
    """What was asked for needs packages of one of ncore's extras. The message names it."""


class ReferencesError(StoreError, ValueError):
    """Something that references of the wanted kind cannot express. The message says which."""
