"""Globs over zarr keys, in linear time.

A glob is a sequence of components separated by ``/``. Inside one component
``*``, ``?`` and ``[...]`` mean what :mod:`fnmatch` makes of them, case
sensitively, and never cross a ``/``. A component that is exactly ``**`` stands
for any number of components, none included.

The components between two ``**`` form a segment of fixed length. Taking the
leftmost match of each segment leaves the most room for the next, so no choice
ever needs to be taken back, and the translation to a regular expression below
puts each choice into an atomic group. The same argument holds for the pieces
between two ``*`` of one component. Matching therefore costs at most (length of
path) x (length of pattern), whatever the pattern.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from ncore.select.key_cover import KeyCover

# A head such as "[0-3]/" is expanded to the prefixes it stands for, up to this many.
MAX_HEADS = 32


@dataclass(frozen=True)
class CharSet:
    """``[...]``: inclusive character ranges, never holding ``/``; ``negated`` for ``[!...]``."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool

    @property
    def is_empty(self) -> bool:
        """Whether no character is in the set, as in ``[z-a]``."""
        return not self.ranges and not self.negated

    def regex(self) -> str:
        if not self.ranges:
            return "[^/]" if self.negated else "(?!)"
        inside = "".join(
            re.escape(lo) if lo == hi else f"{re.escape(lo)}-{re.escape(hi)}"
            for lo, hi in self.ranges
        )
        return f"[^/{inside}]" if self.negated else f"[{inside}]"

    def characters(self) -> list[str] | None:
        """The characters of the set, or None when there are more than `MAX_HEADS`."""
        if self.negated or sum(ord(hi) - ord(lo) + 1 for lo, hi in self.ranges) > MAX_HEADS:
            return None
        return sorted({chr(c) for lo, hi in self.ranges for c in range(ord(lo), ord(hi) + 1)})


@dataclass(frozen=True)
class _Wild:
    name: str


STAR = _Wild("*")
ANY_CHARACTER = _Wild("?")
Token = str | CharSet | _Wild


@dataclass(frozen=True)
class Component:
    """One component of a glob: literal texts, character sets, ``?`` and ``*`` in order."""

    tokens: tuple[Token, ...]

    @property
    def is_star(self) -> bool:
        """Whether any component matches."""
        return self.tokens == (STAR,)

    @property
    def never_matches(self) -> bool:
        return any(isinstance(token, CharSet) and token.is_empty for token in self.tokens)

    def regex(self) -> str:
        """A regular expression for the component; what follows must be ``/`` or the end."""
        pieces = [""]
        for token in self.tokens:
            if token is STAR:
                pieces.append("")
            elif token is ANY_CHARACTER:
                pieces[-1] += "[^/]"
            elif isinstance(token, CharSet):
                pieces[-1] += token.regex()
            else:
                assert isinstance(token, str)
                pieces[-1] += re.escape(token)
        head, *rest = pieces
        if not rest:
            return head
        middle = "".join(f"(?>[^/]*?{piece})" for piece in rest[:-1])
        return head + middle + ("[^/]*" + rest[-1] if rest[-1] else "[^/]*+")

    @cached_property
    def _fullmatch(self) -> re.Pattern[str]:
        return re.compile(self.regex(), re.DOTALL)

    def matches(self, name: str) -> bool:
        if self.is_star:
            return True
        return self._fullmatch.fullmatch(name) is not None


