"""Keys are somebody else's text: which may become paths of files, and how they are shown."""

import re

# An empty, "." or ".." component (also a leading or trailing slash), a control
# character (C0, DEL, C1), or a lone surrogate, which no UTF-8 key can hold.
_UNSAFE = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)

is_unsafe = _UNSAFE.search
"""Truthy for a key of which :func:`path_problem` has something to say."""


def path_problem(key: str) -> str:
    """Return why a key must not be written as a file below a directory, "" if it may.

    A key that is absolute, has an empty, ``.`` or ``..`` component or holds a control
    character would leave the directory or hide something in it.
    """
    found = is_unsafe(key)
    if found is None:
        return ""
    if key.startswith("/"):
        return "it is absolute"
    if not key:
        return "it is empty"
    if found[0].strip("/.") == "":
        return "it has an empty, '.' or '..' component"
    return f"it holds the control character {found[0]!a}"


def show_key(key: str) -> str:
    """Return a key as printable text on one line; control characters escaped."""
    return _UNPRINTABLE.sub(lambda m: m[0].encode("unicode_escape").decode(), key)
