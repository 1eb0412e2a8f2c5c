"""Tests of ``ncore itar``."""

import base64
import json
import shutil
import sys
import warnings

import numpy as np
import pytest
import zarr

from ncore.cli import itar, main
from ncore.itar.testing.range_server import RangeServer
from ncore.itar.writer import ItarWriter
from ncore.stores.indexed_tar import IndexedTarStore


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with IndexedTarStore("a.zarr.itar", "w") as store:
        root = zarr.create_group(store, attributes={"x": 1})
        array = root.create_array("g/b", shape=(100,), chunks=(10,), dtype="i4")
        array[:50] = np.arange(50)
    return tmp_path


@pytest.fixture
def run(capfd):
    """Run a command; return (exit code, stdout, stderr)."""

    def run(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            itar.run(argv)
        shown = capfd.readouterr()
        assert "Traceback" not in shown.err
        return exit_.value.code or 0, shown.out, shown.err

    return run


def test_info(here, run):
    code, shown, _ = run("info", "a.zarr.itar")
    assert code == 0
    assert "2 groups, 1 array, 5 chunks" in shown
    assert "zarr.cbor.xz" in shown
    document = json.loads(run("info", "--json", "a.zarr.itar")[1])
    assert document["file_bytes"] == (here / "a.zarr.itar").stat().st_size
    assert document["dead_bytes"] == 0


def test_ls(here, run):
    assert run("ls", "a.zarr.itar")[1].splitlines() == ["g/", "zarr.json"]
    assert run("ls", "a.zarr.itar", "g/b/c")[1].splitlines() == ["g/b/c/" + c for c in "01234"]
    found = run("ls", "-R", "a.zarr.itar", "--zarr", "glob:**/zarr.json")[1].splitlines()
    assert found == ["g/b/zarr.json", "g/zarr.json", "zarr.json"]
    line = run("ls", "-l", "a.zarr.itar", "g/b/c/0")[1].split()
    [entry] = json.loads(run("ls", "--json", "a.zarr.itar", "g/b/c/0")[1])
    assert line == [str(entry["size"]), str(entry["offset"]), entry["crc32c"], "g/b/c/0"]
    code, _, error = run("ls", "a.zarr.itar", "h")
    assert (code, error) == (1, "error: a.zarr.itar: nothing at 'h'\n")


def test_keys_cannot_write_to_the_terminal(here, run):
    with ItarWriter("h.itar") as writer:
        writer.set("\x1b[2Jboo", b"x")
    for argv in (["ls", "h.itar"], ["ls", "-l", "h.itar"], ["info", "h.itar"], ["tree", "h.itar"]):
        code, shown, _ = run(*argv)
        assert code == 0
        assert "\x1b" not in shown
    assert "\\x1b[2Jboo" in run("ls", "h.itar")[1]


def test_cat(here, run):
    code, shown, _ = run("cat", "a.zarr.itar", "zarr.json")
    assert code == 0
    assert json.loads(shown)["attributes"] == {"x": 1}
    [value] = json.loads(run("cat", "--json", "a.zarr.itar", "g/b/c/0")[1])
    with IndexedTarStore("a.zarr.itar") as store:
        assert base64.b64decode(value["base64"]) == store.read("g/b/c/0")
    code, shown, error = run("cat", "a.zarr.itar", "zarr.json", "nope")
    assert (code, shown, error) == (1, "", "error: a.zarr.itar: no key 'nope'\n")


def test_tree(here, run):
    shown = run("tree", "a.zarr.itar")[1]
    assert shown.splitlines()[0] == "a.zarr.itar  1 attribute"
    assert "└── g\n    └── b  100 int32  chunks 10  bytes(little) → zstd" in shown
    assert "5 of 10 chunks" in shown
    assert "b  100" not in run("tree", "--depth", "1", "a.zarr.itar")[1]
    assert run("tree", "--depth", "-1", "a.zarr.itar")[0] == 2
    nodes = json.loads(run("tree", "--json", "a.zarr.itar", "g")[1])["nodes"]
    assert [node["path"] for node in nodes] == ["g", "g/b"]
    assert nodes[1]["logical_bytes"] == 400
    code, shown, error = run("tree", "a.zarr.itar", "nope")
    assert (code, shown, error) == (1, "", "error: a.zarr.itar: no group or array at 'nope'\n")


def test_pack_and_unpack(here, run):
    code, shown, _ = run("unpack", "a.zarr.itar", "a.zarr")
    assert code == 0
    assert "a.zarr: 8 files" in shown
    assert zarr.open_group("a.zarr", mode="r")["g/b"][49] == 49
    code, _, error = run("unpack", "a.zarr.itar", "a.zarr")
    assert code == 1
    assert "--overwrite" in error
    code, shown, _ = run("pack", "--md5", "a.zarr", "b.zarr.itar", "--json")
    assert code == 0
    assert json.loads(shown)["members"] == 8
    assert run("info", "--json", "b.zarr.itar")[1].count("md5") == 1
    assert run("pack", "a.zarr", "b.zarr.itar")[0] == 1
    assert run("pack", "a.zarr", "b.zarr.itar", "--overwrite")[0] == 0
    assert "nothing was written" in run("pack", "a.zarr", "c.zarr.itar", "--dry-run")[1]
    assert sorted(p.name for p in here.iterdir()) == ["a.zarr", "a.zarr.itar", "b.zarr.itar"]
    (here / "plain").mkdir()
    (here / "plain" / "text").touch()
    assert "no zarr begins here" in run("pack", "plain", "plain.itar")[2]


def test_over_http(here, run):
    with RangeServer({"a.zarr.itar": (here / "a.zarr.itar").read_bytes()}) as server:
        url = f"{server.url}/a.zarr.itar"
        for argv in (["info"], ["ls", "-lR"], ["tree"]):
            server.requests.clear()
            code, shown, _ = run(*argv, url)
            assert code == 0
            assert shown.replace(url, "a.zarr.itar") == run(*argv, "a.zarr.itar")[1]
            assert len(server.requests) == 1
        assert run("cat", url, "g/b/c/1")[0] == 0
        assert run("unpack", url, "a.zarr", "--storage-option", "concurrency=4")[0] == 0
        code, _, error = run("ls", f"{server.url}/nope.itar")
        assert code == 1
        assert "nope.itar" in error
    assert zarr.open_group("a.zarr", mode="r")["g/b"][49] == 49


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("boat",),
        ("ls",),
        ("ls", "a.zarr.itar", "--storage-option", "secret"),
        ("ls", "a.zarr.itar", "--storage-option", "concurrency=x"),
        ("cat", "a.zarr.itar"),
        ("ls", "a.zarr.itar", "--zarr", "bogus"),
    ],
)
def test_wrong_usage(here, run, argv):
    code, _, error = run(*argv)
    assert code == 2
    assert "secret" not in error


