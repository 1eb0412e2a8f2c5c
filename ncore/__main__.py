"""``python -m ncore``: the same as ``ncore``."""

from ncore.cli.main import run

if __name__ == "__main__":
    run()
