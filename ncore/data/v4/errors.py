"""Errors of the NCore V4 data layer.

Wrong arguments are :class:`ncore.data.errors.InvalidDataError`, as in the rest
of the data layer. The original raises ``AssertionError`` for some of what is
not found and ``RuntimeError`` for stores that do not fit together; code that
catches those keeps working.
"""

from ncore.errors import NcoreError


class SequenceError(NcoreError):
    """Base of the errors about NCore V4 sequences."""


class SequenceFormatError(SequenceError, RuntimeError):
    """A store is no NCore V4 component store, or the stores given do not belong together."""


class SequenceNotFoundError(SequenceError, FileNotFoundError):
    """There is no component store at a place."""


class ComponentNotFoundError(SequenceError, KeyError, AssertionError):
    """No such component instance, sensor, frame, label, pose or array."""


class PointCloudIndexError(ComponentNotFoundError, IndexError):
    """No point cloud of this index."""


class ChunkError(SequenceError, ValueError):
    """Stored chunk bytes that do not decode to what the array's metadata says."""


class WriterClosedError(SequenceError, RuntimeError):
    """The sequence was already finalized or aborted; nothing can be added."""
