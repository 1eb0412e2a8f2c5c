"""The itar store over a network: how many requests, and what when the object changes."""

# bazel: size = "medium"

import asyncio
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.core.buffer import cpu, default_buffer_prototype

from ncore.itar.errors import (
    ItarChangedError,
    ItarError,
    ItarExistsError,
    ItarIOError,
    ItarNotFoundError,
)
from ncore.itar.testing.range_server import RangeServer
from ncore.itar.testing.s3_server import moto_server, options, rclone_server
from ncore.stores.indexed_tar import IndexedTarStore

VALUES = {f"v/c/{i}": np.random.default_rng(i).bytes(20_000) for i in range(100)}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("archive") / "f.itar"
    with IndexedTarStore(path, "w") as store:
        root = zarr.create_group(store)
        array = root.create_array("n", shape=(400,), chunks=(10,), dtype="i4", compressors=None)
        array[...] = np.arange(400)
        for key, value in VALUES.items():
            store.set_sync(key, cpu.Buffer.from_bytes(value))
    return path.read_bytes()


@pytest.fixture
def server(archive: bytes) -> Iterator[RangeServer]:
    with RangeServer({"f.itar": archive}) as running:
        yield running


def test_opening_costs_one_request(server: RangeServer) -> None:
    store = IndexedTarStore(f"{server.url}/f.itar", index_tail_read_size=100_000)
    assert len(server.requests) == 1
    root = zarr.open_group(store, mode="r")
    assert list(root) == ["n"]
    assert len(server.requests) == 1


def test_zarr_reads_neighbours_together(server: RangeServer) -> None:
    store = IndexedTarStore(f"{server.url}/f.itar", index_tail_read_size=100_000)
    root = zarr.open_group(store, mode="r")
    server.requests.clear()
    assert root["n"][...].tolist() == list(range(400))
    # Forty chunks; zarr has ten reads under way at a time.
    assert len(server.requests) <= 20


async def test_concurrent_gets_coalesce(server: RangeServer) -> None:
    store = IndexedTarStore(f"{server.url}/f.itar", index_tail_read_size=10_000)
    server.requests.clear()
    prototype = default_buffer_prototype()
    keys = [key for key in VALUES if int(key.removeprefix("v/c/")) % 20 < 3]
    found = await asyncio.gather(*(store.get(key, prototype) for key in keys))
    assert [buffer.to_bytes() for buffer in found] == [VALUES[key] for key in keys]
    assert len(server.requests) == 5


def test_reading_many_keys(server: RangeServer) -> None:
    store = IndexedTarStore(f"{server.url}/f.itar", index_tail_read_size=10_000)
    server.requests.clear()
    assert store.read_many(list(VALUES)) == list(VALUES.values())
    assert len(server.requests) <= 2


def test_reading_in_order(server: RangeServer) -> None:
    store = IndexedTarStore(f"{server.url}/f.itar", index_tail_read_size=10_000)
    server.requests.clear()
    for key, value in VALUES.items():
        assert store.read(key) == value
    assert len(server.requests) <= 12


def test_a_replaced_object_is_noticed(server: RangeServer, archive: bytes) -> None:
    store = IndexedTarStore(f"{server.url}/f.itar", index_tail_read_size=10_000)
    assert store.read("v/c/7") == VALUES["v/c/7"]
    server.objects["f.itar"] = archive[:5000] + b"other" + archive[5005:]
    with pytest.raises(ItarChangedError, match="replaced since it was opened"):
        store.read("v/c/50")
    with pytest.raises(ItarChangedError):
        asyncio.run(store.get("v/c/50", default_buffer_prototype()))
    store.reload_resources()
    assert store.read("v/c/50") == VALUES["v/c/50"]


def test_failed_servers(server: RangeServer) -> None:
    with pytest.raises(ItarNotFoundError, match=r"g\.itar"):
        IndexedTarStore(f"{server.url}/g.itar")
    server.ignore_ranges = True
    with pytest.raises(ItarError, match="ignores byte ranges"):
        IndexedTarStore(f"{server.url}/f.itar")
    assert len(server.requests) <= 4


def _child(store: IndexedTarStore) -> None:
    for key, value in VALUES.items():
        assert store.read(key) == value


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes(server: RangeServer, method: str) -> None:
    store = IndexedTarStore(f"{server.url}/f.itar", index_tail_read_size=10_000)
    worker = multiprocessing.get_context(method).Process(target=_child, args=(store,))
    worker.start()
    worker.join(30)
    assert worker.exitcode == 0
    _child(store)


@pytest.fixture(scope="module", params=["moto", "rclone"])
def endpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if request.param == "moto":
        server = moto_server("bucket")
    else:
        server = rclone_server(tmp_path_factory.mktemp("s3"), "bucket")
    with server as running:
        yield running


def test_s3(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    url = "s3://bucket/some/f.zarr.itar"
    given = options(endpoint)
    store = IndexedTarStore(url, "x", **given)
    root = zarr.create_group(store, attributes={"a": 1})
    root.create_array("n", data=np.arange(100_000), chunks=(1000,), compressors=None)
    with pytest.raises(ItarNotFoundError):
        IndexedTarStore(url, **given)
    store.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ItarExistsError, match="already exists"):
        IndexedTarStore(url, "x", **given)
    reader = IndexedTarStore(url, **given)
    assert not any(str(value) in repr(reader) for value in given.values())
    np.testing.assert_array_equal(zarr.open_group(reader, mode="r")["n"][...], np.arange(100_000))


def test_a_failed_upload_keeps_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = IndexedTarStore(
        "s3://bucket/f.itar",
        "w",
        access_key_id="a",
        secret_access_key="hunter2",
        endpoint="http://127.0.0.1:9",
        retry_config={"max_retries": 0},
    )
    store.set_sync("k", cpu.Buffer.from_bytes(b"value"))
    with pytest.raises(ItarIOError, match="kept as") as caught:
        store.close()
    assert "hunter2" not in str(caught.value)
    (kept,) = tmp_path.rglob("*.itar")
    assert str(kept) in str(caught.value)
    assert IndexedTarStore(kept).read("k") == b"value"
