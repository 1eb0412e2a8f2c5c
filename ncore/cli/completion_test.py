"""Completion as the shells themselves do it."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest

from ncore.cli import completion
from ncore.cli.completion import SCRIPTS, command_tree
from ncore.cli.main import COMMANDS


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts")
    for shell, make in SCRIPTS.items():
        (folder / shell).write_text(make(command_tree()))
    return folder


def test_every_command_is_in_the_tree():
    names = [node.path[1] for node in command_tree().children]
    assert sorted(names) == sorted([*COMMANDS, "help"])


def test_what_help_hides_is_not_offered():
    flags = {flag for node in command_tree().walk() for o in node.options for flag in o.names}
    assert {"--dry-run", "--zarr-mode", "--json", "--help"} <= flags
    assert not flags & {"--logtostderr", "--run_with_pdb", "--undefok", "--helpfull"}


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_command_prints_the_script(shell, capsys):
    with pytest.raises(SystemExit) as end:
        completion.run([shell])
    assert not end.value.code
    assert capsys.readouterr().out == SCRIPTS[shell](command_tree())


def test_another_shell_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as end:
        completion.run(["powershell"])
    assert end.value.code == 2
    assert "powershell" in capsys.readouterr().err


CASES = [
    (["ncore", "c"], {"completion", "convert"}),
    (["ncore", ""], {"completion", "convert", "help", "itar", "transfer"}),
    (["ncore", "itar", "re"], {"recover", "refs", "repack"}),
    (["ncore", "convert", "a.zarr", "--verify", ""], {"full", "sample"}),
    (["ncore", "convert", "--no"], {"--no-verify"}),
    (["ncore", "convert", "x", "--zarr-"], {"--zarr-and", "--zarr-not"}),
    (["ncore", "itar", "refs", "--format", "p"], {"parquet"}),
    (["ncore", "transfer", "upload", "x", "--zarr-mode", "pa"], {"patch"}),
    (["ncore", "completion", ""], {"bash", "fish", "zsh"}),
    (["ncore", "help", "tr"], {"transfer"}),
    # Not confused by a value that is a command's name.
    (["ncore", "convert", "itar", "--dr"], {"--dry-run"}),
]


@needs("bash")
@pytest.mark.parametrize(("words", "expected"), CASES)
def test_bash(scripts, words, expected):
    assert bash(scripts, words) == expected


@needs("bash")
def test_bash_completes_a_value_behind_an_equals_sign(scripts):
    assert bash(scripts, ["ncore", "convert", "--verify", "=", "s"]) == {"sample"}
    assert bash(scripts, ["ncore", "convert", "--verify", "="]) == {"full", "sample"}


@needs("bash")
def test_bash_leaves_files_to_readline(scripts):
    for words in (["convert", ""], ["convert", "--report", ""], ["itar", "ls", "x"]):
        assert bash(scripts, ["ncore", *words]) == set()
    told = subprocess.run(
        ["bash", "-c", f". {scripts}/bash; complete -p ncore"], capture_output=True, text=True
    )
    assert told.stdout == "complete -o default -F _ncore ncore\n"


def bash(scripts, words):
    asked = (
        '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ncore; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    told = subprocess.run(
        ["bash", "--norc", "-c", asked, "bash", scripts / "bash", *words],
        capture_output=True,
        text=True,
    )
    assert told.stderr == ""
    return set(told.stdout.split())


@needs("fish")
@pytest.mark.parametrize(("words", "expected"), CASES)
def test_fish(scripts, words, expected, tmp_path):
    line = " ".join(words)
    told = subprocess.run(
        ["fish", "--no-config", "-c", f"source {scripts}/fish; complete -C '{line}'"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert told.stderr == ""
    found = {offered.partition("\t")[0] for offered in told.stdout.splitlines()}
    assert found == expected


@needs("zsh")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ncore con\t", "ncore convert "),
        ("ncore itar ver\t", "ncore itar verify "),
        ("ncore convert --dry\t", "ncore convert --dry-run "),
        ("ncore convert --verify sam\t", "ncore convert --verify sample "),
        ("ncore transfer upload x --zarr-mode pat\t", "ncore transfer upload x --zarr-mode patch "),
        ("ncore completion zs\t", "ncore completion zsh "),
        ("ncore convert here.za\t", "ncore convert here.zarr.itar "),
    ],
)
def test_zsh(scripts, typed, expected, tmp_path):
    (tmp_path / "here.zarr.itar").touch()
    assert zsh(scripts, typed, expected, tmp_path)


def zsh(scripts, typed, expected, folder):
    """Whether an interactive zsh makes of what is typed what is expected."""
    lead, terminal = pty.openpty()
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "TERM": "dumb", "PS1": "", "ZDOTDIR": str(folder)},
        start_new_session=True,
    )
    os.close(terminal)
    try:
        # What the line holds is shown by a key of its own, past all that a terminal does.
        setup = (
            "unsetopt zle_bracketed_paste; PROMPT=; autoload -Uz compinit; compinit -u -D; "
            f"source {scripts}/zsh; "
            "show() { print -r -- \"<<$BUFFER>>\" >> shown }; zle -N show; bindkey '^X' show; "
            "print -r -- ready >> shown\n"
        )
        os.write(lead, setup.encode())
        wait_for(folder / "shown", "ready", lead)
        os.write(lead, typed.encode() + b"\x18")
        return wait_for(folder / "shown", f"<<{expected}>>", lead)
    finally:
        shell.kill()
        shell.wait()
        os.close(lead)


def wait_for(file, text, lead):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([lead], [], [], 0.05)[0]:
            os.read(lead, 1 << 16)
        shown = file.read_text() if file.exists() else ""
        if text in shown:
            return True
        assert "<<" not in shown, shown
    raise AssertionError(f"zsh did not show {text!r}")
