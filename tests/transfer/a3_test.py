"""The twelve verified defects of dandi-cli 0.81.0, each shown to be absent here.

The numbers are those of the table in docs/transfer.md. Every test runs the
command line against a server that behaves as a DANDI archive does.
"""

# bazel: size = "medium"

import asyncio
import json
import time

import pytest

from ncore.cli.testing import CommandLine
from ncore.transfer import execute
from ncore.transfer.testing import DandiServer, Fault
from ncore.transfer.testing.trees import fill, tree

FILES = {
    ".zgroup": b'{"zarr_format": 2}',
    ".zattrs": b"{}",
    "0/.zarray": b'{"zarr_format": 2}',
    **{f"0/{i}/{j}": b"%d-%d" % (i, j) for i in range(4) for j in range(5)},
    "01/.zarray": b"{}",
    "10/.zarray": b"{}",
    "10/0/0": b"ten",
}
METADATA = {key: data for key, data in FILES.items() if "/.z" in f"/{key}"}


@pytest.fixture
def server(monkeypatch):
    with DandiServer() as running:
        running.archive.add_dandiset("000001")
        running.archive.add_zarr("000001", "sub-1/a.zarr", FILES)
        host = running.api_url.removeprefix("http://").removesuffix("/api")
        monkeypatch.setenv(f"{host.replace(':', '_').replace('.', '_')}_API_KEY", running.token)
        yield running


