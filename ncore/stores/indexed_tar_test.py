import json
import lzma
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import cbor2
import numpy as np
import pytest
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import cpu, default_buffer_prototype

from ncore.itar.errors import (
    ItarChangedError,
    ItarClosedError,
    ItarError,
    ItarKeyError,
    ItarNotFoundError,
    ItarOptionError,
    ItarReadOnlyError,
)
from ncore.itar.reader import ItarReader
from ncore.itar.writer import ItarWriter
from ncore.stores.errors import ConsolidatedMetadataError, ConsolidatedMetadataWarning
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.recovery import recover_archive


def make(path: Path, zarr_format: int = 3) -> Path:
    with IndexedTarStore(path, "w") as store:
        root = zarr.create_group(store, zarr_format=zarr_format, attributes={"a": 1})
        for name in ("x", "y"):
            group = root.create_group(name)
            array = group.create_array("n", shape=(10, 10), chunks=(5, 5), dtype="i4")
            array[...] = np.arange(100).reshape(10, 10)
            array.attrs["k"] = name
            array.attrs["more"] = [1, 2.5, None, "é"]
    return path


def members(path: Path) -> dict[str, bytes]:
    with ItarReader(path) as reader:
        return {key: reader.read(key) for key in reader}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_round_trip(tmp_path: Path, zarr_format: int) -> None:
    store = IndexedTarStore(make(tmp_path / "f.itar", zarr_format))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConsolidatedMetadataWarning)
        for root in (
            zarr.open_group(store, mode="r"),
            zarr.open_consolidated(store, mode="r"),
            zarr.open_group(store, mode="r", use_consolidated=False),
            zarr.open(store, mode="r"),
        ):
            assert root.metadata.zarr_format == zarr_format
            assert dict(root.attrs) == {"a": 1}
            assert sorted(path for path, _ in root.members(max_depth=None)) == [
                "x", "x/n", "y", "y/n",
            ]  # fmt: skip
            np.testing.assert_array_equal(root["y/n"][...], np.arange(100).reshape(10, 10))
            assert root["y/n"].attrs.asdict() == {"k": "y", "more": [1, 2.5, None, "é"]}
            assert list(root["x"]) == ["n"]
    assert store.dead_bytes == 0


def test_v3_members(tmp_path: Path) -> None:
    found = members(make(tmp_path / "f.itar"))
    documents = [key for key in found if key.endswith("zarr.json")]
    assert documents == ["x/zarr.json", "y/zarr.json", "x/n/zarr.json", "y/n/zarr.json"]
    assert list(found)[-1] == "zarr.cbor.xz"
    root = cbor2.loads(lzma.decompress(found["zarr.cbor.xz"]))
    assert root["attributes"] == {"a": 1}
    consolidated = root["consolidated_metadata"]
    assert consolidated["kind"] == "inline"
    assert consolidated["must_understand"] is False
    assert consolidated["metadata"] == {
        key.removesuffix("/zarr.json"): json.loads(found[key]) for key in documents
    }
    store = IndexedTarStore(tmp_path / "f.itar")
    assert store.keys() == sorted({*found, "zarr.json"} - {"zarr.cbor.xz"})
    assert json.loads(store.read("zarr.json")) == root


def test_v2_members_are_what_ncore_reads(tmp_path: Path) -> None:
    found = members(make(tmp_path / "f.itar", 2))
    consolidated = cbor2.loads(lzma.decompress(found[".zmetadata.cbor.xz"]))
    assert consolidated["zarr_consolidated_format"] == 1
    assert consolidated["metadata"] == {
        key: json.loads(value)
        for key, value in found.items()
        if key.endswith((".zgroup", ".zattrs", ".zarray"))
    }
    assert "zarr.cbor.xz" not in found


def test_an_array_as_root(tmp_path: Path) -> None:
    with IndexedTarStore(tmp_path / "f.itar", "w") as store:
        zarr.create_array(store, data=np.arange(5), attributes={"big": 2**70})
    assert set(members(tmp_path / "f.itar")) == {"c/0", "zarr.cbor.xz"}
    array = zarr.open_array(IndexedTarStore(tmp_path / "f.itar"), mode="r")
    assert array[...].tolist() == [0, 1, 2, 3, 4]
    assert array.attrs["big"] == 2**70


