"""Errors of partial transfer."""

from ncore.errors import NcoreError


class TransferError(NcoreError):
    """Base class of errors raised while listing, moving or checking entries."""


class ChecksumError(TransferError, ValueError):
    """A key, size, digest or checksum is malformed, or keys are out of order."""


class ManifestError(TransferError, ValueError):
    """A manifest is malformed, truncated or contradicts itself."""


class TransientError(TransferError, OSError):
    """Trying again may help: a reset connection, a 5xx, a stall, "slow down".

    A backend raises this instead of its library's own error; the executor
    waits and tries again a bounded number of times.

    Attributes:
        retry_after: Seconds the server asked to wait, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class EntryNotFoundError(TransferError, FileNotFoundError):
    """The entry, asset, bucket or directory is not there."""


class AccessDeniedError(TransferError, PermissionError):
    """The server or file system refuses: no, wrong or expired credentials."""


class DigestMismatchError(TransferError, ValueError):
    """The bytes that arrived are not the bytes that were listed."""


class EntryChangedError(TransferError, OSError):
    """An entry changed between listing and reading it."""


class EntryExistsError(TransferError, FileExistsError):
    """Something different stands where an entry should be written."""


class UnsafeKeyError(TransferError, ValueError):
    """A key would leave the target directory or hide something in it."""


class UnsupportedError(TransferError, NotImplementedError):
    """This backend cannot do what was asked of it."""


class LocationError(TransferError, ValueError):
    """A source or target is not of a form that can be opened."""


class NoMatchError(TransferError, LookupError):
    """The selection matches nothing in a source."""


class GuardError(TransferError, RuntimeError):
    """A guard refused: more would be deleted than kept, and no ``--yes``."""
