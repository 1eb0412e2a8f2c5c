"""What a command shows: results on stdout, everything about its work on stderr.

A person at a terminal sees progress bars and tables; a program that asked for
``--json`` reads exactly one JSON document from stdout; a pipe or a log file
sees results and errors only.
"""

import argparse
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

# rich takes longer to import than many a command takes to run, so it waits
# until there is a person to show something to.
if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, ProgressColumn
    from rich.table import Table

# C0 and C1 controls, DEL, bidirectional overrides and lone surrogates. Keys of
# an archive are somebody else's text: shown raw they could rewrite the screen,
# and surrogates cannot be encoded at all.
_SPECIAL = r"\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
# Variables by which rich is told to take a pipe for a terminal.
_WIDE = 100_000
_TERMINAL_ANYWAY = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
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


def counted(number: int, noun: str) -> str:
    """Return ``1 array``, ``2 arrays``, ``12,000 arrays``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Output:
    """Where a command writes.

    Args:
        as_json: print results as JSON on stdout, and no progress.
        quiet: print no progress and no notes; results and errors remain.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet or as_json

    @cached_property
    def _err(self) -> "Console":
        from rich.console import Console

        return Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

    def _say(self, text: str) -> None:
        # A console knows how to print above a progress display; else none is needed.
        if "_err" in self.__dict__:
            self._err.print(text)
        else:
            print(text, file=sys.stderr, flush=True)

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Output":
        """The output that the flags ``--json`` and ``--quiet`` ask for."""
        return cls(as_json=getattr(args, "json", False), quiet=getattr(args, "quiet", False))

    @property
    def shows_progress(self) -> bool:
        """Whether a person is watching: stderr is a terminal, not told to be quiet."""
        if self.quiet or not (sys.stderr.isatty() or any(map(os.environ.get, _TERMINAL_ANYWAY))):
            return False
        return self._err.is_terminal

    def note(self, message: str) -> None:
        """Tell a person at a terminal about the work; silent in a pipe."""
        if self.shows_progress:
            self._say(printable(message))

    def warning(self, message: str) -> None:
        """Say on stderr what the user should know although the command succeeds."""
        self._say(f"warning: {printable(message)}")

    def error(self, message: str) -> None:
        """Say on stderr why the command failed."""
        self._say(f"error: {printable(message, multiline=True)}")

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
            from rich.console import Console

            # A program that reads the table from a pipe wants a line a row, whole.
            wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
            Console(
                file=sys.stdout, markup=False, highlight=False, soft_wrap=True, width=wide
            ).print(text)

    def progress(self, *, of_bytes: bool = True) -> "Progress":
        """A rich progress display, invisible unless a person is watching.

        Args:
            of_bytes: tasks count bytes (else items).

        Use it as a context manager. A description is rich markup: somebody
        else's text (a key, a file's name) goes through :func:`label` first.
        """
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

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


def take_any_text() -> None:
    """Make standard output and error take text that their encoding lacks, as escapes.

    Where the locale is POSIX that is an arrow in a result already, and an error must
    not become another one.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def label(text: str) -> str:
    """Return somebody else's text as a progress description: no controls, no markup."""
    from rich.markup import escape

    return escape(printable(text))


def table(title: str | None, header: Iterable[str], rows: Iterable[Iterable[object]]) -> "Table":
    """A plain table for :meth:`Output.result`; cells are shown as they are, never as markup."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title, title_justify="left", header_style="bold")
    for name in header:
        shown.add_column(name, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(printable(str(cell))) for cell in row))
    return shown
