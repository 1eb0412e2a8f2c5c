"""Sources and targets in object stores and behind web servers."""

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import obstore
import pytest
import zarr
from zarr.storage import ObjectStore

from ncore.convert.conversion import convert, convert_store
from ncore.convert.errors import ResumeError, SourceError, TargetError, TargetExistsError
from ncore.convert.options import ConvertOptions
from ncore.convert.relayout import Layout
from ncore.convert.source import DirectorySource
from ncore.convert.target_object import JOURNAL, STAGE, STAGED_JOURNAL, ObjectTarget
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


def _content(url: str, s3: dict) -> dict[str, bytes]:
    store = open_prefix(url, s3)
    return {key: bytes(obstore.get(store, key).bytes()) for key in _keys(url, s3)}


@pytest.mark.parametrize("step", ["copy", "finish", "verify", "switch", "put root", "clean"])
def test_what_is_replaced_stays_until_the_new_is_complete(
    old: Path, s3: dict, tmp_path: Path, monkeypatch, step: str
) -> None:
    url = f"s3://bucket/replaced-{step}.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.create_array(tmp_path / "before", data=np.arange(7), chunks=(3,), zarr_format=2)
        convert(str(tmp_path / "before"), url, ConvertOptions(storage_options=s3))
    before = _content(url, s3)
    replacing = ConvertOptions(storage_options=s3, overwrite=True)

    def stop(*args: object, **kwargs: object) -> None:
        raise _Stop

    with monkeypatch.context() as patched:
        if step in ("copy", "finish"):
            patched.setattr(ObjectTarget, step, stop)
        elif step == "verify":
            patched.setattr("ncore.convert.conversion.verify_store", stop)
        elif step == "switch":
            patched.setattr("ncore.convert.target_object.obstore.copy", stop)
        else:
            put, delete = ObjectTarget._put, ObjectTarget._delete

            def stop_at_root(self, key, data):
                put(self, key, data) if key != "zarr.json" else stop()

            def stop_at_cleaning(self, keys):
                delete(self, keys) if keys != [STAGED_JOURNAL] else stop()

            name = "_put" if step == "put root" else "_delete"
            patched.setattr(
                ObjectTarget, name, stop_at_root if name == "_put" else stop_at_cleaning
            )
        with pytest.raises(_Stop):
            convert(str(old), url, replacing)
    now = _content(url, s3)
    if step in ("copy", "finish", "verify"):
        assert {key: now.get(key) for key in before} == before
        with pytest.raises(TargetExistsError):
            convert(str(old), url, ConvertOptions(storage_options=s3))
    else:
        assert ("zarr.json" in now) == (step == "clean")
        assert f"{STAGE}/a/9" in now  # complete, though not in its place
        with pytest.raises(ResumeError, match="finish that one first"):
            convert(str(tmp_path / "before"), url, replacing)
    convert(str(old), url, replacing)
    after = _keys(url, s3)
    assert not [key for key in after if key.startswith(STAGE)]
    assert not (set(before) - {"zarr.json"}) & after
    _check(zarr.open_group(ObjectStore(open_prefix(url, s3)), mode="r", zarr_format=3))


def _zipped(old: Path, compression: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for file in sorted(old.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(old))
    return packed.getvalue()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_behind_a_url(old: Path, s3: dict, tmp_path: Path, compression: int) -> None:
    data = _zipped(old, compression)
    members = len(zipfile.ZipFile(io.BytesIO(data)).infolist())
    with RangeServer({"data/old.zarr.zip": data}) as server:
        convert(f"{server.url}/data/old.zarr.zip", str(tmp_path / "new.zarr"))
        _check(zarr.open_group(tmp_path / "new.zarr", mode="r"))
        server.requests.clear()
        convert(
            f"{server.url}/data/old.zarr.zip",
            str(tmp_path / "new.zarr.itar"),
            ConvertOptions(verify="none"),
        )
        assert len(server.requests) <= members + 2
    for name in ("old.zarr.zip", "old.ozx"):
        obstore.put(open_prefix("s3://bucket/zips", s3), name, data)
        convert(
            f"s3://bucket/zips/{name}",
            str(tmp_path / f"from-{name}.zarr"),
            ConvertOptions(storage_options=s3),
        )
        _check(zarr.open_group(tmp_path / f"from-{name}.zarr", mode="r"))
    convert(
        "s3://bucket/zips/old.ozx/g", str(tmp_path / "g.zarr"), ConvertOptions(storage_options=s3)
    )
    assert [*zarr.open_group(tmp_path / "g.zarr", mode="r")] == ["b"]
    with pytest.raises(SourceError, match=r"absent\.zip"):
        convert(
            "s3://bucket/zips/absent.zip", str(tmp_path / "x"), ConvertOptions(storage_options=s3)
        )


def test_a_damaged_zip_behind_a_url(old: Path, tmp_path: Path) -> None:
    data = bytearray(_zipped(old, zipfile.ZIP_STORED))
    info = zipfile.ZipFile(io.BytesIO(data)).getinfo("a/3")
    data[info.header_offset + 30 + len("a/3") + 2] ^= 0xFF
    with (
        RangeServer({"old.zip": bytes(data)}) as server,
        pytest.raises(SourceError, match=r"'a/3'.*checksum"),
    ):
        convert(f"{server.url}/old.zip", str(tmp_path / "new.zarr"))
    assert not (tmp_path / "new.zarr").exists()


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
