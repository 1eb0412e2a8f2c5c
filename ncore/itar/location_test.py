"""Archives in object stores: read, replaced, uploaded; against moto and rclone."""

import random
import tempfile

import pytest

from ncore.errors import NcoreError
from ncore.itar.errors import (
    ItarAccessError,
    ItarChangedError,
    ItarExistsError,
    ItarIOError,
    ItarNotFoundError,
    ItarOptionError,
)
from ncore.itar.location import is_remote, local_path, open_source, upload
from ncore.itar.remote_test import in_child
from ncore.itar.testing.gcs_server import gcs_server
from ncore.itar.testing.s3_server import moto_server, options, rclone_server
from ncore.itar.writer import ItarWriter

DATA = random.Random(0).randbytes(300_000)


@pytest.fixture(scope="module", params=["moto", "rclone"])
def s3(request, tmp_path_factory):
    if request.param == "moto":
        with moto_server("bucket") as endpoint:
            yield options(endpoint)
    else:
        with rclone_server(tmp_path_factory.mktemp("rclone"), "bucket") as endpoint:
            yield options(endpoint)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.itar"
    path.write_bytes(DATA)
    return path


def test_uploaded_and_read(s3, file):
    url = "s3://bucket/seq/a.itar"
    upload(file, url, s3)
    source = open_source(url, **s3)
    assert source.read_tail(512) == DATA[-512:]
    ranges = [(0, 10), (5, 5), (250_000, 1000)]
    assert source.read_many(ranges) == [DATA[o : o + s] for o, s in ranges]
    assert "SECRET" not in repr(source)

    def work():
        assert source.read(100, 100) == DATA[100:200]

    assert in_child(work) == 0


def test_a_large_file_goes_in_parts(s3, tmp_path):
    big = tmp_path / "big"
    data = random.Random(1).randbytes(33 << 20)
    big.write_bytes(data)
    upload(big, "s3://bucket/big.itar", s3)
    source = open_source("s3://bucket/big.itar", **s3)
    assert source.read_tail(1 << 20) == data[-1 << 20 :]
    assert source.size == len(data)
    assert source.read(17 << 20, 999) == data[17 << 20 :][:999]


def test_replaced_under_the_reader(s3, file):
    url = "s3://bucket/b.itar"
    upload(file, url, s3)
    source = open_source(url, **s3)
    source.read_tail(512)
    file.write_bytes(DATA[1:] + b"?")
    upload(file, url, s3)
    with pytest.raises(ItarChangedError, match="replaced"):
        source.read(0, 10)


def test_not_overwritten_unless_asked(s3, file):
    url = "s3://bucket/c.itar"
    upload(file, url, s3, overwrite=False)
    with pytest.raises(ItarExistsError):
        upload(file, url, s3, overwrite=False)


def test_missing(s3):
    with pytest.raises(ItarNotFoundError):
        open_source("s3://bucket/none.itar", **s3).read_tail(10)


def test_a_failed_upload_says_so_without_secrets(file):
    wrong = options("http://127.0.0.1:9") | {"retry_config": {"max_retries": 0}}
    with pytest.raises(NcoreError, match="upload failed") as caught:
        upload(file, "s3://bucket/d.itar", wrong)
    assert "SECRET" not in str(caught.value)


def test_a_wrong_secret_is_refused(tmp_path, file):
    with rclone_server(tmp_path / "served", "bucket") as endpoint:
        good = options(endpoint)
        upload(file, "s3://bucket/e.itar", good)
        bad = good | {"secret_access_key": "WRONG"}
        with pytest.raises(ItarAccessError):
            open_source("s3://bucket/e.itar", **bad).read_tail(10)
        with pytest.raises(NcoreError, match="upload failed"):
            upload(file, "s3://bucket/f.itar", bad)


def test_http_is_not_written_to(file):
    with pytest.raises(NcoreError, match="http is for reading"):
        upload(file, "https://example.org/x.itar?sig=secret")


def test_http_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ItarOptionError, match="http is for reading"):
        ItarWriter("https://example.org/x.itar?sig=secret")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("use", [open_source, lambda url: upload(__file__, url)])
def test_a_file_system_that_connects_at_once_and_cannot(use):
    with pytest.raises(ItarIOError, match=r"ftp://127\.0\.0\.1:9/x\.itar: cannot be re"):
        use("ftp://user:secret@127.0.0.1:9/x.itar")


def test_fsspec_upload(file):
    url = "memory://ncore-upload/x.itar"
    upload(file, url)
    assert open_source(url).read_tail(5) == DATA[-5:]
    with pytest.raises(ItarExistsError):
        upload(file, url, overwrite=False)


def test_locations():
    assert is_remote("s3://b/k")
    assert is_remote("simplecache::s3://b/k")
    assert not is_remote("/a/b")
    assert not is_remote("file:///a/b")
    assert local_path("file:///a%20b") == "/a b"
    with pytest.raises(NcoreError, match="this machine"):
        local_path("file://other/x")


def test_an_object_that_appears_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"new")

    def not_yet(*args):
        raise FileNotFoundError

    with gcs_server("bucket") as endpoint:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
        url = "gs://bucket/x.itar"
        upload(tmp_path / "x", url, overwrite=False)
        monkeypatch.setattr("obstore.head", not_yet)
        (tmp_path / "x").write_bytes(b"newer")
        with pytest.raises(ItarExistsError, match="exists already"):
            upload(tmp_path / "x", url, overwrite=False)
        assert open_source(url).read_tail(9) == b"new"
        upload(tmp_path / "x", url)
        assert open_source(url).read_tail(9) == b"newer"
