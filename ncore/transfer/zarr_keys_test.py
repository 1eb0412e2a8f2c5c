import itertools
import math

import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.transfer.errors import TransferError
from ncore.transfer.zarr_keys import _indices, chunk_keys, documents_of, keys_of, only_prefix


@given(st.integers(0, 1200))
def test_indices_in_the_order_of_strings(n):
    assert list(_indices(n)) == sorted(map(str, range(n)))


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=3),
    st.sampled_from(["/", "."]),
    st.booleans(),
)
def test_chunk_keys_are_all_and_in_order(dimensions, separator, v3):
    shape, chunks = [n for n, _ in dimensions], [c for _, c in dimensions]
    if v3:
        grid = {"name": "regular", "configuration": {"chunk_shape": chunks}}
        encoding = {"name": "default", "configuration": {"separator": separator}}
        document = {"shape": shape, "chunk_grid": grid, "chunk_key_encoding": encoding}
    else:
        document = {"shape": shape, "chunks": chunks, "dimension_separator": separator}
    start = f"c{separator}" if v3 else ""
    ranges = [range(math.ceil(n / c)) for n, c in dimensions]
    expected = sorted(start + separator.join(map(str, i)) for i in itertools.product(*ranges))
    if not dimensions:
        expected = ["c" if v3 else "0"]
    assert list(chunk_keys(document)) == expected


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_keys_of_what_zarr_writes(tmp_path, zarr_format):
    root = zarr.create_group(str(tmp_path), zarr_format=zarr_format)
    for name in ("a", "a-b", "g/x"):
        array = root.create_array(name, shape=(7, 25), chunks=(3, 2), dtype="u1")
        array[:] = 1
    zarr.consolidate_metadata(str(tmp_path), zarr_format=zarr_format)
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    name = "zarr.json" if zarr_format == 3 else ".zmetadata"
    documents = documents_of(name, (tmp_path / name).read_bytes())
    assert list(keys_of(documents)) == files
    for prefix in ("", "a/", "g", "nothing"):
        got = list(only_prefix(keys_of(documents), prefix, "a/"))
        assert got == [f for f in files if f.startswith(prefix) and f > "a/"]


@pytest.mark.parametrize(
    "document",
    [{}, {"shape": [3], "chunks": [0]}, {"shape": [-1], "chunks": [1]}, {"shape": 3, "chunks": 1}],
)
def test_malformed_documents(document):
    with pytest.raises(TransferError, match="malformed"):
        list(chunk_keys(document))


def test_what_is_not_consolidated():
    assert documents_of("zarr.json", b'{"node_type": "group"}') is None
    assert documents_of("zarr.json", b"[") is None
    assert documents_of(".zmetadata", b"[]") is None
    assert documents_of("zarr.json", b'{"node_type": "array"}') == {
        "zarr.json": {"node_type": "array"}
    }
