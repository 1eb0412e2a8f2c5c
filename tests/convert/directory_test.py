"""Conversion of directories, end to end."""

import json
import os
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import zarr

from ncore.convert.conversion import convert, convert_store
from ncore.convert.errors import (
    SourceError,
    TargetError,
    TargetExistsError,
    UnstorableKeyError,
    UnsupportedError,
    VerificationError,
)
from ncore.convert.options import ConvertOptions
from ncore.convert.relayout import Layout, parse_compressor, parse_extent
from ncore.convert.source import DirectorySource
from ncore.convert.target_directory import DirectoryTarget
from ncore.convert.translate_array import TranslationOptions
from tests.convert.features_test import NOTES, VALUES

# bazel: data = ["testdata/**"]

TESTDATA = Path(__file__).parent / "testdata"


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("v2") / "features.zarr"
    with zipfile.ZipFile(TESTDATA / "v2_features.zip") as archive:
        archive.extractall(root)
    return root


def v2_group(path: Path, **arrays: np.ndarray) -> Path:
    root = zarr.open_group(path, mode="w", zarr_format=2)
    for name, values in arrays.items():
        root.create_array(name, data=values, chunks=tuple(max(1, n // 3) for n in values.shape))
    return path


def everything(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_every_feature_converts_and_verifies(features: Path, tmp_path: Path) -> None:
    before = everything(features)
    options = ConvertOptions(
        TranslationOptions(objects="json-strings", allow_pickle=True), on_unsupported="fail"
    )
    report = convert_store(DirectorySource(features), DirectoryTarget(tmp_path / "v3"), options)
    assert {line.verified for line in report.arrays} == {"full"}
    assert report.count("copy") == 135
    assert report.count("re-encode") == 20
    assert everything(features) == before
    assert [p.name for p in tmp_path.iterdir()] == ["v3"]
    root = zarr.open_group(tmp_path / "v3", mode="r", zarr_format=3)
    for line in report.arrays:
        if line.action == "re-encode":
            _same_as_zarr_2(root[line.path], line.path)
    assert root["odd/empty"].attrs.asdict() == {}
    assert root["json_mixed"][...].tolist() == ["1", '"a"', "null", "[1, 2]", '{"k": 0.5}']
    assert root["vlen_array"][...].tolist() == ["[0, 1, 2]", "[0]", "[0, 1, 2, 3, 4]"]
    image = root["image"]
    assert (image.shape, image.chunks, image.dtype) == ((7,), (7,), np.uint8)
    assert image[...].tobytes() == b"\xff\xd8abc\0\0"


def _same_as_zarr_2(array: zarr.Array, name: str) -> None:
    read = np.asarray(array[...])
    if name in NOTES["objects"]:
        want = NOTES["objects"][name]
        if not all(isinstance(value, str) for value in want):
            read = np.array(list(map(json.loads, read)), dtype=object)
        assert read.tolist() == want, name
        return
    want = VALUES[name]
    assert read.shape == want.shape
    if not want.dtype.fields:
        assert read.dtype == want.dtype.newbyteorder("=")
    # Of a nested struct the fields have other names, and their bytes are the same.
    assert read.tobytes() == want.astype(want.dtype.newbyteorder("<")).tobytes(), name


def test_nothing_is_written_if_something_cannot_be_converted(
    features: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedError) as raised:
        convert_store(DirectorySource(features), DirectoryTarget(tmp_path / "v3"))
    assert {path for path, _ in raised.value.arrays} == {
        "vlen_array",
        "json_mixed",
        "msgpack_mixed",
        "pickle_strings",
        "pickle_mixed",
    }
    assert "--allow-pickle" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_skip_and_keep_v2(features: Path, tmp_path: Path) -> None:
    for choice in ("skip", "keep-v2"):
        report = convert_store(
            DirectorySource(features),
            DirectoryTarget(tmp_path / choice),
            ConvertOptions(on_unsupported=choice),  # type: ignore[arg-type]
        )
        assert report.count(choice) == 5
    assert not (tmp_path / "skip" / "json_mixed").exists()
    kept = everything(tmp_path / "keep-v2" / "json_mixed")
    assert kept == everything(features / "json_mixed")


def test_an_existing_target_stays_unless_told(tmp_path: Path) -> None:
    source = v2_group(tmp_path / "old", a=np.arange(10))
    target = v2_group(tmp_path / "new", a=np.arange(3))
    (target / "precious").write_text("x")
    with pytest.raises(TargetExistsError):
        convert_store(DirectorySource(source), DirectoryTarget(target))
    assert (target / "precious").exists()
    convert_store(DirectorySource(source), DirectoryTarget(target), ConvertOptions(overwrite=True))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "old"]
    assert zarr.open_group(target, mode="r")["a"][-1] == 9
    with pytest.raises(SourceError, match="v3 already"):
        convert_store(DirectorySource(target), None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no zarr v2"):
        convert_store(DirectorySource(tmp_path / "empty"), None)


@pytest.mark.parametrize("shards", [None, (8, 12), 2000])
@pytest.mark.parametrize("compressor", ["none", "zstd:1", "gzip:1", "blosc:lz4:5:bitshuffle"])
def test_another_layout(tmp_path: Path, shards: object, compressor: str) -> None:
    values = np.arange(23 * 31).reshape(23, 31).astype(">i4")
    source = v2_group(tmp_path / "old", a=values, s=values.astype("U3"))
    layout = Layout((4, 6), shards, parse_compressor(compressor))  # type: ignore[arg-type]
    convert_store(
        DirectorySource(source), DirectoryTarget(tmp_path / "new"), ConvertOptions(layout=layout)
    )
    array = zarr.open_group(tmp_path / "new", mode="r")["a"]
    assert array.chunks == (4, 6)
    assert (array.shards is None) == (shards is None)
    np.testing.assert_array_equal(array[...], values)


def test_shards_leave_out_what_is_missing(tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "old", shape=(100,), chunks=(10,), dtype="i4", zarr_format=2, fill_value=7
    )
    array[55:60] = 1
    layout = Layout(shards=(50,))
    convert_store(
        DirectorySource(tmp_path / "old"),
        DirectoryTarget(tmp_path / "new"),
        ConvertOptions(layout=layout),
    )
    assert sorted(everything(tmp_path / "new")) == ["c/1", "zarr.json"]
    read = zarr.open_array(tmp_path / "new", mode="r")[...]
    assert (read[55:60] == 1).all()
    assert (np.delete(read, range(55, 60)) == 7).all()


def test_extents() -> None:
    assert parse_extent("4,5") == (4, 5)
    assert parse_extent("1.5MiB") == 1572864
    for bad in ("0,1", "x", "-1", "5GX"):
        with pytest.raises(ValueError):  # noqa: PT011
            parse_extent(bad)
    for bad in ("lzma", "zstd:x", "none:1", "zstd:1:2"):
        with pytest.raises(ValueError):  # noqa: PT011
            parse_compressor(bad)


class _Stop(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("at", [0, 1, 2, 5])
def test_an_interrupted_conversion_is_continued(tmp_path: Path, monkeypatch, at: int) -> None:
    monkeypatch.setattr("ncore.convert.conversion._BATCH_ARRAYS", 2)
    arrays = {f"a{i}": np.arange(30) * i for i in range(8)}
    source = v2_group(tmp_path / "old", **arrays)
    copied = []

    class Failing(DirectoryTarget):
        def copy(self, source, keys, progress):
            if len(copied) == at:
                copied.append(None)
                raise _Stop
            copied.append(keys)
            super().copy(source, keys, progress)

    options = ConvertOptions()
    if at < 4:
        with pytest.raises(_Stop):
            convert_store(DirectorySource(source), Failing(tmp_path / "new"), options)
        assert not (tmp_path / "new").exists()
    report = convert_store(DirectorySource(source), Failing(tmp_path / "new"), options)
    assert report.resumed == (2 * at if at < 4 else 0)
    done = [key for keys in copied if keys for key in keys]
    assert len(done) == len(set(done)) == sum(line.chunks for line in report.arrays)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "old"]
    root = zarr.open_group(tmp_path / "new", mode="r")
    for name, values in arrays.items():
        np.testing.assert_array_equal(root[name][...], values)


def test_what_another_run_left_is_not_mixed_in(tmp_path: Path) -> None:
    first = v2_group(tmp_path / "one", a=np.arange(10))
    second = v2_group(tmp_path / "two", b=np.arange(5))

    class Failing(DirectoryTarget):
        def finish(self):
            raise _Stop

    with pytest.raises(_Stop):
        convert_store(DirectorySource(first), Failing(tmp_path / "new"))
    convert_store(DirectorySource(second), DirectoryTarget(tmp_path / "new"))
    assert {*everything(tmp_path / "new")} == {
        "zarr.json",
        "b/zarr.json",
        *(f"b/{key}" for key in everything(second / "b") if not key.startswith(".")),
    }


def test_damage_on_the_way_is_noticed(tmp_path: Path) -> None:
    source = v2_group(tmp_path / "old", a=np.arange(1000.0))

    class Damaging(DirectoryTarget):
        def finish(self):
            super().finish()
            chunk = next(p for p in (self.stage / "a").iterdir() if p.name != "zarr.json")
            chunk.write_bytes(b"")

    with pytest.raises(VerificationError, match="'a'"):
        convert_store(DirectorySource(source), Damaging(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_other_files_and_consolidated_metadata_come_along(tmp_path: Path) -> None:
    source = v2_group(tmp_path / "old", a=np.arange(10))
    zarr.consolidate_metadata(source, zarr_format=2)
    (source / "OME").mkdir()
    (source / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    report = convert_store(DirectorySource(source), DirectoryTarget(tmp_path / "new"))
    assert report.others == 1
    assert (tmp_path / "new" / "OME" / "METADATA.ome.xml").read_text() == "<OME/>"
    assert not (tmp_path / "new" / ".zmetadata").exists()
    root = zarr.open_consolidated(tmp_path / "new", mode="r")
    assert root.metadata.consolidated_metadata is not None
    assert root["a"][-1] == 9
    document = json.loads((tmp_path / "new" / "zarr.json").read_text())
    assert [*document["consolidated_metadata"]["metadata"]] == ["a"]


def test_xarray_users_are_told_about_masks(tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "old", mode="w", zarr_format=2)
    array = root.create_array("t", data=np.arange(4.0), chunks=(2,), fill_value=-1.0)
    array.attrs["_ARRAY_DIMENSIONS"] = ["x"]
    report = convert_store(DirectorySource(tmp_path / "old"), None)
    assert any("use_zarr_fill_value_as_mask" in hint for hint in report.hints)
    array.attrs["_FillValue"] = -1.0
    assert convert_store(DirectorySource(tmp_path / "old"), None).hints == []


def test_a_tiny_chunk_is_copied_in_six_calls(tmp_path: Path, monkeypatch) -> None:
    source = v2_group(tmp_path / "old", a=np.arange(3), b=np.arange(3))
    for i in range(3, 500):
        (source / "a" / str(i)).write_bytes(b"x")
    calls: Counter[str] = Counter()
    for name in ("open", "read", "write", "close", "stat", "fstat", "fsync", "rename", "mkdir"):
        original = getattr(os, name)

        def counted(*args: object, _name=name, _original=original, **kwargs: object) -> object:
            calls[_name] += 1
            return _original(*args, **kwargs)

        monkeypatch.setattr(os, name, counted)
    target = DirectoryTarget(tmp_path / "new")
    source_ = DirectorySource(source)
    target.begin({"": {}}, None, False)
    calls.clear()
    keys = {key: key for key in source_.entries() if key.startswith("a/")}
    target.copy(source_, keys, lambda size: None)
    target.checkpoint()
    target.release()
    chunks = len(keys)
    assert chunks > 500
    assert calls["read"] == calls["write"] == chunks
    assert 2 * chunks <= calls["open"] <= 2 * chunks + 10
    assert calls["close"] == calls["open"] + 1  # of the journal
    assert calls["stat"] + calls["fstat"] + calls["fsync"] + calls["rename"] <= 10


def test_linked_chunks_share_the_file_and_nothing_else_does(tmp_path: Path) -> None:
    source = v2_group(tmp_path / "old", a=np.arange(10), be=np.arange(4, dtype=">i2"))
    (source / "notes.txt").write_text("mine")
    before = everything(source)
    convert_store(
        DirectorySource(source), DirectoryTarget(tmp_path / "new"), ConvertOptions(link=True)
    )
    new = tmp_path / "new"
    assert (new / "a" / "0").samefile(source / "a" / "0")
    assert not (new / "notes.txt").samefile(source / "notes.txt")
    zarr.open_group(new, mode="r+")["a"][...] = -1
    (new / "notes.txt").write_text("theirs")
    assert everything(source) == before
    with pytest.raises(TargetError, match="--link"):
        convert(str(source), str(tmp_path / "new.zip"), ConvertOptions(link=True))


def test_a_link_left_behind_is_never_written_through(tmp_path: Path) -> None:
    source = v2_group(tmp_path / "old", a=np.arange(1000), b=np.arange(10))
    before = everything(source)

    class Failing(DirectoryTarget):
        def link(self, source, keys, progress):
            super().link(source, keys, progress)
            raise _Stop

    with pytest.raises(_Stop):
        convert_store(DirectorySource(source), Failing(tmp_path / "new"), ConvertOptions(link=True))
    stage = tmp_path / ".new.ncore-converting"
    assert (stage / "a" / "0").samefile(source / "a" / "0")
    target = DirectoryTarget(tmp_path / "new")
    target.begin({}, {}, False)  # go on in the same place, now copying
    target.copy(DirectorySource(source), {"a/0": "a/0"}, lambda size: None)
    target.write("b/0", b"new")
    target.release()
    assert everything(source) == before
    assert not (stage / "a" / "0").samefile(source / "a" / "0")


def test_a_key_that_is_file_and_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as archive:
        archive.writestr(".zgroup", '{"zarr_format": 2}')
        archive.writestr("x/y", "file")
        archive.writestr("x/y/deep/z", "in a folder")
    with pytest.raises(UnstorableKeyError, match=r"'x/y' .*folder.*'x/y/deep/z'.*\.itar"):
        convert(str(tmp_path / "old.zip"), str(tmp_path / "new.zarr"))
    assert [p.name for p in tmp_path.iterdir()] == ["old.zip"]
    convert(str(tmp_path / "old.zip"), str(tmp_path / "new.zarr.itar"))


def test_links_that_lead_in_circles(tmp_path: Path) -> None:
    source = v2_group(tmp_path / "old", a=np.arange(10))
    (source / "a").rename(tmp_path / "elsewhere")
    (source / "a").symlink_to(tmp_path / "elsewhere")
    convert(str(source), str(tmp_path / "new.zarr"))
    assert zarr.open_group(tmp_path / "new.zarr", mode="r")["a"][-1] == 9
    for place in ("old/loop", "elsewhere/loop"):
        (tmp_path / place).symlink_to((tmp_path / place).parent)
        with pytest.raises(SourceError, match="loop: this link leads"):
            convert(str(source), str(tmp_path / "newer.zarr"))
        (tmp_path / place).unlink()


def test_a_file_that_changes_meanwhile(tmp_path: Path) -> None:
    source = v2_group(tmp_path / "old", a=np.arange(10))
    opened = DirectorySource(source)
    opened.entries()
    chunk = source / "a" / "0"
    for change in (lambda: chunk.write_bytes(b"longer" * 100), chunk.unlink):
        change()
        with pytest.raises(SourceError, match="old/a/0: "):
            convert_store(opened, DirectoryTarget(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
