"""Any container to any other, and interruptions in each."""

import json
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr

from ncore.convert.conversion import convert
from ncore.convert.errors import SourceError
from ncore.convert.in_place import convert_in_place
from ncore.convert.options import ConvertOptions
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.pack import pack
from tests.convert import killed

# bazel: data = ["testdata/**"]
# bazel: deps = ["tests.convert.killed"]

CONTAINERS = ["d.zarr", "a.zarr.itar", "z.zarr.zip"]


def _group(store: object, **kwargs: object) -> zarr.Group:
    root = zarr.open_group(store, mode="w", zarr_format=2, **kwargs)
    root.attrs["who"] = "é"
    root.create_array("a", data=np.arange(100, dtype="i4"), chunks=(10,))
    root.create_group("g").create_array("b", data=np.arange(6.0).reshape(2, 3), chunks=(1, 3))
    return root


def _open(path: Path) -> zarr.Group:
    if path.suffix == ".itar":
        return zarr.open_group(IndexedTarStore(path), mode="r", zarr_format=3)
    if path.suffix in (".zip", ".ozx"):
        return zarr.open_group(zarr.storage.ZipStore(path), mode="r", zarr_format=3)
    return zarr.open_group(path, mode="r", zarr_format=3)


def _make(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".itar":
            with IndexedTarStore(path, "w") as store:
                _group(store)
        elif path.suffix == ".zip":
            with zarr.storage.ZipStore(path, mode="w") as store:
                _group(store)
        else:
            _group(path)


@pytest.mark.parametrize("old", CONTAINERS)
@pytest.mark.parametrize("new", [*CONTAINERS, "n.ozx"])
def test_any_to_any(old: str, new: str, tmp_path: Path) -> None:
    source, target = tmp_path / old, tmp_path / f"new-{new}"
    _make(source)
    report = convert(str(source), str(target))
    assert [line.verified for line in report.arrays] == ["full", "full"]
    root = _open(target)
    assert dict(root.attrs) == {"who": "é"}
    np.testing.assert_array_equal(root["a"][...], np.arange(100))
    np.testing.assert_array_equal(root["g/b"][...], np.arange(6.0).reshape(2, 3))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([old, target.name])


@pytest.mark.parametrize("old", CONTAINERS)
def test_a_node_inside(old: str, tmp_path: Path) -> None:
    _make(tmp_path / old)
    convert(f"{tmp_path / old}/g", str(tmp_path / "g.zarr"))
    root = _open(tmp_path / "g.zarr")
    assert [*root] == ["b"]
    np.testing.assert_array_equal(root["b"][...], np.arange(6.0).reshape(2, 3))
    convert(f"{tmp_path / old}/g/b", str(tmp_path / "b.zarr.itar"))
    array = zarr.open_array(IndexedTarStore(tmp_path / "b.zarr.itar"), mode="r")
    assert array[1, 2] == 5
    with pytest.raises(SourceError):
        convert(f"{tmp_path / old}/absent", str(tmp_path / "x.zarr"))


def test_a_zip_of_a_folder(tmp_path: Path) -> None:
    _make(tmp_path / "x.zarr")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for file in (tmp_path / "x.zarr").rglob("*"):
            archive.write(file, file.relative_to(tmp_path))
    convert(str(tmp_path / "x.zip"), str(tmp_path / "y.zarr"))
    assert _open(tmp_path / "y.zarr")["a"][-1] == 99


def test_ozx_has_metadata_first_and_nothing_deflated(tmp_path: Path) -> None:
    _make(tmp_path / "d.zarr")
    convert(str(tmp_path / "d.zarr"), str(tmp_path / "n.ozx"))
    with zipfile.ZipFile(tmp_path / "n.ozx") as archive:
        infos = archive.infolist()
        names = [info.filename for info in infos]
        assert names[:4] == ["zarr.json", "a/zarr.json", "g/zarr.json", "g/b/zarr.json"]
        assert [i.header_offset for i in infos] == sorted(i.header_offset for i in infos)
        assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
        assert archive.comment == b""  # not OME-Zarr
        assert archive.testzip() is None
        assert json.loads(archive.read("zarr.json"))["node_type"] == "group"


@pytest.mark.parametrize("new", CONTAINERS)
def test_hostile_keys_stay_inside(new: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    source = tmp_path / "work" / "evil.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr(".zgroup", '{"zarr_format": 2}')
        archive.writestr("../escaped", "x")
    target = tmp_path / "work" / "out" / f"t-{new}"
    if new == "d.zarr":
        with pytest.raises(ValueError, match="cannot be the path of a file"):
            convert(str(source), str(target))
    else:
        convert(str(source), str(target))
    assert not (tmp_path / "work" / "escaped").exists()
    assert not (tmp_path / "work" / "out" / "escaped").exists()


def test_bad_sources(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    (tmp_path / "bad.itar").write_bytes(b"no itar" * 1000)
    (tmp_path / "file").write_bytes(b"")
    for name in ("bad.zip", "bad.itar", "file", "absent", "absent.zip", "absent.itar"):
        with pytest.raises(SourceError, match=name):
            convert(str(tmp_path / name), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("new", CONTAINERS)
def test_killed_anywhere(new: str, tmp_path: Path) -> None:
    root = Path(killed.__file__).parents[2]
    done = subprocess.run(
        [
            sys.executable,
            killed.__file__,
            "to",
            str(tmp_path),
            "120",
            CONTAINERS.index(new).__str__(),
        ],
        env={"PYTHONPATH": os.pathsep.join([str(root), *sys.path]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_sample(tmp_path: Path) -> None:
    _make(tmp_path / "d.zarr")
    report = convert(
        str(tmp_path / "d.zarr"), str(tmp_path / "n.zarr"), ConvertOptions(verify="sample")
    )
    assert {line.verified for line in report.arrays} == {"sample"}


@pytest.mark.parametrize("name", ["a.zarr.itar", "z.zarr.zip"])
def test_damage_in_an_archive_is_not_taken_for_a_value(name: str, tmp_path: Path) -> None:
    """Both sides of a comparison would read the same wrong value, and the old one be deleted."""
    values = np.arange(100, 200, dtype="u1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_group(tmp_path / "old.zarr", mode="w", zarr_format=2)
        root.create_array("a", data=values, chunks=(50,), compressors=None)
    path = tmp_path / name
    if path.suffix == ".itar":
        pack(tmp_path / "old.zarr", path)
    else:
        with zipfile.ZipFile(path, "w") as archive:  # stored, not deflated
            for file in sorted((tmp_path / "old.zarr").rglob("*")):
                archive.write(file, file.relative_to(tmp_path / "old.zarr"))
    raw = path.read_bytes()
    path.write_bytes(raw.replace(bytes(range(100, 150)), b"d!" + bytes(range(102, 150))))
    damage = pytest.raises(SourceError, match="'a/0': its bytes are not those that its checksum")
    for target in CONTAINERS:
        with damage:
            convert(path, tmp_path / f"new-{target}")
    with damage:
        convert(path, tmp_path / "new.zarr", compressor="zstd", verify="none")
    if path.suffix == ".itar":
        before = path.read_bytes()
        with damage:
            convert_in_place(path)
        assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {name, "old.zarr"}
