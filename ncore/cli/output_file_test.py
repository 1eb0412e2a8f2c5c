"""Tests of where reports, pages, references and manifests may go."""

import json
import os
import stat
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr

from ncore.cli import convert, itar, transfer
from ncore.convert.fleet_task import FleetResult
from ncore.stores.pack import pack

COMMANDS = {"convert": convert.run, "itar": itar.run, "transfer": transfer.run}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_group("old.zarr", mode="w", zarr_format=2)
        root.create_array("a", data=np.arange(10))
    pack("old.zarr", "a.itar")
    pack("old.zarr", "b.itar")
    Path("cut.itar").write_bytes(Path("a.itar").read_bytes()[:-5000])
    Path("link").symlink_to("a.itar")
    Path("out").mkdir()
    Path("out/thesis").write_text("thesis")
    return tmp_path


def _run(command: str) -> int:
    name, *argv = command.split()
    with pytest.raises(SystemExit) as exit_:
        COMMANDS[name](argv)
    return int(exit_.value.code or 0)


def _everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "command",
    [
        f"{command} {place}"
        for command in (
            "itar map a.itar --overwrite -o",
            "itar refs a.itar --overwrite",
            "itar refs --format parquet --overwrite a.itar",
            "convert --dry-run old.zarr --report",
            "convert --dry-run a.itar --report",
            "convert --dry-run --recursive . --report",
            "transfer manifest old.zarr -o",
        )
        for place in (
            "a.itar",
            "./link",
            "b.itar",
            "cut.itar",
            "old.zarr/.zgroup",
            "old.zarr/a/.zarray",
            "old.zarr/report.json",
            "out",
            "s3://bucket/x",
        )
    ],
)
def test_archives_and_zarrs_are_never_written_over(
    here: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _everything(here)
    assert _run(command) in (1, 2)
    shown = capsys.readouterr().err
    assert "error: " in shown
    assert "Traceback" not in shown
    assert _everything(here) == before


def test_an_empty_name_is_none(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = _everything(here)
    for argv in (
        ["map", "a.itar", "-o", ""],
        ["info", ""],
        ["refs", "a.itar", ""],
    ):
        with pytest.raises(SystemExit) as exit_:
            itar.run(argv)
        assert exit_.value.code == 2
        assert "empty" in capsys.readouterr().err
    for argv in (["", "x.zarr"], ["old.zarr", ""], ["old.zarr", "x.zarr", "--report", ""]):
        with pytest.raises(SystemExit) as exit_:
            convert.run(argv)
        assert exit_.value.code == 2
        assert "empty" in capsys.readouterr().err
    assert _everything(here) == before


def test_a_dash_is_standard_output(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = _everything(here)
    assert _run("itar map a.itar -o -") == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")
    assert _run("itar refs a.itar -") == 0
    assert json.loads(capsys.readouterr().out)["version"] == 1
    assert _run("convert --dry-run a.itar --report -") == 0
    assert json.loads(capsys.readouterr().out)["dry_run"] is True
    assert _run("convert --dry-run --recursive . --report -") == 1  # of cut.itar
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 4
    assert _run("convert --dry-run a.itar --report - --json") == 2
    assert _run("itar map a.itar -o - --json") == 2
    assert _everything(here) == before


def test_other_files_are_replaced_entire_or_not_at_all(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("r.json").write_text("old")
    assert _run("convert --dry-run a.itar --report r.json") == 0
    assert json.loads(Path("r.json").read_text())["dry_run"] is True
    assert _run("itar map a.itar -o r.json") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert _run("itar map a.itar -o r.json --overwrite") == 0
    assert "<svg" in Path("r.json").read_text()
    assert _run("itar map a.itar -o none/r.html") == 1
    assert "none/r.html: No such file" in capsys.readouterr().err
    assert not [path for path in here.iterdir() if path.name.startswith(".")]


def test_parquet_references_are_replaced(here: Path) -> None:
    pytest.importorskip("fastparquet")
    assert _run("itar refs --format parquet a.itar refs") == 0
    assert _run("itar refs --format parquet a.itar refs") == 1
    assert _run("itar refs --format parquet a.itar refs --overwrite") == 0
    assert _run("itar refs --format json a.itar refs --overwrite") == 2
    assert Path("refs/.zmetadata").exists()


def test_a_pipe_a_device_and_an_open_file_are_written_to(here: Path, capfd) -> None:
    """Renamed over it, a report would take the place of the pipe, or of /dev/null itself."""
    os.mkfifo("pipe")
    with ThreadPoolExecutor(1) as pool:
        for more in ("", " --recursive"):
            read = pool.submit(Path("pipe").read_text)
            assert _run(f"convert --dry-run a.itar --report pipe{more}") == 0
            assert "a.itar" in read.result(60)
            assert stat.S_ISFIFO(Path("pipe").stat().st_mode)
    capfd.readouterr()
    assert _run("convert --dry-run a.itar --quiet --report /dev/stdout") == 0
    assert json.loads(capfd.readouterr().out)["dry_run"] is True
    with open("descriptor", "w") as file:
        assert _run(f"convert --dry-run a.itar --report /dev/fd/{file.fileno()}") == 0
        assert json.loads(Path("descriptor").read_text())["dry_run"] is True


def test_a_link_is_followed_and_the_mode_kept(here: Path) -> None:
    Path("out/r.json").write_text("old")
    Path("out/r.json").chmod(0o640)
    Path("r.json").symlink_to("out/r.json")
    for more in ("", "--recursive"):
        assert _run(f"convert --dry-run a.itar --report r.json {more}") == 0
        assert Path("r.json").is_symlink()
        assert json.loads(Path("out/r.json").read_text())["source"] == "a.itar"
        assert stat.S_IMODE(Path("out/r.json").stat().st_mode) == 0o640


def test_a_place_that_is_not_there_is_named_before_anything_is_done(here: Path, capsys) -> None:
    assert _run("convert old.zarr new.zarr --report none/r.json") == 1
    assert "none/r.json: No such file" in capsys.readouterr().err
    assert not Path("new.zarr").exists()


def test_the_report_of_a_fleet_has_its_name_when_it_is_complete(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    Path("r.jsonl").write_text("of an earlier run")

    def interrupted(tasks, *_):
        yield FleetResult(tasks[0].source, tasks[0].target, "converted")
        assert json.loads(Path("r.jsonl.ncore-partial").read_text())["status"] == "converted"
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("ncore.cli.convert_fleet.run_here", interrupted)
        assert _run("convert a.itar b.itar --to new --report r.jsonl") == 130
    assert "the report so far is r.jsonl.ncore-partial" in capsys.readouterr().err
    assert Path("r.jsonl").read_text() == "of an earlier run"
    assert len(Path("r.jsonl.ncore-partial").read_text().splitlines()) == 1
    assert _run("convert a.itar b.itar --to new --report r.jsonl --jobs 1") == 0
    assert len(Path("r.jsonl").read_text().splitlines()) == 2
    assert not Path("r.jsonl.ncore-partial").exists()
