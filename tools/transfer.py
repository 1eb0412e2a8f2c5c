"""The Bazel binary over ``ncore.cli.transfer``."""

from ncore.cli.transfer import run

if __name__ == "__main__":
    run()
