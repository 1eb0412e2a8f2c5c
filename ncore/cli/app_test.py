"""Tests of what every command line does alike."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ncore.cli import app
from ncore.cli.app import ArgumentParser, UsageError, add_output_flags, run_command
from ncore.cli.output import Output, label, printable, table
from ncore.errors import NcoreError


class _MissingError(NcoreError, KeyError):
    pass


def _invoke(command, argv=(), **flags):
    def make_parser():
        parser = ArgumentParser(prog="ncore demo", description="Demo.", example="ncore demo X")
        parser.add_argument("names", nargs="*")
        add_output_flags(parser)
        parser.set_defaults(command=command, **flags)
        return parser

    with pytest.raises(SystemExit) as exit_:
        run_command(make_parser, argv)
    return exit_.value.code


def _raises(error):
    def command(args: argparse.Namespace, out: Output) -> None:
        raise error

    return command


def test_a_command_gets_its_arguments_and_exits_with_its_code(capsys):
    seen = []
    assert not _invoke(lambda args, out: seen.append(args.names), ["a", "b"])
    assert seen == [["a", "b"]]
    assert _invoke(lambda args, out: 1) == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (_MissingError("a.itar: no key 'x'"), "error: a.itar: no key 'x'"),
        (FileNotFoundError(2, "No such file or directory", "a"), "error: a: No such file"),
        (ZeroDivisionError("division"), "error: ZeroDivisionError: division"),
    ],
)
def test_an_error_becomes_a_message_and_exit_code_1(capsys, error, message):
    assert _invoke(_raises(error)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert "Traceback" not in err


def test_an_error_with_json_is_a_document_too(capsys):
    assert _invoke(_raises(_MissingError("no key")), ["--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "error": {"type": "_MissingError", "message": "no key"}
    }


def test_traceback_flag_shows_where_an_error_arose(capsys):
    assert _invoke(_raises(_MissingError("no key")), ["--traceback"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_wrong_usage_exits_2(capsys):
    assert _invoke(_raises(UsageError("--a and --b exclude each other"))) == 2
    assert "ncore demo: error: --a and --b exclude each other" in capsys.readouterr().err
    assert _invoke(lambda args, out: None, ["--no-such-flag"]) == 2
    assert "--no-such-flag" in capsys.readouterr().err


def test_an_abbreviated_flag_is_wrong_usage():
    assert _invoke(lambda args, out: None, ["--js"]) == 2


def test_a_parser_without_a_command_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: ArgumentParser(prog="ncore demo"), [])
    assert exit_.value.code == 2


def test_interrupt_exits_130(capsys):
    assert _invoke(_raises(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_interrupt_says_what_becomes_of_it(capsys):
    assert _invoke(_raises(KeyboardInterrupt()), interrupted=["the same command goes on"]) == 130
    assert capsys.readouterr().err == "error: interrupted; the same command goes on\n"


def test_an_interrupt_before_the_command_begins_is_quiet(capsys):
    def make_parser():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as exit_:
        run_command(make_parser, [])
    assert exit_.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_text_that_the_locale_lacks_is_escaped(locale):
    script = (
        "from ncore.cli.app import ArgumentParser, run_command, NcoreError\n"
        "from ncore.cli.output import table\n"
        "def command(args, out):\n"
        "    out.result(None, 'a \\u2192 b')\n"
        "    out.result(None, table('\\xe9', ['k\\u2192'], [['v\\u2192']]))\n"
        "    out.warning('w \\u2192')\n"
        "    raise NcoreError('e \\u2192')\n"
        "def make():\n"
        "    parser = ArgumentParser(prog='demo')\n"
        "    parser.set_defaults(command=command)\n"
        "    return parser\n"
        "run_command(make, [])\n"
    )
    search = os.pathsep.join([str(Path(app.__file__).parents[2]), *sys.path])
    child = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={"PYTHONPATH": search, "PATH": os.environ["PATH"], **locale},
        check=False,
    )
    assert child.returncode == 1
    assert child.stderr == b"warning: w \\u2192\nerror: e \\u2192\n"
    assert child.stdout.startswith(b"a \\u2192 b\n")
    assert b"v\\u2192" in child.stdout


def test_help_shows_the_example(capsys):
    assert not _invoke(lambda args, out: None, ["--help"])
    assert "example:\n  ncore demo X" in capsys.readouterr().out


def test_hostile_names_reach_the_terminal_escaped(capsys):
    hostile = "a\x1b[2Jb\n\u202ec\udc80[red]"
    assert printable(hostile) == r"a\x1b[2Jb\n\u202ec\udc80[red]"
    assert _invoke(_raises(NcoreError(f"bad key {hostile}"))) == 1
    assert "\x1b" not in capsys.readouterr().err
    Output().result(None, table(None, ["key"], [[hostile]]))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[red]" in shown
    assert label("[red]x") == r"\[red]x"


def test_notes_and_progress_are_silent_in_a_pipe(capsys):
    out = Output()
    out.note("working")
    with out.progress() as progress:
        progress.advance(progress.add_task("copy", total=10), 10)
    assert capsys.readouterr() == ("", "")
    out.warning("old format")
    assert capsys.readouterr().err == "warning: old format\n"


def test_result_is_json_or_text(capsys):
    Output(as_json=True).result({"a": [1]}, "one")
    assert json.loads(capsys.readouterr().out) == {"a": [1]}
    Output().result({"a": [1]}, "one")
    assert capsys.readouterr().out == "one\n"
    Output(quiet=True).result({"a": [1]}, "one")
    assert capsys.readouterr().out == "one\n"


def test_a_reader_that_has_gone_leaves_no_traceback(tmp_path):
    script = (
        "from ncore.cli.app import ArgumentParser, run_command\n"
        "parser = ArgumentParser(prog='demo')\n"
        "parser.set_defaults(command=lambda args, out: print('x' * 1_000_000))\n"
        "run_command(lambda: parser)\n"
    )
    search = os.pathsep.join([str(Path(app.__file__).parents[2]), *sys.path])
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": search},
    )
    child.stdout.close()
    err = child.stderr.read()
    child.stderr.close()
    assert child.wait() == 1
    assert err == b""
