"""``python -m ncore``: the same as ``ncore``."""

from ncore.cli.entry import run

if __name__ == "__main__":
    run()
