"""Filters over the entries of a zarr, written ``TYPE:PATTERN``.

======== =====================================================================
type     an entry matches when
======== =====================================================================
`glob`   the whole key matches the glob: ``*``, ``?`` and ``[...]`` inside one
         component, ``**`` for any number of components, none included
`path`   it is the named entry or lies below it, at a component boundary
`regex`  the Python regular expression is found anywhere in the key
======== =====================================================================

An entry path is a zarr key as the store holds it (``0/0/1``, no leading
slash). It is matched literally: nothing in it is decoded, normalised or
case-folded. In the *pattern* of a glob or a path, empty and ``.`` components
are dropped, since no key has them (``/0``, ``./0`` and ``0/`` are ``0``), and
``..`` is refused.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

from ncore.select.errors import ZarrFilterError
from ncore.select.glob import Glob, tail_regex
from ncore.select.key_cover import KeyCover
from ncore.select.regex_head import regex_cover

FilterType = Literal["glob", "path", "regex"]
FILTER_TYPES: tuple[str, ...] = get_args(FilterType)

# Callables that answer "does it match?" by truth value; `re.match` itself is the fastest.
Matcher = Callable[[str], object]

# From this many path filters on, a look-up of each parent beats trying each alternative.
_MANY_PATHS = 24


@dataclass(frozen=True)
class ZarrFilter:
    """One filter over entry paths.

    Attributes:
        filter_type: ``"glob"``, ``"path"`` or ``"regex"``.
        pattern: the pattern, as written.

    Raises:
        ZarrFilterError: (a ValueError) for an unknown type, an empty pattern, a
            ``..`` component, or a regular expression that does not compile.
    """

    filter_type: FilterType
    pattern: str
    _kind: "_Glob | _Path | _Regex" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.filter_type not in FILTER_TYPES:
            raise ZarrFilterError(
                f"Unknown zarr filter type {self.filter_type!r} in {self.spec!r}. {_allowed()}"
            )
        if not self.pattern:
            raise ZarrFilterError(f"Empty pattern in zarr filter {self.spec!r}. {_allowed()}")
        kind = {"glob": _Glob, "path": _Path, "regex": _Regex}[self.filter_type](self)
        object.__setattr__(self, "_kind", kind)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.filter_type, self.pattern)

    @property
    def spec(self) -> str:
        """The filter as ``TYPE:PATTERN``, which `parse_zarr_filter` reads back."""
        return f"{self.filter_type}:{self.pattern}"

    def matches(self, entry_path: str) -> bool:
        """Whether the entry is selected.

        Args:
            entry_path: the entry's key inside the zarr, such as ``0/0/1``.
        """
        return bool(self._kind.matcher(entry_path))

    @property
    def is_everything(self) -> bool:
        """Whether it matches every key for a reason that can be seen (``glob:**``, ``path:/``)."""
        return self._kind.covers("")

    def cover(self) -> KeyCover:
        """Keys and prefixes that hold every match; see `ZarrSelection.prefixes`."""
        return self._kind.cover

    def could_contain(self, directory: str) -> bool:
        """Whether a key strictly below the directory can match; False is certain.

        Args:
            directory: components joined by ``/``, no slash at the end; ``""`` is the root.
        """
        return self._kind.could_contain(directory)

    def covers(self, prefix: str) -> bool:
        """Whether every key that begins with `prefix` (and is longer) matches; True is certain."""
        return self._kind.covers(prefix)


class _Glob:
    def __init__(self, owner: ZarrFilter) -> None:
        self.glob = Glob.parse(_components(owner))
        if not self.glob.components:
            raise ZarrFilterError(
                f"Zarr filter {owner.spec!r} has no component to match; "
                "write glob:** to select everything"
            )

    @cached_property
    def matcher(self) -> Matcher:
        return re.compile(self.glob.regex(), re.DOTALL).match

    @cached_property
    def cover(self) -> KeyCover:
        return self.glob.cover()

    def could_contain(self, directory: str) -> bool:
        return self.glob.could_contain(_names(directory))

    def covers(self, prefix: str) -> bool:
        return self.glob.covers(_names(prefix.rpartition("/")[0]))


class _Path:
    def __init__(self, owner: ZarrFilter) -> None:
        self.path = "/".join(_components(owner))

    @property
    def regex(self) -> str:
        return re.escape(self.path) + r"(?:/|\Z)" if self.path else ""

    @cached_property
    def matcher(self) -> Matcher:
        return re.compile(self.regex).match

    @cached_property
    def cover(self) -> KeyCover:
        if not self.path:
            return KeyCover.everything()
        return KeyCover.of(keys=[self.path], prefixes=[self.path + "/"])

    def could_contain(self, directory: str) -> bool:
        return self.cover.could_contain(directory + "/" if directory else "")

    def covers(self, prefix: str) -> bool:
        return not self.path or prefix.startswith(self.path + "/")


class _Regex:
    def __init__(self, owner: ZarrFilter) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "possible nested set" and the like
                self.compiled = re.compile(owner.pattern)
        except re.error as error:
            where = f" at position {error.pos}" if error.pos is not None else ""
            raise ZarrFilterError(
                f"Bad regular expression in zarr filter {owner.spec!r}: {error.msg}{where} "
                f"of the pattern {owner.pattern!r}"
            ) from None
        except (OverflowError, RecursionError, MemoryError) as error:
            raise ZarrFilterError(
                f"Bad regular expression in zarr filter {owner.spec!r}: "
                f"too large or too deeply nested ({error})"
            ) from None

    @property
    def matcher(self) -> Matcher:
        return self.compiled.search

    @cached_property
    def cover(self) -> KeyCover:
        return self._head[0]

    @cached_property
    def _head(self) -> tuple[KeyCover, bool]:
        return regex_cover(self.compiled)

    def could_contain(self, directory: str) -> bool:
        return self.cover.could_contain(directory + "/" if directory else "")

    def covers(self, prefix: str) -> bool:
        cover, is_exact = self._head
        return is_exact and cover.covers(prefix)


def _components(owner: ZarrFilter) -> list[str]:
    """The components of a glob's or path's pattern."""
    names = [name for name in owner.pattern.split("/") if name not in ("", ".")]
    if ".." in names:
        raise ZarrFilterError(
            f"Zarr filter {owner.spec!r} has a '..' component; "
            "write the path from the root of the zarr without it"
        )
    return names


def _names(directory: str) -> Sequence[str]:
    return directory.split("/") if directory else ()


def _allowed() -> str:
    types = ", ".join(repr(name) for name in FILTER_TYPES)
    aliases = ", ".join(repr(name) for name in ZARR_FILTER_ALIASES)
    return f"Expected TYPE:PATTERN with TYPE one of {types}, or an alias: {aliases}"


ZARR_FILTER_ALIASES: Mapping[str, tuple[ZarrFilter, ...]] = MappingProxyType({})
"""Names that stand for several filters. ``metadata`` is every metadata file of
zarr v2 and v3 and of ``.itar``: ``.z*`` (``.zarray``, ``.zgroup``, ``.zattrs``,
``.zmetadata``, ``.zmetadata.cbor.xz``), ``zarr.json`` and ``zarr.cbor.xz``."""
ZARR_FILTER_ALIASES = MappingProxyType(
    {
        "metadata": tuple(
            ZarrFilter("glob", pattern) for pattern in ("**/.z*", "**/zarr.json", "**/zarr.cbor.xz")
        )
    }
)


def parse_zarr_filter(spec: str) -> list[ZarrFilter]:
    """Parse ``TYPE:PATTERN`` or an alias.

    Args:
        spec: the filter as a user writes it. Everything after the first colon is
            the pattern; nothing is trimmed.

    Returns:
        One filter, or those an alias stands for; an entry is selected by any of them.

    Raises:
        ZarrFilterError: (a ValueError) naming the spec and what is allowed.
    """
    alias = ZARR_FILTER_ALIASES.get(spec)
    if alias is not None:
        return list(alias)
    filter_type, colon, pattern = spec.partition(":")
    if not colon:
        raise ZarrFilterError(f"Invalid zarr filter {spec!r}. {_allowed()}")
    return [ZarrFilter(cast(FilterType, filter_type), pattern)]


def make_zarr_entry_filter(filters: Iterable[ZarrFilter]) -> Callable[[str], bool]:
    """Return a predicate over entry paths: whether any of the filters matches.

    The predicate is one compiled matcher however many filters there are. With no
    filter it is False for every path, as in dandi-cli; a `ZarrSelection` without
    filters selects everything.
    """
    matcher = any_matcher(filters)
    return lambda entry_path: bool(matcher(entry_path))


def any_matcher(filters: Iterable[ZarrFilter]) -> Matcher:
    """One callable whose result is true when any of the filters matches a path."""
    kinds = [zarr_filter._kind for zarr_filter in dict.fromkeys(filters)]
    globs = [kind.glob for kind in kinds if isinstance(kind, _Glob)]
    paths = {kind.path: kind for kind in kinds if isinstance(kind, _Path)}
    matchers: list[Matcher] = []
    alternatives = _glob_alternatives(globs)
    if len(paths) < _MANY_PATHS:
        alternatives = [kind.regex for kind in paths.values()] + alternatives
    else:
        matchers.append(_parent_lookup(frozenset(paths)))
    if alternatives:
        matchers.insert(0, re.compile("|".join(alternatives), re.DOTALL).match)
    # A user's regular expression keeps its own flags, groups and back-references.
    matchers.extend(kind.matcher for kind in kinds if isinstance(kind, _Regex))
    return or_matcher(matchers)


def _glob_alternatives(globs: Sequence[Glob]) -> list[str]:
    """Regular expressions for the globs; those that look at the tail alone share one."""
    tails: dict[int, list[str]] = {}
    others = []
    for glob in globs:
        if glob.tail is None:
            others.append(glob.regex())
        else:
            tail = "/".join(component.regex() for component in glob.tail)
            tails.setdefault(len(glob.tail), []).append(tail)
    grouped = [
        f"{tail_regex(count)}(?:{'|'.join(alternatives)})\\Z"
        for count, alternatives in tails.items()
    ]
    return others + grouped


def _parent_lookup(paths: frozenset[str]) -> Matcher:
    if "" in paths:
        return _always

    def matcher(entry_path: str) -> bool:
        if entry_path in paths:
            return True
        slash = entry_path.find("/")
        while slash >= 0:
            if entry_path[:slash] in paths:
                return True
            slash = entry_path.find("/", slash + 1)
        return False

    return matcher


def or_matcher(matchers: Sequence[Matcher]) -> Matcher:
    """A callable that is true when any of the matchers is."""
    if not matchers:
        return _never
    if len(matchers) == 1:
        return matchers[0]
    first, second, *rest = matchers
    if not rest:
        return lambda entry_path: first(entry_path) or second(entry_path)
    return lambda entry_path: any(matcher(entry_path) for matcher in matchers)


def and_matcher(matchers: Sequence[Matcher]) -> Matcher:
    """A callable that is true when all of the matchers are."""
    if not matchers:
        return _always
    if len(matchers) == 1:
        return matchers[0]
    first, second, *rest = matchers
    if not rest:
        return lambda entry_path: first(entry_path) and second(entry_path)
    return lambda entry_path: all(matcher(entry_path) for matcher in matchers)


def _always(entry_path: str) -> bool:
    return True


def _never(entry_path: str) -> bool:
    return False
