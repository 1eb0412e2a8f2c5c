import json

import fsspec
import numpy as np
import pytest
import zarr
from icechunk import (
    Repository,
    RepositoryConfig,
    VirtualChunkContainer,
    containers_credentials,
    in_memory_storage,
    local_filesystem_store,
)
from zarr.storage import FsspecStore

from ncore.itar.errors import ItarNotFoundError
from ncore.stores.errors import ReferencesError, StoreExistsError
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.references import iter_references, write_references

VALUES = {
    "image": np.arange(6 * 8, dtype=np.uint16).reshape(6, 8),
    "deep/wave": np.linspace(0, 1, 10, dtype=np.float32),
    "deep/scalar": np.array(7, np.int64),
}


@pytest.fixture(params=[2, 3])
def archive(request, tmp_path):
    path = tmp_path / "a.zarr.itar"
    with IndexedTarStore(path, "w") as store:
        root = zarr.create_group(store, zarr_format=request.param, attributes={"kind": "test"})
        for name, values in VALUES.items():
            chunks = tuple(max(1, n // 2) for n in values.shape)
            array = root.create_array(
                name, shape=values.shape, dtype=values.dtype, chunks=chunks, fill_value=0
            )
            array[...] = values
            array.attrs["unit"] = "m"
        root["image"][:3, :4] = 0  # a chunk that is not there
    return path


def expected(name):
    values = VALUES[name].copy()
    if name == "image":
        values[:3, :4] = 0
    return values


def check(root):
    assert root.attrs["kind"] == "test"
    for name in VALUES:
        np.testing.assert_array_equal(root[name][...], expected(name))
        assert root[name].attrs["unit"] == "m"


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_fsspec_and_zarr_read_them_without_our_code(archive, tmp_path, kind):
    target = tmp_path / f"refs.{kind}"
    with IndexedTarStore(archive) as store:
        report = write_references(store, target, kind)
    # 2 x 2 + 2 + 1 chunks; that of nothing but fill values is not stored.
    assert report.chunks == 6
    assert report.target == str(target)
    # The protocol is named: to find it out, fsspec goes through all values, and of Parquet
    # references it takes every group for an array, in the order of a set.
    where = {"fo": str(target), "remote_protocol": "file"}
    fs = fsspec.filesystem("reference", **where, asynchronous=kind == "json")
    if kind == "json":
        check(zarr.open_group(FsspecStore(fs, read_only=True), mode="r"))
        return
    for name, values in VALUES.items():  # Parquet holds v2 metadata
        document = json.loads(fs.cat_file(f"{name}/.zarray"))
        assert document["shape"] == list(values.shape)
    # The format is named: fsspec trips over some of the keys that zarr tries to find it out.
    options = {"storage_options": where, "mode": "r", "zarr_format": 2}
    check(zarr.open_group("reference://", **options))


def test_icechunk_reads_them_as_virtual_chunks(tmp_path):
    path = tmp_path / "a.zarr.itar"
    values = VALUES["image"]
    with IndexedTarStore(path, "w") as store:
        root = zarr.create_group(store, attributes={"kind": "test"})
        root.create_array("image", data=values, chunks=(3, 4))
    with IndexedTarStore(path) as store:
        write_references(store, tmp_path / "refs.json")
    references = json.loads((tmp_path / "refs.json").read_text())["refs"]

    prefix = f"file://{tmp_path}/"
    config = RepositoryConfig.default()
    config.set_virtual_chunk_container(
        VirtualChunkContainer(prefix, local_filesystem_store(str(tmp_path)))
    )
    repository = Repository.create(
        in_memory_storage(),
        config=config,
        authorize_virtual_chunk_access=containers_credentials({prefix: None}),
    )
    session = repository.writable_session("main")
    target = zarr.create_group(session.store, overwrite=True)
    # An array must be known before its chunks.
    for key, reference in sorted(references.items(), key=lambda item: isinstance(item[1], list)):
        if key == "zarr.json":
            target.attrs.update(json.loads(reference)["attributes"])
        elif isinstance(reference, str):
            fsspec.asyn.sync(fsspec.asyn.get_loop(), session.store.set, key, _buffer(reference))
        else:
            location, offset, size = reference
            session.store.set_virtual_ref(key, f"file://{location}", offset=offset, length=size)
    session.commit("references")
    found = zarr.open_group(repository.readonly_session("main").store, mode="r")
    assert found.attrs["kind"] == "test"
    np.testing.assert_array_equal(found["image"][...], values)


def _buffer(text):
    return zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(text.encode())


def test_references_name_the_archive_as_it_is_asked_for(archive, tmp_path, monkeypatch):
    monkeypatch.chdir(archive.parent)
    with IndexedTarStore("a.zarr.itar") as store:
        write_references(store, tmp_path / "here.json")
        write_references(store, tmp_path / "there.json", url="s3://bucket/a.zarr.itar")
        inline = dict(iter_references(store, "x"))
    for name, url in (("here", str(archive)), ("there", "s3://bucket/a.zarr.itar")):
        refs = json.loads((tmp_path / f"{name}.json").read_text())["refs"]
        assert {ref[0] for ref in refs.values() if isinstance(ref, list)} == {url}
        assert refs.keys() == inline.keys()


def test_nothing_is_overwritten_unasked(archive, tmp_path):
    target = tmp_path / "refs.json"
    target.write_text("mine")
    with IndexedTarStore(archive) as store:
        with pytest.raises(StoreExistsError, match=r"refs\.json"):
            write_references(store, target)
        assert target.read_text() == "mine"
        write_references(store, target, overwrite=True)
        write_references(store, target.with_suffix(".parquet"), "parquet")
        write_references(store, target.with_suffix(".parquet"), "parquet", overwrite=True)
    assert json.loads(target.read_text())["version"] == 1
    names = {entry.name for entry in tmp_path.iterdir()}
    assert names == {"a.zarr.itar", "refs.json", "refs.parquet"}


def test_what_parquet_cannot_say_is_refused(tmp_path):
    path = tmp_path / "a.zarr.itar"
    with IndexedTarStore(path, "w") as store:
        root = zarr.create_group(store)
        root.create_array("sharded", shape=(8,), dtype="i4", chunks=(2,), shards=(4,))
    with IndexedTarStore(path) as store:
        with pytest.raises(ReferencesError, match=r"'sharded'.*sharding_indexed.*JSON"):
            write_references(store, tmp_path / "refs.parquet", "parquet")
        assert not list(tmp_path.glob("*refs*"))
        write_references(store, tmp_path / "refs.json")


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(ItarNotFoundError, match=r"none\.itar"):
        IndexedTarStore(tmp_path / "none.itar")
