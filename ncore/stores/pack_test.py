import os
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore, ZipStore

from ncore.itar.writer import ItarWriter
from ncore.stores.errors import PackError, StoreExistsError, UnpackError
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.pack import pack
from ncore.stores.unpack import unpack


def _fill(store):
    root = zarr.create_group(store, attributes={"who": "me"})
    array = root.create_array("a/b", shape=(120,), chunks=(10,), dtype="i2")
    array[:] = np.arange(120)
    root.create_array("c", data=np.ones((2, 2)))


@pytest.fixture
def folder(tmp_path):
    _fill(LocalStore(tmp_path / "d.zarr"))
    return tmp_path


def _names(path):
    return sorted(item.name for item in path.iterdir())


def _files(path):
    return [item for item in path.rglob("*") if item.is_file()]


def _values(place):
    root = zarr.open_group(place, mode="r")
    return root.attrs["who"], root["a/b"][:].tolist(), root["c"][:].tolist()


def test_there_and_back(folder):
    report = pack(folder / "d.zarr", folder / "d.zarr.itar")
    assert report.holds_zarr
    with IndexedTarStore(folder / "d.zarr.itar") as store:
        assert _values(store) == _values(folder / "d.zarr")
        assert store.dead_bytes == 0
        assert zarr.open_group(store, mode="r").metadata.consolidated_metadata is not None
        chunks = [key for key in store.reader.keys() if key.startswith("a/b/c")]  # noqa: SIM118
        assert chunks == [f"a/b/c/{i}" for i in range(12)]
        done = unpack(store, folder / "back.zarr")
        assert done.files == len(store.keys())
    assert _values(folder / "back.zarr") == _values(folder / "d.zarr")
    assert not [name for name in _names(folder) if name.startswith(".")]
    again = pack(folder / "back.zarr", folder / "again.zarr.itar")
    assert again.archive_bytes == report.archive_bytes


def test_a_zip_file_with_superseded_members(tmp_path):
    with ZipStore(tmp_path / "d.zip", mode="w") as store:
        _fill(store)
        with pytest.warns(UserWarning, match="Duplicate name"):
            zarr.open_group(store).attrs["who"] = "you"
    pack(tmp_path / "d.zip", tmp_path / "d.itar")
    with ZipStore(tmp_path / "d.zip") as there, IndexedTarStore(tmp_path / "d.itar") as here:
        assert _values(here) == _values(there)
        assert _values(here)[0] == "you"