def test_root_attributes_survive_cbor(tmp_path: Path) -> None:
    attributes = {
        "z": [1, -1, 2**63, -(2**80), 1.0, -0.0, 1e-300, True, None, "é\n", {}, []],
        "a": {"nested": {"k": "NaN"}, "order": 1, "b": 2},
        "nan": float("inf"),
    }
    with IndexedTarStore(tmp_path / "f.itar", "w") as store:
        zarr.create_group(store, attributes=attributes)
    found = zarr.open_group(IndexedTarStore(tmp_path / "f.itar"), mode="r").attrs.asdict()
    assert json.dumps(found) == json.dumps(attributes)


def test_what_cbor_cannot_say_stays_json(tmp_path: Path) -> None:
    with (
        pytest.warns(UserWarning, match="cannot be written as CBOR"),
        IndexedTarStore(tmp_path / "f.itar", "w") as store,
    ):
        zarr.create_group(store, attributes={"k": "\ud800"})
    assert set(members(tmp_path / "f.itar")) == {"zarr.json"}
    root = zarr.open_group(IndexedTarStore(tmp_path / "f.itar"), mode="r")
    assert root.attrs["k"] == "\ud800"


def test_reading_while_writing(tmp_path: Path) -> None:
    with IndexedTarStore(tmp_path / "f.itar", "w") as store:
        root = zarr.create_group(store)
        array = root.create_array("n", shape=(100,), chunks=(10,), dtype="f8")
        array[...] = 1
        array[5:15] = 2
        assert array[...].sum() == 110
        zarr.consolidate_metadata(store)
        root.create_array("late", data=np.zeros(3))
        reading = store.with_read_only(True)
        assert set(zarr.open_group(reading, mode="r", use_consolidated=False)) == {"n", "late"}
        del root["n"]
    root = zarr.open_group(IndexedTarStore(tmp_path / "f.itar"), mode="r")
    assert list(root) == ["late"]


def test_byte_ranges(tmp_path: Path) -> None:
    with IndexedTarStore(tmp_path / "f.itar", "w") as store:
        prototype = default_buffer_prototype()
        for key in ("chunk", "zarr.json"):
            store.set_sync(key, cpu.Buffer.from_bytes(b"0123456789"))
        stores = [store]
        for _ in range(2):
            for key in ("chunk", "zarr.json"):
                for request, expected in (
                    (RangeByteRequest(2, 5), b"234"),
                    (RangeByteRequest(8, 50), b"89"),
                    (RangeByteRequest(20, 50), b""),
                    (OffsetByteRequest(7), b"789"),
                    (OffsetByteRequest(17), b""),
                    (SuffixByteRequest(2), b"89"),
                    (SuffixByteRequest(20), b"0123456789"),
                    (None, b"0123456789"),
                ):
                    found = stores[-1].get_sync(key, prototype=prototype, byte_range=request)
                    assert found.to_bytes() == expected
            assert stores[-1].get_sync("no", byte_range=RangeByteRequest(0, 1)) is None
            store.close()
            stores.append(IndexedTarStore(tmp_path / "f.itar"))


async def test_many_ranges_at_once(tmp_path: Path) -> None:
    with IndexedTarStore(tmp_path / "f.itar", "w") as store:
        store.set_sync("k", cpu.Buffer.from_bytes(b"0123456789"))
    reader = IndexedTarStore(tmp_path / "f.itar")
    prototype = default_buffer_prototype()
    ranges = [RangeByteRequest(3, 4), None, SuffixByteRequest(1)]
    found = {
        i: value.to_bytes()
        async for batch in reader.get_ranges("k", ranges, prototype=prototype)
        for i, value in batch
    }
    assert found == {0: b"3", 1: b"0123456789", 2: b"9"}
    with pytest.raises(BaseExceptionGroup) as caught:
        reader.get_ranges_sync("no", ranges, prototype=prototype)
    assert caught.group_contains(FileNotFoundError)


