"""What the paths on a command line are relative to: the user's directory, or home."""

import argparse
import os
from pathlib import Path

from ncore.errors import NcoreError

_KEYS = frozenset({"keys", "path"})
"""Arguments that name something inside an archive."""


class WorkingDirectoryError(NcoreError, OSError):
    """The directory that the user typed the command in cannot be entered."""


def expand_home(args: argparse.Namespace) -> None:
    """Read ``~`` at the beginning of places as the shell would have read it.

    A shell leaves it alone in ``--to=~/x`` and in quotes; taken literally it would make
    a directory of that name, and ``rm -r ~`` is no way to get rid of one. ``./~`` names it.
    """
    for name, value in vars(args).items():
        if name in _KEYS:
            continue
        if isinstance(value, list):
            setattr(args, name, [_expanded(item) for item in value])
        else:
            setattr(args, name, _expanded(value))


def _expanded(value: object) -> object:
    text = os.fspath(value) if isinstance(value, Path) else value
    if not isinstance(text, str) or not (text == "~" or text.startswith("~/")):
        return value
    return type(value)(Path(text).expanduser())  # type: ignore[call-arg]


def enter_working_directory() -> None:
    """Change to the directory in which the user typed the command.

    ``bazel run`` starts a tool inside its runfiles tree and leaves the user's
    directory in ``BUILD_WORKING_DIRECTORY``. Anywhere else this does nothing:
    a process that such a tool starts inherits the variable, and its working
    directory is the one that its parent chose.

    Raises:
        WorkingDirectoryError: the directory has gone or may not be entered.
    """
    typed_in = os.environ.get("BUILD_WORKING_DIRECTORY")
    if not typed_in or not any(part.endswith(".runfiles") for part in Path.cwd().parts):
        return
    try:
        os.chdir(typed_in)
    except OSError as error:
        raise WorkingDirectoryError(
            f"cannot enter {typed_in} (BUILD_WORKING_DIRECTORY): {error.strerror}; "
            "run the command from a directory that exists"
        ) from error
