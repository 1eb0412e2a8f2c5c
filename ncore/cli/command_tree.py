"""What a command line can hold, read from its argparse parser."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """An option.

    Attributes:
        names: ``("-o", "--output")``.
        summary: its help, in one line.
        value: what its value is called; None if it takes none.
        choices: its values, if they are known.
        repeats: whether it may be given more than once.
    """

    names: tuple[str, ...]
    summary: str
    value: str | None = None
    choices: tuple[str, ...] = ()
    repeats: bool = False


@dataclass(frozen=True)
class CommandNode:
    """A command and its subcommands.

    Attributes:
        path: ``("ncore", "itar", "ls")``.
        summary: its help, in one line.
        options: in the order of the help.
        children: subcommands; one that has any takes no other arguments.
        choices: values of its arguments, if they are known.
    """

    path: tuple[str, ...]
    summary: str = ""
    options: tuple[Option, ...] = ()
    children: tuple["CommandNode", ...] = ()
    choices: tuple[str, ...] = ()

    def walk(self) -> Iterator["CommandNode"]:
        """Yield this command and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


def read_parser(
    parser: argparse.ArgumentParser, path: tuple[str, ...], summary: str = ""
) -> CommandNode:
    """Return what a parser takes; what its help does not show is left out."""
    options: list[Option] = []
    children: list[CommandNode] = []
    choices: tuple[str, ...] = ()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            children = [
                read_parser(child, (*path, name), one_line(told.get(name, "")))
                for name, child in action.choices.items()
            ]
        elif action.help == argparse.SUPPRESS:
            continue
        elif action.option_strings:
            options.append(_option(action))
        elif action.choices is not None:
            choices += tuple(map(str, action.choices))
    return CommandNode(path, summary, tuple(options), tuple(children), choices)


def one_line(text: str) -> str:
    """Return text without line breaks and runs of spaces."""
    return " ".join(text.split())


def _option(action: argparse.Action) -> Option:
    value = None
    if action.nargs != 0:
        value = str(action.metavar or action.dest.upper())
    return Option(
        tuple(action.option_strings),
        one_line(action.help or ""),
        value,
        tuple(map(str, action.choices or ())),
        isinstance(action, argparse._AppendAction),
    )
