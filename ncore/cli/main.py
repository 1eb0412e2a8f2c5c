"""``ncore``: dispatches to the commands, importing only the one that runs."""

import difflib
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ncore import __version__
from ncore.cli.exit_codes import DONE, INTERRUPTED, WRONG_USAGE

Run = Callable[[Sequence[str]], None]


class Command(NamedTuple):
    """A command of ``ncore``: what ``ncore --help`` says of it, and how to get it."""

    summary: str
    load: Callable[[], Run]


def _completion() -> Run:
    from ncore.cli.completion import run

    return run


def _convert() -> Run:
    from ncore.cli.convert import run

    return run


def _itar() -> Run:
    from ncore.cli.itar import run

    return run


def _transfer() -> Run:
    from ncore.cli.transfer import run

    return run


COMMANDS: dict[str, Command] = {
    "completion": Command("make bash, zsh or fish complete all this", _completion),
    "convert": Command("zarr v2 to v3, in any container", _convert),
    "itar": Command("look into archives, make, check and mend them", _itar),
    "transfer": Command("part of a zarr, up or down, from and to anywhere", _transfer),
}


def run(argv: Sequence[str] | None = None) -> None:
    """Run ``ncore COMMAND ...``.

    Args:
        argv: the arguments after the program's name; ``None`` takes ``sys.argv[1:]``.

    Raises:
        SystemExit: always; 0 done, 1 failed, 2 wrong usage, 130 interrupted.
    """
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv), COMMANDS)
    except KeyboardInterrupt:  # while a command was being imported
        print("error: interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def _dispatch(args: list[str], commands: dict[str, Command]) -> int:
    if args[:1] == ["help"]:
        args = [*args[1:2], "--help"]
    if args[:1] in (["--help"], ["-h"]):
        print(_help(commands))
        return DONE
    if args[:1] in (["--version"], ["-V"], ["version"]):
        print(f"ncore {__version__}")
        return DONE
    if not args:
        print(_help(commands), file=sys.stderr)
        return WRONG_USAGE
    name, *rest = args
    if name not in commands:
        close = difflib.get_close_matches(name, commands, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        print(f"ncore: no command {name!r}{hint} See ncore --help.", file=sys.stderr)
        return WRONG_USAGE
    commands[name].load()(rest)
    return DONE


def _help(commands: dict[str, Command]) -> str:
    width = max(map(len, commands), default=0)
    lines = [f"  {name:{width}}  {command.summary}" for name, command in sorted(commands.items())]
    return "\n".join(
        [
            "usage: ncore COMMAND ...",
            "",
            "Zarr in one file, moved and migrated without pain.",
            "",
            "commands:",
            *lines,
            "",
            "ncore COMMAND --help tells more, ncore --version which release this is.",
            "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.",
        ]
    )


if __name__ == "__main__":
    run()
