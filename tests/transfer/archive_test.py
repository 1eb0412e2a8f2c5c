"""Archives as a user of the command line meets them: twice, moved, failing."""

import json

import pytest
import zarr

from ncore.cli.testing import CommandLine
from ncore.itar.testing.range_server import RangeServer
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.transfer.testing.trees import tree


@pytest.fixture
def ncore(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return CommandLine("transfer", capsys)


@pytest.fixture(params=[2, 3, "3 consolidated"])
def image(request, tmp_path):
    path = tmp_path / "image.zarr"
    form = 2 if request.param == 2 else 3
    root = zarr.create_group(str(path), zarr_format=form, attributes={"name": "one"})
    inner = root.create_group("inner", attributes={"b": [1, 2]})
    for name in ("x", "y"):
        array = inner.create_array(name, shape=(30,), chunks=(10,), dtype="u2")
        array[:] = range(30)
    if request.param == "3 consolidated":
        with pytest.warns(UserWarning, match="onsolidated"):
            zarr.consolidate_metadata(str(path))
    return path


def test_the_same_upload_twice_writes_nothing(ncore, tmp_path, image):
    assert ncore("upload", "image.zarr", "--to", "a.zarr.itar")[0] == 0
    before = (tmp_path / "a.zarr.itar").read_bytes()
    for flags in ((), ("--zarr-mode", "patch"), ("-e", "error")):
        code, out, err = ncore("upload", "image.zarr", "--to", "a.zarr.itar", *flags)
        assert (code, err) == (0, "")
        assert "0 written" in out
        assert (tmp_path / "a.zarr.itar").read_bytes() == before
    # And back: what differs only in form is left as it is.
    there = tree(image)
    code, out, err = ncore("download", "a.zarr.itar", "--zarr", "glob:**", "-o", "image.zarr")
    assert (code, err) == (0, "")
    assert "0 written" in out
    assert tree(image) == there


def test_a_change_of_the_root_is_seen(ncore, tmp_path, image):
    assert ncore("upload", "image.zarr", "--to", "a.zarr.itar")[0] == 0
    zarr.open_group(str(image), use_consolidated=False).attrs["name"] = "two"
    code, out, _ = ncore("upload", "image.zarr", "--to", "a.zarr.itar")
    assert code == 0
    assert "1 written" in out
    store = IndexedTarStore(tmp_path / "a.zarr.itar")
    assert zarr.open_group(store, mode="r").attrs["name"] == "two"
    store.close()


@pytest.mark.parametrize("image", ["3 consolidated"], indirect=True)
def test_a_stale_consolidated_copy_is_not_taken_for_the_same(ncore, tmp_path, image):
    root = image / "zarr.json"
    assert ncore("upload", "image.zarr", "--to", "a.zarr.itar")[0] == 0
    with IndexedTarStore(tmp_path / "a.zarr.itar", mode="r+") as store:
        zarr.open_group(store, path="inner").attrs["b"] = "new"
    code, _, _ = ncore(
        "download",
        "a.zarr.itar",
        "--zarr",
        "glob:**",
        "-o",
        "image.zarr",
        "-e",
        "overwrite-different",
    )
    assert code == 0
    nodes = json.loads(root.read_text("utf-8"))["consolidated_metadata"]
    assert nodes["metadata"]["inner"]["attributes"] == {"b": "new"}


@pytest.mark.parametrize("there_already", [False, True])
def test_moving_into_an_archive(ncore, tmp_path, image, there_already):
    expected = tree(image)
    if there_already:
        assert (
            ncore("upload", "image.zarr", "--to", "a.zarr.itar", "--zarr", "path:inner/x")[0] == 0
        )
    move = ("upload", "image.zarr", "--to", "a.zarr.itar", "--zarr-mode", "patch", "--remove-local")
    code, out, err = ncore(*move, "--dry-run")
    assert (code, err) == (0, "")
    assert tree(image) == expected
    code, out, err = ncore(*move)
    assert (code, err) == (0, "")
    assert f"{len(expected)} removed locally" in out
    assert tree(image) == {}
    store = IndexedTarStore(tmp_path / "a.zarr.itar")
    for key, data in expected.items():
        if key == "zarr.json":
            continue
        assert store.read(key) == data
    assert zarr.open_group(store, mode="r")["inner/y"][29] == 29
    store.close()


def test_nothing_is_removed_when_the_archive_is_not_written(ncore, tmp_path, image, monkeypatch):
    before = tree(image)
    close = IndexedTarStore.close

    def failing(self):
        if not self.read_only:
            raise OSError(28, "No space left on device")
        close(self)

    monkeypatch.setattr(IndexedTarStore, "close", failing)
    move = ("--zarr-mode", "patch", "--remove-local")
    code, _, err = ncore("upload", "image.zarr", "--to", "a.zarr.itar", *move)
    assert code == 1
    assert "No space left" in err
    assert tree(image) == before


def test_what_the_archive_does_not_hold_is_not_removed(ncore, tmp_path, image, monkeypatch):
    """An archive replaced by another writer between publishing and looking."""
    from ncore.transfer.itar_target import ItarTarget

    before = tree(image)
    finish = ItarTarget.finish

    async def replaced(self, outcome):
        await finish(self, outcome)
        with IndexedTarStore(self.path, mode="w") as store:
            zarr.create_group(store)

    monkeypatch.setattr(ItarTarget, "finish", replaced)
    move = ("--zarr-mode", "patch", "--remove-local")
    code, _, err = ncore("upload", "image.zarr", "--to", "a.zarr.itar", *move)
    assert code == 1
    assert "kept" in err
    assert tree(image) == before


def test_every_reason_is_printed(ncore, tmp_path, image):
    chunk = image / "inner" / ("x/0" if (image / ".zgroup").exists() else "x/c/0")
    chunk.unlink()
    chunk.symlink_to("nowhere")
    code, _, err = ncore("upload", "image.zarr", "--to", "a.zarr.itar")
    assert code == 1
    assert chunk.relative_to(image).as_posix() in err
    assert "not written" in err
    assert not (tmp_path / "a.zarr.itar").exists()


@pytest.mark.parametrize("name", ["new.zarr.itar", "deep/er/new.zarr.itar"])
def test_an_archive_is_copied_under_another_name(ncore, tmp_path, image, name):
    assert ncore("upload", "image.zarr", "--to", "a.zarr.itar")[0] == 0
    code, out, err = ncore("download", "a.zarr.itar", "-o", name)
    assert (code, err) == (0, "")
    assert f"a.zarr.itar -> {name}: 1 written" in out
    assert (tmp_path / name).read_bytes() == (tmp_path / "a.zarr.itar").read_bytes()
    assert "1 kept" in ncore("download", "a.zarr.itar", "-o", name)[1]
    (tmp_path / name).write_bytes(b"other")
    assert ncore("download", "a.zarr.itar", "-o", name)[0] == 1
    assert (tmp_path / name).read_bytes() == b"other"
    assert not list((tmp_path / name).parent.glob(".*"))


def test_an_archive_is_unpacked_as_a_whole(ncore, tmp_path, image):
    assert ncore("upload", "image.zarr", "--to", "a.zarr.itar")[0] == 0
    unpackings = (("--zarr", "glob:**", "-o", "b/a.zarr"), ("-o", "c.zarr"))
    for flags in (*unpackings, ("--zarr", "glob:**", "-o", "b")):
        assert ncore("download", "a.zarr.itar", *flags)[0] == 0
    for place in ("b/a.zarr", "c.zarr"):
        assert zarr.open_group(tmp_path / place, mode="r")["inner/y"][29] == 29


def test_a_name_of_a_zarr_for_what_is_none(ncore, tmp_path, image):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "z.zarr.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    (tmp_path / "dir.zarr.itar").mkdir()
    assert ncore("upload", "image.zarr", "--to", "a.zarr.itar")[0] == 0
    before = sorted(p.name for p in tmp_path.iterdir())
    for source, output in (
        ("notes.txt", "n.zarr"),
        ("notes.txt", "n.zarr.itar"),
        ("z.zarr.zip", "z.zarr"),
        ("a.zarr.itar", "a.zarr.zip"),
        ("image.zarr", "a.zarr.zip"),
        ("image.zarr", "dir.zarr.itar"),
    ):
        code, _, err = ncore("download", source, "-o", output)
        assert (code, "error:" in err) == (1, True), (source, output)
    for to in ("t3.zip", "t3.ozx", "t3.tar", "t3.tar.gz", "dir.zarr.itar"):
        code, _, err = ncore("upload", "image.zarr", "--to", to)
        assert code in (1, 2), to
        assert "error:" in err, to
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert ncore("download", "z.zarr.zip", "-o", "y.zarr.zip")[0] == 0


def test_a_page_is_not_saved_as_an_archive(ncore, tmp_path):
    page = b"<!DOCTYPE html><title>Log in</title>" * 9
    for name in ("x.zarr.itar", "x.zarr.zip", "x.ozx"):
        with RangeServer({name: page}) as server:
            code, _, err = ncore("download", f"{server.url}/{name}", "-o", "out")
        assert code == 1
        assert "<!DOCTYPE html>" in err
    with RangeServer({"x.zarr.itar": page * 10_000}) as server:
        assert ncore("download", f"{server.url}/x.zarr.itar", "-o", "out")[0] == 1
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_sources_by_a_pattern(ncore, tmp_path, image):
    (tmp_path / "b[1].zarr").mkdir()
    (tmp_path / "b[1].zarr/.zgroup").write_bytes(b"{}")
    code, out, _ = ncore("download", "*.zarr", "-o", "out")
    assert code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["b[1].zarr", "image.zarr"]
    assert ncore("download", "b[1].zarr", "-o", "one")[0] == 0
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == ["b[1].zarr"]
    assert ncore("upload", "im*.zarr", "--to", "up/")[0] == 0
    assert [p.name for p in (tmp_path / "up").iterdir()] == ["image.zarr"]
    for command in (("download", "no*.zarr"), ("upload", "no*.zarr", "--to", "up/")):
        code, _, err = ncore(*command)
        assert code == 1
        assert "nothing matches" in err
    code, out, _ = ncore("ls", "i*.zarr", "--json")
    assert code == 0
    assert "image.zarr/" in out
