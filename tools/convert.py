"""``bazel run //tools:convert -- SOURCE TARGET``: the same as ``ncore convert``."""

from ncore.cli.convert import run

if __name__ == "__main__":
    run()
