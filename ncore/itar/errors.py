"""What can go wrong with an itar archive. Every class is also the built-in a caller would catch."""

from ncore.errors import NcoreError


class ItarError(NcoreError):
    """Base of every error about an itar archive."""


class ItarFormatError(ItarError, ValueError):
    """The bytes are not an itar archive, or a damaged one."""


class ItarDigestError(ItarFormatError):
    """A payload does not match the checksum that the index holds for it."""


class ItarKeyError(ItarError, KeyError):
    """The archive has no such key."""


class ItarReadOnlyError(ItarError, ValueError):
    """Something tried to write through a read-only archive."""


class ItarClosedError(ItarError, ValueError):
    """The archive was used after it was closed."""


class ItarNotFoundError(ItarError, FileNotFoundError):
    """There is no archive at this place."""


class ItarExistsError(ItarError, FileExistsError):
    """Exclusive creation found an archive already there."""


class ItarLockedError(ItarError, BlockingIOError):
    """Another writer holds the archive. The message names it."""


class ItarChangedError(ItarError, OSError):
    """The archive was replaced or altered between opening and reading."""


class ItarIOError(ItarError, OSError):
    """Bytes that must be there could not be read or written."""


class ItarOptionError(ItarError, ValueError):
    """A location or an option cannot be used. The message says which and what is allowed."""


class ItarRangeError(ItarError, OSError):
    """The server does not serve byte ranges, so nothing can be read at random from it."""


class ItarAccessError(ItarError, PermissionError):
    """Permission or credentials are missing, on this machine or at the server."""


class UnclosedArchiveWarning(UserWarning):
    """A writer was forgotten: without ``close()`` there is no archive. The message says more.

    No ``ResourceWarning``: Python hides those, and this is a loss.
    """


class UnfinishedArchiveWarning(UserWarning):
    """What an earlier writer left unfinished is about to be superseded."""