@pytest.mark.parametrize("argv", [("info",), ("ls",), ("tree",), ("cat", "k"), ("unpack", "out")])
def test_what_is_no_archive(here, run, argv):
    (here / "text").write_text("hello " * 1000)
    command, *rest = argv
    for name in ("text", "nothing", "."):
        code, _, error = run(command, name, *rest)
        assert code == 1
        assert error.startswith("error: ")
        assert name in error


def test_every_command_has_an_example(run):
    commands = next(a for a in itar.make_parser()._actions if a.choices).choices
    for name in commands:
        code, shown, _ = run(name, "--help")
        assert code == 0
        assert f"ncore itar {name} " in shown.partition("example:")[2]


def test_ncore_knows_the_command(capsys):
    with pytest.raises(SystemExit):
        main.run(["help", "itar"])
    assert "ncore itar pack" in capsys.readouterr().out


def test_verify(here, run):
    code, shown, _ = run("verify", "--decode", "a.zarr.itar")
    assert code == 0
    assert "a.zarr.itar: good (8 headers, CRC-32C of " in shown
    assert "5 chunks decoded" in shown
    [entry] = json.loads(run("ls", "--json", "a.zarr.itar", "g/b/c/0")[1])
    with open("a.zarr.itar", "r+b") as file:
        file.seek(entry["offset"])
        file.write(b"\xff\xff\xff\xff")
    code, shown, _ = run("verify", "--decode", "a.zarr.itar")
    assert code == 1
    assert "crc32c    g/b/c/0: CRC-32C is" in shown
    assert "decode    g/b/c/0: does not decode" in shown
    code, shown, _ = run("verify", "--json", "a.zarr.itar")
    assert code == 1
    assert [p["kind"] for p in json.loads(shown)["problems"]] == ["crc32c"]
    assert run("verify", "--no-payloads", "a.zarr.itar")[0] == 0


