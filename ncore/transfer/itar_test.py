"""Archives as source and target."""

import errno
import json
import os

import pytest
import zarr

from ncore.itar.testing.range_server import RangeServer
from ncore.select.selection import ZarrSelection
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.transfer.actions import Existing, Extra
from ncore.transfer.errors import EntryNotFoundError, TransferError
from ncore.transfer.execute import Options, Retries, transfer
from ncore.transfer.itar_source import ItarSource
from ncore.transfer.itar_target import ItarTarget
from ncore.transfer.local import LocalBackend
from ncore.transfer.memory import MemoryBackend
from ncore.transfer.plan import Policy

FULL = Policy(Existing.OVERWRITE_DIFFERENT, Extra.DELETE, resolve_conflicts=True)


def make_archive(path, zarr_format=3, chunks=20):
    store = IndexedTarStore(path, mode="w", digests=("crc32c", "md5"))
    root = zarr.create_group(store, zarr_format=zarr_format, attributes={"a": 1})
    for name in ("x", "y"):
        array = root.create_array(name, shape=(chunks * 10,), chunks=(10,), dtype="u2")
        array[:] = range(chunks * 10)
    store.close()
    return path


def contents(store):
    keys = store.keys()
    values = {key: store.read(key) for key in keys}
    # A document may come from the consolidated ones, in another layout.
    return {k: json.loads(v) if k.endswith(".json") else v for k, v in values.items()}


def source(path):
    return ItarSource(lambda: IndexedTarStore(path), str(path), is_local=True)


@pytest.mark.parametrize("zarr_format", [2, 3])
async def test_out_of_an_archive_and_back(tmp_path, zarr_format):
    path = make_archive(tmp_path / "a.zarr.itar", zarr_format)
    s, t = source(path), LocalBackend(tmp_path / "a.zarr")
    report = await transfer(s, t)
    assert report.ok, report.errors
    assert (await transfer(s, t)).written == 0
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    assert group.attrs["a"] == 1
    assert list(group["y"][:3]) == [0, 1, 2]
    back = ItarTarget(tmp_path / "b.zarr.itar")
    report = await transfer(t, back)
    assert report.ok, report.errors
    await back.close()
    for b in (s, t):
        await b.close()
    store = IndexedTarStore(tmp_path / "b.zarr.itar")
    again = zarr.open_group(store, mode="r")
    assert again.attrs["a"] == 1
    assert list(again["x"][:]) == list(group["x"][:])
    assert store.dead_bytes == 0
    assert store.entry("y/" + ("c/3" if zarr_format == 3 else "3")).md5 is not None


async def test_changing_an_archive_keeps_the_rest(tmp_path):
    path = make_archive(tmp_path / "a.zarr.itar")
    with IndexedTarStore(path) as store:
        before = contents(store)
    new = os.urandom(3 << 20)
    s = MemoryBackend({"x/c/0": b"new", "big": new})
    t = ItarTarget(path)
    policy = Policy(Existing.OVERWRITE_DIFFERENT, resolve_conflicts=True)
    assert (await transfer(s, t, None, policy)).ok
    await t.close()
    with IndexedTarStore(path) as store:
        after = contents(store)
        assert store.entry("y/c/3").md5 is not None
        assert store.entry("x/c/0").md5 is not None
    assert after.pop("big") == new
    assert after == {**before, "x/c/0": b"new"}
    t = ItarTarget(path)
    report = await transfer(MemoryBackend({"big": new}), t, None, FULL, Options(yes=True))
    assert report.deleted == len(before)
    await t.close()
    with IndexedTarStore(path) as store:
        assert contents(store) == {"big": new}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr.itar"]


async def test_a_failure_leaves_the_old_archive(tmp_path):
    path = make_archive(tmp_path / "a.zarr.itar")
    before = path.read_bytes()
    s = MemoryBackend({"x/c/0": b"new", "x/c/1": b"wrong"})
    read = s.read

    async def wrong(entry):
        return b"xxxxx" if entry.key == "x/c/1" else await read(entry)

    s.read = wrong
    t = ItarTarget(path)
    options = Options(retries=Retries(1, 0.0))
    report = await transfer(s, t, None, Policy(Existing.OVERWRITE), options)
    assert [e.key for e in report.errors] == ["x/c/1", ""]
    assert "not written" in report.errors[1].error
    await t.close()
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr.itar"]


async def test_a_damaged_member_is_refused(tmp_path):
    path = make_archive(tmp_path / "a.zarr.itar")
    with IndexedTarStore(path) as store:
        entry = store.entry("x/c/3")
    with open(path, "r+b") as f:
        f.seek(entry.offset)
        f.write(b"\xff\xff\xff\xff")
    s, t = source(path), LocalBackend(tmp_path / "a.zarr")
    report = await transfer(s, t, options=Options(retries=Retries(2, 0.0)))
    assert [e.key for e in report.errors] == ["x/c/3"]
    assert not (tmp_path / "a.zarr/x/c/3").exists()
    for b in (s, t):
        await b.close()


async def test_a_missing_archive(tmp_path):
    s = source(tmp_path / "no.itar")
    with pytest.raises(EntryNotFoundError, match="no such file"):
        await transfer(s, MemoryBackend())


async def test_metadata_of_an_archive(tmp_path):
    s = source(make_archive(tmp_path / "a.zarr.itar"))
    t = MemoryBackend()
    assert (await transfer(s, t, ZarrSelection(["metadata"]))).ok
    assert sorted(t.entries) == ["x/zarr.json", "y/zarr.json", "zarr.json"]
    assert json.loads(t.entries["zarr.json"])["attributes"] == {"a": 1}
    await s.close()


async def test_remote_entries_are_fetched_together(tmp_path):
    path = make_archive(tmp_path / "a.zarr.itar", chunks=200)
    with RangeServer({"a.zarr.itar": path.read_bytes()}) as server:
        url = f"{server.url}/a.zarr.itar"
        s = ItarSource(lambda: IndexedTarStore(url, "r", 4096), url, is_local=False)
        t = MemoryBackend()
        report = await transfer(s, t, ZarrSelection(["path:y/c"]))
        assert report.ok
        assert sorted(t.entries) == sorted(f"y/c/{i}" for i in range(200))
        assert len(server.requests) <= 70, "far fewer requests than entries"
        await s.close()


@pytest.mark.parametrize("there_already", [False, True])
async def test_an_archive_that_another_writer_changed_meanwhile(tmp_path, there_already):
    path = tmp_path / "a.zarr.itar"
    if there_already:
        make_archive(path, chunks=3)
    t = ItarTarget(path)
    make_archive(path)
    before = path.read_bytes()
    with pytest.raises(TransferError, match="run again"):
        await transfer(MemoryBackend({"x/c/0": b"new"}), t, None, FULL, Options(yes=True))
    await t.close()
    assert path.read_bytes() == before
    t = ItarTarget(path)
    assert (await transfer(MemoryBackend({"new": b"new"}), t, None, Policy())).ok
    await t.close()
    with IndexedTarStore(path) as store:
        assert store.read("new") == b"new"


async def test_a_full_disk_names_the_archive(tmp_path, monkeypatch):
    async def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ItarTarget, "_set", full)
    t = ItarTarget(tmp_path / "a.zarr.itar")
    report = await transfer(MemoryBackend({"k": b"v"}), t)
    await t.close()
    assert "a.zarr.itar: 'k': No space left" in report.errors[0].error
    assert list(tmp_path.iterdir()) == []
