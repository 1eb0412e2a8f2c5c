"""What Bazel asks of a test run holds for pytest too: failing, filtering, sharding, reporting."""
# bazel: data = ["//deps/bazel:pytest_main.py"]

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

MAIN = Path(__file__).absolute().parents[2] / "deps" / "bazel" / "pytest_main.py"

TESTS = """
import os, subprocess, sys
import helper

def test_one(tmp_path):
    assert str(tmp_path).startswith(os.environ["TEST_TMPDIR"])

def test_two():
    assert helper.ANSWER == 42, "two fails"

async def test_three():
    subprocess.run([sys.executable, "-c", "import helper"], check=True)
"""


@pytest.fixture
def run(tmp_path):
    """A function that runs pytest_main on TESTS; returns exit code, output and case names."""
    root = tmp_path / "workspace"
    (root / "deps" / "bazel").mkdir(parents=True)
    (root / "deps" / "bazel" / "pytest_main.py").write_text(MAIN.read_text())
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\nasyncio_mode = "auto"\n')
    (root / "x_test.py").write_text(TESTS)
    (root / "helper.py").write_text("ANSWER = 42\n")
    report = tmp_path / "report.xml"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("TEST", "XML_"))}

    def run(**env):
        result = subprocess.run(
            [sys.executable, root / "deps" / "bazel" / "pytest_main.py", "x_test.py"],
            env={
                **inherited,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "TEST_TMPDIR": str(tmp_path / "scratch"),
                "XML_OUTPUT_FILE": str(report),
                **env,
            },
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        cases = ElementTree.parse(report).iter("testcase")
        return result.returncode, result.stdout, sorted(case.get("name") for case in cases)

    (tmp_path / "scratch").mkdir()
    run.root = root
    return run


def test_all_pass(run):
    code, output, cases = run()
    assert code == 0, output
    assert cases == ["test_one", "test_three", "test_two"]


def test_a_failure_is_shown_and_fails(run):
    (run.root / "helper.py").write_text("ANSWER = 41\n")
    code, output, _ = run()
    assert code == 1
    assert "two fails" in output


def test_a_filter_selects(run):
    assert run(TESTBRIDGE_TEST_ONLY="two or three")[2] == ["test_three", "test_two"]
    assert run(TESTBRIDGE_TEST_ONLY="nothing")[::2] == (0, [])


def test_shards_divide_the_tests(run, tmp_path):
    seen = []
    for index in range(2):
        status = tmp_path / f"status{index}"
        code, output, cases = run(
            TEST_TOTAL_SHARDS="2", TEST_SHARD_INDEX=str(index), TEST_SHARD_STATUS_FILE=str(status)
        )
        assert code == 0, output
        assert status.exists()
        seen += cases
    assert sorted(seen) == ["test_one", "test_three", "test_two"]


def test_a_file_without_tests_fails(run):
    (run.root / "x_test.py").write_text("")
    assert run()[0] != 0
