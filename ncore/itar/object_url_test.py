import pytest

from ncore.errors import NcoreError
from ncore.itar.errors import ItarOptionError
from ncore.itar.object_options import normalise_options, scheme_of
from ncore.itar.object_url import (
    open_object,
    redact,
    split_object_url,
)


@pytest.mark.parametrize(
    ("url", "root", "key"),
    [
        ("s3://bucket/a/b.itar", "s3://bucket", "a/b.itar"),
        ("s3://bucket/a b%20c?x#y.itar", "s3://bucket", "a b%20c?x#y.itar"),
        ("gs://bucket/x.itar", "gs://bucket", "x.itar"),
        ("https://host:8443/a%20b/x.itar", "https://host:8443", "a b/x.itar"),
        ("HTTP://host/x.itar", "http://host", "x.itar"),
    ],
)
def test_split(url, root, key):
    assert split_object_url(url) == (root, key)


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/", "s3:///x", "http://host/"])
def test_a_url_without_object_is_refused(url):
    with pytest.raises(NcoreError, match="names no object"):
        split_object_url(url)


def test_redact_hides_user_and_query():
    assert redact("https://me:secret@host/x.itar?sig=secret#f") == "https://host/x.itar"


def test_scheme():
    assert [scheme_of(u) for u in ("S3://b/k", "/a/b", "a:b", "file:///x")] == [
        "s3",
        "",
        "",
        "file",
    ]


def test_fsspec_names_are_understood():
    found = normalise_options(
        "s3://bucket",
        {
            "key": "K",
            "secret": "S",
            "token": None,
            "anon": False,
            "endpoint_url": "http://127.0.0.1:9",
        },
    )
    assert found == {
        "access_key_id": "K",
        "secret_access_key": "S",
        "endpoint": "http://127.0.0.1:9",
        "client_options": {"allow_http": True},
    }


def test_a_bad_option_is_named_and_secrets_are_not():
    with pytest.raises(NcoreError, match="no_such_option") as caught:
        open_object("s3://bucket/x.itar", {"secret": "hunter2", "no_such_option": 1})
    assert "hunter2" not in str(caught.value)


def test_client_options_need_no_nesting():
    found = normalise_options("s3://bucket", {"allow_http": True, "timeout": "5s", "region": "r"})
    assert found == {"region": "r", "client_options": {"allow_http": True, "timeout": "5s"}}


def test_a_panic_over_options_is_an_error(monkeypatch):
    class PanicException(BaseException):  # as pyo3 calls it
        pass

    def panic(*args, **kwargs):
        raise PanicException("Expected config prefix to start with aws_")

    monkeypatch.setattr("obstore.store.from_url", panic)
    with pytest.raises(ItarOptionError, match=r"s3://b/k: cannot use these .* aws_$"):
        open_object("s3://b/k")
    monkeypatch.setattr("obstore.store.from_url", interrupt)
    with pytest.raises(KeyboardInterrupt):
        open_object("s3://b/k")


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def test_repr_of_the_store_hides_credentials():
    store, key = open_object(
        "s3://bucket/x.itar", {"key": "AKIA", "secret": "hunter2", "region": "us-east-1"}
    )
    assert key == "x.itar"
    assert "hunter2" not in repr(store)
    assert "AKIA" not in repr(store)