def test_repack(here, run):
    code, shown, _ = run("repack", "a.zarr.itar", "--dry-run")
    assert (code, shown) == (0, "a.zarr.itar: 0 dead bytes would go; nothing was written\n")
    before = (here / "a.zarr.itar").read_bytes()
    code, shown, _ = run("repack", "a.zarr.itar", "b.zarr.itar", "--md5", "--json")
    assert code == 0
    assert json.loads(shown)["members"] == 8
    assert run("verify", "b.zarr.itar")[1].count("MD5 of") == 1
    assert run("repack", "a.zarr.itar", "b.zarr.itar")[0] == 1
    assert run("repack", "a.zarr.itar", "b.zarr.itar", "--overwrite")[0] == 0
    assert (here / "b.zarr.itar").read_bytes() == before
    assert run("repack", "a.zarr.itar")[0] == 0
    assert run("repack", "a.zarr.itar", "--index-preset", "12")[0] == 2


def test_recover(here, run):
    data = (here / "a.zarr.itar").read_bytes()
    # Of chunks written at the same time any may be the last one.
    chunks = json.loads(run("ls", "--json", "a.zarr.itar", "g/b/c")[1])
    entry = max(chunks, key=lambda line: line["offset"])
    (here / "cut.zarr.itar").write_bytes(data[: entry["offset"] + 2])
    code, shown, _ = run("recover", "--dry-run", "cut.zarr.itar")
    assert code == 0
    assert "4 members" in shown
    assert f"lost: '{entry['key']}'" in shown
    assert run("recover", "cut.zarr.itar")[0] == 2
    code, shown, _ = run("recover", "cut.zarr.itar", "new.zarr.itar", "--json")
    assert code == 0
    assert json.loads(shown)["cut_key"] == entry["key"]
    assert json.loads(shown)["lost_anything"] is True
    assert run("recover", "cut.zarr.itar", "new.zarr.itar")[0] == 1
    assert run("verify", "new.zarr.itar")[0] == 0


def test_recover_what_a_dead_writer_left(here, run):
    store = IndexedTarStore("d.zarr.itar", "w")
    zarr.create_group(store).create_array("x", data=np.arange(5))
    store.__exit__(KeyboardInterrupt, None, None)
    assert not (here / "d.zarr.itar").exists()
    code, shown, _ = run("recover", "d.zarr.itar")
    assert code == 0
    assert "from the writer's journal" in shown
    with IndexedTarStore("d.zarr.itar") as found:
        assert zarr.open_group(found, mode="r")["x"][:].tolist() == [0, 1, 2, 3, 4]


def test_map(here, run):
    code, shown, _ = run("map", "a.zarr.itar")
    assert (code, shown) == (0, "a.zarr.itar.html: open it in a browser\n")
    assert "<svg" in (here / "a.zarr.itar.html").read_text()
    code, _, error = run("map", "a.zarr.itar")
    assert code == 1
    assert error == "error: a.zarr.itar.html: already exists; --overwrite replaces it\n"
    code, _, error = run("map", "a.zarr.itar", "-o", "none/x.html")
    assert (code, error) == (1, "error: none/x.html: No such file or directory\n")
    code, shown, _ = run("map", "a.zarr.itar", "--overwrite", "--json")
    assert code == 0
    regions = json.loads(shown)["regions"]
    assert sum(region["bytes"] for region in regions) == (here / "a.zarr.itar").stat().st_size


def test_refs(here, run):
    code, shown, _ = run("refs", "a.zarr.itar", "refs.json")
    assert (code, shown) == (0, "refs.json: 5 chunks referenced, 3 documents inline\n")
    found = zarr.open_group("reference://", storage_options={"fo": "refs.json"}, mode="r")
    assert found["g/b"][:50].tolist() == list(range(50))
    code, _, error = run("refs", "a.zarr.itar", "refs.json")
    assert code == 1
    assert "refs.json" in error
    assert "--overwrite" in error
    options = ["--overwrite", "--url", "s3://b/a.zarr.itar", "--json"]
    assert json.loads(run("refs", *options, "a.zarr.itar", "refs.json")[1])["chunks"] == 5
    assert "s3://b/a.zarr.itar" in (here / "refs.json").read_text()
    assert run("refs", "--format", "parquet", "a.zarr.itar", "refs.parquet")[0] == 0
    assert (here / "refs.parquet/g/b/refs.0.parq").exists()


def test_recover_says_what_can_go_and_what_zarr_will_not_see(here, run):
    store = IndexedTarStore("d.zarr.itar", "w")
    store.write("x/c/0", b"chunk")
    store.__exit__(KeyboardInterrupt, None, None)
    code, shown, told = run("recover", "d.zarr.itar")
    assert code == 0
    assert "d.zarr.itar: 1 member, 5 B, NO ZARR in it" in shown
    assert f"no longer needed, once that is found good: {here}/d.zarr.itar.partial" in shown
    assert told.startswith("warning: d.zarr.itar: 1 values lie below no array")


