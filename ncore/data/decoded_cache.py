"""A small cache of decoded values, keyed by their serialised form."""

import json
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from ncore.data.errors import InvalidDataError

SerializedT = TypeVar("SerializedT")
DecodedT = TypeVar("DecodedT")


def canonical_json(value: Any) -> str:
    """Return JSON text that is equal for equal JSON-like values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


class DecodedValueCache(Generic[SerializedT, DecodedT]):
    """Decodes serialised values, giving the same object for equal input.

    Thread-safe, also in processes forked while a thread is inside. Least recently used
    entries are dropped first.
    """

    def __init__(
        self,
        decode: Callable[[SerializedT], DecodedT],
        max_size: int | None = 256,
        key: Callable[[SerializedT], Hashable] = canonical_json,
    ) -> None:
        """Create an empty cache.

        Args:
            decode: turns a serialised value into an (immutable) decoded one.
            max_size: number of entries kept; ``None``: all, 0: none.
            key: turns a serialised value into the cache key.

        Raises:
            InvalidDataError: ``max_size`` is negative.
        """
        self._decode = decode
        self._key = key
        self._entries: OrderedDict[Hashable, DecodedT] = OrderedDict()
        self._lock = threading.Lock()
        _CACHES.add(self)
        self.max_size = max_size

    @property
    def max_size(self) -> int | None:
        """Number of entries kept; ``None``: all, 0: none. May be set at any time."""
        return self._max_size

    @max_size.setter
    def max_size(self, max_size: int | None) -> None:
        if max_size is not None and max_size < 0:
            raise InvalidDataError(f"max_size must be None or at least 0, not {max_size}")
        with self._lock:
            self._max_size = max_size
            self._drop_oldest()

    def __call__(self, serialized: SerializedT) -> DecodedT:
        """Return the decoded value, from the cache if it is there."""
        if self._max_size == 0:
            return self._decode(serialized)
        key = self._key(serialized)
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        decoded = self._decode(serialized)
        with self._lock:
            decoded = self._entries.setdefault(key, decoded)
            self._drop_oldest()
        return decoded

    def __len__(self) -> int:
        """Number of cached values."""
        return len(self._entries)

    def clear(self) -> None:
        """Forget all cached values."""
        with self._lock:
            self._entries.clear()

    def _drop_oldest(self) -> None:
        while self._max_size is not None and len(self._entries) > self._max_size:
            self._entries.popitem(last=False)


_CACHES: "weakref.WeakSet[DecodedValueCache[Any, Any]]" = weakref.WeakSet()


def _renew_locks() -> None:
    """Give the caches of a forked process locks that no thread of its parent holds."""
    for cache in list(_CACHES):
        cache._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
