import json

import numpy as np
import pytest
import zarr

from ncore.stores.decode import check_chunks
from ncore.stores.indexed_tar import IndexedTarStore


@pytest.fixture(params=[2, 3])
def path(request, tmp_path):
    path = tmp_path / "a.zarr.itar"
    with IndexedTarStore(path, "w") as store:
        root = zarr.create_group(store, zarr_format=request.param)
        array = root.create_array("a", shape=(25, 7), chunks=(10, 4), dtype="i4")
        array[:] = np.arange(175).reshape(25, 7)
        root.create_array("zero", shape=(), dtype="f8")[...] = 4.5
        if request.param == 3:
            sharded = root.create_array("s", shape=(8,), chunks=(2,), shards=(4,), dtype="u1")
            sharded[:] = 5
    return path


def _copy(path, **changes):
    """Write the archive anew with some values replaced; return the new path."""
    other = path.with_name("b.zarr.itar")
    with IndexedTarStore(path) as store, IndexedTarStore(other, "w") as copy:
        for key in {*store.keys(), *changes}:
            copy.write(key, changes.get(key) or store.read(key))
    return other


def test_good_chunks(path):
    sizes = []
    with IndexedTarStore(path) as store:
        decoded, problems = check_chunks(store, progress=sizes.append)
        assert problems == []
        chunks = [k for k in store.keys() if "zarr.json" not in k and "/.z" not in k]  # noqa: SIM118
        chunks = [k for k in chunks if not k.startswith(".z")]
        assert decoded == len(chunks) == len(sizes)
        assert sum(sizes) == sum(store.entry(key).size for key in chunks)


def test_what_does_not_decode(path):
    with IndexedTarStore(path) as store:
        old = "a/0.0" in store.keys()  # noqa: SIM118
    first, last, beyond = ("a/0.0", "a/2.1", "a/9.9") if old else ("a/c/0/0", "a/c/2/1", "a/c/9/9")
    stray = "a/00.0" if old else "a/c/00/0"
    with IndexedTarStore(path) as store:
        good = store.read(last)
    changed = _copy(
        path,
        **{first: b"\x01garbage", last: good[:5], beyond: good, stray: good, "a/x": b"x"},
    )
    with IndexedTarStore(changed) as store:
        _, problems = check_chunks(store)
    assert {(p.key, p.kind) for p in problems} == {
        (first, "decode"),
        (last, "decode"),
        (beyond, "chunk"),
        (stray, "chunk"),
        ("a/x", "chunk"),
    }


def test_a_claim_to_be_enormous(path):
    with IndexedTarStore(path) as store:
        name = "a/zarr.json" if "a/zarr.json" in store.keys() else "a/.zarray"  # noqa: SIM118
        document = json.loads(store.read(name))
    document["shape"] = [10**12, 10**6]
    if name == "a/.zarray":
        document["chunks"] = document["shape"]
    else:
        document["chunk_grid"]["configuration"]["chunk_shape"] = document["shape"]
    changed = _copy(path, **{name: json.dumps(document).encode()})
    with IndexedTarStore(changed) as store:
        _, problems = check_chunks(store)
    assert [p.message for p in problems if "claims" in p.message] == [
        f"claims to decode to {4 * 10**18} bytes; not tried"
    ]


def test_an_array_that_zarr_cannot_open(path):
    with IndexedTarStore(path) as store:
        name = "a/zarr.json" if "a/zarr.json" in store.keys() else "a/.zarray"  # noqa: SIM118
        document = json.loads(store.read(name))
    document["data_type" if "data_type" in document else "dtype"] = "bird"
    changed = _copy(path, **{name: json.dumps(document).encode()})
    with IndexedTarStore(changed) as store:
        _, problems = check_chunks(store)
    assert {p.key for p in problems} == {"a"}
    assert "zarr cannot open it" in problems[0].message
