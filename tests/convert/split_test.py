"""One huge zarr encoded or copied by several processes, on this machine and on a cluster."""

import os
import signal
import threading
import time
import warnings
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numcodecs
import numpy as np
import obstore
import pytest
import zarr

from ncore.convert import split as module
from ncore.convert.conversion import convert
from ncore.convert.errors import ChunkDecodeError, SourceError
from ncore.convert.fleet_dask import run_on_dask
from ncore.convert.fleet_task import FleetTask
from ncore.convert.options import ConvertOptions
from ncore.convert.relayout import Layout, parse_compressor
from ncore.convert.source import DirectorySource
from ncore.convert.target_directory import DirectoryTarget
from ncore.itar.object_url import open_prefix
from ncore.itar.testing.s3_server import moto_server, options
from ncore.stores.pack import pack

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


@pytest.fixture
def many(old: Path, monkeypatch) -> Path:
    """One whose chunks are all copied, in shares of a few."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_group(old, mode="a", zarr_format=2)
        root.create_array("g/many", data=np.arange(400), chunks=(2,))
    (old / "notes.txt").write_text("x")
    monkeypatch.setattr(module, "SHARE_BYTES", 2000)
    monkeypatch.setattr(module, "SHARE_ENTRIES", 50)
    return old


@pytest.mark.parametrize("packed", [False, True])
def test_processes_copy_what_threads_do(many: Path, tmp_path: Path, packed: bool) -> None:
    source = many
    if packed:
        source = tmp_path / "old.zarr.itar"
        pack(many, source)
    convert(source, tmp_path / "whole.zarr")
    executor = Counting()
    with executor.pool:
        convert(source, tmp_path / "split.zarr", executor=executor)
        assert executor.asked >= 5
        convert(source, tmp_path / "split.zarr", executor=executor, overwrite=True)
        asked = executor.asked
        convert(source, tmp_path / "one.zarr.itar", executor=executor)
        assert executor.asked == asked  # an archive has one writer
    assert content(tmp_path / "split.zarr") == content(tmp_path / "whole.zarr")
    assert not list(tmp_path.glob(".*"))


def test_processes_copy_into_a_bucket(many: Path, tmp_path: Path) -> None:
    with moto_server("bucket") as endpoint:
        s3 = options(endpoint)
        url = "s3://bucket/new.zarr"
        executor = Counting()
        with executor.pool:
            for overwrite in (False, True):
                asked = executor.asked
                convert(many, url, executor=executor, overwrite=overwrite, storage_options=s3)
                assert executor.asked - asked >= 5
        back = open_prefix(url, s3)
        there = {
            item["path"]: bytes(obstore.get(back, item["path"]).bytes())
            for batch in obstore.list(back)
            for item in batch
        }
    convert(many, tmp_path / "whole.zarr")
    assert there == content(tmp_path / "whole.zarr")


def test_a_chunk_that_is_gone_is_named_by_whoever_misses_it(many: Path, tmp_path: Path) -> None:
    executor = Counting()
    submit = executor.submit

    def losing(fn, /, *args, **kwargs) -> Future:
        (many / "g" / "many" / "7").unlink(missing_ok=True)
        return submit(fn, *args, **kwargs)

    executor.submit = losing  # type: ignore[method-assign]
    with executor.pool, pytest.raises(SourceError, match="g/many/7: No such file"):
        convert(many, tmp_path / "split.zarr", executor=executor)
    assert [path.name for path in tmp_path.iterdir() if "split" in path.name] == []


def test_a_worker_that_was_given_up_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / "in" / name).write_text(name)
    source, keys = DirectorySource(tmp_path / "in"), {"x/a": "a", "x/b": "b"}
    group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    target = DirectoryTarget(tmp_path / "new.zarr")
    target.begin({"": group}, None, False)
    abandoned = target.hand_out(keys)
    target.release()
    target = DirectoryTarget(tmp_path / "new.zarr")
    target.begin({"": group}, None, False)
    known = target.hand_out(keys)
    with pytest.raises(FileNotFoundError):
        DirectoryTarget(tmp_path / "new.zarr").copy_share(abandoned, source, keys)
    late = DirectoryTarget(tmp_path / "new.zarr")
    DirectoryTarget(tmp_path / "new.zarr").copy_share(known, source, keys)
    late.copy_share(known, source, keys)  # done twice
    (tmp_path / ".new.zarr.ncore-shares" / "dead").mkdir()
    target.finish()
    target.publish(overwrite=False)
    before = content(tmp_path / "new.zarr")
    assert before["x/a"] == b"a"
    with pytest.raises(FileNotFoundError):
        DirectoryTarget(tmp_path / "new.zarr").copy_share(known, source, keys)
    target.release()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "new.zarr"]
    assert content(tmp_path / "new.zarr") == before


@pytest.mark.parametrize("which", [0, 1])  # one of them has the zarr, the other helps
def test_a_worker_killed_while_shares_are_copied(tmp_path: Path, monkeypatch, which: int) -> None:
    from distributed import Client, LocalCluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_group(tmp_path / "old.zarr", mode="w", zarr_format=2)
        root.create_array(
            "a", data=np.ones((300, 1 << 20), "u1"), chunks=(1, 1 << 20), compressors=None
        )
        convert(tmp_path / "old.zarr", tmp_path / "whole.zarr", link=True)
    monkeypatch.chdir(tmp_path)  # which the workers do not know of
    with (
        LocalCluster(2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.run(os.chdir, "/")
        pids = list(client.run(os.getpid).values())
        shares = tmp_path / ".new.zarr.ncore-shares"
        killed = []

        def kill_one() -> None:
            for _ in range(60_000):
                if list(shares.glob("*/*")):
                    os.kill(pids[which], signal.SIGKILL)
                    killed.append(pids[which])
                    return
                time.sleep(0.001)

        thread = threading.Thread(target=kill_one)
        thread.start()
        tasks = [FleetTask("old.zarr", "new.zarr")]
        options = ConvertOptions(verify="sample")
        [result] = list(run_on_dask(tasks, options, cluster.scheduler_address))
        thread.join()
    assert killed
    assert (result.status, result.error, result.source) == ("converted", "", "old.zarr")
    assert content(tmp_path / "new.zarr") == content(tmp_path / "whole.zarr")
    assert not shares.exists()


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
