"""Literal heads of anchored regular expressions: ``^0/(1|2)/`` lies under 0/1/ and 0/2/.

Python keeps its parser of regular expressions private, so this reads the
pattern itself, understanding just enough to be right: literals, sets, groups,
alternation, quantifiers and anchors. Whatever it does not understand either
ends the heads found so far or gives up; it never narrows too far, since every
construct it skips can only narrow the matches further.
"""

import re
from dataclasses import dataclass

from ncore.select.key_cover import KeyCover

_MAX_HEADS = 32
_QUANTIFIER = re.compile(r"(?:([*+?])|\{(?!\})(\d*)(,?)(\d*)\})([?+]?)")
_PLAIN_FLAGS = re.compile(r"\(\?[asu]+\)")
_OTHER_MEANING = re.IGNORECASE | re.MULTILINE | re.VERBOSE | re.LOCALE


def regex_cover(pattern: re.Pattern[str]) -> tuple[KeyCover, bool]:
    """Where the matches of ``pattern.search`` lie.

    Returns:
        A cover of the matching keys, and whether it is exact: every key in it matches.
    """
    if pattern.flags & _OTHER_MEANING:
        return KeyCover.everything(), False
    text = pattern.pattern
    if flags := _PLAIN_FLAGS.match(text):
        text = text[flags.end() :]
    reader = _Reader(text)
    try:
        heads = reader.alternation()
    except (_NotUnderstoodError, RecursionError):
        return KeyCover.everything(), False
    if not reader.narrowed and pattern.search(""):
        # Nothing looks at its surroundings, so the empty match is found in any key.
        return KeyCover.everything(), True
    if not heads.anchored:
        return KeyCover.everything(), False
    is_exact = not reader.narrowed and all(is_open for is_open in heads.texts.values())
    return KeyCover.of(prefixes=heads.texts), is_exact


class _NotUnderstoodError(Exception):
    pass


@dataclass(frozen=True)
class _Heads:
    """Texts with which every match of a piece of the pattern begins.

    Attributes:
        texts: text -> whether it is open, that is, the whole of what the piece matched,
            so that the next piece continues it. A closed text may be followed by anything.
        anchored: whether the piece can match at the start of the key only.
    """

    texts: dict[str, bool]
    anchored: bool = False

    def closed(self) -> "_Heads":
        return _Heads(dict.fromkeys(self.texts, False), self.anchored)

    def then(self, following: "_Heads") -> "_Heads":
        joined: dict[str, bool] = {}
        for text, is_open in self.texts.items():
            if not is_open:
                joined[text] = False
                continue
            for more, more_open in following.texts.items():
                # Reached both ways: closed claims less, so it wins.
                joined[text + more] = more_open and joined.get(text + more, True)
        return _Heads(joined, self.anchored) if len(joined) <= _MAX_HEADS else self.closed()

    def either(self, other: "_Heads") -> "_Heads":
        texts = dict(self.texts)
        for text, is_open in other.texts.items():
            texts[text] = is_open and texts.get(text, True)
        anchored = self.anchored and other.anchored
        return _Heads(texts if len(texts) <= _MAX_HEADS else {"": False}, anchored)


_ANYTHING = _Heads({"": False})
_EMPTY = _Heads({"": True})
_ANCHOR = _Heads({"": True}, anchored=True)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        # Whether something was skipped that narrows the matches (a look-around, "$").
        self.narrowed = False

    def alternation(self) -> _Heads:
        heads = self._sequence()
        while self._take("|"):
            heads = heads.either(self._sequence())
        if self.position < len(self.text) and self.text[self.position] != ")":
            raise _NotUnderstoodError
        return heads

    def _sequence(self) -> _Heads:
        heads = _EMPTY
        is_first = True
        while self.position < len(self.text) and self.text[self.position] not in "|)":
            piece = self._quantified(self._item())
            if is_first and piece.anchored:
                heads = _Heads(heads.texts, anchored=True)
            is_first = False
            heads = heads.then(piece)
        return heads

    def _take(self, token: str) -> bool:
        found = self.text.startswith(token, self.position)
        if found:
            self.position += len(token)
        return found

    def _item(self) -> _Heads:
        start = self.position
        character = self.text[start]
        self.position += 1
        if character == "\\":
            return self._escape(start)
        if character == "(":
            return self._group()
        if character == "[":
            return self._set()
        if character == "^":
            return self._anchor(start)
        if character == "$":
            self.narrowed = True
            return _EMPTY
        if character == ".":
            return _ANYTHING
        return _Heads({character: True})

    def _anchor(self, start: int) -> _Heads:
        self.narrowed = self.narrowed or start > 0
        return _ANCHOR

    def _escape(self, start: int) -> _Heads:
        character = self.text[self.position]
        self.position += 1
        if character == "A":
            return self._anchor(start)
        if character in "bBZz":
            self.narrowed = True
            return _EMPTY
        if character.isascii() and character.isalnum():
            # A class, a control character, a number: what follows is read as literals,
            # which is harmless behind a closed head.
            return _ANYTHING
        return _Heads({character: True})

    def _group(self) -> _Heads:
        zero_width = False
        if self._take("?"):
            if self._take("P<"):
                self.position = self.text.index(">", self.position) + 1
            elif any(self._take(kind) for kind in ("=", "!", "<=", "<!")):
                zero_width = True
                self.narrowed = True
            elif self._take(">"):
                self.narrowed = True
            elif not self._take(":"):
                # Flags for a part, comments, conditions, back-references by name.
                raise _NotUnderstoodError
        heads = self.alternation()
        if not self._take(")"):
            raise _NotUnderstoodError
        return _EMPTY if zero_width else heads

    def _set(self) -> _Heads:
        is_simple = not self._take("^")
        members: list[str] = []
        is_first = True
        while is_first or not self.text.startswith("]", self.position):
            is_first = False
            lo, lo_simple = self._member()
            hi, hi_simple = lo, True
            if self.text.startswith("-", self.position) and self.text[self.position + 1] != "]":
                self.position += 1
                hi, hi_simple = self._member()
            is_simple = is_simple and lo_simple and hi_simple
            if is_simple and ord(hi) - ord(lo) < _MAX_HEADS:
                members.extend(map(chr, range(ord(lo), ord(hi) + 1)))
            else:
                is_simple = False
        self.position += 1
        if not is_simple or len(members) > _MAX_HEADS:
            return _ANYTHING
        return _Heads(dict.fromkeys(members, True))

    def _member(self) -> tuple[str, bool]:
        character = self.text[self.position]
        self.position += 1
        if character != "\\":
            return character, True
        character = self.text[self.position]
        self.position += 1
        # Longer escapes (\x41) leave their digits behind as members; the set is not simple.
        return character, not (character.isascii() and character.isalnum())

    def _quantified(self, heads: _Heads) -> _Heads:
        match = _QUANTIFIER.match(self.text, self.position)
        if match is None:
            return heads
        self.position = match.end()
        symbol, least, comma, _most, suffix = match.groups()
        if suffix == "+":
            self.narrowed = True  # possessive
        if symbol == "?":
            return _Heads(heads.either(_EMPTY).texts)
        if symbol == "+":
            return heads.closed()
        if symbol == "*" or int(least or 0) == 0:
            return _ANYTHING
        if int(least) == 1 and not comma:
            return heads
        return heads.closed()
