"""The program ``ncore``: imports the rest only when Ctrl-C can no longer cause a traceback."""

import sys


def run() -> None:
    """Run ``ncore COMMAND ...`` with the arguments of the process.

    Raises:
        SystemExit: always; 0 done, 1 failed, 2 wrong usage, 130 interrupted.
    """
    try:
        from ncore.cli.main import run as run_command

        run_command()
    except KeyboardInterrupt:  # while it was imported
        sys.stderr.write("error: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    run()