def test_a_zip_file_with_a_folder_around_it(folder):
    with zipfile.ZipFile(folder / "d.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for path in (folder / "d.zarr").rglob("*"):
            file.write(path, path.relative_to(folder))
    pack(folder / "d.zip", folder / "d.itar")
    with IndexedTarStore(folder / "d.itar") as store:
        assert _values(store) == _values(folder / "d.zarr")


def test_gnu_tar_lists_and_extracts(folder):
    pack(folder / "d.zarr", folder / "d.itar", digests=("crc32c", "md5"))
    listed = subprocess.run(["tar", "tf", folder / "d.itar"], capture_output=True, check=True)
    with IndexedTarStore(folder / "d.itar") as store:
        assert listed.stdout.decode().splitlines() == store.reader.keys()
        (folder / "out").mkdir()
        subprocess.run(
            ["tar", "xf", folder / "d.itar", "-C", folder / "out"], capture_output=True, check=True
        )
        assert listed.stderr == b""
        unpack(store, folder / "raw", raw=True)
        compared = subprocess.run(
            ["diff", "-r", folder / "out", folder / "raw"], capture_output=True
        )
        assert (compared.returncode, compared.stdout) == (0, b"")
    with tarfile.open(folder / "d.itar") as tar:
        assert tar.getnames() == listed.stdout.decode().splitlines()


def test_a_selection(folder):
    report = pack(folder / "d.zarr", folder / "d.itar", selected=lambda key: "a/b/c/1" not in key)
    assert report.members == len(_files(folder / "d.zarr")) - 3
    with IndexedTarStore(folder / "d.itar") as store:
        unpack(store, folder / "x", selected=lambda key: key.startswith("c/"))
    assert _names(folder / "x") == ["c"]


def test_what_is_there_stays(folder):
    pack(folder / "d.zarr", folder / "d.itar")
    before = (folder / "d.itar").read_bytes()
    with pytest.raises(StoreExistsError, match="--overwrite"):
        pack(folder / "c", folder / "d.itar")
    (folder / "c").mkdir()
    (folder / "c" / "a\nb").write_bytes(b"")
    with pytest.raises(PackError, match="control character"):
        pack(folder / "c", folder / "d.itar", overwrite=True)
    (folder / "c" / "a\nb").unlink()
    os.mkfifo(folder / "c" / "pipe")
    with pytest.raises(PackError, match="neither a file nor a directory"):
        pack(folder / "c", folder / "d.itar", overwrite=True)
    (folder / "c" / "pipe").unlink()
    (folder / "c" / "up").symlink_to("..")
    with pytest.raises(PackError, match="a link to a directory above"):
        pack(folder / "c", folder / "d.itar", overwrite=True)
    with pytest.raises(PackError, match="lies inside"):
        pack(folder / "c", folder / "c" / "d.itar")
    assert (folder / "d.itar").read_bytes() == before
    assert _names(folder) == ["c", "d.itar", "d.zarr"]


def test_a_damaged_zip_file_leaves_nothing(folder):
    with zipfile.ZipFile(folder / "d.zip", "w") as file:
        file.writestr("zarr.json", b"{}")
        file.writestr("c/0", b"1234567890")
    data = (folder / "d.zip").read_bytes().replace(b"1234567890", b"1234567899")
    (folder / "d.zip").write_bytes(data)
    with pytest.raises(PackError, match="CRC"):
        pack(folder / "d.zip", folder / "d.itar")
    assert _names(folder) == ["d.zarr", "d.zip"]
    with pytest.raises(PackError, match="no such file"):
        pack(folder / "nothing", folder / "d.itar")
    (folder / "text").write_text("hello")
    with pytest.raises(PackError, match="neither a directory nor a zip"):
        pack(folder / "text", folder / "d.itar")


def _archive(path, keys):
    with ItarWriter(path) as writer:
        for key in keys:
            writer.set(key, b"x")
    return IndexedTarStore(path)


@pytest.mark.parametrize(
    "key", ["../x", "/etc/x", "a/../../x", "a//b", "a/", ".", "x\x1b[2J", "a/\u0085"]
)
def test_no_key_leaves_the_target(tmp_path, key):
    (tmp_path / "in").mkdir()
    with (
        _archive(tmp_path / "in" / "h.itar", ["good", key]) as store,
        pytest.raises(UnpackError, match="1 keys cannot be files"),
    ):
        unpack(store, tmp_path / "in" / "out")
    assert _names(tmp_path) == ["in"]
    assert _names(tmp_path / "in") == ["h.itar"]
    with IndexedTarStore(tmp_path / "in" / "h.itar") as store:
        unpack(store, tmp_path / "in" / "out", selected=lambda other: other != key)
    assert _names(tmp_path / "in" / "out") == ["good"]


def test_a_key_below_a_file(tmp_path):
    with (
        _archive(tmp_path / "h.itar", ["a", "a/b"]) as store,
        pytest.raises(UnpackError, match="other keys lie below"),
    ):
        unpack(store, tmp_path / "out")
    with (
        _archive(tmp_path / "h.itar", ["a" * 300]) as store,
        pytest.raises(UnpackError, match="too long"),
    ):
        unpack(store, tmp_path / "out")
    assert _names(tmp_path) == ["h.itar"]


def test_unpack_replaces_a_zarr_only(folder):
    pack(folder / "d.zarr", folder / "d.itar")
    with IndexedTarStore(folder / "d.itar", verify_reads=True) as store:
        with pytest.raises(StoreExistsError, match="--overwrite"):
            unpack(store, folder / "d.zarr")
        (folder / "d.zarr" / "stale").write_text("")
        unpack(store, folder / "d.zarr", overwrite=True)
        assert not (folder / "d.zarr" / "stale").exists()
        (folder / "home").mkdir()
        (folder / "home" / "thesis").write_text("")
        with pytest.raises(StoreExistsError, match="holds no zarr"):
            unpack(store, folder / "home", overwrite=True)
        (folder / "home" / "thesis").unlink()
        unpack(store, folder / "home")
        (folder / "link").symlink_to("elsewhere")
        with pytest.raises(StoreExistsError, match="link"):
            unpack(store, folder / "link")
        assert unpack(store, folder / "dry", dry_run=True).files > 0
    assert _names(folder) == ["d.itar", "d.zarr", "home", "link"]


def test_a_damaged_payload_is_not_unpacked(folder):
    pack(folder / "d.zarr", folder / "d.itar")
    with IndexedTarStore(folder / "d.itar") as store:
        at = store.entry("a/b/c/5").offset
    with open(folder / "d.itar", "r+b") as file:
        file.seek(at)
        file.write(b"\xff\xff")
    with (
        IndexedTarStore(folder / "d.itar", verify_reads=True) as store,
        pytest.raises(ValueError, match="a/b/c/5"),
    ):
        unpack(store, folder / "out")
    assert _names(folder) == ["d.itar", "d.zarr"]


def test_memory_does_not_grow_with_the_data(tmp_path):
    (tmp_path / "big").mkdir()
    with open(tmp_path / "big" / "0", "wb") as file:
        file.truncate(100 << 20)
    # VmHWM: ru_maxrss of a child begins with what its parent had.
    script = (
        "import pathlib, re, sys\n"
        "from ncore.stores.pack import pack\n"
        "def peak():\n"
        "    status = pathlib.Path('/proc/self/status').read_text()\n"
        "    return int(re.search(r'VmHWM:\\s+(\\d+)', status)[1])\n"
        "before = peak()\n"
        "pack(sys.argv[1] + '/big', sys.argv[1] + '/big.itar')\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) << 10 < 50 << 20
