"""Tests of ``ncore convert``."""

import json
import warnings

import numpy as np
import pytest
import zarr

from ncore.cli import convert, main


@pytest.fixture
def old(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_group("old.zarr", mode="w", zarr_format=2)
        root.create_array("a", data=np.arange(100, dtype="i4"), chunks=(10,))
        root.create_array("text", data=np.array(["x", "yy"], "U2"))
    return tmp_path


def _run(*argv: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        convert.run(argv)
    return exit_.value.code or 0


def test_a_summary_for_people(old, capsys):
    assert _run("old.zarr", "new.zarr.itar") == 0
    shown = capsys.readouterr().out
    assert "copied" in shown
    assert "int32" in shown
    assert "2 arrays and 1 group" in shown
    assert "every value compared equal" in shown
    assert "fixed_length_utf32 is not in the core" in shown


def test_a_document_for_machines(old, capsys):
    assert _run("old.zarr", "new.zarr.itar", "--json", "--report", "report.json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((old / "report.json").read_text())
    assert {line["path"]: line["action"] for line in document["arrays"]} == {
        "a": "copy",
        "text": "copy",
    }
    assert {line["verified"] for line in document["arrays"]} == {"full"}


def test_a_dry_run_writes_nothing(old, capsys):
    assert _run("old.zarr", "new.zarr", "--dry-run") == 0
    assert "nothing was written" in capsys.readouterr().out
    assert _run("old.zarr", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["dry_run"] is True
    assert [p.name for p in old.iterdir()] == ["old.zarr"]


def test_an_existing_target(old, capsys):
    assert _run("old.zarr", "new.zarr.itar") == 0
    assert _run("old.zarr", "new.zarr.itar") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert _run("old.zarr", "new.zarr.itar", "--overwrite", "--no-verify") == 0
    assert "not verified" in capsys.readouterr().out


def test_what_cannot_be_converted_is_named(old, capsys):
    (old / "old.zarr" / "odd").mkdir()
    document = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "<f16", "order": "C"}
    document |= {"compressor": None, "filters": None, "fill_value": 0}
    (old / "old.zarr" / "odd" / ".zarray").write_text(json.dumps(document))
    assert _run("old.zarr", "new.zarr") == 1
    assert "odd: no v3 data type describes dtype '<f16'" in capsys.readouterr().err
    assert _run("old.zarr", "new.zarr", "--dry-run") == 1
    assert "would convert nothing, because of what is refused: 1" in capsys.readouterr().out
    assert _run("old.zarr", "new.zarr", "--on-unsupported", "skip") == 0
    assert "left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        ("old.zarr",),
        ("old.zarr", "new.zarr", "--chunks", "0"),
        ("old.zarr", "new.zarr", "--chunks", "zz"),
        ("old.zarr", "new.zarr", "--shards", "infMiB"),
        ("old.zarr", "new.zarr", "--zarr", "bogus"),
        ("old.zarr", "new.zarr", "--compressor", "lzma"),
        ("old.zarr", "new.zarr", "--compressor", "gzip:77"),
        ("old.zarr", "new.zarr", "--compressor", "zstd:99"),
        ("old.zarr", "new.zarr", "--compressor", "zstd:x"),
        ("old.zarr", "new.zarr", "--compressor", "blosc:zstd:10"),
        ("old.zarr", "new.zarr", "--compressor", "blosc:lzma"),
        ("old.zarr", "new.zarr", "--compressor", "blosc:lz4:5:all"),
        ("old.zarr", "new.zarr", "--storage-option", "foo=bar"),
        ("old.zarr", "new.zarr", "--in-place"),
        ("old.zarr", "new.zarr", "--memory", "12"),
        ("old.zarr", "new.zarr", "--jobs", "0"),
    ],
)
def test_wrong_usage(old, argv, capsys):
    assert _run(*argv) == 2
    assert "invalid literal" not in capsys.readouterr().err
    assert [p.name for p in old.iterdir()] == ["old.zarr"]


def test_a_selection(old, capsys):
    assert _run("old.zarr", "new.zarr", "--zarr", "path:text") == 0
    assert sorted(zarr.open_group("new.zarr", mode="r")) == ["text"]
    assert _run("old.zarr", "newer.zarr", "--zarr", "path:nothing") == 1
    assert "matches no node" in capsys.readouterr().err


def test_ncore_knows_the_command(capsys):
    with pytest.raises(SystemExit):
        main.run(["help", "convert"])
    assert "ncore convert OLD.zarr.itar NEW.zarr.itar" in capsys.readouterr().out


def test_in_place(old, capsys):
    assert _run("old.zarr", "--in-place", "--dry-run") == 0
    assert not (old / "old.zarr" / "zarr.json").exists()
    assert _run("old.zarr", "--in-place") == 0
    assert "every value compared equal" in capsys.readouterr().out
    assert (old / "old.zarr" / ".zgroup").exists()
    assert _run("old.zarr", "--in-place", "--remove-v2") == 0
    assert not (old / "old.zarr" / ".zgroup").exists()
    assert _run("old.zarr", "new.zarr", "--in-place") == 2
    assert _run("old.zarr", "new.zarr", "--remove-v2") == 2


def test_quiet_prints_errors_only(old, capsys):
    assert _run("old.zarr", "new.zarr", "--quiet", "--compressor", "zstd") == 0
    assert _run("old.zarr", "fleet.zarr", "--recursive", "--to", "out", "-q") == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: fleet.zarr: no such file or directory\n"


def test_arrays_encoded_anew_are_counted(old, capsys):
    assert _run("old.zarr", "new.zarr", "--compressor", "zstd") == 0
    shown = capsys.readouterr().out
    assert "and 1 more: re-encoded: another layout was asked for" in shown


def test_what_was_left_out_is_said(old, capsys):
    (old / "old.zarr" / "text" / ".zarray").write_text("{}")
    assert _run("old.zarr", "new.zarr", "--on-unsupported", "skip") == 0
    assert "1 array and 1 group, 1 left out" in capsys.readouterr().out
    assert _run("old.zarr", "kept.zarr", "--on-unsupported", "keep-v2") == 0
    assert "1 array and 1 group, 1 kept as v2" in capsys.readouterr().out


def test_a_piped_table_keeps_its_words(old, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert _run("old.zarr", "new.zarr") == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "<U2" in line)
    assert "fixed_length_utf32, blosc" in row
    assert "copied" in row


@pytest.mark.parametrize("name", ["x.tar", "x.zarr.tar.gz", "x.h5", "x.ZARR.ITAR", "x.ZIP"])
def test_a_name_that_promises_another_container(old, capsys, name):
    for more in ([], ["--dry-run"]):
        assert _run("old.zarr", name, *more) == 1
        assert f"error: {name}: " in capsys.readouterr().err
    assert [p.name for p in old.iterdir()] == ["old.zarr"]


def test_a_name_without_suffix_is_a_directory(old, capsys):
    assert _run("old.zarr", "plain", "--dry-run") == 0
    assert "into plain (a directory)" in capsys.readouterr().out
    assert _run("old.zarr", "plain") == 0
    assert "plain (a directory): 2 arrays" in capsys.readouterr().out


def test_what_would_be_replaced_is_said(old, capsys):
    assert _run("old.zarr", "new.zarr") == 0
    capsys.readouterr()
    assert _run("old.zarr", "new.zarr", "--dry-run", "--overwrite") == 0
    assert "and replace new.zarr (a zarr v3 directory)" in capsys.readouterr().out


def test_in_place_twice(old, capsys):
    assert _run("old.zarr", "--in-place") == 0
    capsys.readouterr()
    assert _run("old.zarr", "--in-place") == 0
    assert "zarr v3 already, nothing was left to convert" in capsys.readouterr().out
    assert _run("old.zarr", "--in-place", "--remove-v2") == 0
    assert "files of v2 removed" in capsys.readouterr().out