async def test_sizes(tmp_path: Path) -> None:
    path = make(tmp_path / "f.itar")
    store = IndexedTarStore(path)
    found = members(path)
    assert await store.getsize("x/n/c/0/0") == len(found["x/n/c/0/0"])
    assert await store.getsize("zarr.json") == len(store.read("zarr.json"))
    for prefix in ("", "x", "x/n/", "x/n/c"):
        below = prefix.rstrip("/") + "/" if prefix else ""
        expected = sum(len(value) for key, value in found.items() if key.startswith(below))
        assert await store.getsize_prefix(prefix) == expected


def test_raw_access(tmp_path: Path) -> None:
    path = make(tmp_path / "f.itar")
    store, found = IndexedTarStore(path), members(path)
    key = "x/n/c/0/0"
    assert store.read(key) == bytes(store.view(key)) == found[key]
    assert store.read_many([key, "zarr.json", key])[::2] == [found[key]] * 2
    assert store.entry(key).size == len(found[key])
    assert bytes(store.view("zarr.json")) == store.read("zarr.json")
    for access in (store.read, store.view, store.entry, lambda key: store.read_many([key])):
        with pytest.raises(ItarKeyError, match="no key 'x'"):
            access("x")


def test_memory_map(tmp_path: Path) -> None:
    path = tmp_path / "f.itar"
    data = np.random.default_rng(0).integers(0, 256, (3, 100_000), "u1")
    with IndexedTarStore(path, "w", memory_map=True) as store:
        root = zarr.create_group(store)
        root.create_array("plain", data=data, chunks=(1, 100_000), compressors=None)
        root.create_array("packed", data=data, chunks=(2, 100_000))
        root.create_array("sharded", data=data, chunks=(1, 70_000), shards=(3, 140_000))
        root.create_array("small", data=data[:, :100])
    prototype = default_buffer_prototype()
    for verify_reads in (False, True):
        store = IndexedTarStore(path, memory_map=True, verify_reads=verify_reads)
        for opened in (store, pickle.loads(pickle.dumps(store))):
            root = zarr.open_group(opened, mode="r")
            for name in ("plain", "packed", "sharded", "small"):
                np.testing.assert_array_equal(root[name][...], data[:, : root[name].shape[1]])
            found = opened.get_sync("plain/c/1/0")
            view = np.frombuffer(opened.view("plain/c/1/0"), "u1")
            assert np.shares_memory(found.as_numpy_array(), view)
            assert not found.as_numpy_array().flags.writeable
            for wanted in (
                RangeByteRequest(10, 90_000),
                RangeByteRequest(10, 90),
                RangeByteRequest(90_000, 200_000),
                OffsetByteRequest(7),
                OffsetByteRequest(200_000),
                SuffixByteRequest(99_000),
                SuffixByteRequest(3),
            ):
                got = opened.get_sync("plain/c/1/0", prototype=prototype, byte_range=wanted)
                plain = IndexedTarStore(path).get_sync(
                    "plain/c/1/0", prototype=prototype, byte_range=wanted
                )
                assert got.to_bytes() == plain.to_bytes(), wanted
            assert opened.get_sync("no") is None
            assert b"zarr_format" in opened.get_sync("zarr.json").to_bytes()
    os.truncate(path, 4096)
    with pytest.raises(ItarChangedError, match="has been cut since"):
        store.get_sync("plain/c/1/0")


def test_copying_between_archives(tmp_path: Path) -> None:
    path = make(tmp_path / "f.itar")
    source = IndexedTarStore(path)
    with IndexedTarStore(tmp_path / "g.itar", "x") as target:
        for key in members(path):
            if key == "zarr.cbor.xz":
                target.set_sync("zarr.json", source.get_sync("zarr.json"))
            else:
                target.copy_from(source, key, key.replace("x/", "z/"))
        assert target.read("z/n/c/0/0")
    copy = IndexedTarStore(tmp_path / "g.itar")
    assert copy.entry("z/n/c/0/0")[2:] == source.entry("x/n/c/0/0")[2:]
    assert zarr.open_group(copy, mode="r")["z/n"][9, 9] == 99
    with pytest.raises(ItarReadOnlyError):
        copy.copy_from(source, "zarr.json")


def test_failing_writer_leaves_the_old_archive(tmp_path: Path) -> None:
    path = make(tmp_path / "f.itar")
    before = path.read_bytes()

    def fail() -> None:
        with IndexedTarStore(path, "w") as store:
            zarr.create_group(store)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == before


