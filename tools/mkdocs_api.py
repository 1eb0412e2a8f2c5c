"""MkDocs hook: a line `[api ncore.stores]` becomes the reference of what that package exports.

The faces of the packages import lazily, which a reader of the source alone
cannot follow; so their own tables are asked. Sphinx's roles in docstrings
(``:class:`~ncore.itar.reader.ItarReader` ``) become links where the site has what
they name, and code elsewhere; so do the exported names in the text of every page.
Options (``--in-place``) are not broken over lines, and long names in tables only
where a reader would break them.
"""

import re
from enum import Enum
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

_FACES = (
    "ncore.stores",
    "ncore.itar",
    "ncore.convert",
    "ncore.transfer",
    "ncore.select",
    "ncore.loaders",
    "ncore.data",
    "ncore.data.v4",
    "ncore.errors",
    "ncore.data.errors",
    "ncore.data.v4.errors",
)

_UNTOLD = {"DataClassJsonMixin", "ResolvableEnum"}

_LINE = re.compile(r"^\[api ([\w.]+)\]$", re.MULTILINE)
_ROLE = re.compile(
    r":(?:attr|class|data|exc|func|meth|mod):<code>([^<]*?)(?:\s*&lt;([^<]*?)&gt;)?</code>"
)
# What stands in a link, a heading or a listing is left as it is.
_NAME = re.compile(
    r"<(?P<tag>a|autoref|h[1-6]|pre)\b.*?</(?P=tag)>"
    r"|<code>(?P<name>[\w.]*(?:[A-Z]\w*[a-z][A-Z]\w*|[a-z]+_\w+))(?P<call>\([^<]*\))?</code>",
    re.DOTALL,
)
_REQUIRED = re.compile(r"(<td>\s*)<code>\.\.\.</code>(?=\s*</td>)")
_OPTION = re.compile(r"<code>(--?[\w-]+(?: [\w-]+)?)</code>")
_CELL = re.compile(r"<td\b.*?</td>", re.DOTALL)
_CODE = re.compile(r"<code>([^<]{18,})</code>")
_SEAM = re.compile(r"(?<=[\w>])(?=/|::)|(?<=[a-z0-9])(?=_[a-z0-9])")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the lines of one page (called by MkDocs)."""
    return _LINE.sub(lambda match: reference(match[1]), markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Replace the roles in the docstrings of one page (called by MkDocs)."""
    html = html.replace("::</p>", ":</p>")  # what introduces a literal block
    html = _ROLE.sub(lambda match: _linked(match[1], match[2]), html)
    html = _REQUIRED.sub(r"\1<em>required</em>", html)
    html = _NAME.sub(_named, html)
    html = _OPTION.sub(r'<code class="option">\1</code>', html)
    return _CELL.sub(lambda cell: _CODE.sub(_breakable, cell[0]), html)


def _named(match: re.Match[str]) -> str:
    name = match["name"]
    home = _homes().get(name.rpartition(".")[2]) if name else None
    if home is None or ("." in name and f"{name.rpartition('.')[0]}." not in home):
        return match[0]
    return (
        f'<autoref identifier="{home}" optional><code>{name}{match["call"] or ""}</code></autoref>'
    )


@cache
def _homes() -> dict[str, str]:
    """Return where each exported name is defined, of those that only one package exports."""
    found: dict[str, set[str]] = {}
    for face in map(import_module, _FACES):
        for name in _exported(face):
            home = getattr(getattr(face, name), "__module__", "")
            if home.startswith("ncore."):
                found.setdefault(name, set()).add(f"{home}.{name}")
    return {name: homes.pop() for name, homes in found.items() if len(homes) == 1}


def _breakable(match: re.Match[str]) -> str:
    return f"<code>{_SEAM.sub('<wbr>', match[1])}</code>"


def _linked(text: str, target: str | None) -> str:
    target = target or text.lstrip("~")
    shown = text.rpartition(".")[2] if text.startswith("~") else text
    if not target.startswith("ncore."):
        return f"<code>{shown}</code>"
    return f'<autoref identifier="{target}" optional><code>{shown}</code></autoref>'


def reference(package: str) -> str:
    """Return the Markdown that makes mkdocstrings show each exported name."""
    face = import_module(package)
    lines = [(face.__doc__ or "").strip()]
    for name in _exported(face):
        value = getattr(face, name)
        home = getattr(value, "__module__", "")
        if isinstance(value, type) or callable(value):
            if home.startswith("ncore."):
                lines.append(f"::: {home}.{name}{_options(value)}")
        else:
            lines.append(f"## `{name}`\n\nA constant or alias of `{package}`.")
    return "\n\n".join(lines)


def _options(value: Any) -> str:
    options = []
    if isinstance(value, type) and issubclass(value, Enum):
        options.append("show_if_no_docstring: true")  # the names of its members say enough
    if isinstance(value, type) and (inherited := sorted(_inherited(value))):
        options.append(f"inherited_members: [{', '.join(inherited)}]")
    return f"\n    options: {{ {', '.join(options)} }}" if options else ""


def _inherited(value: type) -> set[str]:
    """Return what a class, and the classes inside it, have of bases that no page describes.

    The JSON methods of the data types are left out: one page tells of them for all.
    """
    names: set[str] = set()
    for base in value.__mro__[1:]:
        if base.__module__.startswith("ncore.") and base.__name__ not in _UNTOLD | {*_homes()}:
            names |= {name for name in vars(base) if not name.startswith("_")}
    for inner in vars(value).values():
        if isinstance(inner, type) and inner.__qualname__.startswith(f"{value.__qualname__}."):
            names |= _inherited(inner)
    return names


def _exported(face: ModuleType) -> list[str]:
    """Return the public names of a package, or the classes that a module of errors defines."""
    names = getattr(face, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(face).items()
            if isinstance(value, type) and value.__module__ == face.__name__
        ]
    return sorted(names, key=str.lower)
