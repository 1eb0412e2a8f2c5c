"""Directories appear when they are finished, and replace what was there in that moment."""

import json
from pathlib import Path

import pytest

from ncore.data.v4.errors import SequenceFormatError, WriterClosedError
from ncore.data.v4.store_writers import DirectoryStoreWriter


def write(path: Path, value: bytes) -> DirectoryStoreWriter:
    writer = DirectoryStoreWriter(str(path))
    writer.write("zarr.json", b'{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    writer.write("a/zarr.json", b'{"zarr_format": 3, "node_type": "group", "attributes": {"k": 1}}')
    writer.write("a/x/c/0", memoryview(value))
    return writer


def test_replaces_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    write(path, b"old").finish()
    writer = write(path, b"new")
    assert (path / "a/x/c/0").read_bytes() == b"old"
    assert writer.read("a/x/c/0") == b"new"
    assert writer.read("missing") is None
    writer.finish()
    assert (path / "a/x/c/0").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    root = json.loads((path / "zarr.json").read_bytes())
    assert root["consolidated_metadata"]["metadata"]["a"]["attributes"] == {"k": 1}
    with pytest.raises(WriterClosedError):
        writer.write("b", b"")


def test_abort(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    write(path, b"old").finish()
    write(path, b"new").abort()
    assert (path / "a/x/c/0").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_not_replaced_by_a_directory(tmp_path: Path) -> None:
    (tmp_path / "s.zarr").write_bytes(b"x")
    with pytest.raises(SequenceFormatError, match="a file where a directory"):
        DirectoryStoreWriter(str(tmp_path / "s.zarr"))