def test_after_close(tmp_path: Path) -> None:
    path = make(tmp_path / "f.itar")
    writer = IndexedTarStore(tmp_path / "g.itar", "w")
    writer.close()
    reader = IndexedTarStore(path, index_tail_read_size=None)
    reader.close()
    with pytest.raises(ItarClosedError):
        writer.set_sync("k", cpu.Buffer.from_bytes(b""))
    with pytest.raises(ItarClosedError):
        reader.read("x/n/c/0/0")
    with pytest.raises(ItarNotFoundError, match="no such file"):
        IndexedTarStore(tmp_path / "no.itar")
    # Nor what was read with the index, nor what was decoded already.
    reader = IndexedTarStore(path)
    array = zarr.open_group(reader, mode="r")["x/n"]
    assert array[0, 0] == 0
    reader.close()
    reader.close()
    with pytest.raises(ItarClosedError, match="closed; open it again"):
        array[0, 0]
    with pytest.raises(ItarClosedError):
        zarr.open_group(reader, mode="r")
    with pytest.raises(ItarClosedError):
        reader.view("x/n/c/0/0")


def test_repr_is_what_one_would_type(tmp_path: Path) -> None:
    path = make(tmp_path / "f.itar")
    store = IndexedTarStore(path)
    assert eval(repr(store)) == store
    store.close()
    assert repr(store) == f"IndexedTarStore('{path}', mode='r') (closed)"
    writer = IndexedTarStore(path, "w")
    assert repr(writer) == f"IndexedTarStore('{path}', mode='w')"
    writer.discard()
    assert repr(writer).endswith(" (closed)")


def test_a_relative_path_is_what_it_was_when_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("f.itar"))
    store = IndexedTarStore("f.itar")
    pickled = pickle.dumps(store)
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir("sub")
    assert store.path == tmp_path / "f.itar"
    assert pickle.loads(pickled) == store == IndexedTarStore(tmp_path / "f.itar")
    store.reload_resources()
    with store.with_read_only(False) as writable:
        zarr.open_group(writable, mode="r+").attrs["a"] = 2
    assert zarr.open_group(IndexedTarStore("../f.itar"), mode="r").attrs["a"] == 2
    assert os.listdir(tmp_path / "sub") == []  # noqa: PTH208


def test_options_that_cannot_be(tmp_path: Path) -> None:
    path = make(tmp_path / "f.itar")
    for options, why in (
        ({"mode": "rw"}, r"mode 'rw' is none of r, r\+, a, w, x"),
        ({"read_only": True}, "read_only is said by the mode"),
        ({"index_tail_read_size": -5}, "index_tail_read_size=-5"),
        ({"mode": "w", "digests": "md5"}, "digests='md5'"),
        ({"mode": "w", "index_preset": 11}, "index_preset=11"),
    ):
        with pytest.raises(ItarOptionError, match=why):
            IndexedTarStore(path, **options)  # type: ignore[arg-type]
    for location in (os.fsencode(path), 7):
        with pytest.raises(ItarOptionError, match="give the location as text"):
            IndexedTarStore(location)  # type: ignore[arg-type]
    with pytest.raises(ItarOptionError, match=r"give its path: f\.itar"):
        IndexedTarStore("itar://f.itar")


@pytest.mark.parametrize("key", ["/a", "../a", "a//b", "a/../b", "./a", "a/", "a\nb"])
def test_keys_that_no_directory_could_hold(tmp_path: Path, key: str) -> None:
    with IndexedTarStore(tmp_path / "f.itar", "w") as store:
        with pytest.raises(ItarError, match="cannot be a key of a zarr"):
            store.write(key, b"1")
        with pytest.raises(ItarError, match="cannot be a key of a zarr"):
            store.write_stream(key, [b"1"], 1)
        assert store.keys() == []


