"""Modes r+ and a, as zarr sees them."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.core.buffer import cpu

from ncore.itar.errors import ItarFormatError, ItarLockedError, ItarNotFoundError, ItarOptionError
from ncore.itar.reader import ItarReader
from ncore.itar.repack import repack
from ncore.itar.verify import verify
from ncore.itar.writer import ItarWriter
from ncore.stores.errors import ConsolidatedMetadataWarning
from ncore.stores.indexed_tar import IndexedTarStore


@pytest.fixture(params=[2, 3])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "f.itar"
    with IndexedTarStore(path, "a") as store:
        root = zarr.create_group(store, zarr_format=request.param, attributes={"v": 1})
        root.create_array("a/n", data=np.arange(100), chunks=(10,), attributes={"k": 1})
    return path


def test_append_and_change(path: Path) -> None:
    reading = IndexedTarStore(path, index_tail_read_size=None)
    old = zarr.open_group(reading, mode="r")
    with IndexedTarStore(path, "r+") as store:
        root = zarr.open_group(store, mode="r+")
        root.attrs["v"] = 2
        root["a/n"][5:15] = -1
        root["a/n"].attrs["k"] = 2
        root.create_array("b/new", data=np.ones(5))
        assert "b" in root
        assert sorted(root) == ["a", "b"]
        # Nobody sees any of it yet, and a reader of before reads on.
        assert zarr.open_group(IndexedTarStore(path), mode="r").attrs["v"] == 1
        with pytest.raises(ItarLockedError):
            IndexedTarStore(path, "r+")
    assert old["a/n"][5] == 5
    store = IndexedTarStore(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConsolidatedMetadataWarning)
        root = zarr.open_consolidated(store, mode="r")
    assert root.attrs["v"] == 2
    assert root["a/n"].attrs["k"] == 2
    assert root["a/n"][4:16].tolist() == [4, *[-1] * 10, 15]
    assert root["b/new"][...].sum() == 5
    assert store.dead_bytes > 0
    assert verify(path).ok
    repack(path)
    store = IndexedTarStore(path)
    assert store.dead_bytes == 0
    assert zarr.open_consolidated(store, mode="r")["a/n"][5] == -1


def test_nothing_changed_writes_nothing(path: Path) -> None:
    before = path.read_bytes(), path.stat().st_mtime_ns
    for mode in ("r+", "a"):
        with IndexedTarStore(path, mode) as store:
            assert zarr.open_group(store, mode="r")["a/n"][7] == 7
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_an_exception_brings_the_old_archive_back(path: Path) -> None:
    before = path.read_bytes()

    def fail() -> None:
        with IndexedTarStore(path, "a") as store:
            zarr.open_group(store, mode="a").create_array("x", data=np.zeros(1_000_000, "u1"))
            store.set_sync("big", cpu.Buffer.from_bytes(bytes(2_000_000)))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["f.itar"]


def test_deleting(path: Path) -> None:
    with IndexedTarStore(path, "r+") as store:
        del zarr.open_group(store, mode="r+")["a"]
    store = IndexedTarStore(path)
    root = zarr.open_group(store, mode="r")
    assert list(root) == []
    assert not any(key.startswith("a/") for key in store.reader)


def test_from_a_read_only_store(path: Path) -> None:
    reader = IndexedTarStore(path)
    with reader.with_read_only(False) as writer:
        zarr.open_group(writer, mode="r+").attrs["v"] = 3
    assert zarr.open_group(reader, mode="r").attrs["v"] == 1
    reader.reload_resources()
    assert zarr.open_group(reader, mode="r").attrs["v"] == 3


def test_many_sessions(path: Path) -> None:
    for i in range(5):
        with IndexedTarStore(path, "a") as store:
            zarr.open_group(store, mode="a").create_array(f"n{i}", data=np.full(3, i))
    root = zarr.open_group(IndexedTarStore(path), mode="r")
    assert [int(root[f"n{i}"][0]) for i in range(5)] == list(range(5))


def test_checksums_stay_what_they_are(tmp_path: Path) -> None:
    for digests in ((), ("md5",), ("crc32c", "md5")):
        with ItarWriter(tmp_path / "f.itar", digests=digests) as writer:
            writer.set("k", b"1")
        with ItarWriter(tmp_path / "f.itar", "r+") as writer:
            writer.set("l", b"2")
        entry = ItarReader(tmp_path / "f.itar").entry("l")
        assert (entry.crc32c is not None) == ("crc32c" in digests)
        assert (entry.md5 is not None) == ("md5" in digests)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ItarNotFoundError):
        IndexedTarStore(tmp_path / "none.itar", "r+")
    (tmp_path / "bad.itar").write_bytes(bytes(5000))
    for mode in ("r+", "a"):
        with pytest.raises(ItarFormatError):
            IndexedTarStore(tmp_path / "bad.itar", mode)
        with pytest.raises(ItarOptionError, match="cannot be changed"):
            IndexedTarStore("s3://bucket/f.itar", mode)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.itar"]
    with ItarWriter(tmp_path / "root.itar") as writer:
        writer.set("zarr.cbor.xz", b"damaged")
    with pytest.raises(ItarFormatError, match=r"zarr\.cbor\.xz is corrupt"):
        IndexedTarStore(tmp_path / "root.itar", "r+")
    ItarWriter(tmp_path / "root.itar", "r+").close()


def test_dead_bytes_while_changing(path: Path) -> None:
    with IndexedTarStore(path, "r+") as store:
        assert store.dead_bytes == 0
        zarr.open_group(store, mode="r+")["a/n"][:] = 9
        meanwhile = store.dead_bytes
    assert 0 < meanwhile <= IndexedTarStore(path).dead_bytes
