"""A whole selection: which entries of a zarr a command is about."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ncore.select.errors import ZarrFilterError
from ncore.select.filters import (
    Matcher,
    ZarrFilter,
    and_matcher,
    any_matcher,
    parse_zarr_filter,
)
from ncore.select.key_cover import KeyCover

_FLAGS = {"--zarr": "zarr", "--zarr-and": "zarr_and", "--zarr-not": "zarr_not"}


@dataclass(frozen=True)
class ZarrSelection:
    """Filters composed: any of `zarr`, and all of `zarr_and`, and none of `zarr_not`.

    Without `zarr` every entry is selected, then narrowed and excluded from. The
    order in which filters are given has no meaning, so each field is held
    sorted and without repetition, and selections of the same filters are equal.

    Attributes:
        zarr: specs (``TYPE:PATTERN`` or an alias) of which one must match.
        zarr_and: specs that must all match. An alias matches when one of its
            filters does.
        zarr_not: specs of which none may match.

    Raises:
        ZarrFilterError: (a ValueError) for a malformed spec.
    """

    zarr: tuple[str, ...] = ()
    zarr_and: tuple[str, ...] = ()
    zarr_not: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for flag, name in _FLAGS.items():
            specs = getattr(self, name)
            if isinstance(specs, str):
                raise TypeError(f"{flag} takes a sequence of filters, not the string {specs!r}")
            object.__setattr__(self, name, tuple(sorted(set(specs))))
        _ = self._any_of, self._all_of, self._none_of  # a malformed spec is an error at once

    @classmethod
    def from_flags(
        cls,
        zarr: Iterable[str] = (),
        zarr_and: Iterable[str] = (),
        zarr_not: Iterable[str] = (),
    ) -> "ZarrSelection":
        """Make a selection from the values of the flags of the same names.

        Raises:
            ZarrFilterError: one of them is text instead of a list of texts, or malformed.
        """
        for name, values in (("zarr", zarr), ("zarr_and", zarr_and), ("zarr_not", zarr_not)):
            if isinstance(values, str):
                raise ZarrFilterError(f"{name}={values!r}: give a list of filters: [{values!r}]")
        return cls(tuple(zarr), tuple(zarr_and), tuple(zarr_not))

    @classmethod
    def from_args(cls, args: Sequence[str]) -> "ZarrSelection":
        """Read back what `to_flags` returns, or the same with flag and value apart.

        Raises:
            ZarrFilterError: for an argument that is no filter flag, a flag without a
                value, or a malformed spec.
        """
        values: dict[str, list[str]] = {name: [] for name in _FLAGS.values()}
        remaining = iter(args)
        for arg in remaining:
            flag, equals, value = arg.partition("=")
            if flag not in _FLAGS:
                raise ZarrFilterError(f"{arg!r} is none of the flags {', '.join(_FLAGS)}")
            if not equals:
                following = next(remaining, None)
                if following is None:
                    raise ZarrFilterError(f"Flag {flag} lacks its filter")
                value = following
            values[_FLAGS[flag]].append(value)
        return cls.from_flags(**values)

    def to_flags(self) -> list[str]:
        """The selection as command-line arguments, one ``--flag=SPEC`` each."""
        return [f"{flag}={spec}" for flag, name in _FLAGS.items() for spec in getattr(self, name)]

    def __str__(self) -> str:
        """The flags as a shell would read them; empty for everything."""
        return shlex.join(self.to_flags())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.zarr, self.zarr_and, self.zarr_not)

    def with_bound(self, zarr_subpath: str) -> "ZarrSelection":
        """This selection, restricted to one entry of the zarr and what lies below it.

        Args:
            zarr_subpath: a path inside the zarr, as a location names it; ``""`` is
                the zarr itself and changes nothing.
        """
        if not zarr_subpath.strip("/"):
            return self
        return ZarrSelection(self.zarr, (*self.zarr_and, f"path:{zarr_subpath}"), self.zarr_not)

    @cached_property
    def _any_of(self) -> list[ZarrFilter]:
        return [zarr_filter for spec in self.zarr for zarr_filter in parse_zarr_filter(spec)]

    @cached_property
    def _all_of(self) -> list[list[ZarrFilter]]:
        return [parse_zarr_filter(spec) for spec in self.zarr_and]

    @cached_property
    def _none_of(self) -> list[ZarrFilter]:
        return [zarr_filter for spec in self.zarr_not for zarr_filter in parse_zarr_filter(spec)]

    @cached_property
    def _groups(self) -> list[list[ZarrFilter]]:
        """Groups of filters, of each of which one must match; those that always do are left out."""
        groups = [self._any_of, *self._all_of] if self.zarr else self._all_of
        return [group for group in groups if not any(f.is_everything for f in group)]

    @property
    def is_everything(self) -> bool:
        """Whether every key is selected, for a reason that can be seen in the filters."""
        return not self._groups and not self._none_of

    @cached_property
    def matcher(self) -> Matcher:
        """The selection as one callable; its result is true for a selected key, not always True.

        For loops over millions of keys: `filter_paths` is this under `filter`.
        """
        selected = and_matcher([any_matcher(group) for group in self._groups])
        if not self._none_of:
            return selected
        excluded = any_matcher(self._none_of)
        if not self._groups:
            return lambda entry_path: not excluded(entry_path)
        return lambda entry_path: selected(entry_path) and not excluded(entry_path)

    def matches(self, entry_path: str) -> bool:
        """Whether the entry with this key is selected."""
        return bool(self.matcher(entry_path))

    def filter_paths(self, paths: Iterable[str]) -> Iterator[str]:
        """The selected ones among the keys, in their order, lazily."""
        return iter(paths) if self.is_everything else filter(self.matcher, paths)

    def could_contain(self, directory: str) -> bool:
        """Whether a key strictly below a directory can be selected; False is certain.

        A walk that asks this before it descends reads only directories that can hold
        a match.

        Args:
            directory: a path inside the zarr, with or without a slash at its end;
                ``""`` is the zarr itself.
        """
        directory = directory.removesuffix("/")
        below = directory + "/" if directory else ""
        if not self._bounds.could_contain(below):  # far cheaper than asking each filter
            return False
        for plain, globs in self._parts:
            if not plain.could_contain(below) and not any(
                zarr_filter.could_contain(directory) for zarr_filter in globs
            ):
                return False
        return not any(f.covers(below) for f in self._none_of)

    @cached_property
    def _parts(self) -> list[tuple[KeyCover, list[ZarrFilter]]]:
        """Of each group, the filters whose covers tell all, as one cover; and the globs."""
        return [
            (
                KeyCover.union(f.cover() for f in group if f.filter_type != "glob"),
                [f for f in group if f.filter_type == "glob"],
            )
            for group in self._groups
        ]

    def cover(self) -> KeyCover:
        """Single keys and string prefixes that hold every match.

        A key costs one look-up and a prefix one listing, so this is cheaper to follow
        than `prefixes` where both can be asked for: ``path:0`` is the key ``0`` and the
        prefix ``0/``, while the only prefix that holds both, ``0``, lists ``01/`` too.
        """
        return self._cover

    @cached_property
    def _bounds(self) -> KeyCover:
        """What the filters allow, before each member has been looked at by itself."""
        bounds = KeyCover.everything()
        for group in self._groups:
            bounds &= KeyCover.union(zarr_filter.cover() for zarr_filter in group)
        return bounds

    @cached_property
    def _cover(self) -> KeyCover:
        return KeyCover.of(
            (key for key in self._bounds.keys if self.matches(key)),
            (prefix for prefix in self._bounds.prefixes if self._could_hold(prefix)),
        )

    def _could_hold(self, prefix: str) -> bool:
        # The prefixes of a single group are heads of its own filters: nothing to ask.
        if len(self._groups) > 1 and not self.could_contain(prefix.rpartition("/")[0]):
            return False
        return not any(zarr_filter.covers(prefix) for zarr_filter in self._none_of)

    def prefixes(self) -> list[str]:
        """The smallest set of string prefixes under which every match is listed.

        They come from ``path:``, from the literal head of a glob and from the literal
        head of an anchored regular expression; ``[""]`` when the whole zarr must be
        listed, ``[]`` when nothing can match. Listing them never misses a match, though
        it can return keys that do not match.

        Returns:
            Sorted prefixes, none of which begins with another. They are string prefixes,
            as object stores and the DANDI API take them: ``0`` also lists ``01/x``.
        """
        return self._cover.listing_prefixes()
