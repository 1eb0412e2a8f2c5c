"""Tests of the directory that relative paths mean."""

from pathlib import Path

import pytest

from ncore.cli.paths import WorkingDirectoryError, enter_working_directory


@pytest.fixture
def runfiles(tmp_path, monkeypatch):
    """A working directory such as ``bazel run`` gives."""
    inside = tmp_path / "convert.runfiles" / "_main"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    return inside


def test_bazel_run_means_the_directory_that_the_user_typed_in(tmp_path, monkeypatch, runfiles):
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    enter_working_directory()
    assert Path.cwd() == tmp_path


def test_without_bazel_nothing_changes(monkeypatch, runfiles):
    monkeypatch.delenv("BUILD_WORKING_DIRECTORY", raising=False)
    enter_working_directory()
    assert Path.cwd() == runfiles


def test_a_child_of_a_tool_keeps_its_own_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    enter_working_directory()
    assert Path.cwd() == tmp_path


def test_a_directory_that_has_gone_is_named(tmp_path, monkeypatch, runfiles):
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path / "gone"))
    with pytest.raises(WorkingDirectoryError, match="gone"):
        enter_working_directory()
