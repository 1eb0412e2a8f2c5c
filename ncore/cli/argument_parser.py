"""argparse as people type: options anywhere, and of a mistake the one line that matters."""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from absl.flags import argparse_flags

from ncore.cli.exit_codes import WRONG_USAGE
from ncore.cli.output import printable

_NUMBER = re.compile(r"-\d+|-\d*\.\d+")


class _HelpFormatter(argparse.HelpFormatter):
    """Fills paragraphs to the terminal's width, and leaves examples as they are written."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("example:"):
            return "".join(f"{indent}{line}" for line in text.splitlines(keepends=True))
        return "\n\n".join(
            super(_HelpFormatter, self)._fill_text(paragraph, width, indent)
            for paragraph in text.split("\n\n")
        )

    def _format_action_invocation(self, action: argparse.Action) -> str:
        # The value once, as from Python 3.13 on, not behind each name of the option.
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class ArgumentParser(argparse_flags.ArgumentParser):
    """argparse's parser over absl's flags, with an example in every ``--help``.

    Args:
        example: one or more command lines shown under the options.
        kwargs: as for :class:`argparse.ArgumentParser`.
    """

    def __init__(self, *, example: str = "", **kwargs: Any) -> None:
        if example:
            lines = "\n".join(f"  {line}" for line in example.strip().splitlines())
            kwargs.setdefault("epilog", f"example:\n{lines}")
        kwargs.setdefault("formatter_class", _HelpFormatter)
        # An abbreviation that works today is ambiguous once a flag is added.
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]  # absl leaves it untyped
        for action in self._actions:
            if "--helpfull" in action.option_strings:
                action.help = argparse.SUPPRESS  # of absl's own flags, which change nothing here

    def parse_known_args(  # type: ignore[no-untyped-def]
        self, args=None, namespace=None
    ):
        """Parse, and say of an argument that is left over what it might have been."""
        args = list(sys.argv[1:] if args is None else args)
        if not any(isinstance(action, argparse._SubParsersAction) for action in self._actions):
            args = self._options_first(args)
        found, left = super().parse_known_args(args, namespace)  # type: ignore[no-untyped-call]
        if left:
            self.error(self._left_over(left))
        return found, left

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, then how it is right in short, and exit."""
        sys.stderr.write(
            f"{self.prog}: error: {printable(message)}\n"
            f"{self._short_usage()}See {self.prog} --help.\n"
        )
        sys.exit(WRONG_USAGE)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = ", ".join(map(str, action.choices))
        what = "command" if isinstance(action, argparse._SubParsersAction) else "value"
        message = f"no {what} {value!r}{_did_you_mean(str(value), action.choices)} (known: {known})"
        if isinstance(action, argparse._SubParsersAction):
            self.error(message)
        raise argparse.ArgumentError(action, message)

    def _options_first(self, args: Sequence[str]) -> list[str]:
        """Return the arguments with the options, and their values, before all others.

        argparse takes a run of arguments for all that there are as soon as an option
        follows it.
        """
        options: list[str] = []
        others: list[str] = []
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                # Whatever stands behind it is no option, and needs it before itself.
                return [*options, "--", *others, *rest]
            if not arg.startswith("-") or arg == "-" or _NUMBER.fullmatch(arg):
                others.append(arg)
                continue
            if not self._awaits_value(arg):
                options.append(arg)
            elif (value := next(rest, None)) is not None:
                options += [arg, value]
            else:
                others.append(arg)  # last, where it cannot take another argument for its value
        return [*options, *others]

    def _awaits_value(self, option: str) -> bool:
        """Whether the argument behind this one is its value."""
        actions = self._option_string_actions
        if option in actions:
            return actions[option].nargs is None
        if option.startswith("--"):
            return False  # unknown, or NAME=VALUE
        for at, letter in enumerate(option[1:], 2):  # -lR, or -oVALUE
            action = actions.get(f"-{letter}")
            if action is None:
                return False
            if action.nargs is None:
                return at == len(option)
        return False

    def _left_over(self, left: Sequence[str]) -> str:
        unknown = [arg for arg in left if arg.startswith("-") and len(arg) > 1]
        if not unknown:
            return f"too many arguments: {' '.join(left)}"
        flag = unknown[0].partition("=")[0]
        known = [name for name, action in self._option_string_actions.items()
                 if action.help != argparse.SUPPRESS]  # fmt: skip
        return f"no option {flag}{_did_you_mean(flag, known)}"

    def _short_usage(self) -> str:
        if self.usage:
            return self.format_usage()
        formatter = self._get_formatter()
        formatter.add_usage(None, self._get_positional_actions(), [])
        return formatter.format_help().replace(self.prog, f"{self.prog} [OPTION ...]", 1)


def _did_you_mean(word: str, known: Iterable[Any]) -> str:
    import difflib

    close = difflib.get_close_matches(word, list(map(str, known)), n=1)
    return f"; did you mean {close[0]}?" if close else ""
