"""Conversion of directories where they lie."""

import os
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from ncore.convert.conversion import convert
from ncore.convert.errors import (
    ConvertError,
    LayoutError,
    MixedMetadataError,
    SourceError,
    UnsupportedError,
    VerificationError,
)
from ncore.convert.in_place import convert_directory_in_place, convert_in_place
from ncore.convert.options import ConvertOptions
from ncore.convert.relayout import Layout
from ncore.convert.translate_array import TranslationOptions
from ncore.itar.reader import ItarReader
from ncore.itar.writer import ItarWriter
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.pack import pack
from tests.convert import killed

# bazel: data = ["testdata/**"]
# bazel: deps = ["tests.convert.killed"]

TESTDATA = Path(__file__).parent / "testdata"


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def features(tmp_path: Path) -> Path:
    with zipfile.ZipFile(TESTDATA / "v2_features.zip") as archive:
        archive.extractall(tmp_path / "f.zarr")
    return tmp_path / "f.zarr"


ALL = ConvertOptions(TranslationOptions(objects="json-strings", allow_pickle=True))


def test_v3_beside_v2_then_v2_removed(features: Path) -> None:
    before = killed.everything(features)
    report = convert_directory_in_place(features, ALL)
    assert report.count("re-encode") == 20
    now = killed.everything(features)
    assert {key: now[key] for key in before} == before
    made = {key.rpartition("/")[2] for key in now if key not in before and "/c" not in key}
    assert made == {"zarr.json"}
    assert zarr.open_group(features, mode="r", zarr_format=2)["dtype_int32"][0, 1] == 3
    assert zarr.open_group(features, mode="r", zarr_format=3)["dtype_int32"][0, 1] == 3
    assert convert_directory_in_place(features, ALL).already
    assert killed.everything(features) == now
    with pytest.raises(MixedMetadataError, match="converted in place already"):
        convert(str(features), str(features.parent / "again.zarr"), ALL)
    convert_directory_in_place(features, replace(ALL, remove_v2=True))
    left = killed.everything(features)
    assert not [key for key in left if key.rpartition("/")[2].startswith(".z")]
    assert {k for k in left if k.startswith("json_mixed/")} == {
        "json_mixed/zarr.json",
        "json_mixed/c/0",
        "json_mixed/c/1",
    }
    root = zarr.open_group(features, mode="r")
    assert root["json_mixed"][0] == "1"
    np.testing.assert_array_equal(
        root["struct_all_big"][:3]["b"],
        np.load(TESTDATA / "v2_features.expected.npz")["struct_all_big"]["b"][:3],
    )


def test_removed_in_the_same_run(features: Path) -> None:
    convert_directory_in_place(features, replace(ALL, remove_v2=True))
    assert not [k for k in killed.everything(features) if k.rpartition("/")[2].startswith(".")]


def test_nothing_changes_if_something_cannot_be_converted(features: Path) -> None:
    before = killed.everything(features)
    with pytest.raises(UnsupportedError):
        convert_directory_in_place(features)
    with pytest.raises(ConvertError, match="name a target"):
        convert_directory_in_place(features, ConvertOptions(layout=Layout(shards=1000)))
    assert killed.everything(features) == before
    assert convert_directory_in_place(features, ConvertOptions(dry_run=True)).dry_run
    assert killed.everything(features) == before


def test_a_failed_verification_takes_everything_back(features: Path, monkeypatch) -> None:
    before = killed.everything(features)

    def fail(*_):
        raise VerificationError("differs")

    monkeypatch.setattr("ncore.convert.verify.Verifier.run", fail)
    with pytest.raises(VerificationError):
        convert_directory_in_place(features, ALL)
    assert killed.everything(features) == before


