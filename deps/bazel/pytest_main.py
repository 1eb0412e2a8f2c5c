"""Runs pytest as Bazel asks a test to run: its directories, filter, shards and report."""

import os
import sys
from pathlib import Path

import pytest

# deps/bazel/pytest_main.py in the runfiles: two directories up are pyproject.toml
# and the packages. Not resolved: the link's target is the source tree.
ROOT = Path(os.path.abspath(__file__)).parents[2]  # noqa: PTH100


class Shard:
    """Keeps every n-th test of those collected."""

    def __init__(self, index: int, total: int) -> None:
        self.index, self.total = index, total

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Deselect the tests of the other shards."""
        items[:] = items[self.index :: self.total]


def main(files: list[str]) -> int:
    """Run `files` (relative to the workspace) and return the exit code."""
    environment = os.environ
    args = [
        f"--rootdir={ROOT}",
        f"--config-file={ROOT / 'pyproject.toml'}",
        "-p",
        "no:cacheprovider",
    ]
    plugins: list[object] = []
    if scratch := environment.get("TEST_TMPDIR"):
        args.append(f"--basetemp={Path(scratch) / 'pytest'}")
        environment.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(scratch) / "hypothesis"))
        environment.setdefault("HOME", scratch)
    if report := environment.get("XML_OUTPUT_FILE"):
        args.append(f"--junitxml={report}")
    selected = environment.get("TESTBRIDGE_TEST_ONLY")
    if selected:
        args.append(f"-k={selected}")
    total = int(environment.get("TEST_TOTAL_SHARDS", "1"))
    if total > 1:
        Path(environment["TEST_SHARD_STATUS_FILE"]).touch()
        plugins.append(Shard(int(environment["TEST_SHARD_INDEX"]), total))

    sys.path.insert(0, str(ROOT))
    # Python processes that a test starts import the same modules; the standard
    # library they have themselves, perhaps of another version.
    own = (path for path in sys.path if path and not path.startswith(sys.base_prefix + os.sep))
    environment["PYTHONPATH"] = os.pathsep.join(own)

    code = pytest.main([*args, *(str(ROOT / file) for file in files)], plugins=plugins)
    if code == pytest.ExitCode.NO_TESTS_COLLECTED and (selected or total > 1):
        return 0
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
