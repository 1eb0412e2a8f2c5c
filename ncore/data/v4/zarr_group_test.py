"""Calls that components written for zarr 2 make on their group."""

from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr

from ncore.data.errors import DataTypeError, InvalidDataError
from ncore.data.v4.node_writer import NodeWriter, node_writer
from ncore.data.v4.nodes import group_node
from ncore.data.v4.store_writers import ZarrStoreWriter
from ncore.data.v4.zarr_group import ComponentGroup
from ncore.stores.indexed_tar import IndexedTarStore


@pytest.fixture
def group(tmp_path: Path) -> ComponentGroup:
    store = zarr.storage.LocalStore(tmp_path)
    writer = NodeWriter(ZarrStoreWriter(store), "")
    writer.set_attributes({"given": 1})
    return writer.create_group("component", {"mine": True}).zarr_group()


def test_is_a_zarr_group(group: ComponentGroup) -> None:
    assert isinstance(group, zarr.Group)
    assert group.path == "component"
    assert dict(group.attrs) == {"mine": True}
    assert isinstance(group.create_group("a"), ComponentGroup)
    assert isinstance(group.require_group("a"), ComponentGroup)
    assert isinstance(group["a"], ComponentGroup)


def test_create_dataset_with_its_old_defaults(group: ComponentGroup) -> None:
    data = np.arange(600, dtype="<i4").reshape(20, 30)
    array = group.create_dataset("x", data=data)
    np.testing.assert_array_equal(group["x"][:], data)
    (codec,) = array.compressors
    form = codec.to_dict()["configuration"]
    assert (form["cname"], form["clevel"], form["shuffle"]) == ("lz4", 5, "shuffle")
    assert group.create_dataset("l", data=[[1.0, 2.0]]).shape == (1, 2)
    assert group.create_dataset("s", data=2.5)[...] == 2.5
    assert group.create_dataset("e", shape=(0, 3), dtype="f4").shape == (0, 3)
    empty = group.create_dataset("n", shape=7, dtype="f4", fill_value=-1, chunks=3)
    assert empty.chunks == (3,)
    assert empty[:].tolist() == [-1] * 7
    assert group.create_dataset("w", data=data, chunks=False).chunks == (20, 30)
    assert group.create_dataset("p", data=data, chunks=(5, None)).chunks == (5, 30)
    assert group.array("y", data).shape == (20, 30)
    assert [len(a) for a in (array, group["x"], dict(group.arrays())["x"])] == [20, 20, 20]
    assert isinstance(group["x"][1, 2], np.int32)
    assert isinstance(group["s"][()], np.float64)
    with pytest.raises(TypeError, match="without dimensions"):
        len(group["s"])
    assert group.zeros("zeros", shape=2, dtype="i2")[:].tolist() == [0, 0]
    assert group.ones("ones", shape=(2,), chunks=(1,))[:].tolist() == [1.0, 1.0]
    assert group.full("full", 4, shape=(1, 2), dtype="u1")[:].tolist() == [[4, 4]]
    assert group.empty("empty", shape=(2, 3)).shape == (2, 3)
    with pytest.raises(ValueError, match="exists"):
        group.create_dataset("x", data=data)
    group.create_dataset("x", data=data + 1, overwrite=True)
    assert group["x"][0, 0] == 1


@pytest.mark.parametrize(
    "compressor",
    [
        None,
        numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE),
        numcodecs.Blosc("lz4", 1, numcodecs.Blosc.AUTOSHUFFLE),
        numcodecs.Zstd(5),
        numcodecs.GZip(2),
        zarr.codecs.ZstdCodec(),
    ],
)
def test_compressors_of_zarr_2(group: ComponentGroup, compressor: Any) -> None:
    data = np.arange(100, dtype="<u2")
    group.create_dataset("x", data=data, compressor=compressor)
    np.testing.assert_array_equal(group["x"][:], data)
    assert bool(group["x"].compressors) == (compressor is not None)


def test_what_has_no_counterpart_is_refused(group: ComponentGroup) -> None:
    with pytest.raises(DataTypeError, match="filters"):
        group.create_dataset("x", data=[1], filters=[numcodecs.Delta("<i8")])
    with pytest.raises(DataTypeError, match="order"):
        group.create_dataset("x", data=[1], order="F")
    with pytest.raises(DataTypeError, match="compressor"):
        group.create_dataset("x", data=[1], compressor=numcodecs.LZMA())
    with pytest.raises(InvalidDataError, match="data or shape"):
        group.create_dataset("x")
    assert "x" not in group


def test_require_dataset(group: ComponentGroup) -> None:
    first = group.require_dataset("x", shape=(3,), dtype="i4")
    first[:] = 5
    assert group.require_dataset("x", shape=(3,), dtype="i4")[:].tolist() == [5, 5, 5]


def test_attributes_take_numpy_scalars(group: ComponentGroup) -> None:
    group.attrs["n"] = np.int64(3)
    group.attrs["f"] = np.float32(0.5)
    group.attrs["b"] = np.bool_(True)
    group.attrs["nested"] = {"x": (np.uint8(1), [None])}
    found = zarr.open_group(group.store, path="component", mode="r").attrs.asdict()
    assert found == {"mine": True, "n": 3, "f": 0.5, "b": True, "nested": {"x": [1, [None]]}}
    group.attrs.put({"only": np.int8(1)})
    group.attrs.update({"more": 2})
    assert group.attrs.asdict() == {"only": 1, "more": 2}
    assert group.create_group("g", attributes={"k": np.int64(1)}).attrs["k"] == 1
    array = group.create_array("a", data=np.zeros(2), attributes={"k": np.int64(1)})
    assert array.attrs["k"] == 1
    for wrong in (np.zeros(3), b"x", {1, 2}, object()):
        with pytest.raises(InvalidDataError, match="JSON"):
            group.attrs["wrong"] = wrong


def test_members_are_sorted(group: ComponentGroup) -> None:
    for name in ("b", "a", "d"):
        group.create_dataset(name, data=[1])
    for name in ("c", "e"):
        group.create_group(name)
    assert list(group) == list(group.keys()) == ["a", "b", "c", "d", "e"]
    assert list(group.array_keys()) == ["a", "b", "d"]
    assert list(group.group_keys()) == ["c", "e"]
    assert [name for name, _ in group.arrays()] == ["a", "b", "d"]
    assert [type(member) for _, member in group.groups()] == [ComponentGroup] * 2
    assert [name for name, _ in group.items()] == list(group)
    assert len(list(group.values())) == 5


def test_a_plain_zarr_group_will_do(tmp_path: Path) -> None:
    """A component may be made from any zarr group, without a sequence writer."""
    with IndexedTarStore(tmp_path / "x.itar", mode="w") as store:
        plain = zarr.create_group(store).create_group("c")
        node_writer(plain).create_array("x", np.arange(5))
        node_writer(plain).create_blob("y", b"abc\0")
    plain = zarr.open_group(IndexedTarStore(tmp_path / "x.itar"), mode="r")["c"]
    np.testing.assert_array_equal(group_node(plain).read_array("x"), np.arange(5))
    assert group_node(plain).read_blob("y") == b"abc\0"
    assert plain["y"].shape == (4,)
