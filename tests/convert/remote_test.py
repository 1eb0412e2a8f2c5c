"""Sources and targets in object stores and behind web servers."""

import warnings
from pathlib import Path

import numpy as np
import obstore
import pytest
import zarr
from zarr.storage import ObjectStore

from ncore.convert.conversion import convert, convert_store
from ncore.convert.errors import SourceError, TargetError, TargetExistsError
from ncore.convert.options import ConvertOptions
from ncore.convert.relayout import Layout
from ncore.convert.source import DirectorySource
from ncore.convert.target_object import JOURNAL, ObjectTarget
from ncore.itar.location import open_source
from ncore.itar.object_url import open_prefix
from ncore.itar.reader import ItarReader
from ncore.itar.testing.range_server import RangeServer
from ncore.itar.testing.s3_server import moto_server, options


@pytest.fixture(scope="module")
def s3():
    with moto_server("bucket") as endpoint:
        yield options(endpoint)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_group(tmp_path / "old.zarr", mode="w", zarr_format=2)
        root.create_array("a", data=np.arange(100, dtype="i4"), chunks=(10,))
        root.create_array("g/b", data=np.arange(6.0).reshape(2, 3), chunks=(1, 3))
        root.create_array("sparse", shape=(10,), chunks=(2,), dtype="u1", fill_value=9)[4:6] = 1
        zarr.consolidate_metadata(tmp_path / "old.zarr", zarr_format=2)
    return tmp_path / "old.zarr"


def _check(root: zarr.Group) -> None:
    np.testing.assert_array_equal(root["a"][...], np.arange(100))
    np.testing.assert_array_equal(root["g/b"][...], np.arange(6.0).reshape(2, 3))
    assert root["sparse"][...].tolist() == [9, 9, 9, 9, 1, 1, 9, 9, 9, 9]


def _keys(url: str, s3: dict) -> set[str]:
    return {item["path"] for batch in obstore.list(open_prefix(url, s3)) for item in batch}


def test_directory_to_prefix_to_archive(old: Path, s3: dict, tmp_path: Path) -> None:
    url = "s3://bucket/a b/new%20.zarr"
    remote = ConvertOptions(storage_options=s3)
    report = convert(str(old), url, remote)
    assert {line.verified for line in report.arrays} == {"full"}
    assert JOURNAL not in _keys(url, s3)
    _check(zarr.open_group(ObjectStore(open_prefix(url, s3)), mode="r", zarr_format=3))
    with pytest.raises(TargetExistsError):
        convert(str(old), url, remote)
    obstore.put(open_prefix(url, s3), "stale", b"x")
    convert(str(old), url, ConvertOptions(storage_options=s3, overwrite=True))
    assert "stale" not in _keys(url, s3)
    with pytest.raises(SourceError, match="v3 already"):
        convert(url, str(tmp_path / "x"), remote)


def test_prefix_and_archive_as_sources(old: Path, s3: dict, tmp_path: Path) -> None:
    there = open_prefix("s3://bucket/v2.zarr", s3)
    for file in old.rglob("*"):
        if file.is_file():
            obstore.put(there, str(file.relative_to(old)), file.read_bytes())
    remote = ConvertOptions(storage_options=s3)
    convert("s3://bucket/v2.zarr", str(tmp_path / "new.zarr"), remote)
    _check(zarr.open_group(tmp_path / "new.zarr", mode="r"))
    url = "s3://bucket/new.zarr.itar"
    convert("s3://bucket/v2.zarr", url, remote)
    with pytest.raises(TargetExistsError):
        convert(str(old), url, remote)
    with pytest.raises(SourceError, match="nothing under"):
        convert("s3://bucket/absent.zarr", str(tmp_path / "y"), remote)


def test_an_archive_is_made_here_and_sent_in_one_piece(
    old: Path, s3: dict, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("NCORE_SPOOL_DIR", str(tmp_path / "spool"))
    url = "s3://bucket/sent.zarr.itar"
    convert(str(old), url, ConvertOptions(storage_options=s3))
    reader = ItarReader(open_source(url, **s3))
    assert "zarr.cbor.xz" in reader
    assert reader.verify("a/3")
    assert list((tmp_path / "spool").iterdir()) == []
    with pytest.raises(TargetError, match="for reading"):
        convert(str(old), "http://127.0.0.1:9/x.zarr")


class _Stop(BaseException):
    pass


def test_an_interrupted_upload_is_continued_and_no_zarr_meanwhile(
    old: Path, s3: dict, monkeypatch
) -> None:
    monkeypatch.setattr("ncore.convert.conversion._BATCH_ARRAYS", 1)
    url = "s3://bucket/interrupted.zarr"
    copied = []

    class Failing(ObjectTarget):
        def copy(self, source, keys, progress):
            if len(copied) == 2:
                copied.append({})
                raise _Stop
            copied.append(keys)
            super().copy(source, keys, progress)

    with pytest.raises(_Stop):
        convert_store(DirectorySource(old), Failing(url, s3))
    assert "zarr.json" not in _keys(url, s3)
    report = convert_store(DirectorySource(old), Failing(url, s3))
    assert report.resumed == 2
    assert len([k for keys in copied for k in keys]) == sum(a.chunks for a in report.arrays)
    _check(zarr.open_group(ObjectStore(open_prefix(url, s3)), mode="r", zarr_format=3))


def test_shards_into_a_bucket(old: Path, s3: dict) -> None:
    url = "s3://bucket/sharded.zarr"
    layout = Layout(shards=200)
    convert(str(old), url, ConvertOptions(layout=layout, storage_options=s3))
    _check(zarr.open_group(ObjectStore(open_prefix(url, s3)), mode="r", zarr_format=3))


def test_a_web_server(old: Path, tmp_path: Path) -> None:
    objects = {
        f"data/old.zarr/{file.relative_to(old)}": file.read_bytes()
        for file in old.rglob("*")
        if file.is_file()
    }
    with RangeServer(objects) as server:
        convert(f"{server.url}/data/old.zarr", str(tmp_path / "new.zarr"))
        _check(zarr.open_group(tmp_path / "new.zarr", mode="r"))
        convert(f"{server.url}/data/old.zarr/a", str(tmp_path / "a.zarr"))
        assert zarr.open_array(tmp_path / "a.zarr", mode="r")[99] == 99
        del server.objects["data/old.zarr/.zmetadata"]
        with pytest.raises(SourceError, match="lists nothing"):
            convert(f"{server.url}/data/old.zarr", str(tmp_path / "newer.zarr"))


def test_secrets_stay_out_of_messages(old: Path, tmp_path: Path) -> None:
    secret = {"secret_access_key": "TOPSECRET", "access_key_id": "ID", "region": "x"}
    secret |= {"endpoint": "http://127.0.0.1:9", "retry_config": {"max_retries": 0}}
    remote = ConvertOptions(storage_options=secret)
    for source, target in (
        ("s3://bucket/x.zarr", str(tmp_path / "t")),
        (str(old), "s3://bucket/x.zarr"),
        (str(old), "s3://bucket/x.itar"),
    ):
        with pytest.raises(OSError, match=r"bucket/x|127") as raised:
            convert(source, target, remote)
        assert "TOPSECRET" not in str(raised.value)
