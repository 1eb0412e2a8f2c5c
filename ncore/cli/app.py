"""What every command line does alike: parsing, errors, exit codes.

A command's file defines its parser and functions and hands them over::

    def make_parser() -> ArgumentParser:
        parser = ArgumentParser(prog="ncore convert", description=..., example="ncore convert A B")
        parser.add_argument("source")
        add_output_flags(parser)
        parser.set_defaults(command=_convert)   # or one per subparser
        return parser

    def _convert(args: argparse.Namespace, out: Output) -> int | None: ...

    def run(argv: Sequence[str] | None = None) -> None:
        run_command(make_parser, argv)
"""

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence

from absl import app

from ncore.cli.argument_parser import ArgumentParser as ArgumentParser
from ncore.cli.exit_codes import DONE as DONE
from ncore.cli.exit_codes import FAILED as FAILED
from ncore.cli.exit_codes import INTERRUPTED as INTERRUPTED
from ncore.cli.exit_codes import WRONG_USAGE as WRONG_USAGE
from ncore.cli.output import Output, take_any_text
from ncore.cli.paths import enter_working_directory, expand_home
from ncore.errors import NcoreError


class UsageError(NcoreError, ValueError):
    """The flags contradict each other or one has an impossible value: exit code 2."""


def add_output_flags(
    parser: argparse.ArgumentParser, quiet: str = "no progress, results and errors only"
) -> None:
    """Add ``--json`` and ``--quiet``, which :class:`Output` obeys, and ``--traceback``.

    Args:
        parser: of the command.
        quiet: what the command shows then.
    """
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print the result as one JSON document")
    group.add_argument("-q", "--quiet", action="store_true", help=quiet)
    group.add_argument("--traceback", action="store_true", help="show where an error arose")


def run_command(
    make_parser: Callable[[], argparse.ArgumentParser], argv: Sequence[str] | None = None
) -> None:
    """Parse the command line, run the command that it names, and exit.

    Args:
        make_parser: builds the parser; the parser (or the subparser that was
            chosen) has a default ``command``, called with the arguments and
            an :class:`Output`. What it returns is the exit code, ``None``
            meaning 0. A default ``interrupted`` is a list of what to say, besides
            that, of a command that Ctrl-C ended.
        argv: the arguments after the program's name; ``None`` takes
            ``sys.argv[1:]``.

    Raises:
        SystemExit: always, with the exit code.
    """

    def parse(full_argv: list[str]) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
        parser = make_parser()
        args = parser.parse_args(full_argv[1:])
        if not hasattr(args, "command"):
            parser.error("which command? See --help")
        expand_home(args)
        return parser, args

    def main(parsed: tuple[argparse.ArgumentParser, argparse.Namespace]) -> int:
        return _run(*parsed)

    take_any_text()
    try:
        app.run(main, [sys.argv[0], *(sys.argv[1:] if argv is None else argv)], flags_parser=parse)
    except KeyboardInterrupt:  # before the command began
        Output().error("interrupted")
        sys.exit(INTERRUPTED)


def _run(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    out = Output.of(args)
    shown = warnings.showwarning
    # The file and line of a warning are no concern of a command's user.
    warnings.showwarning = lambda message, *_, **__: out.warning(str(message))
    try:
        enter_working_directory()
        code = args.command(args, out)
        # A reader that has gone is noticed here, not in the interpreter's exit.
        sys.stdout.flush()
        return DONE if code is None else int(code)
    except UsageError as error:
        if getattr(args, "traceback", False):
            traceback.print_exc()
        print(f"{parser.prog}: error: {error}\nSee {parser.prog} --help.", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        out.error("; ".join(["interrupted", *getattr(args, "interrupted", [])]))
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`) has seen enough. Python would complain once more
        # when it flushes stdout at exit; give it a place to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if getattr(args, "traceback", False):
            traceback.print_exc()
        message = describe(error)
        out.error(message)
        if out.as_json:
            out.result({"error": {"type": type(error).__name__, "message": message}})
        return FAILED
    finally:
        warnings.showwarning = shown


def describe(error: BaseException) -> str:
    """Return what to tell the user about `error`, without a traceback."""
    if isinstance(error, NcoreError):
        return "\n".join([str(error), *getattr(error, "__notes__", [])])
    if isinstance(error, OSError) and error.strerror:
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if name]
        return f"{' -> '.join(names)}: {error.strerror}" if names else error.strerror
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{text}\nThis is not an error that ncore expected; --traceback shows where it arose."
