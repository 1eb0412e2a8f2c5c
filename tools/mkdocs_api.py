"""MkDocs hook: a line `[api ncore.stores]` becomes the reference of what that package exports.

The faces of the packages import lazily, which a reader of the source alone
cannot follow; so their own tables are asked.
"""

import re
from importlib import import_module
from typing import Any

_LINE = re.compile(r"^\[api ([\w.]+)\]$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the lines of one page (called by MkDocs)."""
    return _LINE.sub(lambda match: reference(match[1]), markdown)


def reference(package: str) -> str:
    """Return the Markdown that makes mkdocstrings show each exported name."""
    face = import_module(package)
    lines = []
    for name in sorted(face.__all__, key=str.lower):
        value = getattr(face, name)
        home = getattr(value, "__module__", "")
        if isinstance(value, type) or callable(value):
            if home.startswith("ncore."):
                lines.append(f"::: {home}.{name}")
        else:
            lines.append(f"### `{name}`\n\nA constant or alias of `{package}`.")
    return "\n\n".join(lines)
