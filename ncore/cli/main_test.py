"""Tests of the dispatch to commands."""
# bazel: deps = ["//ncore:__main__"]

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ncore import __version__
from ncore.cli import completion, main
from ncore.cli.main import COMMANDS, Command


def _run(argv):
    with pytest.raises(SystemExit) as exit_:
        main.run(argv)
    return exit_.value.code


@pytest.fixture
def calls(monkeypatch):
    calls = []
    monkeypatch.setitem(COMMANDS, "zdemo", Command("Shows the way.", lambda: calls.append))
    return calls


def test_a_command_gets_the_rest_of_the_line(calls):
    assert _run(["zdemo", "a", "--b"]) == 0
    assert calls == [["a", "--b"]]


def test_help_of_a_command(calls):
    assert _run(["help", "zdemo"]) == 0
    assert calls == [["--help"]]


def test_help_lists_the_commands(calls, capsys):
    for argv in (["--help"], ["-h"], ["help"]):
        assert _run(argv) == 0
        assert "zdemo" in capsys.readouterr().out


def test_no_command_is_wrong_usage(capsys):
    assert _run([]) == 2
    assert "usage: ncore" in capsys.readouterr().err


def test_an_unknown_command_is_wrong_usage_with_a_suggestion(calls, capsys):
    assert _run(["zdmo"]) == 2
    assert "did you mean 'zdemo'?" in capsys.readouterr().err


def test_an_unknown_command_that_resembles_none(calls, capsys):
    assert _run(["0"]) == 2
    assert capsys.readouterr().err == "ncore: no command '0'. See ncore --help.\n"


def test_an_interrupt_while_a_command_is_imported_is_quiet(monkeypatch, capsys):
    def load():
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, "zdemo", Command("Shows the way.", load))
    assert _run(["zdemo"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_python_m_ncore():
    search = os.pathsep.join([str(Path(main.__file__).parents[2]), *sys.path])
    child = subprocess.run(
        [sys.executable, "-m", "ncore", "--version"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": search},
        check=True,
    )
    assert child.stdout == f"ncore {__version__}\n"


def test_version(capsys):
    for argument in ("--version", "-V", "version"):
        assert _run([argument]) == 0
        assert capsys.readouterr().out == f"ncore {__version__}\n"


def test_every_command_has_help_with_an_example(capsys):
    for name in COMMANDS:
        assert not _run([name, "--help"])
        assert "example:" in capsys.readouterr().out, name


def test_every_subcommand_has_an_example_and_every_argument_a_help():
    for make in completion._parsers().values():
        parsers = [make()]
        for parser in parsers:
            for action in parser._actions:
                if isinstance(action, argparse._SubParsersAction):
                    parsers += action.choices.values()
                else:
                    assert action.help, f"{parser.prog} {action.dest}"
            assert "example:" in parser.format_help(), parser.prog
            assert parser.description, parser.prog
