"""``ncore completion``: what makes a shell complete ncore's command lines."""

import argparse
from collections.abc import Callable, Sequence

from ncore.cli.app import ArgumentParser, run_command
from ncore.cli.command_tree import CommandNode, Option, read_parser
from ncore.cli.completion_scripts import bash_script, fish_script, zsh_script
from ncore.cli.output import Output

SCRIPTS = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}
_EXAMPLE = """
eval "$(ncore completion bash)"                                  # in ~/.bashrc
eval "$(ncore completion zsh)"                                   # in ~/.zshrc, after compinit
ncore completion fish > ~/.config/fish/completions/ncore.fish
"""


def make_parser() -> argparse.ArgumentParser:
    """The command line of ``ncore completion``."""
    parser = ArgumentParser(
        prog="ncore completion",
        description="Print the script by which a shell completes ncore's commands, options and "
        "their values. It is made from the commands' own parsers; make it anew after an update.",
        example=_EXAMPLE,
    )
    parser.add_argument("shell", choices=tuple(SCRIPTS), help="which shell it is for")
    parser.set_defaults(command=_print, quiet=False, json=False)
    return parser


def _parsers() -> dict[str, Callable[[], argparse.ArgumentParser]]:
    from ncore.cli import convert, itar, transfer

    return {
        "completion": make_parser,
        "convert": convert.make_parser,
        "itar": itar.make_parser,
        "transfer": transfer.make_parser,
    }


def command_tree() -> CommandNode:
    """Return all that ``ncore`` takes."""
    below = []
    for name, make in _parsers().items():
        parser = make()
        summary = (parser.description or "").partition(". ")[0].rstrip(".")
        below.append(read_parser(parser, ("ncore", name), summary))
    options = (
        Option(("-h", "--help"), "show the commands"),
        Option(("--version",), "show which release this is"),
    )
    help_ = CommandNode(
        ("ncore", "help"), "Tell about a command", choices=tuple(node.path[1] for node in below)
    )
    return CommandNode(("ncore",), "", options, (*below, help_))


def _print(args: argparse.Namespace, out: Output) -> None:
    print(SCRIPTS[args.shell](command_tree()), end="")


def run(argv: Sequence[str] | None = None) -> None:
    """Run ``ncore completion``; see `make_parser`."""
    run_command(make_parser, argv)


if __name__ == "__main__":
    run()
