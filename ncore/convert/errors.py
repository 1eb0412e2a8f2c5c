"""Errors of the converter."""

from collections.abc import Sequence

from ncore.errors import NcoreError


class ConvertError(NcoreError):
    """Base of all errors of the converter."""


class V2MetadataError(ConvertError, ValueError):
    """A ``.zarray``, ``.zgroup`` or ``.zattrs`` document does not say what zarr v2 needs."""


class UnsupportedError(ConvertError, ValueError):
    """The source holds arrays that cannot be converted; nothing was written.

    Attributes:
        arrays: ``(node path, reason)`` of every such array.
    """

    def __init__(self, message: str, arrays: Sequence[tuple[str, str]]) -> None:
        super().__init__(message)
        self.arrays = tuple(arrays)


class TargetExistsError(ConvertError, FileExistsError):
    """Something is at the target already and ``overwrite`` was not asked for."""


class TargetError(ConvertError, OSError):
    """The target cannot be written."""


class SourceError(ConvertError, OSError):
    """The source cannot be opened, is no zarr v2 hierarchy, or lacks what was selected."""


class AlreadyV3Error(SourceError):
    """The source is zarr v3 throughout: there is nothing to convert."""


class MixedMetadataError(SourceError):
    """The source holds v2 and v3 metadata side by side, as a conversion in place leaves it."""


class ChunkDecodeError(ConvertError, ValueError):
    """The bytes of a v2 chunk do not decode to the array that its metadata describes."""


class VerificationError(ConvertError, ValueError):
    """What was written does not read back as what the source holds; the target was not kept."""


class UnstorableKeyError(ConvertError, ValueError):
    """The target cannot hold one of the source's keys; nothing was written."""


class OptionError(ConvertError, ValueError):
    """A choice that does not exist."""


class LayoutError(ConvertError, ValueError):
    """Chunks, shards or other choices do not fit what is to be converted."""


class FleetError(ConvertError, OSError):
    """The cluster that was to convert a fleet cannot be used."""


class ResumeError(ConvertError, ValueError):
    """An interrupted conversion lies at the target that does not belong to this source."""
