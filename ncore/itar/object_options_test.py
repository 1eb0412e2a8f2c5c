import json
import os
import re

import pytest

from ncore.itar.errors import ItarOptionError
from ncore.itar.object_options import normalise_options, reason_of
from ncore.itar.object_url import is_anonymous, open_object, open_prefix, plain_url, redact

ACCOUNT = "https://acc.blob.core.windows.net"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in os.environ:
        if name.startswith(("AWS_", "AZURE_", "AZURITE_", "GOOGLE_", "STORAGE_EMULATOR")):
            monkeypatch.delenv(name)


def test_adlfs_and_gcsfs_names_are_understood():
    found = normalise_options("az://box", {"account": "acc", "key": "K", "sas_token": "sv=1"})
    assert found == {"account_name": "acc", "account_key": "K", "sas_key": "sv=1"}
    assert normalise_options("gs://b", {"endpoint_url": "http://h:1", "token": "anon"}) == {
        "base_url": "http://h:1",
        "skip_signature": True,
        "client_options": {"allow_http": True},
    }


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("az://box", "AZURE_STORAGE_ENDPOINT"),
        ("abfs://box", "AZURE_ENDPOINT"),
        ("gs://b", "GOOGLE_BASE_URL"),
        ("s3://b", "AWS_ENDPOINT_URL"),
    ],
)
def test_a_plain_http_endpoint_of_the_environment_allows_plain_http(url, name, monkeypatch):
    monkeypatch.setenv(name, "http://127.0.0.1:9/x")
    assert normalise_options(url, {})["client_options"] == {"allow_http": True}


@pytest.mark.parametrize("host", ["127.0.0.1:9", "http://127.0.0.1:9/"])
def test_googles_emulator_needs_no_credentials(host, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
    found = normalise_options("gs://b", {})
    assert found["base_url"] == "http://127.0.0.1:9"
    assert json.loads(found["service_account_key"])["disable_oauth"] is True
    assert is_anonymous("gs://b/k", {})
    assert plain_url("gs://b/k", {}) == "http://127.0.0.1:9/b/k"
    assert "service_account_key" not in normalise_options("gs://b", {"bearer_token": "t"})
    # What was asked for by name comes first.
    assert normalise_options("gs://b", {"endpoint": "https://h"}) == {"base_url": "https://h"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("UseDevelopmentStorage=true", {"use_emulator": True}),
        (
            "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a+b/==;"
            "EndpointSuffix=core.windows.net",
            {"account_name": "acc", "account_key": "a+b/==", "endpoint": ACCOUNT},
        ),
        (
            f"BlobEndpoint={ACCOUNT}/;SharedAccessSignature=sv=1&sig=x;",
            {"account_name": "acc", "sas_key": "sv=1&sig=x", "endpoint": ACCOUNT},
        ),
        (
            "AccountName=dev;AccountKey=k;BlobEndpoint=http://h:1/dev",
            {
                "account_name": "dev",
                "account_key": "k",
                "endpoint": "http://h:1/dev",
                "client_options": {"allow_http": True},
            },
        ),
    ],
)
def test_connection_strings(text, expected, monkeypatch):
    assert normalise_options("az://box", {"connection_string": text}) == expected
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    assert normalise_options("az://box", {}) == expected
    # Not of another account than the one that was named.
    given = {"account_name": "other", "account_key": "x"}
    assert normalise_options("az://box", given) == given
    assert normalise_options("abfss://box@other.dfs.core.windows.net", {}) == {}


def test_the_variables_of_the_azure_command_line(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "acc")
    monkeypatch.setenv("AZURE_STORAGE_KEY", "k")
    expected = {"account_name": "acc", "account_key": "k"}
    assert normalise_options("az://box", {}) == expected
    assert normalise_options("abfss://box@acc.dfs.core.windows.net", {}) == expected
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "first")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "first")
    assert normalise_options("az://box", {}) == {}


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("az://box/k", {"connection_string": "hunter2"}),
        ("gs://b/k", {"endpoint": "hunter2"}),
        ("s3://b/k", {"endpoint": "127.0.0.1:9000"}),
        ("gs://b/k", {"base_url": "http://a b"}),
        ("gs://b/k", {"base_url": "http://h:99999"}),
    ],
)
def test_what_is_no_endpoint_is_an_error_that_names_the_url(url, options):
    with pytest.raises(ItarOptionError, match=f"^{url}: the ") as caught:
        open_object(url, options)
    assert "hunter2" not in str(caught.value)


def test_an_account_that_is_missing_is_asked_for():
    with pytest.raises(ItarOptionError, match="AZURE_STORAGE_ACCOUNT_NAME"):
        open_object("az://box/k")


def test_gcs_is_gs():
    open_object("gcs://b/k", {"skip_signature": True})
    open_prefix("gcs://b", {"skip_signature": True}, whole_bucket=True)
    with pytest.raises(ItarOptionError, match="names no object"):
        open_prefix("gcs://b", {"skip_signature": True})


def test_a_container_and_its_account_are_no_credentials():
    url = "abfss://box@acc.dfs.core.windows.net/k.itar"
    assert redact(url) == url
    assert redact("abfss://me:secret@acc/k") == "abfss://acc/k"


def test_where_a_child_reads_without_signing(monkeypatch):
    assert plain_url("az://box/a b", {"account": "acc"}) == f"{ACCOUNT}/box/a%20b"
    url = "abfss://box@acc.dfs.core.windows.net/k"
    assert plain_url(url, {"sas_token": "?sv=1"}) == f"{ACCOUNT}/box/k?sv=1"
    assert plain_url("az://box/k", {}) is None
    assert is_anonymous(url, {"sas_token": "sv=1"})
    assert not is_anonymous(url, {"sas_token": "sv=1", "account_key": "k"})
    assert not is_anonymous("gs://b/k", {})
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    assert is_anonymous("gs://b/k", {})
    assert plain_url("gs://b/k", {}) == "https://storage.googleapis.com/b/k"


@pytest.mark.parametrize(
    ("text", "url", "reason"),
    [
        ("Generic: GET http://169.254.169.254/metadata", "az://b", "no credentials were found"),
        ("GET http://x - 404 Not Found: <Code>ContainerNotFound</Code>", "az://b", "no such cont"),
        ("GET http://x - 404 Not Found: <Code>NoSuchBucket</Code>", "gs://b", "no such bucket"),
        ("GET REDACTED in 2 s - 403 Forbidden: <Code>Expired</Code>", "az://b", "refuses it .Exp"),
        ("Generic error: Error performing GET https://h?sig=hunter2", "az://b", "performing GET$"),
    ],
)
def test_reasons(text, url, reason):
    found = reason_of(OSError(text), url)
    assert re.search(reason, found), found
    assert "hunter2" not in found
