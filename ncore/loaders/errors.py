"""What can go wrong while loading samples."""

from ncore.errors import NcoreError


class LoaderError(NcoreError):
    """Base of the errors of this layer."""


class LoaderArgumentError(LoaderError, ValueError):
    """An argument that cannot be worked with."""


class UnknownFieldError(LoaderError, ValueError):
    """A field that a sensor of this kind does not have."""


class SampleIndexError(LoaderError, IndexError):
    """There is no sample of this index."""


class StateError(LoaderError, ValueError):
    """A saved state that belongs to another data set, seed or sharding."""


class SequenceChangedError(LoaderError, OSError):
    """A sequence is no longer what it was when the source was made."""
