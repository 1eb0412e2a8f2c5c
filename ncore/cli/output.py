"""What a command shows: results on stdout, everything about its work on stderr.

A person at a terminal sees progress bars and tables; a program that asked for
``--json`` reads exactly one JSON document from stdout; a pipe or a log file
sees results and errors only.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

# C0 and C1 controls, DEL, bidirectional overrides and lone surrogates. Keys of
# an archive are somebody else's text: shown raw they could rewrite the screen,
# and surrogates cannot be encoded at all.
_SPECIAL = r"\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNPRINTABLE = re.compile(rf"[\x00-\x1f{_SPECIAL}]")
_UNPRINTABLE_BUT_LINE_FEED = re.compile(rf"[\x00-\x09\x0b-\x1f{_SPECIAL}]")


def printable(text: str, *, multiline: bool = False) -> str:
    r"""Return `text` with control characters as escapes (``\x1b``, ``\u202e``).

    Args:
        text: any text, such as a key read from an archive.
        multiline: keep line feeds.
    """
    pattern = _UNPRINTABLE_BUT_LINE_FEED if multiline else _UNPRINTABLE
    return pattern.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class Output:
    """Where a command writes.

    Args:
        as_json: print results as JSON on stdout, and no progress.
        quiet: print no progress and no notes; results and errors remain.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet or as_json
        self._err = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
        self._out = Console(file=sys.stdout, markup=False, highlight=False, soft_wrap=True)

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Output":
        """The output that the flags ``--json`` and ``--quiet`` ask for."""
        return cls(as_json=getattr(args, "json", False), quiet=getattr(args, "quiet", False))

    @property
    def shows_progress(self) -> bool:
        """Whether a person is watching: stderr is a terminal, not told to be quiet."""
        return self._err.is_terminal and not self.quiet

    def note(self, message: str) -> None:
        """Tell a person at a terminal about the work; silent in a pipe."""
        if self.shows_progress:
            self._err.print(printable(message))

    def warning(self, message: str) -> None:
        """Say on stderr what the user should know although the command succeeds."""
        self._err.print(f"warning: {printable(message)}")

    def error(self, message: str) -> None:
        """Say on stderr why the command failed."""
        self._err.print(f"error: {printable(message, multiline=True)}")

    def result(self, document: Any, text: "str | RenderableType | None" = None) -> None:
        """Print what the command was asked for.

        Args:
            document: the result as JSON values, printed with ``--json``.
            text: the same for people; ``None`` prints nothing without ``--json``.
        """
        if self.as_json:
            print(json.dumps(document, allow_nan=False, sort_keys=False), flush=True)
        elif isinstance(text, str):
            print(printable(text, multiline=True), flush=True)
        elif text is not None:
            self._out.print(text)

    def progress(self, *, of_bytes: bool = True) -> Progress:
        """A rich progress display, invisible unless a person is watching.

        Args:
            of_bytes: tasks count bytes (else items).

        Use it as a context manager. A description is rich markup: somebody
        else's text (a key, a file's name) goes through :func:`label` first.
        """
        counted: Sequence[ProgressColumn] = (
            (DownloadColumn(binary_units=True), TransferSpeedColumn())
            if of_bytes
            else (MofNCompleteColumn(),)
        )
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *counted,
            TimeRemainingColumn(),
            console=self._err,
            transient=True,
            disable=not self.shows_progress,
        )


def label(text: str) -> str:
    """Return somebody else's text as a progress description: no controls, no markup."""
    return escape(printable(text))


def table(title: str | None, header: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """A plain table for :meth:`Output.result`; cells are shown as they are, never as markup."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    for name in header:
        shown.add_column(name, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(printable(str(cell))) for cell in row))
    return shown