@pytest.fixture
def ncore(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(execute.Retries, "delay", lambda *_: 0.001)
    return CommandLine("transfer", capsys)


def gui(server, path):
    base = server.api_url.removesuffix("/api")
    return f"{base}/dandiset/000001/draft/files?location={path}"


def objects(server, path="sub-1/a.zarr"):
    found = server.archive.zarr_at("000001", path).objects.items()
    return {key: stored.data for key, stored in found.items()}


def test_a3_01_wrong_md5_is_a_failure_and_leaves_nothing(server, ncore, tmp_path):
    server.traffic.faults.append(Fault("s3", "GET", r"/0/\.zarray", times=99, corrupt=True))
    code, _, err = ncore("download", gui(server, "sub-1/a.zarr"), "--zarr", "metadata")
    assert code == 1
    assert "0/.zarray" in err
    assert "expected md5:" in err
    expected = {k: v for k, v in METADATA.items() if k != "0/.zarray"}
    assert tree(tmp_path / "a.zarr") == expected
    server.traffic.faults[:] = [Fault("s3", "GET", r"/0/\.zarray", times=1, corrupt=True)]
    assert ncore("download", gui(server, "sub-1/a.zarr"), "--zarr", "metadata")[0] == 0
    assert tree(tmp_path / "a.zarr") == METADATA, "one wrong answer is tried again"


def test_a3_02_a_refused_entry_makes_exit_1(server, ncore, tmp_path):
    server.traffic.faults.append(Fault("s3", "GET", r"0/3/1", times=99, status=403))
    code, out, err = ncore("download", gui(server, "sub-1/a.zarr"))
    assert code == 1
    assert "1 FAILED" in out
    assert "0/3/1" in err
    assert tree(tmp_path / "a.zarr") == {k: v for k, v in FILES.items() if k != "0/3/1"}


def test_a3_03_a_checksum_mismatch_stays_an_error(server, ncore, tmp_path):
    fill(tmp_path / "b.zarr", FILES)
    server.archive.wrong_checksum = True
    to = gui(server, "sub-1/")
    for _ in range(2):  # the second run finds nothing to send, and says it all the same
        code, _, err = ncore("upload", "b.zarr", "--to", to)
        assert code == 1
        assert "checksum" in err


def test_a3_04_an_entry_url_never_means_the_whole_zarr(server, ncore, tmp_path):
    (tmp_path / "a.zarr/10").mkdir(parents=True)
    code, _, err = ncore("delete", gui(server, "sub-1/a.zarr/10"))
    assert code == 2, "nothing here deletes assets"
    assert objects(server) == FILES
    # To delete a part: an empty directory, subtree mode, and only that part goes.
    to = gui(server, "sub-1/")
    code, _, err = ncore("upload", "a.zarr", "--zarr-mode", "subtree", "--to", to, "--yes")
    assert (code, err) == (0, "")
    assert objects(server) == {k: v for k, v in FILES.items() if not k.startswith("10/")}


def test_a3_05_a_metadata_only_copy_cannot_wipe_a_zarr(server, ncore, tmp_path):
    assert ncore("download", gui(server, "sub-1/a.zarr"), "--zarr", "metadata")[0] == 0
    code, _, err = ncore("upload", "a.zarr", "--to", gui(server, "sub-1/"))
    assert code == 1
    assert f"would delete {len(FILES) - len(METADATA)} entries" in err
    assert "--zarr-mode patch" in err
    assert objects(server) == FILES
    (tmp_path / "a.zarr/.zattrs").write_bytes(b'{"edited": 1}')
    code, out, _ = ncore("upload", "a.zarr", "--zarr-mode", "patch", "--to", gui(server, "sub-1/"))
    assert code == 0
    assert "1 written" in out
    assert objects(server) == {**FILES, ".zattrs": b'{"edited": 1}'}


def test_a3_06_a_filter_belongs_to_its_url(server, ncore, tmp_path):
    server.archive.add_zarr("000001", "sub-1/b.zarr", FILES)
    code, _, _ = ncore("download", gui(server, "sub-1/a.zarr/10"), gui(server, "sub-1/b.zarr"))
    assert code == 0
    assert sorted(tree(tmp_path / "a.zarr")) == ["10/.zarray", "10/0/0"]
    assert tree(tmp_path / "b.zarr") == FILES
    # And an explicit filter is bounded by the path, not added to it.
    where = gui(server, "sub-1/a.zarr/10")
    assert ncore("download", where, "--zarr", "metadata", "-o", "c.zarr")[0] == 0
    assert sorted(tree(tmp_path / "c.zarr")) == ["10/.zarray"]


def test_a3_07_trailing_slashes_work_and_no_match_is_an_error(server, ncore, tmp_path):
    assert ncore("download", gui(server, "sub-1/a.zarr/10/"))[0] == 0
    assert sorted(tree(tmp_path / "a.zarr")) == ["10/.zarray", "10/0/0"]
    code, _, err = ncore("download", gui(server, "sub-1/a.zarr/nothing"), "-o", "n")
    assert code == 1
    assert "nothing matches" in err
    code, _, _ = ncore("download", gui(server, "sub-1/a.zarr"), "--zarr", "path:nope", "-o", "n")
    assert code == 1
    assert not (tmp_path / "n").exists()
    code, _, err = ncore("download", gui(server, "sub-1/a.zarr"), "--zarr", "path:/10", "-o", "n")
    got = tree(tmp_path / "n") if (tmp_path / "n").exists() else {}
    assert (code == 0) == bool(got), "never success with nothing"


def test_a3_08_other_parameters_of_a_gui_url_are_no_path(server, ncore, tmp_path):
    code, _, err = ncore("download", gui(server, "sub-1") + "&page=2")
    assert (code, err) == (0, "")
    assert tree(tmp_path / "sub-1/a.zarr") == FILES


def test_a3_09_listing_costs_what_is_selected(server, ncore, tmp_path):
    big = {".zattrs": b"{}", "0/.zarray": b"{}"}
    big |= {f"0/{i}/{j}": b"x" for i in range(120) for j in range(100)}
    big["0/7/3"] = b"changed later"
    server.archive.add_zarr("000001", "big.zarr", big)
    server.traffic.clear()
    assert ncore("download", gui(server, "big.zarr/0/7/3"))[0] == 0
    assert server.traffic.count("api", "GET", "/files/") <= 5
    server.traffic.clear()
    assert ncore("download", gui(server, "big.zarr"), "--zarr", "metadata")[0] == 0
    assert sorted(tree(tmp_path / "big.zarr")) == [".zattrs", "0/.zarray", "0/7/3"]
    assert server.traffic.count("api", "GET", "/files/") <= 5
    fill(tmp_path / "big.zarr", {"0/7/3": b"new"})
    server.traffic.clear()
    to = gui(server, "big.zarr")
    code, out, _ = ncore(
        "upload", "big.zarr", "--zarr", "path:0/7/3", "--zarr-mode", "patch", "--to", to
    )
    assert code == 0
    assert "1 written" in out
    assert server.traffic.count("api", "GET", "/files/") <= 5
    server.traffic.clear()
    assert ncore("ls", gui(server, "big.zarr/0/7"))[1].count("\n") == 100
    assert server.traffic.count("api", "GET", "/files/") <= 5


def test_a3_10_no_fixed_sleep_a_time_limit_and_no_needless_redirects(
    server, ncore, tmp_path, monkeypatch
):
    fill(tmp_path / "b.zarr", {"0/0": b"x"})
    slept = []
    real = asyncio.sleep

    async def sleep(seconds, *args):
        slept.append(seconds)
        await real(min(seconds, 0.01), *args)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert ncore("upload", "b.zarr", "--to", gui(server, "sub-1/"))[0] == 0
    assert sum(slept) < 2
    assert not [seen for seen in server.traffic.log if seen.status == 301]
    # The time limit: dandi_backend_test.py, with one of a fraction of a second.


def test_a3_11_an_unknown_url_is_an_error_at_once(server, ncore, monkeypatch):
    def no_sleep(*args):
        raise AssertionError("slept")

    monkeypatch.setattr(time, "sleep", no_sleep)
    monkeypatch.setattr(asyncio, "sleep", no_sleep)
    code, _, err = ncore("download", "https://unknown.invalid/some/page")
    assert code == 2
    assert "Accepted are" in err
    from ncore.select.location_parser import parse_location

    assert parse_location("https://identifiers.org/DANDI:000108").dandiset_id == "000108"


def test_a3_12_what_a_failed_entry_leaves_does_not_block_an_upload(server, ncore, tmp_path):
    server.traffic.faults.append(Fault("s3", "GET", "/0/0/0", times=99, truncate=1))
    assert ncore("download", gui(server, "sub-1/a.zarr"))[0] == 1
    server.traffic.faults.clear()
    # A run that was killed leaves this beside the zarr, and nothing inside it.
    (tmp_path / ".a.zarr.ncore-part").mkdir(exist_ok=True)
    (tmp_path / ".a.zarr.ncore-part/new-1").write_bytes(b"half")
    assert set(tree(tmp_path / "a.zarr")) == set(FILES) - {"0/0/0"}
    mode = ("--zarr-mode", "patch")
    code, _, err = ncore("upload", "a.zarr", *mode, "--to", gui(server, "sub-1/"))
    assert (code, err) == (0, "")
    assert objects(server) == FILES
    assert ncore("download", gui(server, "sub-1/a.zarr"))[0] == 0
    assert tree(tmp_path / "a.zarr") == FILES
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_the_whole_session_of_download_edit_patch(server, ncore, tmp_path):
    """As docs/transfer.md tells it: no --to, since the tree says where it is from."""
    assert (
        ncore("download", gui(server, "sub-1/a.zarr"), "--zarr", "metadata", "--preserve-tree")[0]
        == 0
    )
    local = tmp_path / "000001/sub-1/a.zarr"
    assert tree(local) == METADATA
    (local / ".zattrs").write_bytes(b'{"new": true}')
    code, out, _ = ncore("upload", local, "--zarr-mode", "patch", "--dry-run")
    assert code == 0
    assert "replace" in out
    assert objects(server) == FILES
    assert ncore("upload", local, "--zarr-mode", "patch")[0] == 0
    assert objects(server) == {**FILES, ".zattrs": b'{"new": true}'}


def test_shard_by_shard(server, ncore, tmp_path):
    sent = {}
    for level in range(3):
        part = {f"0/{level}/{i}": b"%d %d" % (level, i) for i in range(5)}
        fill(tmp_path / "big.zarr", part)
        code, out, _ = ncore(
            "upload",
            *("big.zarr", "--zarr-mode", "patch", "--remove-local"),
            *("--to", gui(server, "sub-1/")),
        )
        assert code == 0
        assert "5 removed locally" in out
        assert tree(tmp_path / "big.zarr") == {}
        sent |= part
        assert objects(server, "sub-1/big.zarr") == sent


def test_json_of_a_failure(server, ncore, tmp_path):
    server.traffic.faults.append(Fault("s3", "GET", "10/0/0", times=99, status=500))
    code, out, _ = ncore("download", gui(server, "sub-1/a.zarr/10"), "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert {e["event"] for e in events} == {"begin", "retry", "error", "done", "end", "summary"}
    assert events[-1]["ok"] is False


def test_plain_assets_come_whole(server, ncore, tmp_path):
    server.archive.add_blob("000001", "sub-1/b.nwb", b"nwb" * 1000)
    code, _, err = ncore("download", gui(server, "sub-1/"), "--zarr", "metadata")
    assert (code, err) == (0, "")
    assert (tmp_path / "sub-1/b.nwb").read_bytes() == b"nwb" * 1000
    assert tree(tmp_path / "sub-1/a.zarr") == METADATA


def test_several_places_at_once_each_with_its_own_filter(server, ncore, tmp_path):
    for name in "bcdef":
        server.archive.add_zarr("000001", f"sub-1/{name}.zarr", FILES)
    server.archive.add_blob("000001", "sub-1/x.nwb", b"x" * 3_000_000)
    server.archive.add_blob("000001", "sub-1/y.nwb", b"y" * 3_000_000)
    server.traffic.faults.append(Fault("s3", "GET", "/0/0/1", times=99, status=403, skip=1))
    places = [gui(server, "sub-1/b.zarr/10"), gui(server, "sub-1/c.zarr"), gui(server, "no.zarr")]
    code, out, err = ncore("download", "-J", "3:2", *places, "--zarr-not", "path:01", "-o", "o")
    assert code == 1
    assert "no.zarr" in err
    assert sorted(tree(tmp_path / "o/b.zarr")) == ["10/.zarray", "10/0/0"]
    assert tree(tmp_path / "o/c.zarr") == {k: v for k, v in FILES.items() if k != "01/.zarray"}
    server.traffic.faults.clear()
    # A folder: its assets side by side, reported in their order.
    code, out, err = ncore("download", gui(server, "sub-1/"))
    assert (code, err) == (0, "")
    for name in "abcdef":
        assert tree(tmp_path / f"sub-1/{name}.zarr") == FILES
    assert (tmp_path / "sub-1/y.nwb").read_bytes() == b"y" * 3_000_000
    told = [line.partition(" -> ")[0].rpartition("/")[2] for line in out.splitlines()]
    assert told == [*(f"{name}.zarr" for name in "abcdef"), "x.nwb", "y.nwb"]
    # Parts of one zarr go into one directory, and take turns there.
    parts = [gui(server, f"sub-1/f.zarr/{part}") for part in ("0/1", "0/2", "10", "0/1")]
    assert ncore("download", *parts, "-o", "p")[0] == 0
    wanted = {k: v for k, v in FILES.items() if k.startswith(("0/1/", "0/2/", "10/"))}
    assert tree(tmp_path / "p/f.zarr") == wanted
    # And up: one that fails does not stop the others.
    for name in "uvw":
        fill(tmp_path / f"{name}.zarr", FILES)
    code, out, err = ncore(
        "upload", "u.zarr", "missing.zarr", "v.zarr", "w.zarr", "--to", gui(server, "sub-2/")
    )
    assert code == 1
    assert "missing.zarr" in err
    for name in "uvw":
        assert objects(server, f"sub-2/{name}.zarr") == FILES
    assert ncore("download", "-J", "0:2", places[0])[0] == 2
    assert ncore("download", "-J", "2:x", places[0])[0] == 2


def test_roots_are_under_way_side_by_side(server, ncore, tmp_path):
    for name in "bcd":
        server.archive.add_zarr("000001", f"sub-1/{name}.zarr", {".zgroup": b"{}"})
    server.traffic.faults.append(Fault("s3", "GET", r"/\.zgroup", times=9, stall=0.6))
    begun = time.monotonic()
    assert ncore("download", "-J", "4:1", gui(server, "sub-1/"), "--zarr", "path:.zgroup")[0] == 0
    assert time.monotonic() - begun < 4 * 0.6
