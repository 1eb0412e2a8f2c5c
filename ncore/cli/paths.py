"""The directory that relative paths on a command line are relative to."""

import os
from pathlib import Path

from ncore.errors import NcoreError


class WorkingDirectoryError(NcoreError, OSError):
    """The directory that the user typed the command in cannot be entered."""


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
