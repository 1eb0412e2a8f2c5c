# fsspec imports it for zips behind http://.
# bazel: deps = ["@pypi//aiohttp"]
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from upath import UPath
from zarr.storage import FsspecStore, LocalStore, ObjectStore, ZipStore

from ncore.itar.errors import ItarNotFoundError
from ncore.itar.testing.range_server import RangeServer
from ncore.stores.errors import StoreLocationError, StoreNotFoundError
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.opening import open_store


def fill(store: Any) -> None:
    root = zarr.create_group(store, attributes={"a": 1})
    root.create_array("n", data=np.arange(10), chunks=(5,))
    store.close()


def check(store: Any) -> None:
    root = zarr.open_group(store, mode="r")
    assert root.attrs["a"] == 1
    assert root["n"][...].tolist() == list(range(10))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("d.zarr", LocalStore), ("z.zip", ZipStore), ("z.ozx", ZipStore), ("f.itar", IndexedTarStore)],
)
def test_local(tmp_path: Path, name: str, kind: type) -> None:
    path = tmp_path / name
    for location in (path, str(path), f"file://{path}", UPath(path)):
        with pytest.raises(FileNotFoundError, match="no such file"):
            open_store(location)
    store = open_store(path, "w")
    assert type(store) is kind
    fill(store)
    for location in (path, str(path), f"file://{path}", UPath(path), f"{path}/"):
        store = open_store(location)
        assert type(store) is kind
        assert store.read_only
        check(store)
    with pytest.raises(FileExistsError, match="already exists"):
        open_store(path, "x")


def test_a_directory_may_be_called_itar(tmp_path: Path) -> None:
    fill(LocalStore(tmp_path / "d.itar"))
    check(open_store(tmp_path / "d.itar"))


def test_what_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("")
    with pytest.raises(StoreLocationError, match="neither a directory nor an archive"):
        open_store(tmp_path / "f.txt")
    with pytest.raises(StoreLocationError, match="takes no option 'key'"):
        open_store(tmp_path, key="x")
    with pytest.raises(StoreLocationError, match="none of r,"):
        open_store(tmp_path, "q")  # type: ignore[arg-type]
    with pytest.raises(StoreNotFoundError):
        open_store(tmp_path / "none")
    with pytest.raises(StoreLocationError, match="http is for reading"):
        open_store("http://127.0.0.1/d.zarr", "w")
    with pytest.raises(StoreLocationError, match="zip can only be written locally"):
        open_store("s3://b/z.zip", "w")
    with pytest.raises(StoreLocationError) as caught:
        open_store("s3://b/d.zarr", no_such_option="hunter2")
    assert "hunter2" not in str(caught.value)


def objects(directory: Path) -> dict[str, bytes]:
    found = {}
    for path in directory.rglob("*"):
        if path.is_file():
            found[str(path.relative_to(directory))] = path.read_bytes()
    return found


def test_http(tmp_path: Path) -> None:
    fill(open_store(tmp_path / "d.zarr", "w"))
    fill(open_store(tmp_path / "f.itar", "w"))
    fill(open_store(tmp_path / "z.zip", "w"))
    with RangeServer(objects(tmp_path)) as server:
        store = open_store(f"{server.url}/d.zarr")
        assert type(store) is ObjectStore
        check(store)
        for query in ("", "?signature=secret"):
            archive = open_store(f"{server.url}/f.itar{query}")
            assert type(archive) is IndexedTarStore
            assert "secret" not in repr(archive)
            check(archive)
            check(pickle.loads(pickle.dumps(archive)))
        check(open_store(f"{server.url}/z.zip"))
        with pytest.raises(ItarNotFoundError, match=r"g\.itar"):
            open_store(f"{server.url}/g.itar")


def test_what_fsspec_lacks_for_a_zip_behind_http_is_named() -> None:
    code = """
import sys
sys.modules["aiohttp"] = None
from ncore.stores import open_store
try:
    open_store("http://127.0.0.1:9/z.zip")
except Exception as error:
    print(type(error).__name__, error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("StoreLocationError http://127.0.0.1:9/z.zip: ")
    assert "pip install 'ncore[http]'" in run.stdout


def test_fsspec(tmp_path: Path) -> None:
    name = f"ncore-{os.getpid()}"
    for location in (f"memory://{name}/f.itar", UPath(f"memory://{name}/g.itar")):
        fill(open_store(location, "w"))
        store = open_store(location)
        assert type(store) is IndexedTarStore
        check(store)
    store = open_store(f"memory://{name}/d.zarr", "a")
    assert type(store) is FsspecStore
    fill(store)
    check(open_store(f"memory://{name}/d.zarr"))