def test_a_warning_of_the_library_is_one_of_the_command(here, run):
    store = IndexedTarStore("new.zarr.itar", "w")
    store.write("x/c/0", b"chunk")
    store.__exit__(KeyboardInterrupt, None, None)
    (here / "dir.zarr").mkdir()
    (here / "dir.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # other tests may have silenced some
        code, _, told = run("pack", "dir.zarr", "new.zarr.itar")
    assert code == 0
    assert told.startswith("warning: new.zarr.itar: an earlier writer did not finish it")


def test_no_match_is_an_error(here, run):
    before = sorted(path.name for path in here.iterdir())
    code, shown, error = run("ls", "a.zarr.itar", "g", "--zarr", "path:b")
    assert (code, shown) == (1, "")
    assert "match no key below 'g'; they are relative to the root" in error
    code, _, error = run("unpack", "a.zarr.itar", "x.zarr", "--zarr", "path:9")
    assert (code, error) == (
        1,
        "error: a.zarr.itar: the selection matches no key; nothing was written\n",
    )
    (here / "empty").mkdir()
    assert "holds no files" in run("pack", "empty", "x.itar")[2]
    assert run("unpack", "a.zarr.itar", "x.zarr")[0] == 0
    assert "matches no key" in run("pack", "x.zarr", "x.itar", "--zarr", "path:9")[2]
    assert sorted(path.name for path in here.iterdir()) == sorted([*before, "empty", "x.zarr"])


def test_only_archives_are_replaced(here, run):
    (here / "notes").write_text("notes")
    assert run("unpack", "a.zarr.itar", "x.zarr")[0] == 0
    for argv in (
        ("pack", "x.zarr", "notes"),
        ("repack", "a.zarr.itar", "notes"),
        ("recover", "a.zarr.itar", "notes"),
    ):
        code, _, error = run(*argv, "--overwrite")
        assert code == 1
        assert "notes: is no finished itar archive" in error
    assert (here / "notes").read_text() == "notes"
    for name in ("y.zarr", "y.zip", "y.tar.gz"):
        assert "its name says another thing" in run("pack", "x.zarr", name)[2]


def test_a_directory_is_no_archive(here, run):
    assert run("unpack", "a.zarr.itar", "x.zarr")[0] == 0
    for command in ("info", "ls", "verify"):
        code, _, error = run(command, "x.zarr")
        assert code == 1
        assert "`ncore transfer ls`" in error


def test_the_tree_of_what_is_not_packed(here, run):
    assert run("unpack", "a.zarr.itar", "x.zarr")[0] == 0
    shutil.make_archive("x.zarr", "zip", "x.zarr")
    packed = run("tree", "a.zarr.itar")[1]
    for name in ("x.zarr", "x.zarr.zip"):
        shown = run("tree", name)[1]
        assert shown.splitlines()[1:] == packed.splitlines()[1:]
        assert shown.startswith(name)
        nodes = json.loads(run("tree", name, "--json")[1])["nodes"]
        inside = json.loads(run("tree", "a.zarr.itar", "--json")[1])["nodes"]
        stored = [(node["path"], node["stored_bytes"]) for node in nodes if node["path"]]
        assert stored == [(node["path"], node["stored_bytes"]) for node in inside if node["path"]]
        code, _, error = run("tree", name, "none")
        assert (code, error) == (1, f"error: {name}: no group or array at 'none'\n")
    (here / "empty").mkdir()
    assert run("tree", "empty") == (1, "", "error: empty: holds no zarr\n")
    (here / "x.zip").write_text("none")
    assert "neither a directory nor a zip file" in run("tree", "x.zip")[2]


def test_home(here, run, monkeypatch):
    monkeypatch.setenv("HOME", str(here / "home"))
    (here / "home").mkdir()
    assert run("map", "a.zarr.itar", "--output=~/map.html")[0] == 0
    assert (here / "home" / "map.html").exists()
    assert run("unpack", "a.zarr.itar", "~/x.zarr")[0] == 0
    assert run("info", "~/none.itar")[0] == 1
    assert sorted(path.name for path in here.iterdir()) == ["a.zarr.itar", "home"]


def test_parquet_references_name_what_they_need(here, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastparquet", None)
    code, _, error = run("refs", "--format", "parquet", "a.zarr.itar", "r.parquet")
    assert code == 1
    assert "need fastparquet: pip install 'ncore[parquet]'" in error
