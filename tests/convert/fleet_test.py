"""Many stores at once: found, converted, failing one by one, continued."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr

from ncore.cli import convert as cli
from ncore.convert.discover import discover
from ncore.convert.errors import FleetError, SourceError
from ncore.convert.fleet import run_here
from ncore.convert.fleet_dask import run_on_dask
from ncore.convert.fleet_task import FleetResult, FleetTask, fleet_tasks, run_task
from ncore.convert.options import ConvertOptions
from ncore.convert.report import ConversionReport
from ncore.itar.object_url import open_prefix
from ncore.itar.testing.s3_server import moto_server, options
from ncore.stores.indexed_tar import IndexedTarStore

# bazel: size = "medium"
# bazel: deps = ["@pypi//distributed"]


ROOT = Path(__file__).resolve().parents[2]


def _old(path: Path, number: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = IndexedTarStore(path, "w") if path.suffix == ".itar" else path
        root = zarr.open_group(store, mode="w", zarr_format=2)
        root.create_array("a", data=np.arange(20) + number, chunks=(5,))
        if path.suffix == ".itar":
            store.close()


def _fleet(root: Path, count: int) -> None:
    """Archives, except one directory; made by copying, since that is fast."""
    _old(root / "day0" / "r0.zarr.itar")
    raw = (root / "day0" / "r0.zarr.itar").read_bytes()
    for i in range(1, count):
        path = root / f"day{i % 3}" / f"r{i}.zarr.itar"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(raw)


def _run(*argv: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        cli.run(argv)
    return exit_.value.code or 0


def test_what_is_found(tmp_path: Path) -> None:
    _old(tmp_path / "x" / "a.zarr.itar")
    _old(tmp_path / "x" / "deep" / "b.zarr")
    _old(tmp_path / "c.zarr")
    (tmp_path / "x" / "readme.txt").write_text("")
    (tmp_path / "x" / ".a.zarr.itar.ncore-converting").write_text("")

    def names(*places: object, recursive: bool = True) -> list[str]:
        found = discover(places, recursive=recursive)
        return [f.problem or f.name for f in found]

    assert names(tmp_path) == ["c.zarr", "x/a.zarr.itar", "x/deep/b.zarr"]
    assert names(tmp_path / "x", tmp_path / "c.zarr") == ["a.zarr.itar", "c.zarr", "deep/b.zarr"]
    assert names(f"{tmp_path}/x/*.itar", recursive=False) == ["a.zarr.itar"]
    assert names(f"{tmp_path}/**/*.zarr", recursive=False) == ["c.zarr", "x/deep/b.zarr"]
    for bad in (tmp_path / "absent", tmp_path / "x", f"{tmp_path}/*.nothing"):
        [problem] = names(bad, recursive=False)
        assert str(bad) in problem
    _old(tmp_path / "y" / "c.zarr")
    with pytest.raises(SourceError, match="both become"):
        names(tmp_path / "y", tmp_path / "c.zarr")


def test_where_it_goes(tmp_path: Path) -> None:
    _old(tmp_path / "in" / "a.zarr.itar")
    found = discover([str(tmp_path)], recursive=True)
    assert [t.target for t in fleet_tasks(found, "s3://b/to/")] == ["s3://b/to/in/a.zarr.itar"]
    assert [t.target for t in fleet_tasks(found, "out", ".zarr")] == ["out/in/a.zarr"]
    assert [t.target for t in fleet_tasks(found, "out", ".ozx")] == ["out/in/a.ozx"]
    assert [t.target for t in fleet_tasks(found, None)] == [""]


def test_the_command_line(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    _fleet(tmp_path / "in", 4)
    (tmp_path / "in" / "day0" / "bad.zarr.itar").write_bytes(b"x" * 2000)
    argv = ("--recursive", "in", "--to", "out", "--jobs", "2", "--report", "r.jsonl")
    assert _run(*argv) == 1
    shown = capsys.readouterr()
    assert "4 of 5 zarrs converted" in shown.out
    assert "bad.zarr.itar" in shown.err
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert sorted(line["status"] for line in lines) == ["converted"] * 4 + ["failed"]
    (tmp_path / "in" / "day0" / "bad.zarr.itar").unlink()
    (tmp_path / "out" / "day1" / "r1.zarr.itar").unlink()
    assert _run(*argv, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["converted"], document["present"], document["failed"]) == (1, 3, 0)
    monkeypatch.setattr("sys.stdin", iter(["in/day0/r0.zarr.itar\n", "in/day1/r1.zarr.itar\n"]))
    assert _run("-", "--to", "listed", "--jobs", "1") == 0
    assert sorted(p.name for p in (tmp_path / "listed").iterdir()) == [
        "r0.zarr.itar",
        "r1.zarr.itar",
    ]
    assert _run("--recursive", "in") == 2
    assert _run("in", "a", "b") == 2


def test_each_store_fails_by_itself(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    _old(tmp_path / "a.zarr")
    _old(tmp_path / "b.zarr.itar")
    listed = iter(["a.zarr\n", "missing.zarr\n", "b.zarr.itar\n"])
    monkeypatch.setattr("sys.stdin", listed)
    assert _run("-", "--to", "out", "--jobs", "1") == 1
    shown = capsys.readouterr()
    assert "2 of 3 zarrs converted" in shown.out
    assert "1 failed" in shown.out
    assert shown.err == "error: missing.zarr: no such file or directory\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.zarr", "b.zarr.itar"]
    assert _run("zz*.zarr", "a*.zarr", "--to", "out2", "--jobs", "1") == 1
    shown = capsys.readouterr()
    assert "1 of 2 zarrs converted" in shown.out
    assert shown.err == "error: zz*.zarr: no zarr found there\n"
    monkeypatch.setattr("sys.stdin", iter([]))
    assert _run("-", "--to", "out3") == 1
    assert "standard input names none" in capsys.readouterr().err


def test_v3_is_no_failure_and_the_target_no_source(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    _old(tmp_path / "a.zarr.itar")
    _old(tmp_path / "deep" / "b.zarr")
    with IndexedTarStore("c.zarr.itar", "w") as store:
        zarr.create_group(store)
    zarr.create_group(tmp_path / "d.zarr")
    argv = ("--recursive", ".", "--to", "out", "--jobs", "1")
    assert _run(*argv) == 0
    shown = capsys.readouterr()
    assert "2 of 4 zarrs converted" in shown.out
    assert "2 are zarr v3, 0 failed" in shown.out
    assert not shown.err
    assert _run(*argv, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    counts = [document[name] for name in ("stores", "converted", "present", "v3", "failed")]
    assert counts == [4, 0, 2, 2, 0]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.zarr.itar", "deep"]


def test_a_fleet_is_not_written_over_itself(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    _old(tmp_path / "in" / "a.zarr.itar")
    before = (tmp_path / "in" / "a.zarr.itar").read_bytes()
    for more in ((), ("--overwrite",)):
        assert _run("--recursive", "in", "--to", "./in", *more) == 2
        assert "written over itself" in capsys.readouterr().err
    assert (tmp_path / "in" / "a.zarr.itar").read_bytes() == before
    assert _run("--recursive", "in", "--to", "in", "--container", ".zarr", "--jobs", "1") == 0
    assert zarr.open_group(tmp_path / "in" / "a.zarr", mode="r").metadata.zarr_format == 3


def test_a_fleet_in_place_twice(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    argv = ("--recursive", "--in-place", "in", "--jobs", "1")
    _old(tmp_path / "in" / "a.zarr")
    _old(tmp_path / "in" / "b.zarr.itar")
    assert _run(*argv) == 0
    _old(tmp_path / "in" / "c.zarr")
    capsys.readouterr()
    assert _run(*argv) == 0
    assert "1 of 3 zarrs converted (1 array, 224 B), 2 there already" in capsys.readouterr().out


def test_a_fleet_is_offered_ome_too(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        _old(tmp_path / "in" / f"{name}.zarr")
        path = tmp_path / "in" / f"{name}.zarr" / ".zattrs"
        path.write_text(json.dumps({"bioformats2raw.layout": 3}))
    _old(tmp_path / "in" / "c.zarr")
    assert _run("--recursive", "in", "--to", "out", "--jobs", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("hint: in/a.zarr: OME-Zarr 0.4 metadata found (/)")
    assert lines[0].endswith("say --ome (and 1 more zarr)")
    assert lines[1].startswith("3 of 3 zarrs converted")
    assert _run("--recursive", "in", "--to", "out", "--jobs", "1", "--ome", "--overwrite") == 0
    assert "hint" not in capsys.readouterr().out
    assert "ome" in zarr.open_group("out/b.zarr", mode="r").attrs


def _suicidal(task: FleetTask, options: ConvertOptions, retries: int) -> FleetResult:
    marker = Path(task.source + ".died")
    if task.source.endswith(("r2.zarr.itar", "r3.zarr.itar")) and not marker.exists():
        marker.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    if "r4" in task.source:
        os.kill(os.getpid(), signal.SIGKILL)
    return run_task(task, options, retries)


def test_processes_that_die_take_nothing_with_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("ncore.convert.fleet._LOST_WORKERS", 1)
    _fleet(tmp_path / "in", 6)
    tasks = fleet_tasks(discover([str(tmp_path / "in")], recursive=True), str(tmp_path / "out"))
    results = {
        Path(r.source).name: r for r in run_here(tasks, ConvertOptions(jobs=1), 1, work=_suicidal)
    }
    assert len(results) == 6
    failed = {name for name, result in results.items() if result.status == "failed"}
    assert failed == {"r4.zarr.itar"}
    assert "died" in results["r4.zarr.itar"].error


def _sleeping(task: FleetTask, options: ConvertOptions, retries: int) -> FleetResult:
    Path(f"{task.source}.pid").write_text(str(os.getpid()))
    time.sleep(600)
    raise AssertionError


_SLEEPERS = """
import signal
import sys
from ncore.convert.fleet import run_here
from ncore.convert.fleet_task import FleetTask
from ncore.convert.options import ConvertOptions
from tests.convert.fleet_test import _sleeping

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
    tasks = [FleetTask(f"{sys.argv[1]}/{i}", "x") for i in range(2)]
    list(run_here(tasks, ConvertOptions(jobs=1), 2, work=_sleeping))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_the_one_that_started_them(tmp_path: Path, number: int) -> None:
    """A batch system ends the command alone; what went on would hold the stores of a rerun."""
    (tmp_path / "sleepers.py").write_text(_SLEEPERS)
    where = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, str(tmp_path / "sleepers.py"), str(tmp_path)]
    with subprocess.Popen(command, env=where, stderr=subprocess.DEVNULL) as parent:
        pids = [int(_appeared(tmp_path / f"{i}.pid")) for i in range(2)]
        parent.send_signal(number)
        assert parent.wait(60) != 0
    for _ in range(600):
        if not any(map(_runs, pids)):
            return
        time.sleep(0.1)
    raise AssertionError(f"{pids} go on")


