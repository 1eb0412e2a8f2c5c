"""MkDocs hook: a line `[api ncore.stores]` becomes the reference of what that package exports.

The faces of the packages import lazily, which a reader of the source alone
cannot follow; so their own tables are asked. Sphinx's roles in docstrings
(``:class:`~ncore.itar.reader.ItarReader` ``) become links where the site has what
they name, and code elsewhere.
"""

import re
from importlib import import_module
from typing import Any

_LINE = re.compile(r"^\[api ([\w.]+)\]$", re.MULTILINE)
_ROLE = re.compile(
    r":(?:attr|class|data|exc|func|meth|mod):<code>([^<]*?)(?:\s*&lt;([^<]*?)&gt;)?</code>"
)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the lines of one page (called by MkDocs)."""
    return _LINE.sub(lambda match: reference(match[1]), markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Replace the roles in the docstrings of one page (called by MkDocs)."""
    html = html.replace("::</p>", ":</p>")  # what introduces a literal block
    return _ROLE.sub(lambda match: _linked(match[1], match[2]), html)


def _linked(text: str, target: str | None) -> str:
    target = target or text.lstrip("~")
    shown = text.rpartition(".")[2] if text.startswith("~") else text
    if not target.startswith("ncore."):
        return f"<code>{shown}</code>"
    return f'<autoref identifier="{target}" optional><code>{shown}</code></autoref>'


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
