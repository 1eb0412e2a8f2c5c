"""The real xarray, Dask and Dask's distributed over our archives."""
# fsspec imports it by the name in its entry point.
# bazel: deps = ["ncore.stores.itar_filesystem"]

# bazel: size = "medium"
# bazel: data = ["//:pyproject.toml"]
# bazel: deps = ["ncore.loaders.xarray_backend"]

import os
import shutil
import subprocess
import sys

import dask.array
import numpy as np
import pytest
import xarray as xr
import zarr
from distributed import Client, LocalCluster

from ncore.itar.testing.s3_server import options, rclone_server
from ncore.loaders.xarray_backend import ItarBackendEntrypoint
from ncore.stores.indexed_tar import IndexedTarStore
from tests.loaders.archives import dataset, install_entry_points, write_archive


@pytest.fixture(scope="module", params=[2, 3])
def archive(request, tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive") / "a.zarr.itar", request.param)


def test_open_zarr_over_the_store(archive):
    found = xr.open_zarr(IndexedTarStore(archive))
    xr.testing.assert_identical(found.load(), dataset())
    night = xr.open_zarr(IndexedTarStore(archive), group="night")
    xr.testing.assert_identical(night.load(), dataset())


def test_the_engine_opens_datasets_groups_and_trees(archive):
    engine = ItarBackendEntrypoint
    found = xr.open_dataset(archive, engine=engine, drop_variables="time")
    xr.testing.assert_identical(found.load(), dataset().drop_vars("time"))
    night = xr.open_dataset(str(archive), engine=engine, group="night", chunks={})
    assert isinstance(night.temperature.data, dask.array.Array)
    xr.testing.assert_identical(night.compute(), dataset())
    tree = xr.open_datatree(archive, engine=engine)
    xr.testing.assert_identical(tree["night"].to_dataset().load(), dataset())
    assert set(xr.open_groups(archive, engine=engine)) == {"/", "/night"}


def test_a_bucket_is_read_with_storage_options(archive, tmp_path):
    (tmp_path / "bucket").mkdir()
    shutil.copy(archive, tmp_path / "bucket" / "a.zarr.itar")
    with rclone_server(tmp_path, "bucket") as endpoint:
        tree = xr.open_datatree(
            "s3://bucket/a.zarr.itar",
            engine=ItarBackendEntrypoint,
            storage_options=options(endpoint),
        )
        xr.testing.assert_identical(tree["night"].to_dataset().load(), dataset())


def test_an_installed_ncore_is_found_by_the_name_of_the_file(archive, tmp_path):
    path = os.pathsep.join([str(install_entry_points(tmp_path / "site")), *filter(None, sys.path)])
    code = (
        "import fsspec, sys, xarray as xr\n"
        "assert 'ncore.loaders.xarray_backend' not in sys.modules\n"
        f"found = xr.open_dataset({str(archive)!r})\n"
        "print(float(found.temperature.sum()), xr.backends.list_engines()['itar'].description)\n"
        f"print(fsspec.open('itar://night/x/zarr.json::{archive}').fs.protocol)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{np.arange(240).sum():.1f} Open zarr groups in indexed tar archives (.itar)",
        "itar",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.zarr.itar", True),
        ("s3://bucket/A.ITAR", True),
        ("https://host/a.itar?signature=b.zarr", True),
        ("a.zarr", False),
        ("itar", False),
        (b"a.itar", False),
        (7, False),
    ],
)
def test_it_claims_archives_alone(name, expected):
    assert ItarBackendEntrypoint().guess_can_open(name) is expected


def test_what_is_no_archive_is_explained(tmp_path):
    (tmp_path / "a.itar").write_bytes(b"x" * 2000)
    with pytest.raises(ValueError, match=r"a\.itar"):
        xr.open_dataset(tmp_path / "a.itar", engine=ItarBackendEntrypoint)
    with pytest.raises(FileNotFoundError, match=r"b\.itar"):
        xr.open_dataset(tmp_path / "b.itar", engine=ItarBackendEntrypoint)


def test_dask_arrays_over_an_archive(archive):
    lazy = dask.array.from_zarr(zarr.open_array(IndexedTarStore(archive), path="temperature"))
    assert lazy.chunks == ((2, 2, 2), (10, 10, 10, 10))
    np.testing.assert_array_equal(lazy.compute(), dataset().temperature.values)
    lazy = dask.array.from_zarr(IndexedTarStore(archive), component="night/temperature")
    assert float(lazy.sum().compute()) == np.arange(240).sum()


def test_a_cluster_of_processes_reads_one_archive(tmp_path):
    archive = write_archive(tmp_path / "a.zarr.itar")

    def where(block):
        return np.full(block.shape, os.getpid())

    lazy = dask.array.from_zarr(IndexedTarStore(archive), component="temperature")
    options = {"host": "127.0.0.1", "dashboard_address": None, "local_directory": str(tmp_path)}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **options) as cluster,
        Client(cluster) as client,
    ):
        values, processes = client.gather(
            client.compute([lazy + 1, lazy.map_blocks(where, dtype=np.int64)])
        )
        found = xr.open_zarr(IndexedTarStore(archive), chunks={})
        mean = client.compute(found.temperature.mean("time")).result()
    np.testing.assert_array_equal(values, dataset().temperature.values + 1)
    assert os.getpid() not in set(processes.ravel().tolist())
    xr.testing.assert_allclose(mean, dataset().temperature.mean("time"))