def test_closing_that_failed_half_way_is_not_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = IndexedTarStore(tmp_path / "f.itar", "w")
    zarr.create_group(store).create_array("n", data=np.arange(10))

    def fail(writer: ItarWriter, key: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ItarWriter, "write_deferred", fail)
        with pytest.raises(OSError, match="No space"):
            store.close()
    with pytest.raises(ItarClosedError, match="failed before"):
        store.close()
    assert not (tmp_path / "f.itar").exists()
    recover_archive(tmp_path / "f.itar", tmp_path / "f.itar")
    found = zarr.open_group(IndexedTarStore(tmp_path / "f.itar"), mode="r")
    assert list(found["n"][:]) == list(range(10))


def test_a_view_of_a_file_that_was_cut(tmp_path: Path) -> None:
    store = IndexedTarStore(make(tmp_path / "f.itar"))
    os.truncate(store.path, 1000)
    with pytest.raises(ItarChangedError, match="has been cut since"):
        store.view("x/n/c/0/0")


def test_a_view_does_not_close_its_store(tmp_path: Path) -> None:
    store = IndexedTarStore(make(tmp_path / "f.itar"))
    with store.with_read_only(True) as twin:
        assert twin.read("zarr.json")
    assert store.read("x/n/c/0/0")


def test_reload(tmp_path: Path) -> None:
    path = make(tmp_path / "f.itar")
    store = IndexedTarStore(path)
    with IndexedTarStore(path, "w") as writer:
        zarr.create_group(writer, attributes={"new": True})
    assert store.read("x/zarr.json")
    store.reload_resources()
    assert store.keys() == ["zarr.json"]
    assert zarr.open_group(store, mode="r").attrs["new"] is True


def test_stale_v3_consolidation_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f.itar"
    source = members(make(tmp_path / "g.itar"))
    root = cbor2.loads(lzma.decompress(source["zarr.cbor.xz"]))
    del root["consolidated_metadata"]["metadata"]["y/n"]
    source["zarr.cbor.xz"] = lzma.compress(cbor2.dumps(root))
    with ItarWriter(path) as writer:
        for key, value in source.items():
            writer.set(key, value)
    with pytest.warns(ConsolidatedMetadataWarning, match="stale"):
        root = zarr.open_group(IndexedTarStore(path), mode="r")
    assert root["y/n"][9, 9] == 99


@pytest.mark.parametrize("data", [b"no xz", *map(lzma.compress, (b"\xff", cbor2.dumps([1])))])
def test_damaged_root(tmp_path: Path, data: bytes) -> None:
    with ItarWriter(tmp_path / "f.itar") as writer:
        writer.set("zarr.cbor.xz", data)
    with pytest.raises(ConsolidatedMetadataError, match=r"f\.itar: zarr\.cbor\.xz is corrupt"):
        zarr.open_group(IndexedTarStore(tmp_path / "f.itar"), mode="r")


def test_documents_come_from_one_place(tmp_path: Path) -> None:
    """With the tail in memory zarr opens a hierarchy without another read of the file."""
    store = IndexedTarStore(make(tmp_path / "f.itar"), index_tail_read_size=1 << 20)
    os.truncate(store.path, 0)
    root = zarr.open_group(store, mode="r")
    assert len(list(root.members(max_depth=None))) == 4
    # Neither when only zarr.cbor.xz could be read.
    store = IndexedTarStore(make(tmp_path / "g.itar"), index_tail_read_size=None)
    assert store.read("zarr.json")
    os.truncate(store.path, 0)
    root = zarr.open_group(store, mode="r", use_consolidated=False)
    assert root["y/n"].attrs["k"] == "y"


def test_imports_stay_light() -> None:
    code = (
        "import sys, ncore.itar, ncore.stores; ncore.itar.ItarReader; ncore.itar.ItarWriter;"
        "assert 'zarr' not in sys.modules; ncore.stores.IndexedTarStore;"
        "assert 'zarr' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_discarding_leaves_the_old_archive_and_nothing_else(tmp_path: Path) -> None:
    path = make(tmp_path / "f.itar")
    before = path.read_bytes()
    store = IndexedTarStore(path, "w")
    store.set_sync("c/0", cpu.Buffer.from_bytes(b"x" * 5000))
    store.discard()
    store.discard()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ItarClosedError):
        store.set_sync("c/0", cpu.Buffer.from_bytes(b"x"))
    reading = IndexedTarStore(path)
    reading.discard()  # nothing to drop
    assert path.read_bytes() == before
