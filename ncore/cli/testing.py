"""Running a command in a test as a user does, and what comes of it."""

from typing import NamedTuple, Protocol

from ncore.cli.main import run


class Ended(NamedTuple):
    """What came of a command: its exit code, and what it wrote."""

    code: int | str
    out: str
    err: str


class Capture(Protocol):
    """pytest's ``capsys``, as far as it is used here."""

    def readouterr(self) -> tuple[str, str]:
        """Return what was written since the last call."""
        ...


class CommandLine:
    """One of ncore's commands, to be called with its arguments.

    Args:
        command: Its name.
        capture: pytest's ``capsys``.
    """

    def __init__(self, command: str, capture: Capture) -> None:
        self._command = command
        self._capture = capture

    def __call__(self, *arguments: object) -> Ended:
        """Run it to its end."""
        try:
            run([self._command, *map(str, arguments)])
        except SystemExit as e:
            code = e.code or 0
        else:
            raise AssertionError("a command ends in SystemExit")
        return Ended(code, *self._capture.readouterr())
