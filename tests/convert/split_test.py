"""One huge array encoded by several processes, on this machine and on a cluster."""

import warnings
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr

from ncore.convert import split as module
from ncore.convert.conversion import convert
from ncore.convert.errors import ChunkDecodeError
from ncore.convert.fleet_dask import run_on_dask
from ncore.convert.fleet_task import FleetTask
from ncore.convert.options import ConvertOptions
from ncore.convert.relayout import Layout, parse_compressor

# bazel: size = "medium"
# bazel: deps = ["@pypi//distributed"]

SHARDED = ConvertOptions(layout=Layout((8, 8), (32, 32), parse_compressor("zstd:1")))


HANDED: list[int] = []
ENCODE = module._encode_share


def counted(share):
    """What a worker does, of module level so that it is not copied to the workers."""
    HANDED.append(len(share.blocks))
    return ENCODE(share)


class Counting(Executor):
    """Processes, and how often they were asked."""

    def __init__(self) -> None:
        self.pool = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
        self.asked = 0

    def submit(self, fn, /, *args, **kwargs) -> Future:
        self.asked += 1
        return self.pool.submit(fn, *args, **kwargs)


@pytest.fixture(autouse=True)
def _small_shares(monkeypatch) -> None:
    monkeypatch.setattr(module, "SHARE_BYTES", 4 * 32 * 32 * 2)  # two shards
    monkeypatch.setattr(module, "SHARES", 3)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_group(tmp_path / "old.zarr", mode="w", zarr_format=2)
        root.attrs["who"] = "x"
        values = np.arange(300 * 200, dtype="i4").reshape(300, 200)
        root.create_array("g/big", data=values, chunks=(20, 48))
        root.create_array("small", data=np.arange(10), chunks=(5,))
        convert(str(tmp_path / "old.zarr"), str(tmp_path / "check.zarr"))
    return tmp_path / "old.zarr"


def content(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_processes_write_what_threads_do(old: Path, tmp_path: Path) -> None:
    convert(str(old), str(tmp_path / "whole.zarr"), SHARDED)
    executor = Counting()
    with executor.pool:
        convert(str(old), str(tmp_path / "split.zarr"), SHARDED, executor=executor)
        assert executor.asked == -(-10 * 7 // 2)
        convert(f"{old}/g", str(tmp_path / "g.zarr.itar"), SHARDED, executor=executor)
    assert content(tmp_path / "split.zarr") == content(tmp_path / "whole.zarr")


def test_damage_is_named_by_whoever_meets_it(old: Path, tmp_path: Path) -> None:
    (old / "g" / "big" / "3.2").write_bytes(numcodecs.Blosc().encode(b"short"))
    executor = Counting()
    with executor.pool, pytest.raises(ChunkDecodeError, match=r"g/big/3\.2"):
        convert(str(old), str(tmp_path / "split.zarr"), SHARDED, executor=executor)
    assert not (tmp_path / "split.zarr").exists()


def test_shares_on_a_cluster(old: Path, tmp_path: Path, monkeypatch) -> None:
    from distributed import LocalCluster

    HANDED.clear()
    monkeypatch.setattr(module, "_encode_share", counted)
    # Workers in this process, so that the sizes above hold for them.
    with LocalCluster(
        2,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        dashboard_address=None,
        host="127.0.0.1",
    ) as cluster:
        tasks = [
            FleetTask(str(old), str(tmp_path / f"new{i}.{kind}"))
            for i, kind in enumerate(["zarr", "zarr.itar", "zarr"])
        ]
        results = list(run_on_dask(tasks, SHARDED, cluster.scheduler_address))
    assert [result.error for result in results] == ["", "", ""]
    assert len(HANDED) == 3 * 35
    convert(str(old), str(tmp_path / "whole.zarr"), SHARDED)
    whole = content(tmp_path / "whole.zarr")
    assert content(tmp_path / "new0.zarr") == content(tmp_path / "new2.zarr") == whole
