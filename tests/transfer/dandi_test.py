"""A DANDI archive as a user of the command line meets it: names, listings, keys."""

# bazel: size = "medium"
# bazel: deps = ["//ncore:__main__"]

import json
import os
import subprocess
import sys
import time
from collections import Counter
from signal import SIGINT, SIGKILL, SIGTERM

import pytest

from ncore.cli.testing import CommandLine
from ncore.transfer import execute
from ncore.transfer.testing import DandiServer, Fault
from ncore.transfer.testing.trees import fill, tree

FILES = {
    ".zgroup": b'{"zarr_format": 2}',
    "0/.zarray": b'{"zarr_format": 2}',
    "0/0/0": b"a",
    "0/0/1": b"b",
}


@pytest.fixture
def server(monkeypatch):
    with DandiServer() as running:
        for identifier in ("000001", "000002"):
            running.archive.add_dandiset(identifier)
            running.archive.add_zarr(identifier, "sub-1/a.zarr", FILES)
        running.archive.add_blob("000001", "sub-1/notes.txt", b"hello")
        monkeypatch.setenv(variable(running), running.token)
        yield running


@pytest.fixture
def ncore(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(execute.Retries, "delay", lambda *_: 0.001)
    return CommandLine("transfer", capsys)


def variable(server):
    host = server.api_url.removeprefix("http://").removesuffix("/api")
    return f"{host.replace(':', '_').replace('.', '_')}_API_KEY"


def page(server, path=None, identifier="000001"):
    base = f"{server.api_url.removesuffix('/api')}/dandiset/{identifier}"
    return base if path is None else f"{base}/draft/files?location={path}"


def test_whole_dandisets_lie_side_by_side_and_know_the_way_back(server, ncore, tmp_path):
    places = [page(server, identifier=identifier) for identifier in ("000001", "000002")]
    code, _, err = ncore("download", *places, "--zarr", "metadata")
    assert (code, err) == (0, "")
    found = tree(tmp_path)
    assert {key for key in found if not key.endswith("dandiset.yaml")} == {
        "000001/sub-1/notes.txt",
        *(
            f"{i}/sub-1/a.zarr/{key}"
            for i in ("000001", "000002")
            for key in (".zgroup", "0/.zarray")
        ),
    }
    fill(tmp_path, {"000002/sub-1/a.zarr/.zattrs": b'{"new": 1}'})
    code, _, err = ncore("upload", "000002/sub-1/a.zarr", "--zarr-mode", "patch")
    assert (code, err) == (0, "")
    assert ".zattrs" in server.archive.zarr_at("000002", "sub-1/a.zarr").objects
    assert ".zattrs" not in server.archive.zarr_at("000001", "sub-1/a.zarr").objects


def test_the_one_zarr_of_a_dandiset_by_another_name(server, ncore, tmp_path):
    assert ncore("download", page(server, identifier="000002"), "-o", "b.zarr")[0] == 0
    assert tree(tmp_path) == {f"b.zarr/{key}": data for key, data in FILES.items()}


def test_ls_of_a_folder_tells_sizes_and_names_that_can_be_gone_on_with(server, ncore):
    size = sum(map(len, FILES.values()))
    for place, above in ((page(server), "000001/"), (page(server, "sub-1/"), "")):
        code, out, _ = ncore("ls", place, "--json")
        assert code == 0
        lines = [json.loads(line) for line in out.splitlines()]
        assert [(line["path"], line["size"]) for line in lines] == [
            (f"{above}sub-1/a.zarr/", size),
            (f"{above}sub-1/notes.txt", 5),
        ]
        deep = ncore("ls", "-R", place, "--json").out.splitlines()
        assert json.loads(deep[0])["path"] == f"{above}sub-1/a.zarr/.zgroup"


def test_ls_says_where_there_is_nothing(server, ncore):
    code, _, err = ncore("ls", page(server, "sub-1/a.zarr/77"))
    assert (code, "sub-1/a.zarr/77: there is nothing" in err) == (1, True)
    code, _, err = ncore("ls", page(server, "sub-1/a.zarr"), "--zarr", "path:77")
    assert (code, "sub-1/a.zarr: nothing matches --zarr=path:77" in err) == (1, True)


def test_a_key_that_is_not_good_is_named(server, ncore, tmp_path, monkeypatch):
    fill(tmp_path / "b.zarr", FILES)
    monkeypatch.setenv(variable(server), "0" * 40)
    code, _, err = ncore("upload", "b.zarr", "--to", page(server, "sub-1/"))
    assert code == 1
    assert "the API key that was found is not good" in err
    assert variable(server) in err
    assert "0" * 40 not in err


def test_a_server_that_is_busy_when_it_is_asked_what_it_is(server, ncore, tmp_path):
    server.traffic.faults[:] = [
        Fault("api", "GET", "/server-info", status=429, headers={"Retry-After": "0"}),
        Fault("api", "GET", "/server-info", drop=True),
    ]
    assert ncore("download", page(server, "sub-1/a.zarr"))[0] == 0
    assert tree(tmp_path / "a.zarr") == FILES
    assert server.traffic.count("api", path="/server-info") == 3


def test_a_guard_says_how_to_go_on_and_that_it_was_no_success(server, ncore, tmp_path):
    old = {f"old/{i}": b"1" for i in range(20)}
    for name in ("a.zarr", "sub-1/a.zarr"):
        fill(tmp_path / name, old)
    down = ("download", page(server, "sub-1/a.zarr"), "--sync")
    up = ("upload", "sub-1/a.zarr", "--to", page(server, "sub-1/"))
    fill(tmp_path / "sub-1/a.zarr", {".zgroup": FILES[".zgroup"]})
    for command, advice in ((down, "Without --sync"), (up, "--zarr-mode patch")):
        code, _, err = ncore(*command)
        assert (code, advice in err) == (1, True)
        code, out, _ = ncore(*command, "--json")
        events = [json.loads(line) for line in out.splitlines()]
        assert code == 1
        ends = [event for event in events if event["event"] == "end"]
        assert ends
        assert not any(event["ok"] for event in [*ends, events[-1]])
        assert "would delete" in ends[0]["failure"]
    assert tree(tmp_path / "a.zarr") == old


ASSET = {"asset_id": "a", "zarr": None, "path": "sub-1/a.zarr"}


@pytest.mark.parametrize(
    ("where", "answer"),
    [
        *((r"/assets/\?", {"results": [item]}) for item in (
            1, None, [], {}, {**ASSET, "path": 5}, {**ASSET, "zarr": 5}, {**ASSET, "asset_id": None}
        )),
        (r"/assets/\?", {"results": {}}),
        (r"/dandisets/000001/$", {"most_recent_published_version": 5}),
        (r"/dandisets/000001/$", {"most_recent_published_version": {}}),
        (r"/files/", {"results": [{"Key": 5}], "next": None}),
    ],
)  # fmt: skip
def test_answers_of_another_form(server, ncore, tmp_path, where, answer):
    server.traffic.faults[:] = [
        Fault("api", "GET", where, times=99, status=200, body=json.dumps(answer))
    ]
    for command in (
        ("download", page(server, "sub-1/a.zarr")),
        ("ls", "-R", page(server)),
        ("download", page(server), "--dry-run"),
    ):
        if "dandisets" in where and "location=" in command[1]:
            continue  # it names the draft, so nobody asks for the version
        code, _, err = ncore(*command)
        assert (code, "not how a DANDI archive answers" in err) == (1, True), err
    assert not tree(tmp_path)


def test_a_redirect_of_the_api_is_told_and_not_followed(server, ncore):
    away = {"Location": "https://other.example/server-info?token=secret"}
    server.traffic.faults[:] = [Fault("api", "GET", "/server-info", status=301, headers=away)]
    code, _, err = ncore("ls", page(server))
    assert (code, "redirects to https://other.example/server-info:" in err) == (1, True)
    assert "secret" not in err


def test_what_stands_in_the_way_is_deleted_only_where_overwriting_is_meant(server, ncore, tmp_path):
    def objects():
        return set(server.archive.zarr_at("000001", "sub-1/a.zarr").objects.items())

    fill(tmp_path / "a.zarr", {"0/0": b"a file now", ".zgroup/x": b"a directory now"})
    patch = ("upload", "a.zarr", "--zarr-mode", "patch", "--to", page(server, "sub-1/"))
    for existing in ("error", "skip"):
        code, _, err = ncore(*patch, "-e", existing)
        assert (code, "0/0" in err, ".zgroup" in err) == (1, True, True)
        assert objects() == set(FILES)
    assert ncore(*patch)[0] == 0
    assert objects() == {"0/.zarray", "0/0", ".zgroup/x"}
    (tmp_path / "out").write_text("x")
    code, _, err = ncore("download", page(server, "sub-1/a.zarr"), "-o", "out")
    assert (code, "a file is where a directory should be" in err) == (1, True)


def test_one_file_into_a_zarr(server, ncore, tmp_path):
    def objects():
        found = server.archive.zarr_at("000001", "sub-1/a.zarr").objects.items()
        return {key: stored.data for key, stored in found.items()}

    fill(tmp_path, {"new.json": b'{"a": 1}', ".zattrs": b"{}"})
    code, out, err = ncore("upload", "new.json", "--to", page(server, "sub-1/a.zarr/0/.zattrs"))
    assert (code, err, "1 written" in out) == (0, "", True)
    assert objects() == {**FILES, "0/.zattrs": b'{"a": 1}'}
    # To a directory under its own name; what differs is replaced, or not, as -e says.
    to = page(server, "sub-1/a.zarr/0/")
    code, _, err = ncore("upload", ".zattrs", "--to", to, "-e", "error")
    assert (code, "--existing" in err) == (1, True)
    for counted in ("1 written", "1 kept"):
        assert counted in ncore("upload", ".zattrs", "--to", to).out
    assert objects() == {**FILES, "0/.zattrs": b"{}"}
    # Never onto a directory, and into no zarr that is not there.
    for inside, why in (("sub-1/a.zarr/0", "directory"), ("sub-1/typo.zarr/0/.zattrs", "no zarr")):
        code, _, err = ncore("upload", "new.json", "--to", page(server, inside), "--yes")
        assert (code, why in err) == (1, True), inside
    code, _, err = ncore("upload", "new.json", "--to", page(server, "sub-1/a.zarr/.zgroup/x"))
    assert code == 1
    assert objects() == {**FILES, "0/.zattrs": b"{}"}
    assert "sub-1/typo.zarr" not in server.archive.dandisets["000001"].versions["draft"]
    # The same into a directory and into an archive.
    assert ncore("download", page(server, "sub-1/a.zarr"))[0] == 0
    fill(tmp_path, {"a.zarr/0/.zattrs": b'{"b": 2}'})
    for place in ("0/.zattrs", "0", "0/"):
        code, out, err = ncore(
            "upload", f"a.zarr/{place}", "--to", page(server, f"sub-1/a.zarr/{place}")
        )
        assert (code, err) == (0, "")
        assert "1 written" in out or place != "0/.zattrs"
    assert objects() == tree(tmp_path / "a.zarr")
    assert ncore("upload", "a.zarr/0", "--to", page(server, "sub-1/a.zarr/1"))[0] == 1
    assert ncore("upload", "a.zarr", "--to", "b.zarr.itar")[0] == 0
    for to in ("a.zarr/0/1/2", "b.zarr.itar/0/1/2"):
        code, _, err = ncore("upload", "new.json", "--to", to)
        assert (code, err) == (0, "")
    assert tree(tmp_path / "a.zarr") == {**objects(), "0/1/2": b'{"a": 1}'}
    listed = ncore("checksum", "a.zarr", "b.zarr.itar", "--json").out
    assert len({line["checksum"] for line in json.loads(listed)}) == 1


@pytest.mark.parametrize("signal", [SIGINT, SIGTERM, SIGKILL])
def test_what_was_sent_before_a_signal_is_not_sent_again(server, tmp_path, signal):
    files = {f"0/{i}": b"%d" % i for i in range(600)} | {"big": os.urandom(5 << 20)}
    fill(tmp_path / "up.zarr", files)

    def start(*args):
        command = [sys.executable, "-m", "ncore", "transfer", *args]
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)

    for method, args in (
        ("PUT", ("upload", "up.zarr", "--to", page(server, "sub-9/"))),
        ("GET", ("download", page(server, "sub-9/up.zarr"), "-o", "down")),
    ):
        for goal in (1, 200):
            process = start(*args)
            while process.poll() is None and server.traffic.counts["s3", method] < goal:
                time.sleep(0.001)
            process.send_signal(signal)
            process.communicate()
        process = start(*args)
        _, err = process.communicate()
        assert (process.returncode, err) == (0, b"")
        seen = Counter(s.target.partition("?")[0] for s in server.traffic.log if s.method == method)
        again = sum(seen[key] - 1 for key in seen if "zarr/" in key and "/api/" not in key)
        assert again <= 2 * 48, "what was under way, and nothing that had come through"
    assert tree(tmp_path / "down/up.zarr") == files
    assert [p.name for p in (tmp_path / "down").iterdir()] == ["up.zarr"], "nothing is left over"
