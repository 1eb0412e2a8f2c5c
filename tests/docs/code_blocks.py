"""The fenced code blocks of a Markdown page, and how each is run."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_BLOCK = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>[^\n]+?) -->\n\n?)?"
    r"^(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
RUN = ("python", "sh")
"""Languages of blocks that must run, or say in a comment above why not."""
DATA = ("json", "text")
"""Languages of blocks that show something and are no code."""
_FENCE = re.compile(r" *```(?P<language>\S*)")
_ITEM = re.compile(r" *([-*]|\d+\.) ")


class Block(NamedTuple):
    """One fenced block."""

    line: int
    """Line of its first line of code, from 1."""
    language: str
    code: str
    not_run: str | None
    """Why it is not run, if so."""


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a page that could be run, in their order."""
    for match in _BLOCK.finditer(text):
        if match["language"] in RUN:
            indent = match["indent"]
            code = "".join(
                line.removeprefix(indent) for line in match["code"].splitlines(keepends=True)
            )
            line = text.count("\n", 0, match.start("code")) + 1
            yield Block(line, match["language"], code, match["reason"])


def strays(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of blocks that :func:`blocks` would pass over in silence.

    They are fenced ones of no or another language, and code that is merely indented.
    """
    fenced = False
    after_blank, in_list = True, False
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if fence:
            fenced = not fenced
            if fenced and fence["language"] not in (*RUN, *DATA):
                yield number, line
        elif not fenced:
            if _ITEM.match(line):
                in_list = True
            elif line and line[0] != " ":
                in_list = False
            if line.startswith("    ") and line.strip() and after_blank and not in_list:
                yield number, line
        after_blank = not line.strip()