def test_killed_anywhere(tmp_path: Path) -> None:
    root = Path(killed.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, killed.__file__, "in_place", str(tmp_path), "80"],
        env={"PYTHONPATH": os.pathsep.join([str(root), *sys.path]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def _v2_archive(path: Path) -> None:
    """The features as an archive, with v2 consolidated metadata."""
    with zipfile.ZipFile(TESTDATA / "v2_features.zip") as packed, ItarWriter(path) as writer:
        for name in packed.namelist():
            writer.set(name, packed.read(name))


def test_an_archive_gets_v3_metadata_behind_its_payloads(tmp_path: Path) -> None:
    path = tmp_path / "f.zarr.itar"
    _v2_archive(path)
    before = ItarReader(path)
    report = convert_in_place(str(path), ALL)
    assert {line.verified for line in report.arrays} == {"full"}
    assert report.count("re-encode") == 20
    after = ItarReader(path)
    assert set(before) <= set(after)
    assert all(after.entry(key) == before.entry(key) for key in before)
    assert after.dead_bytes == 0
    assert zarr.open_group(IndexedTarStore(path), mode="r", zarr_format=2)["dtype_int32"][0, 1] == 3
    root = zarr.open_group(IndexedTarStore(path), mode="r")
    assert root.metadata.zarr_format == 3
    assert root["json_mixed"][0] == "1"
    assert root["dtype_int32"][0, 1] == 3
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    content = path.read_bytes()
    assert convert_in_place(str(path), ALL).already
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(MixedMetadataError, match="converted in place already"):
        convert(str(path), str(tmp_path / "again.zarr"), ALL)


def _add_v2(store: object, path: str, data: np.ndarray) -> None:
    root = zarr.open_group(store, mode="r+", zarr_format=2)
    root.create_array(path, data=data)


@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize("name", ["x.zarr", "x.zarr.itar"])
def test_a_second_run_does_what_is_missing(tmp_path: Path, name: str, consolidated: bool) -> None:
    zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=2)
    _add_v2(tmp_path / "x.zarr", "a", np.arange(3))
    if consolidated:
        zarr.consolidate_metadata(tmp_path / "x.zarr", zarr_format=2)
    if name.endswith(".itar"):
        pack(tmp_path / "x.zarr", tmp_path / name)
    place = str(tmp_path / name)
    assert convert_in_place(place).count("copy") == 1

    def store() -> object:
        return IndexedTarStore(place, "r+") if name.endswith(".itar") else place

    opened = store()
    _add_v2(opened, "g/b", np.arange(4.0))
    if isinstance(opened, IndexedTarStore):
        opened.close()
    with pytest.raises(MixedMetadataError, match=r"'g'.*--in-place converts these"):
        convert(place, str(tmp_path / "new.zarr"))
    report = convert_in_place(place)
    assert [line.path for line in report.arrays] == ["g/b"]
    assert {line.verified for line in report.arrays} == {"full"}
    root = zarr.open_group(IndexedTarStore(place) if name.endswith(".itar") else place, mode="r")
    assert root.metadata.zarr_format == 3
    assert root["a"][:].tolist() == [0, 1, 2]
    assert root["g/b"][:].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert sorted(root) == ["a", "g"]
    assert convert_in_place(place).already


def test_a_failed_second_run_leaves_the_first(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "x.zarr"
    zarr.open_group(path, mode="w", zarr_format=2)
    _add_v2(path, "a", np.arange(3))
    zarr.consolidate_metadata(path, zarr_format=2)
    convert_in_place(str(path))
    _add_v2(path, "b", np.arange(4))
    before = killed.everything(path)

    def differs(*args: object) -> None:
        raise VerificationError("differs")

    monkeypatch.setattr("ncore.convert.in_place.verify_store", differs)
    with pytest.raises(VerificationError):
        convert_in_place(str(path))
    assert killed.everything(path) == before


def test_v2_metadata_removed_twice(features: Path) -> None:
    assert convert_directory_in_place(features, replace(ALL, remove_v2=True)).removed > 100
    again = convert_directory_in_place(features, replace(ALL, remove_v2=True))
    assert again.already
    assert not again.removed


def test_an_archive_stays_as_it_was_if_something_is_wrong(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "f.zarr.itar"
    _v2_archive(path)
    raw = path.read_bytes()
    with pytest.raises(UnsupportedError):
        convert_in_place(str(path))
    for bad in (replace(ALL, remove_v2=True), ConvertOptions(layout=Layout(shards=1000))):
        with pytest.raises(LayoutError):
            convert_in_place(str(path), bad)
    assert convert_in_place(str(path), replace(ALL, dry_run=True)).dry_run

    def fail(*_):
        raise VerificationError("differs")

    monkeypatch.setattr("ncore.convert.verify.Verifier.run", fail)
    with pytest.raises(VerificationError):
        convert_in_place(str(path), ALL)
    assert path.read_bytes() == raw
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(SourceError, match="name a target"):
        convert_in_place("s3://bucket/x.itar")
