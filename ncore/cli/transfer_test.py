"""The command line of partial transfer, over directories, archives and a real S3 server."""

# bazel: size = "medium"

import json

import pytest

from ncore.cli.testing import CommandLine
from ncore.itar.testing import s3_server
from ncore.transfer.testing.trees import fill, tree

TREE = {
    ".zgroup": b'{"zarr_format":2}',
    "0/.zarray": b"{}",
    "0/0": b"a",
    "0/1": b"b",
    "1/.zarray": b"{}",
    "1/0": b"c",
    "10/0": b"d",
}


@pytest.fixture
def ncore(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return CommandLine("transfer", capsys)


def test_download_a_part(ncore, tmp_path):
    fill(tmp_path / "x.zarr", TREE)
    code, out, err = ncore("download", "x.zarr", "--zarr", "metadata", "-o", "out")
    assert (code, err) == (0, "")
    assert "3 written" in out
    assert sorted(tree(tmp_path / "out/x.zarr")) == [".zgroup", "0/.zarray", "1/.zarray"]
    code, out, _ = ncore("download", "x.zarr/1", "-o", "out")
    assert code == 0
    assert sorted(tree(tmp_path / "out/x.zarr/1")) == [".zarray", "0"]
    assert not (tmp_path / "out/x.zarr/10").exists()


def test_existing(ncore, tmp_path):
    fill(tmp_path / "x.zarr", TREE)
    fill(tmp_path / "out/x.zarr", {"0/0": b"different"})
    code, _, err = ncore("download", "x.zarr", "-o", "out")
    assert code == 1
    assert "0/0" in err
    assert "--existing" in err
    assert tree(tmp_path / "out/x.zarr") == {**TREE, "0/0": b"different"}
    assert ncore("download", "x.zarr", "-o", "out", "-e", "skip")[0] == 0
    assert ncore("download", "x.zarr", "-o", "out", "-e", "overwrite-different")[0] == 0
    assert tree(tmp_path / "out/x.zarr") == TREE


def test_sync_stays_inside_the_filter(ncore, tmp_path):
    fill(tmp_path / "x.zarr", TREE)
    fill(tmp_path / "out/x.zarr", {"0/0": b"a", "0/9": b"old", "1/9": b"old"})
    code, out, _ = ncore("download", "x.zarr", "--zarr", "path:0", "--sync", "-o", "out")
    assert code == 0
    assert "1 deleted" in out
    left = tree(tmp_path / "out/x.zarr")
    assert "0/9" not in left
    assert left["1/9"] == b"old"


def test_each_location_keeps_its_own_filter(ncore, tmp_path):
    fill(tmp_path / "a.zarr", TREE)
    fill(tmp_path / "b.zarr", TREE)
    code, _, _ = ncore("download", "a.zarr/10", "b.zarr", "-o", "out")
    assert code == 0
    assert tree(tmp_path / "out/a.zarr") == {"10/0": b"d"}
    assert tree(tmp_path / "out/b.zarr") == TREE


def test_upload_modes(ncore, tmp_path):
    target = fill(tmp_path / "to/x.zarr", TREE)
    fill(tmp_path / "x.zarr", {"0/.zarray": b"{}", "0/0": b"new"})
    code, _, err = ncore("upload", "x.zarr", "--to", "to/")
    assert code == 1
    assert "would delete 5" in err
    assert tree(target) == TREE
    code, out, _ = ncore("upload", "x.zarr", "--to", "to/", "--zarr-mode", "patch")
    assert code == 0
    assert "1 written" in out
    assert tree(target) == {**TREE, "0/0": b"new"}
    (tmp_path / "x.zarr/10").mkdir()  # empty: prune
    code, out, _ = ncore("upload", "x.zarr", "--to", "to/", "--zarr-mode", "subtree")
    assert code == 0
    assert "2 deleted" in out
    assert sorted(tree(target)) == [".zgroup", "0/.zarray", "0/0", "1/.zarray", "1/0"]
    code, out, _ = ncore("upload", "x.zarr", "--to", "to/", "--yes")
    assert code == 0
    assert tree(target) == {"0/.zarray": b"{}", "0/0": b"new"}


def test_remove_local(ncore, tmp_path):
    fill(tmp_path / "x.zarr", TREE)
    code, _, err = ncore("upload", "x.zarr", "--to", "to/", "--remove-local")
    assert code == 2
    assert "--zarr-mode patch" in err
    patch = ("--zarr-mode", "patch", "--remove-local")
    code, out, _ = ncore("upload", "x.zarr", "--zarr", "path:0", *patch, "--to", "to/")
    assert code == 0
    assert "3 removed locally" in out
    assert sorted(tree(tmp_path / "x.zarr")) == [".zgroup", "1/.zarray", "1/0", "10/0"]
    assert ncore("upload", "x.zarr", *patch, "--to", "to/")[0] == 0
    assert tree(tmp_path / "x.zarr") == {}
    assert tree(tmp_path / "to/x.zarr") == TREE


def test_dry_run_changes_nothing(ncore, tmp_path):
    fill(tmp_path / "x.zarr", TREE)
    code, out, _ = ncore("download", "x.zarr", "--zarr", "path:0", "-o", "out", "--dry-run")
    assert code == 0
    assert "0/.zarray" in out
    assert "would write 3" in out
    assert not (tmp_path / "out").exists()


def test_json_is_a_line_for_each_event(ncore, tmp_path):
    fill(tmp_path / "x.zarr", TREE)
    code, out, _ = ncore("download", "x.zarr", "-o", "out", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [e["event"] for e in events if e["event"] != "done"] == ["begin", "end", "summary"]
    assert {e["key"] for e in events if e["event"] == "done"} == set(TREE)
    assert events[-1] == {"event": "summary", "written": 7, "ok": True}


def test_wrong_usage_and_failures(ncore, tmp_path):
    fill(tmp_path / "x.zarr", TREE)
    assert ncore("download", "x.zarr", "--zarr", "bogus")[0] == 2
    assert ncore("download", "x.zarr", "-J", "0")[0] == 2
    assert ncore("download", "x.zarr", "-e", "no")[0] == 2
    assert ncore("download", "ftp://x/y.zarr")[0] == 2
    code, _, err = ncore("download", "no.zarr", "x.zarr", "-o", "out")
    assert code == 1
    assert "no.zarr: no such" in err
    assert tree(tmp_path / "out/x.zarr") == TREE, "the other place was downloaded"
    code, _, err = ncore("download", "x.zarr", "--zarr", "path:7", "-o", "out")
    assert code == 1
    assert "--allow-empty" in err
    assert ncore("download", "x.zarr", "--zarr", "path:7", "--allow-empty", "-o", "out")[0] == 0


def test_keys_are_shown_on_one_line_without_controls(ncore, tmp_path):
    evil = {"a\nerror: b": b"1", "\x1b[2Jc": b"2", "ok": b"3"}
    fill(tmp_path / "x.zarr", evil)
    shown = ("a\\nerror: b", "\\x1b[2Jc")
    commands = (
        ("upload", "x.zarr", "--to", "t.zarr"),
        ("upload", "x.zarr", "--to", "t.zarr", "--dry-run"),
        ("ls", "x.zarr"),
        ("ls", "-l", "x.zarr"),
    )
    for command in commands:
        code, out, err = ncore(*command)
        assert code == (0 if "ls" in command else 1)
        assert "\x1b" not in out + err
        assert not [line for line in (out + err).splitlines() if line.startswith("error: b")]
        for key in shown:
            assert any(form in out + err for form in (key, key.replace("\\", "\\\\"))), (
                command,
                key,
            )
    assert tree(tmp_path / "t.zarr") == {"ok": b"3"}
    fill(tmp_path / "y.zarr", {"ok": b"4"})
    for name in "xy":
        assert ncore("manifest", f"{name}.zarr", "-o", f"{name}.jsonl")[0] in (0, 1)
    if (tmp_path / "x.jsonl").exists():
        _, out, err = ncore("diff", "x.jsonl", "y.jsonl")
        assert "\x1b" not in out + err


def test_ls(ncore, tmp_path):
    fill(tmp_path / "x.zarr", TREE)

    def paths(*args):
        code, out, _ = ncore("ls", *args, "--json")
        assert code == 0
        return [json.loads(line)["path"].removeprefix("x.zarr/") for line in out.splitlines()]

    assert paths("x.zarr") == [".zgroup", "0/", "1/", "10/"]
    assert paths("x.zarr/1") == ["1/.zarray", "1/0"]
    assert paths("x.zarr/1/") == ["1/.zarray", "1/0"]
    assert paths("x.zarr/1/0") == ["1/0"]
    assert paths("-R", "x.zarr") == sorted(TREE)
    assert paths("x.zarr", "--zarr", "metadata") == [".zgroup", "0/.zarray", "1/.zarray"]
    assert ncore("ls", "x.zarr/7")[0] == 1


def test_archives(ncore, tmp_path):
    fill(tmp_path / "x.zarr", TREE)
    assert ncore("upload", "x.zarr", "--to", "y.zarr.itar")[0] == 0
    assert ncore("download", "y.zarr.itar", "--zarr", "path:0", "-o", "part")[0] == 0
    assert sorted(tree(tmp_path / "part/y.zarr")) == ["0/.zarray", "0/0", "0/1"]
    assert ncore("download", "y.zarr.itar", "-o", "copy")[0] == 0
    assert (tmp_path / "copy/y.zarr.itar").read_bytes() == (tmp_path / "y.zarr.itar").read_bytes()
    assert ncore("download", "y.zarr.itar/0", "-o", "small.zarr.itar")[0] == 0
    assert ncore("ls", "-R", "small.zarr.itar")[1].split()[-1] == "small.zarr.itar/0/1"


def test_checksums_and_manifests(ncore, tmp_path):
    fill(tmp_path / "x.zarr", TREE)
    assert ncore("upload", "x.zarr", "--to", "x.zarr.itar")[0] == 0
    code, out, _ = ncore("checksum", "x.zarr", "x.zarr.itar", "--json")
    assert code == 0
    plain, archive = json.loads(out)
    assert plain["checksum"] == archive["checksum"]
    assert plain["checksum"].endswith("-7--25")
    assert ncore("manifest", "x.zarr", "-o", "m.jsonl")[0] == 0
    assert ncore("manifest", "x.zarr.itar", "-o", "n.jsonl")[0] == 0
    assert (tmp_path / "m.jsonl").read_bytes() == (tmp_path / "n.jsonl").read_bytes()
    assert ncore("diff", "m.jsonl", "n.jsonl") == (0, "", "")
    # A partial copy is proven against the whole.
    assert ncore("download", "x.zarr/0", "-o", "part")[0] == 0
    code, out, _ = ncore(
        "verify", "part/x.zarr", "--manifest", "m.jsonl", "--checksum", plain["checksum"]
    )
    assert code == 0
    assert "3 of 7" in out
    assert "complete" in out
    assert ncore("verify", "part/x.zarr", "--manifest", "m.jsonl", "--whole")[0] == 1
    (tmp_path / "part/x.zarr/0/1").write_bytes(b"?")
    code, out, err = ncore("verify", "part/x.zarr", "--manifest", "m.jsonl")
    assert code == 1
    assert "0/1" in err
    # What changed is hashed again, and the difference shows.
    fill(tmp_path / "x.zarr", {"0/1": b"new", "2/0": b"e"})
    changed = ("--changed", "0/1", "--changed", "2/")
    assert ncore("manifest", "x.zarr", "--update", "m.jsonl", *changed, "-o", "u.jsonl")[0] == 0
    code, out, _ = ncore("diff", "m.jsonl", "u.jsonl")
    assert (code, out) == (1, "~ 0/1\n+ 2/0\n")
    assert ncore("manifest", "x.zarr", "-o", "v.jsonl")[0] == 0
    assert (tmp_path / "u.jsonl").read_bytes() == (tmp_path / "v.jsonl").read_bytes()
    prune = ("--prune", "v.jsonl", "--zarr", "path:0", "-o", "p.jsonl")
    assert ncore("manifest", *prune)[0] == 0
    assert ncore("manifest", "x.zarr", *prune)[0] == 2
    assert ncore("checksum", "x.zarr/0")[0] == 2


def test_a_manifest_replaces_only_a_manifest(ncore, tmp_path):
    fill(tmp_path / "x.zarr", TREE)
    fill(tmp_path / "plain", {"0": b"a"})
    assert ncore("upload", "x.zarr", "--to", "x.zarr.itar")[0] == 0
    (tmp_path / "notes.txt").write_bytes(b"thesis")
    assert ncore("manifest", "x.zarr", "-o", "m.jsonl")[0] == 0
    before = tree(tmp_path)
    (tmp_path / "l").symlink_to("x.zarr/0/0")
    for location, output in (
        ("x.zarr", "x.zarr/.zgroup"),
        ("x.zarr", "x.zarr/m.jsonl"),
        ("x.zarr.itar", "x.zarr.itar"),
        ("x.zarr", "x.zarr.itar"),
        ("x.zarr", "notes.txt"),
        ("x.zarr", "l"),
        ("x.zarr", "x.zarr"),
        ("x.zarr", "-"),
        ("plain", "plain/m.jsonl"),
    ):
        code, _, err = ncore("manifest", location, "-o", output)
        assert (code, "error:" in err) == (2, True), (location, output)
    code, _, err = ncore("manifest", "--prune", "m.jsonl", "--zarr", "path:0", "-o", "m.jsonl")
    assert (code, "being read" in err) == (2, True)
    (tmp_path / "l").unlink()
    assert tree(tmp_path) == before
    assert ncore("manifest", "x.zarr", "--update", "m.jsonl", "-o", "m.jsonl")[0] == 0
    assert ncore("manifest", "x.zarr", "-o", "m.jsonl")[0] == 0
    (tmp_path / "empty").touch()  # as mktemp makes it
    assert ncore("manifest", "x.zarr", "-o", "empty")[0] == 0


def test_an_object_store(ncore, tmp_path, monkeypatch):
    fill(tmp_path / "x.zarr", TREE)
    with s3_server.moto_server("bucket") as endpoint:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.SECRET)
        store = ("--storage-option", f"endpoint={endpoint}")
        assert ncore("upload", "x.zarr", "--to", "s3://bucket/dir/", *store)[0] == 0
        code, out, _ = ncore("ls", "s3://bucket/dir/x.zarr/1/", *store)
        assert code == 0
        assert [line.split()[-1] for line in out.splitlines()] == ["x.zarr/1/.zarray", "x.zarr/1/0"]
        code, _, _ = ncore(
            "download", "s3://bucket/dir/x.zarr", "--zarr", "glob:*/.zarray", *store, "-o", "out"
        )
        assert code == 0
        assert sorted(tree(tmp_path / "out/x.zarr")) == ["0/.zarray", "1/.zarray"]
        code, _, err = ncore("download", "s3://bucket/no.zarr", *store)
        assert code == 1
        assert "nothing" in err
        assert s3_server.SECRET not in err


def test_an_archive_goes_into_a_bucket_as_a_file(ncore, tmp_path, monkeypatch):
    fill(tmp_path / "x.zarr", TREE)
    assert ncore("upload", "x.zarr", "--to", "x.zarr.itar")[0] == 0
    with s3_server.rclone_server(tmp_path / "served", "bucket") as endpoint:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.SECRET)
        store = ("--storage-option", f"endpoint={endpoint}")
        for to in ("s3://bucket/x.zarr.itar", "s3://bucket/deep/er.zarr.itar"):
            code, out, err = ncore("upload", "x.zarr.itar", "--to", to, *store)
            assert (code, err) == (0, "")
            assert f"x.zarr.itar -> {to}: 1 written" in out
            assert "1 kept" in ncore("upload", "x.zarr.itar", "--to", to, *store)[1]
            code, out, err = ncore("download", to, *store, "-o", "whole")
            assert (code, err) == (0, "")
            assert f"{to} -> " in out
            assert ncore("download", to, "--zarr", "path:1", *store, "-o", "part")[0] == 0
        whole = tree(tmp_path / "whole")
        assert whole == dict.fromkeys(
            ("x.zarr.itar", "er.zarr.itar"), (tmp_path / "x.zarr.itar").read_bytes()
        )
        assert sorted(tree(tmp_path / "part")) == [
            f"{name}/1/{key}" for name in ("er.zarr", "x.zarr") for key in (".zarray", "0")
        ]
        # What is no archive, or only a part of one, gets no archive's name there.
        (tmp_path / "notes.txt").write_text("x")
        for what in (("x.zarr",), ("notes.txt",), ("x.zarr.itar", "--zarr", "path:1")):
            code, _, err = ncore("upload", *what, "--to", "s3://bucket/y.zarr.itar", *store)
            assert (code, "archive" in err) == (1, True), what
        assert ncore("ls", "s3://bucket/y.zarr.itar", *store)[0] == 1
        # To a folder it goes unpacked, as to a dandiset.
        assert ncore("upload", "x.zarr.itar", "--to", "s3://bucket/un/", *store)[0] == 0
        assert ncore("download", "s3://bucket/un/x.zarr", *store, "-o", "un")[0] == 0
        assert tree(tmp_path / "un/x.zarr") == TREE
        code, _, err = ncore("ls", "s3://no-bucket/x.zarr", *store)
        assert (code, "no such bucket" in err) == (1, True)


def test_names_of_here_and_above(ncore, tmp_path, monkeypatch):
    fill(tmp_path / "in/x.zarr", TREE)
    monkeypatch.chdir(tmp_path / "in")

    def paths(*args):
        return [json.loads(line)["path"] for line in ncore("ls", *args, "--json").out.splitlines()]

    assert paths(".") == ["x.zarr/"]
    assert paths("-R", ".") == [f"x.zarr/{key}" for key in sorted(TREE)]
    monkeypatch.chdir(tmp_path / "in/x.zarr")
    assert paths(".") == [".zgroup", "0/", "1/", "10/"]
    assert paths("..") == ["x.zarr/"]
    assert paths("0") == ["0/.zarray", "0/0", "0/1"]
    for place, name in ((".", "x.zarr"), ("..", "in")):
        code, _, err = ncore("download", place, "-o", f"../../out-of-{len(place)}")
        assert (code, err) == (0, "")
        assert [p.name for p in (tmp_path / f"out-of-{len(place)}").iterdir()] == [name]