def _appeared(path: Path) -> str:
    for _ in range(1200):
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_remote_errors_are_tried_again(tmp_path: Path, monkeypatch) -> None:
    calls = []

    def flaky(source, target, options, executor):
        calls.append(source)
        if len(calls) < 3:
            raise SourceError("timeout")
        return ConversionReport(source, target)

    monkeypatch.setattr("ncore.convert.fleet_task.convert", flaky)
    result = run_task(FleetTask("s3://b/x", "y"), ConvertOptions(), retries=3, backoff=0)
    assert (result.status, result.attempts) == ("converted", 3)
    calls.clear()
    assert run_task(FleetTask("local", "y"), ConvertOptions(), backoff=0).status == "failed"
    assert len(calls) == 1


def test_a_bucket(tmp_path: Path) -> None:
    import obstore

    _old(tmp_path / "a.zarr.itar")
    _old(tmp_path / "d.zarr")
    with moto_server("bucket") as endpoint:
        s3 = options(endpoint)
        there = open_prefix("s3://bucket/in", s3)
        obstore.put(there, "x/a.zarr.itar", (tmp_path / "a.zarr.itar").read_bytes())
        for file in (tmp_path / "d.zarr").rglob("*"):
            if file.is_file():
                obstore.put(
                    there, f"d.zarr/{file.relative_to(tmp_path / 'd.zarr')}", file.read_bytes()
                )
        found = discover(["s3://bucket/in"], recursive=True, storage_options=s3)
        assert [f.name for f in found] == ["d.zarr", "x/a.zarr.itar"]
        files = [f for f in (tmp_path / "d.zarr").rglob("*") if f.is_file()]
        assert found[0].size == sum(f.stat().st_size for f in files)
        itself = discover(["s3://bucket/in/d.zarr"], recursive=True, storage_options=s3)
        assert [(f.location, f.name) for f in itself] == [("s3://bucket/in/d.zarr", "d.zarr")]
        for more in (
            "d.zarr-old/.zgroup",  # between d.zarr and d.zarr/a in order
            "d.zarr/deep/b.zip",
            "half.zarr/.ncore-converting.jsonl",
            "half.zarr/a/zarr.json",
            ".hidden/e.zarr/.zgroup",
            "v3.zarr/zarr.json",
            "to/x/a.zarr.itar",
        ):
            obstore.put(there, more, b"{}")
        target = "s3://bucket/in/to/"
        every = discover(["s3://bucket/in"], recursive=True, storage_options=s3, target=target)
        assert [f.name for f in every] == ["d.zarr", "d.zarr-old", "v3.zarr", "x/a.zarr.itar"]
        matched = discover(["s3://bucket/in/*.zarr"], recursive=False, storage_options=s3)
        assert [f.name for f in matched] == ["d.zarr", "v3.zarr"]
        top = discover(["s3://bucket/i*/d.zarr"], recursive=False, storage_options=s3)
        assert [f.name for f in top] == ["in/d.zarr"]
        for pattern, names in (
            ("*.itar", []),  # a star stays in its folder, here as on a disk
            ("*/a.zarr.itar", ["x/a.zarr.itar"]),
            ("**/[a-d].zarr*", ["d.zarr", "d.zarr-old", "to/x/a.zarr.itar", "x/a.zarr.itar"]),
        ):
            place = f"s3://bucket/in/{pattern}"
            matched = discover([place], recursive=False, storage_options=s3)
            assert [f.name for f in matched if not f.problem] == names
        for task in fleet_tasks(found, str(tmp_path / "out")):
            assert run_task(task, ConvertOptions(storage_options=s3)).status == "converted"
    assert zarr.open_group(tmp_path / "out" / "d.zarr", mode="r")["a"][19] == 19


def test_200_archives_on_dask_with_a_killed_worker(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    _fleet(tmp_path / "in", 200)
    tasks = fleet_tasks(discover([str(tmp_path / "in")], recursive=True), str(tmp_path / "out"))
    assert len(tasks) == 200
    with (
        LocalCluster(2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
        # None that others find: the command line has none either.
        Client(cluster, set_as_default=False) as client,
    ):
        pids = list(client.run(os.getpid).values())
        results = []
        for result in run_on_dask(tasks, ConvertOptions(jobs=1), cluster.scheduler_address):
            results.append(result)
            if len(results) == 20:
                os.kill(pids[0], signal.SIGKILL)
    assert [result.error for result in results if result.status == "failed"] == []
    assert sorted(r.source for r in results) == sorted(task.source for task in tasks)
    targets = list((tmp_path / "out").rglob("*"))
    assert len([p for p in targets if p.is_file()]) == 200  # and nothing half-made
    for task in tasks[::23]:
        root = zarr.open_group(IndexedTarStore(task.target), mode="r", zarr_format=3)
        assert root["a"][19] == 19


def test_no_scheduler() -> None:
    with pytest.raises(FleetError, match="no Dask scheduler"):
        list(run_on_dask([], ConvertOptions(), "nonsense://x"))