@dataclass(frozen=True)
class Glob:
    """A parsed glob: components in order, None for ``**`` (never two in a row)."""

    components: tuple[Component | None, ...]

    @classmethod
    def parse(cls, names: Iterable[str]) -> "Glob":
        """Parse the components of a pattern, already split at ``/``."""
        components: list[Component | None] = []
        for name in names:
            if name != "**":
                components.append(Component(tuple(_tokens(name))))
            elif not components or components[-1] is not None:
                components.append(None)
        return cls(tuple(components))

    @property
    def is_everything(self) -> bool:
        return _takes_any_key(self.components)

    @property
    def never_matches(self) -> bool:
        return any(c is not None and c.never_matches for c in self.components)

    @cached_property
    def segments(self) -> list[list[Component]]:
        """The runs of components between the ``**``; one run when there is none."""
        runs: list[list[Component]] = [[]]
        for component in self.components:
            if component is None:
                runs.append([])
            else:
                runs[-1].append(component)
        return runs

    @property
    def tail(self) -> list[Component] | None:
        """The components S of a glob of the form ``**/S``, else None."""
        head, *rest = self.segments
        return rest[0] if not head and len(rest) == 1 and rest[0] else None

    def regex(self) -> str:
        """A regular expression for `re.match` with DOTALL, anchored at both ends."""
        head, *rest = [[c.regex() for c in run] for run in self.segments]
        if not rest:
            return "/".join(head) + r"\Z"
        *middle, last = rest
        open_end = "" if last else r"(?:/|\Z)"
        parts = []
        if head:
            parts.append("/".join(head) + ("/" if middle or last else open_end))
        for index, run in enumerate(middle):
            end = "/" if last or index < len(middle) - 1 else open_end
            parts.append("(?>(?:[^/]*+/)*?" + "/".join(run) + end + ")")
        if last:
            parts.append(tail_regex(len(last)) + "/".join(last) + r"\Z")
        return "".join(parts)

    def could_contain(self, names: Sequence[str]) -> bool:
        """Whether a key strictly below the directory with these components can match."""
        if self.never_matches:
            return False
        return any(state < len(self.components) for state in self._states_after(names))

    def covers(self, names: Sequence[str]) -> bool:
        """Whether every key strictly below the directory with these components matches."""
        return any(_takes_any_key(self.components[state:]) for state in self._states_after(names))

    def _states_after(self, names: Sequence[str]) -> set[int]:
        """Positions in `components` reachable once `names` have been matched."""
        states = self._skip_any_depth({0})
        for name in names:
            after = set()
            for state in states:
                if state == len(self.components):
                    continue
                component = self.components[state]
                if component is None:
                    after.add(state)
                elif component.matches(name):
                    after.add(state + 1)
            states = self._skip_any_depth(after)
            if not states:
                break
        return states

    def _skip_any_depth(self, states: set[int]) -> set[int]:
        size = len(self.components)
        return states | {s + 1 for s in states if s < size and self.components[s] is None}

    def cover(self) -> KeyCover:
        """Where the matches lie, from the literal head of the glob."""
        if self.never_matches:
            return KeyCover.nothing()
        heads = [""]
        for component, following in pairwise((*self.components, _END)):
            if component is None:
                return KeyCover.of(prefixes=heads)
            assert isinstance(component, Component)
            for token in component.tokens:
                longer = _extend(heads, token)
                if longer is None:
                    return KeyCover.of(prefixes=heads)
                heads = longer
            if following is _END:
                return KeyCover.of(keys=heads)
            below = [head + "/" for head in heads]
            if following is None and self.components.index(None) == len(self.components) - 1:
                # "a/**": the entry a itself, or anything below it.
                return KeyCover.of(keys=heads, prefixes=below)
            heads = below
        raise AssertionError("a glob has at least one component")


_END = object()


def _takes_any_key(components: Sequence[Component | None]) -> bool:
    """Whether any sequence of one or more components matches."""
    plain = [component for component in components if component is not None]
    return len(plain) < len(components) and (not plain or (len(plain) == 1 and plain[0].is_star))


def tail_regex(count: int) -> str:
    """A regular expression that skips to the start of the last `count` components."""
    if count == 1:
        return "(?>(?:.*/)?)"
    return f"(?>(?:.*/)?(?=[^/]*(?:/[^/]*){{{count - 1}}}\\Z))"


def _extend(heads: list[str], token: Token) -> list[str] | None:
    """Each head followed by each text the token stands for; None when that is not finite."""
    if isinstance(token, str):
        return [head + token for head in heads]
    if isinstance(token, CharSet):
        characters = token.characters()
        if characters is not None and len(heads) * len(characters) <= MAX_HEADS:
            return [head + character for head in heads for character in characters]
    return None


def _tokens(name: str) -> Iterator[Token]:
    literal = ""
    position = 0
    while position < len(name):
        character = name[position]
        position += 1
        token: Token | None = None
        if character == "*":
            token = STAR
            while position < len(name) and name[position] == "*":
                position += 1
        elif character == "?":
            token = ANY_CHARACTER
        elif character == "[" and (end := _end_of_set(name, position)) is not None:
            token = _char_set(name[position:end])
            position = end + 1
        if token is None:
            literal += character
            continue
        if literal:
            yield literal
            literal = ""
        yield token
    if literal:
        yield literal


def _end_of_set(name: str, start: int) -> int | None:
    """Index of the ``]`` that closes the set whose inside begins at `start`, if any."""
    first = start + 1 if name.startswith("!", start) else start
    if name.startswith("]", first):  # a leading ] is a member
        first += 1
    end = name.find("]", first)
    return end if end >= 0 else None


def _char_set(inside: str) -> CharSet:
    negated = inside.startswith("!")
    if negated:
        inside = inside[1:]
    ranges: list[tuple[str, str]] = []
    position = 0
    while position < len(inside):
        lo = hi = inside[position]
        if inside.startswith("-", position + 1) and position + 2 < len(inside):
            hi = inside[position + 2]
            position += 2
        position += 1
        if lo > hi:
            continue
        # "/" separates components, so a range such as "+-9" is taken without it.
        if lo <= "/" <= hi:
            if lo < "/":
                ranges.append((lo, "."))
            if hi > "/":
                ranges.append(("0", hi))
        else:
            ranges.append((lo, hi))
    return CharSet(tuple(ranges), negated)
