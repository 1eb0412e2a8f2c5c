import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from ncore.itar.reader import ItarReader
from ncore.itar.writer import ItarWriter
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.recovery import recover_archive

WRITER = """
import os, signal, sys
import numpy as np, zarr
from ncore.stores.indexed_tar import IndexedTarStore
store = IndexedTarStore(sys.argv[1], "w")
root = zarr.create_group(store, zarr_format=int(sys.argv[2]), attributes={"a": 1})
for i in range(20):
    group = root.create_group(f"g{i}")
    array = group.create_array("n", shape=(100_000,), chunks=(50_000,), dtype="i8")
    array[...] = np.random.default_rng(i).integers(0, 1 << 60, 100_000)
    array.attrs["i"] = i
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_killed_writer(tmp_path: Path, zarr_format: int) -> None:
    path = tmp_path / "f.itar"
    died = subprocess.run([sys.executable, "-c", WRITER, path, str(zarr_format)], check=False)
    assert died.returncode == -signal.SIGKILL
    report = recover_archive(path, tmp_path / "out.itar")
    assert len(report.nodes) == 41
    assert report.made_groups == []
    assert report.orphans == 0
    store = IndexedTarStore(tmp_path / "out.itar")
    assert store.dead_bytes == 0
    root = zarr.open_consolidated(store, mode="r")
    assert root.attrs["a"] == 1
    for i in range(20):
        array = root[f"g{i}/n"]
        assert array.attrs["i"] == i
        if i < 18:  # the last ones may have been in memory
            expected = np.random.default_rng(i).integers(0, 1 << 60, 100_000)
            np.testing.assert_array_equal(array[...], expected)


def test_an_archive_cut_off_before_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "f.itar"
    with IndexedTarStore(path, "w") as store:
        root = zarr.create_group(store)
        root.create_array("a/b/n", data=np.arange(100), chunks=(10,))
    reader = ItarReader(path)
    cut = reader.entry("zarr.cbor.xz").offset
    path.write_bytes(path.read_bytes()[:cut])
    report = recover_archive(path, tmp_path / "out.itar")
    assert report.made_groups == [""]
    assert report.nodes == ["", "a", "a/b", "a/b/n"]
    assert report.container.cut_key == "zarr.cbor.xz"
    root = zarr.open_group(IndexedTarStore(tmp_path / "out.itar"), mode="r")
    assert root["a/b/n"][...].tolist() == list(range(100))
    # Cut further back, an array's document is lost and its chunks are orphans.
    path.write_bytes(path.read_bytes()[: reader.entry("a/zarr.json").offset - 512])
    report = recover_archive(path, tmp_path / "out.itar", overwrite=True)
    assert (report.nodes, report.orphans) == ([], 10)


def test_consolidated_metadata_gives_lost_documents_back(tmp_path: Path) -> None:
    for zarr_format in (2, 3):
        path = tmp_path / f"f{zarr_format}.itar"
        with IndexedTarStore(path, "w") as store:
            root = zarr.create_group(store, zarr_format=zarr_format)
            root.create_array("n", data=np.arange(10), attributes={"k": "v"})
        reader = ItarReader(path)
        with ItarWriter(tmp_path / "lossy.itar") as writer:
            for key in reader:
                if not key.startswith("n/zarr.json") and not key.startswith("n/.z"):
                    writer.copy_from(reader, key)
        recover_archive(tmp_path / "lossy.itar", tmp_path / "out.itar", overwrite=True)
        root = zarr.open_consolidated(IndexedTarStore(tmp_path / "out.itar"), mode="r")
        assert root["n"][...].tolist() == list(range(10))
        assert root["n"].attrs["k"] == "v"
