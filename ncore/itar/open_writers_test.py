"""A writer that nobody closes must not end as if all were well."""

import gc
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import ncore
from ncore.itar.errors import ItarNotFoundError, UnclosedArchiveWarning, UnfinishedArchiveWarning
from ncore.itar.reader import ItarReader
from ncore.itar.recover import recover
from ncore.itar.writer import ItarWriter

FORGETS = """
import sys
from ncore.itar.writer import ItarWriter
writer = ItarWriter(sys.argv[1], sys.argv[2])
writer.set("k", b"value")
{}
"""


@pytest.mark.parametrize("cycle", ["", "writer.itself = writer", "keep = [writer]; del writer"])
@pytest.mark.parametrize("mode", ["w", "r+"])
def test_a_script_that_forgets_to_close_is_told(tmp_path: Path, mode: str, cycle: str) -> None:
    path = tmp_path / "f.itar"
    if mode == "r+":
        ItarWriter(path).close()
    child = subprocess.run(
        [sys.executable, "-c", FORGETS.format(cycle), path, mode],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(ncore.__file__).parents[1],
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert child.stderr.count("Warning: ") == 1
    assert "f.itar: was opened for writing and never closed" in child.stderr
    assert "call close()" in child.stderr
    if mode == "w":
        assert f"`ncore itar recover {path}`" in child.stderr
        recover(path, path)
        assert ItarReader(path).read("k") == b"value"
    else:
        assert "undone" in child.stderr
        assert ItarReader(path).keys() == []


def test_a_collected_writer_is_told_of(tmp_path: Path) -> None:
    writer = ItarWriter(tmp_path / "f.itar")
    writer.itself = writer  # type: ignore[attr-defined]
    del writer
    with pytest.warns(UnclosedArchiveWarning, match="never closed"):
        gc.collect()


def test_opening_what_is_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "f.itar"
    with pytest.raises(ItarNotFoundError, match=r"f\.itar: no such file$"):
        ItarReader(path)
    writer = ItarWriter(path)
    with pytest.raises(ItarNotFoundError, match=r"appears when its writer is closed \(process \d"):
        ItarReader(path)
    writer.set("k", b"value")
    writer.suspend()
    with pytest.raises(ItarNotFoundError, match=r"partial is there.*ncore itar recover"):
        ItarReader(path)
    # A lock file of a process that is no more tells of nobody.
    path.with_name("f.itar.lock").write_text(
        json.dumps({"pid": 99999999, "host": socket.gethostname(), "program": "p", "since": ""})
    )
    with pytest.raises(ItarNotFoundError, match="was not closed"):
        ItarReader(path)


def test_what_was_left_unfinished_is_kept_until_the_next_one_is_there(tmp_path: Path) -> None:
    path = tmp_path / "f.itar"
    writer = ItarWriter(path)
    writer.set("k", b"value")
    writer.defer("doc", b"1")
    writer.suspend()
    with pytest.warns(UnfinishedArchiveWarning, match=r"f\.itar\.partial\.old.*recover"):
        second = ItarWriter(path)
    second.set("new", b"2")
    recover(tmp_path / "f.itar.partial.old", tmp_path / "kept.itar")
    assert sorted(ItarReader(tmp_path / "kept.itar")) == ["doc", "k"]
    second.close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["f.itar", "kept.itar"]
