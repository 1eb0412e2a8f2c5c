"""Digests of entries: a name for the algorithm, and hashing while bytes stream."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple, Protocol

import google_crc32c

from ncore.transfer.errors import UnsupportedError


class Digest(NamedTuple):
    """What an entry's bytes hash to.

    Attributes:
        algorithm: ``"md5"``, ``"crc32c"``, ``"sha256"``, or a name registered
            with :func:`register_hasher`.
        value: Lower-case hexadecimal, as the algorithm's users write it
            (``crc32c``: 8 digits, big-endian).
    """

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


class Hasher(Protocol):
    """The part of ``hashlib``'s objects that is used here."""

    def update(self, data: bytes | bytearray, /) -> None:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """Return the digest of the bytes taken so far."""


class _Crc32c:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | bytearray, /) -> None:
        self._value = google_crc32c.extend(self._value, bytes(data))

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


_HASHERS: dict[str, Callable[[int], Hasher]] = {
    "md5": lambda size: hashlib.md5(usedforsecurity=False),
    "sha256": lambda size: hashlib.sha256(),
    "crc32c": lambda size: _Crc32c(),
}


def register_hasher(algorithm: str, factory: Callable[[int], Hasher]) -> None:
    """Make ``algorithm`` known.

    Args:
        algorithm: Name, as in :attr:`Digest.algorithm`.
        factory: Called with the entry's size in bytes (the parts of a
            multipart ETag depend on it), returns a fresh hasher.
    """
    _HASHERS[algorithm] = factory


def is_known(algorithm: str) -> bool:
    """Return whether :func:`hasher` can compute ``algorithm``."""
    return algorithm in _HASHERS


def hasher(algorithm: str, size: int) -> Hasher:
    """Return a fresh hasher for an entry of ``size`` bytes.

    Raises:
        UnsupportedError: The algorithm is not known.
    """
    try:
        return _HASHERS[algorithm](size)
    except KeyError:
        raise UnsupportedError(f"cannot compute a digest of type {algorithm!r}") from None


def digest_of(data: bytes | bytearray, algorithm: str) -> Digest:
    """Return the digest of bytes that are at hand."""
    h = hasher(algorithm, len(data))
    h.update(data)
    return Digest(algorithm, h.hexdigest())
