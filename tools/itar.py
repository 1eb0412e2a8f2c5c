"""``bazel run //tools:itar -- COMMAND ...``: the same as ``ncore itar``."""

from ncore.cli.itar import run

if __name__ == "__main__":
    run()
