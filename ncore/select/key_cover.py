"""Where in the space of keys every match of a filter must lie.

A cover over-approximates a set of keys by single keys and string prefixes. It
is what a listing needs: each key costs one look-up, each prefix one listing.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


def _prefix_free(texts: Iterable[str]) -> list[str]:
    """Sorted, without any text that begins with another one."""
    kept: list[str] = []
    for text in sorted(set(texts)):
        # In sorted order everything that begins with kept[-1] follows it directly.
        if not kept or not text.startswith(kept[-1]):
            kept.append(text)
    return kept


def _has_prefix_of(text: str, prefixes: Sequence[str]) -> bool:
    """Whether `text` begins with one of the prefixes, which are sorted and prefix-free."""
    # The only candidate is the last one that sorts at or before the text: whatever lies
    # between a prefix of the text and the text itself begins with that prefix too.
    index = bisect_right(prefixes, text)
    return index > 0 and text.startswith(prefixes[index - 1])


def _extensions_of(text: str, texts: Sequence[str]) -> Iterator[str]:
    """Those of the sorted texts that begin with `text`."""
    for index in range(bisect_left(texts, text), len(texts)):
        if not texts[index].startswith(text):
            return
        yield texts[index]


@dataclass(frozen=True)
class KeyCover:
    """Keys and string prefixes that hold every match.

    Attributes:
        keys: single keys, sorted; none of them begins with one of `prefixes`.
        prefixes: string prefixes, sorted; none of them begins with another. A
            prefix that ends in ``/`` names a directory; one that does not also
            holds siblings (``a/1`` holds ``a/1/x`` and ``a/10``).
    """

    keys: tuple[str, ...]
    prefixes: tuple[str, ...]

    @classmethod
    def of(cls, keys: Iterable[str] = (), prefixes: Iterable[str] = ()) -> "KeyCover":
        """Make a cover, dropping what another member of it holds already."""
        kept = _prefix_free(prefixes)
        return cls(
            tuple(key for key in sorted(set(keys)) if not _has_prefix_of(key, kept)), tuple(kept)
        )

    @classmethod
    def everything(cls) -> "KeyCover":
        return cls((), ("",))

    @classmethod
    def nothing(cls) -> "KeyCover":
        return cls((), ())

    @classmethod
    def union(cls, covers: Iterable["KeyCover"]) -> "KeyCover":
        """A cover of whatever one of the covers holds."""
        keys: list[str] = []
        prefixes: list[str] = []
        for cover in covers:
            keys.extend(cover.keys)
            prefixes.extend(cover.prefixes)
        return cls.of(keys, prefixes)

    def __and__(self, other: "KeyCover") -> "KeyCover":
        keys = [key for key in self.keys if key in other] + [
            key for key in other.keys if key in self
        ]
        prefixes: list[str] = []
        for mine, theirs in ((self.prefixes, other.prefixes), (other.prefixes, self.prefixes)):
            for prefix in mine:
                prefixes.extend(_extensions_of(prefix, theirs))
        return KeyCover.of(keys, prefixes)

    def __contains__(self, key: str) -> bool:
        index = bisect_left(self.keys, key)
        if index < len(self.keys) and self.keys[index] == key:
            return True
        return _has_prefix_of(key, self.prefixes)

    def could_contain(self, prefix: str) -> bool:
        """Whether a key that begins with `prefix` and is longer can lie in the cover."""
        if _has_prefix_of(prefix, self.prefixes):
            return True
        if next(_extensions_of(prefix, self.prefixes), None) is not None:
            return True
        return any(key != prefix for key in _extensions_of(prefix, self.keys))

    def covers(self, prefix: str) -> bool:
        """Whether every key that begins with `prefix` lies in the cover."""
        return _has_prefix_of(prefix, self.prefixes)

    def listing_prefixes(self) -> list[str]:
        """The smallest set of string prefixes that holds the cover, sorted."""
        return _prefix_free(self.keys + self.prefixes)
