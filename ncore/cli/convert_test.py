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
    assert "2 arrays and 1 groups" in shown
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
