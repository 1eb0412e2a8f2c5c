import os
import pickle
import shutil

import fsspec
import numpy as np
import pytest
import zarr
from fsspec.implementations.memory import MemoryFileSystem

from ncore.itar.errors import ItarFormatError, ItarOptionError, ItarReadOnlyError
from ncore.itar.testing.s3_server import options, rclone_server
from ncore.itar.writer import ItarWriter
from ncore.stores.errors import StoreNotFoundError
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.itar_filesystem import ItarFileSystem

VALUES = {"a/b/one": b"1" * 5, "a/b/two": b"0123456789", "a/c": b"", "top": b"x" * 3000}


@pytest.fixture(autouse=True)
def _registered():
    # An installed ncore is registered by its entry point.
    fsspec.register_implementation("itar", ItarFileSystem, clobber=True)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "a.itar"
    with ItarWriter(path) as writer:
        for key, value in VALUES.items():
            writer.set(key, value)
    return path


def test_directories_and_files(archive):
    fs = fsspec.filesystem("itar", fo=str(archive))
    assert sorted(fs.ls("", detail=False)) == ["a", "top"]
    assert sorted(fs.ls("itar://a/", detail=False)) == ["a/b", "a/c"]
    assert {i["name"]: (i["type"], i["size"]) for i in fs.ls("a")} == {
        "a/b": ("directory", 0),
        "a/c": ("file", 0),
    }
    assert fs.find("") == sorted(VALUES)
    assert fs.glob("a/*/t*") == ["a/b/two"]
    assert fs.isdir("a/b")
    assert fs.isfile("a/b/one")
    assert not fs.exists("a/b/on")
    assert fs.du("") == sum(map(len, VALUES.values()))
    with pytest.raises(StoreNotFoundError, match="'nothing'"):
        fs.ls("nothing")


@pytest.mark.parametrize("start", [None, 0, 3, -4, 30])
@pytest.mark.parametrize("end", [None, 0, 7, -2, 30])
def test_ranges_are_those_of_bytes(archive, start, end):
    fs = ItarFileSystem(str(archive))
    assert fs.cat_file("a/b/two", start, end) == VALUES["a/b/two"][start:end]


def test_many_at_once(archive):
    fs = ItarFileSystem(str(archive))
    assert fs.cat(list(VALUES)) == VALUES
    assert fs.cat("a", recursive=True) == {k: v for k, v in VALUES.items() if k.startswith("a/")}
    assert fs.cat(["top", "none"], on_error="omit") == {"top": VALUES["top"]}
    assert isinstance(fs.cat(["none"], on_error="return")["none"], StoreNotFoundError)
    with pytest.raises(StoreNotFoundError, match="'none'"):
        fs.cat(["top", "none"])


def test_files_are_read_and_only_read(archive, tmp_path):
    fs = ItarFileSystem(str(archive))
    with fs.open("top") as file:
        file.seek(2990)
        assert file.read() == b"x" * 10
    fs.get("a", str(tmp_path / "out"), recursive=True)
    assert (tmp_path / "out/b/two").read_bytes() == VALUES["a/b/two"]
    with pytest.raises(ItarReadOnlyError):
        fs.open("top", "wb")


def test_chained_urls_reach_any_file_system(archive):
    with fsspec.open(f"itar://a/b/two::file://{archive}") as file:
        assert file.read() == VALUES["a/b/two"]
    MemoryFileSystem().pipe_file("/folder/a.itar", archive.read_bytes())
    fs, path = fsspec.core.url_to_fs("itar://a/b::memory://folder/a.itar")
    assert fs.cat(fs.ls(path, detail=False)) == {k: VALUES[k] for k in ("a/b/one", "a/b/two")}
    fs, path = fsspec.core.url_to_fs("itar::simplecache::memory://folder/a.itar")
    assert (path, fs.cat_file("top")) == ("", VALUES["top"])
    assert fsspec.open_files("itar://a/b/*::memory://folder/a.itar")[1].path == "a/b/two"


def test_it_pickles_and_survives_a_fork(archive):
    fs = pickle.loads(pickle.dumps(ItarFileSystem(str(archive))))
    child = os.fork()
    if child == 0:
        os._exit(0 if fs.cat_file("top") == VALUES["top"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert fs.cat_file("a/c") == b""


def test_zarr_opens_what_lies_inside(tmp_path):
    path = tmp_path / "a.zarr.itar"
    with IndexedTarStore(path, "w") as store:
        group = zarr.create_group(store, attributes={"kind": "test"})
        group["x"] = np.array([1, 2, 3])
    found = zarr.open_group(f"itar::file://{path}", mode="r")
    assert found.attrs["kind"] == "test"
    assert found["x"][:].tolist() == [1, 2, 3]
    assert "zarr.json" in ItarFileSystem(str(path)).ls("", detail=False)


def test_a_bucket_is_read_without_a_file_system_of_its_own(archive, tmp_path):
    with rclone_server(tmp_path / "server", "bucket") as endpoint:
        shutil.copy(archive, tmp_path / "server" / "bucket" / "a.itar")
        fs = fsspec.filesystem("itar", fo="s3://bucket/a.itar", target_options=options(endpoint))
        assert {key: fs.cat_file(key) for key in fs.find("")} == VALUES


def test_what_cannot_be_opened_is_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.itar"):
        ItarFileSystem(str(tmp_path / "none.itar"))
    (tmp_path / "x.itar").write_bytes(b"x" * 1024)
    with pytest.raises(ItarFormatError, match=r"x\.itar"):
        ItarFileSystem(str(tmp_path / "x.itar"))
    with pytest.raises(ItarOptionError, match="no archive named"):
        ItarFileSystem()
    with pytest.raises(ItarOptionError, match="nosuch"):
        ItarFileSystem("x.itar", target_protocol="nosuch")
