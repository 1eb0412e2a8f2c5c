import numpy as np
import pytest
import zarr

from ncore.stores.archive import describe, list_members, read_hierarchy
from ncore.stores.hierarchy import Hierarchy
from ncore.stores.indexed_tar import IndexedTarStore


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.zarr.itar"
    with IndexedTarStore(path, "w") as store:
        root = zarr.create_group(store, attributes={"x": 1})
        sharded = root.create_array(
            "g/s", shape=(8, 8), chunks=(2, 2), shards=(4, 4), dtype="i4", compressors=None
        )
        sharded[:4] = 7
        text = root.create_array("t", shape=(2,), dtype="string")
        text[:] = np.array(["a", "b"], dtype=object)
    return path


def test_nodes(path):
    with IndexedTarStore(path) as store:
        nodes = read_hierarchy(store).nodes
    assert list(nodes) == ["", "g", "t", "g/s"]
    assert nodes[""].attributes == 1
    sharded = nodes["g/s"]
    assert (sharded.shape, sharded.chunks, sharded.shards) == ((8, 8), (2, 2), (4, 4))
    assert (sharded.stored_chunks, sharded.total_chunks, sharded.logical) == (2, 4, 256)
    # A shard holds its four chunks and an index of sixteen bytes a chunk and a checksum.
    assert sharded.chunk_bytes == 2 * (64 + 4 * 16 + 4)
    assert sharded.ratio == pytest.approx(128 / sharded.chunk_bytes)
    assert nodes["t"].logical is None
    assert nodes["t"].ratio is None
    assert nodes["t"].codecs[0] == "vlen-utf8"


def test_the_figures_add_up(path):
    with IndexedTarStore(path) as store:
        found = describe(store)
        assert found.file_size == path.stat().st_size
        parts = found.payload + found.headers + found.end_of_tar + found.index
        assert parts == found.file_size
        assert found.dead == 0
        assert (found.groups, found.arrays, found.chunks) == (2, 2, 3)
        assert sum(line.members for line in found.top_level) == found.members == len(store.reader)
        assert sum(line.bytes for line in found.top_level) == found.payload
        assert found.zarr_formats == [3]
        assert found.problems == []


def test_listing(path):
    with IndexedTarStore(path) as store:
        assert [line.key for line in list_members(store)] == ["g/", "t/", "zarr.json"]
        below = list_members(store, "g/s", recursive=True)
        assert [line.key for line in below] == ["g/s/c/0/0", "g/s/c/0/1", "g/s/zarr.json"]
        assert below[0].crc32c is not None
        everything = list_members(store, recursive=True, selected=lambda key: "json" in key)
        assert [line.key for line in everything] == [
            "g/s/zarr.json",
            "g/zarr.json",
            "t/zarr.json",
            "zarr.json",
        ]
        assert list_members(store, "zarr.json")[0].offset is None
        with pytest.raises(KeyError, match="nothing at 'h'"):
            list_members(store, "h")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (None, "not a JSON object"),
        ({"node_type": "array"}, "lacks 'shape'"),
        ({"node_type": "boat"}, "node_type is 'boat'"),
        ({"node_type": "array", "shape": [-1]}, "no shape"),
        ({"node_type": "array", "shape": "many"}, "no shape"),
        (
            {
                "node_type": "array",
                "shape": [3, 4],
                "data_type": "int8",
                "chunk_grid": {"configuration": {"chunk_shape": [0]}},
                "codecs": [],
            },
            "do not agree",
        ),
    ],
)
def test_a_broken_document_hides_no_other(document, problem):
    found = {"zarr.json": {"node_type": "group"}, "a/zarr.json": document}
    hierarchy = Hierarchy([("zarr.json", 2), ("a/zarr.json", 3), ("a/c/0", 5), ("b/x", 7)], found)
    node = hierarchy.nodes["a"]
    assert problem in node.problem
    assert node.to_json()["stored_bytes"] == 8
    assert hierarchy.nodes[""].stored == 9


def test_of_format_2():
    array = {"shape": [0, 5], "chunks": [0, 5], "dtype": "<i4", "compressor": {"id": "zlib"}}
    text = {"shape": [5], "chunks": [2], "dtype": "|O", "filters": [{"id": "vlen-utf8"}]}
    found = {".zgroup": {}, "a/.zarray": array, "b/.zarray": text, "b/.zattrs": {"k": 1}}
    nodes = Hierarchy([("b/0", 3), ("b/.zarray", 9), ("c", 1)], found).nodes
    assert nodes["a"].total_chunks == 0
    assert nodes["a"].codecs == ["zlib"]
    assert (nodes["b"].stored_chunks, nodes["b"].total_chunks) == (1, 3)
    assert (nodes["b"].attributes, nodes["b"].itemsize) == (1, None)


def test_keys_outside_of_every_node():
    hierarchy = Hierarchy([("x/y", 4), ("a/zarr.json", 2)], {"a/zarr.json": {"node_type": "group"}})
    assert hierarchy.unowned == (1, 4)
    assert [node.path for node in hierarchy.children("")] == ["a"]
