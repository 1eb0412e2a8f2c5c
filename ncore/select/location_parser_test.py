"""Every form of a location, with the value it stands for."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.select.errors import LocationError
from ncore.select.instances import KNOWN_INSTANCES, DandiInstance, known_instances
from ncore.select.location_parser import parse_location
from ncore.select.locations import (
    AssetFolderURL,
    AssetGlobURL,
    AssetIDURL,
    AssetItemURL,
    AssetPathPrefixURL,
    AssetZarrEntryURL,
    BaseAssetIDURL,
    DandisetURL,
    HttpURL,
    LocalPath,
    Location,
    ObjectURL,
    ZarrArchiveURL,
)

(DANDI, SANDBOX, LINC, LINC_STAGING, EMBER, EMBER_SANDBOX, LOCAL) = KNOWN_INSTANCES
UUID = "92dc0d1a-02e6-4a7f-9a87-b5c8ae5b8f2c"
CHECKSUM = "6ddc4625befef8d6f9796835648162be-509--710206390"
VERSION = "0.210831.2033"
WEB = "https://dandiarchive.org"
API = "https://api.dandiarchive.org/api"
DAV = "https://webdav.dandiarchive.org"
DRAFT = (DANDI, "000027", "draft")
LATEST = (DANDI, "000027", None)
CUSTOM_API = DandiInstance("example.org:8080", None, "http://example.org:8080/api")
CUSTOM_WEB = DandiInstance("data.example.org", "https://data.example.org", None)

FORMS: list[tuple[str, Location]] = [
    # identifiers
    ("DANDI:000027", DandisetURL(*LATEST)),
    ("DANDI:000027/draft", DandisetURL(*DRAFT)),
    (f"DANDI:000027/{VERSION}", DandisetURL(DANDI, "000027", VERSION)),
    ("dandi:000027", DandisetURL(*LATEST)),
    ("DANDI-SANDBOX:000027", DandisetURL(SANDBOX, "000027", None)),
    ("LINC:000027/", DandisetURL(LINC, "000027", None)),
    ("LINC-STAGING:000027", DandisetURL(LINC_STAGING, "000027", None)),
    ("EMBER-DANDI:000027", DandisetURL(EMBER, "000027", None)),
    ("ember-dandi-sandbox:000027", DandisetURL(EMBER_SANDBOX, "000027", None)),
    ("DANDI-API-LOCAL-DOCKER-TESTS:000027/draft", DandisetURL(LOCAL, "000027", "draft")),
    ("https://identifiers.org/DANDI:000027", DandisetURL(*LATEST)),
    (f"https://identifiers.org/dandi:000027/{VERSION}", DandisetURL(DANDI, "000027", VERSION)),
    ("http://identifiers.org/DANDI%3A000027", DandisetURL(*LATEST)),
    (f"https://doi.org/10.48324/dandi.000027/{VERSION}", DandisetURL(DANDI, "000027", VERSION)),
    # dandi://
    ("dandi://dandi/000027", DandisetURL(*LATEST)),
    ("dandi://dandi/000027/", DandisetURL(*LATEST)),
    ("dandi://DANDI/000027@draft", DandisetURL(*DRAFT)),
    ("DANDI://dandi-sandbox/000027@draft", DandisetURL(SANDBOX, "000027", "draft")),
    ("dandi://linc/000027/sub-1/", AssetFolderURL(LINC, "000027", None, "sub-1/")),
    (
        f"dandi://dandi/000027@{VERSION}/sub-1/",
        AssetFolderURL(DANDI, "000027", VERSION, "sub-1/"),
    ),
    ("dandi://dandi/000027/sub-1/x.nwb", AssetItemURL(*LATEST, "sub-1/x.nwb")),
    ("dandi://dandi/000027/dandiset.yaml", AssetItemURL(*LATEST, "dandiset.yaml")),
    ("dandi://dandi/000027/sub-1/x.zarr", AssetItemURL(*LATEST, "sub-1/x.zarr")),
    ("dandi://dandi/000027/sub-1/x.zarr/", AssetItemURL(*LATEST, "sub-1/x.zarr")),
    ("dandi://dandi/000027/s/x.zarr/0/1", AssetZarrEntryURL(*LATEST, "s/x.zarr", "0/1")),
    ("dandi://dandi/000027/s/x.zarr/0/", AssetZarrEntryURL(*LATEST, "s/x.zarr", "0")),
    ("dandi://dandi/000027@draft/x.ngff/0", AssetZarrEntryURL(*DRAFT, "x.ngff", "0")),
    ("dandi://dandi/000027/x.ome.zarr/0", AssetZarrEntryURL(*LATEST, "x.ome.zarr", "0")),
    ("dandi://dandi/000027/a.zarr/b.zarr/c", AssetZarrEntryURL(*LATEST, "a.zarr", "b.zarr/c")),
    ("dandi://dandi/000027/x.zarr.itar/0", AssetZarrEntryURL(*LATEST, "x.zarr.itar", "0")),
    ("dandi://dandi/000027/.zarr/x.zarr/0", AssetZarrEntryURL(*LATEST, ".zarr/x.zarr", "0")),
    ("dandi://dandi/000027/x.ZARR/0", AssetItemURL(*LATEST, "x.ZARR/0")),
    # dandi://: encoding, slashes, dots, unicode, ? and #
    ("dandi://dandi/000027/sub%201/x%2Fy", AssetItemURL(*LATEST, "sub 1/x/y")),
    ("dandi://dandi/000027/x%2Ezarr/%C3%A9", AssetZarrEntryURL(*LATEST, "x.zarr", "é")),
    ("dandi://dandi/000027/sub%251", AssetItemURL(*LATEST, "sub%1")),
    ("dandi://dandi/000027/100%", AssetItemURL(*LATEST, "100%")),
    ("dandi://dandi/000027/a+b", AssetItemURL(*LATEST, "a+b")),
    ("dandi://dandi/000027/é/e\u0301", AssetItemURL(*LATEST, "é/e\u0301")),
    ("dandi://dandi/000027/x?a=b#c", AssetItemURL(*LATEST, "x?a=b#c")),
    ("dandi://dandi/000027//s//x.zarr//0//", AssetZarrEntryURL(*LATEST, "s/x.zarr", "0")),
    ("dandi://dandi/000027/./s/./x.zarr/./0", AssetZarrEntryURL(*LATEST, "s/x.zarr", "0")),
    ("dandi://dandi/000027/./", DandisetURL(*LATEST)),
    # web application
    (f"{WEB}/dandiset/000027", DandisetURL(*LATEST)),
    (f"{WEB}/dandiset/000027/", DandisetURL(*LATEST)),
    (f"{WEB}/#/dandiset/000027/draft", DandisetURL(*DRAFT)),
    (f"{WEB}/dandiset/000027/{VERSION}/files", DandisetURL(DANDI, "000027", VERSION)),
    (f"{WEB}/dandiset/000027/draft/files?location=", DandisetURL(*DRAFT)),
    (f"{WEB}/dandiset/000027/draft/files?location=sub-1", AssetFolderURL(*DRAFT, "sub-1/")),
    (f"{WEB}/dandiset/000027/files?location=%2Fsub-1%2F", AssetFolderURL(*LATEST, "sub-1/")),
    (f"{WEB}/#/dandiset/000027/draft/files?location=a/b", AssetFolderURL(*DRAFT, "a/b/")),
    (
        f"{WEB}/dandiset/000027/draft/files?location=sub-1&page=2",
        AssetFolderURL(*DRAFT, "sub-1/"),
    ),
    (f"{WEB}/dandiset/000027/draft?search=x&pos=3", DandisetURL(*DRAFT)),
    (
        f"{WEB}/dandiset/000027/draft/files?location=a+b%20c%2Bd",
        AssetFolderURL(*DRAFT, "a b c+d/"),
    ),
    (f"{WEB}/dandiset/000027/draft/files?location=x.zarr", AssetItemURL(*DRAFT, "x.zarr")),
    (
        f"{WEB}/dandiset/000027/draft/files?location=s/x.zarr/0/",
        AssetZarrEntryURL(*DRAFT, "s/x.zarr", "0"),
    ),
    ("http://DANDIarchive.org:80/dandiset/000027", DandisetURL(*LATEST)),
    ("https://gui.dandiarchive.org/#/dandiset/000027/draft", DandisetURL(*DRAFT)),
    ("https://sandbox.dandiarchive.org/dandiset/000027", DandisetURL(SANDBOX, "000027", None)),
    ("https://lincbrain.org/dandiset/000027/draft", DandisetURL(LINC, "000027", "draft")),
    ("https://staging.lincbrain.org/dandiset/000027", DandisetURL(LINC_STAGING, "000027", None)),
    ("https://dandi.emberarchive.org/dandiset/000027", DandisetURL(EMBER, "000027", None)),
    (
        "https://dandi.sandbox.emberarchive.org/dandiset/000027",
        DandisetURL(EMBER_SANDBOX, "000027", None),
    ),
    ("http://localhost:8085/dandiset/000027/draft", DandisetURL(LOCAL, "000027", "draft")),
    (
        "https://gui-staging--dandiarchive-org.netlify.app/#/dandiset/000027",
        DandisetURL(*LATEST),
    ),
    (
        "https://deploy-preview-341--gui-dandiarchive-org.netlify.app/#/dandiset/000027/draft",
        DandisetURL(SANDBOX, "000027", "draft"),
    ),
    # API
    (f"{API}/dandisets/000027", DandisetURL(*LATEST)),
    (f"{API}/dandisets/000027/", DandisetURL(*LATEST)),
    (f"{API}/dandisets/000027/versions", DandisetURL(*LATEST)),
    (f"{API}/dandisets/000027/versions/", DandisetURL(*LATEST)),
    (f"{API}/dandisets/000027/versions/draft/", DandisetURL(*DRAFT)),
    (f"{API}/dandisets/000027/versions/draft/info/", DandisetURL(*DRAFT)),
    (f"{API}/dandisets/000027/versions/draft/assets/", DandisetURL(*DRAFT)),
    ("https://api.dandiarchive.org/dandisets/000027", DandisetURL(*LATEST)),
    ("http://localhost:8000/api/dandisets/000027", DandisetURL(LOCAL, "000027", None)),
    (f"{API}/assets/{UUID}", BaseAssetIDURL(DANDI, UUID)),
    (f"{API}/assets/{UUID.upper()}/", BaseAssetIDURL(DANDI, UUID)),
    (f"{API}/assets/{UUID}/download", BaseAssetIDURL(DANDI, UUID)),
    (f"{API}/assets/{UUID}/download/", BaseAssetIDURL(DANDI, UUID)),
    (f"{API}/dandisets/000027/versions/draft/assets/{UUID}", AssetIDURL(*DRAFT, UUID)),
    (f"{API}/dandisets/000027/versions/draft/assets/{UUID}/", AssetIDURL(*DRAFT, UUID)),
    (f"{API}/dandisets/000027/versions/draft/assets/{UUID}/download/", AssetIDURL(*DRAFT, UUID)),
    (
        f"{API}/dandisets/000027/versions/draft/assets/?path=sub-1%2Fx",
        AssetPathPrefixURL(*DRAFT, "sub-1/x"),
    ),
    (
        f"{API}/dandisets/000027/versions/draft/assets?order=path&path=/sub-1/&metadata=true",
        AssetPathPrefixURL(*DRAFT, "sub-1/"),
    ),
    (
        f"{API}/dandisets/000027/versions/draft/assets/?path=s/x.zarr",
        AssetPathPrefixURL(*DRAFT, "s/x.zarr"),
    ),
    (
        f"{API}/dandisets/000027/versions/draft/assets/?path=s/x.zarr/0/1",
        AssetZarrEntryURL(*DRAFT, "s/x.zarr", "0/1"),
    ),
    (
        f"{API}/dandisets/000027/versions/draft/assets/?glob=sub-*",
        AssetGlobURL(*DRAFT, "sub-*"),
    ),
    (
        f"{API}/dandisets/000027/versions/draft/assets/paths/?path_prefix=sub-1",
        AssetFolderURL(*DRAFT, "sub-1/"),
    ),
    (f"{API}/zarr/{UUID}/", ZarrArchiveURL(DANDI, UUID)),
    (f"{API}/zarr/{UUID}/files/", ZarrArchiveURL(DANDI, UUID)),
    (
        f"{API}/zarr/{UUID}/files/?prefix=0/.zarray&download=true",
        ZarrArchiveURL(DANDI, UUID, None, "0/.zarray"),
    ),
    # servers without a name
    ("http://example.org:8080/api/dandisets/000027/", DandisetURL(CUSTOM_API, "000027", None)),
    (
        "http://EXAMPLE.org:8080/api/dandisets/000027/versions/draft/assets/?path=x.zarr/0",
        AssetZarrEntryURL(CUSTOM_API, "000027", "draft", "x.zarr", "0"),
    ),
    (f"http://example.org:8080/api/assets/{UUID}/", BaseAssetIDURL(CUSTOM_API, UUID)),
    (
        f"http://example.org:8080/api/zarr/{UUID}/files/?prefix=0",
        ZarrArchiveURL(CUSTOM_API, UUID, None, "0"),
    ),
    (
        "https://data.example.org/#/dandiset/000027/draft/files?location=s/x.zarr/0",
        AssetZarrEntryURL(CUSTOM_WEB, "000027", "draft", "s/x.zarr", "0"),
    ),
    (
        "https://data.example.org:443/dandisets/000027/versions/draft",
        DandisetURL(CUSTOM_WEB, "000027", "draft"),
    ),
    # WebDAV
    (f"{DAV}/dandisets/000027/", DandisetURL(*LATEST)),
    (f"{DAV}/dandisets/000027/latest/", DandisetURL(*LATEST)),
    (f"{DAV}/dandisets/000027/draft", DandisetURL(*DRAFT)),
    (f"{DAV}/dandisets/000027/releases/{VERSION}/", DandisetURL(DANDI, "000027", VERSION)),
    (f"{DAV}/dandisets/000027/draft/sub-1/", AssetFolderURL(*DRAFT, "sub-1/")),
    (f"{DAV}/dandisets/000027/draft/sub-1/x.nwb", AssetItemURL(*DRAFT, "sub-1/x.nwb")),
    (f"{DAV}/dandisets/000027/draft/s%20/x.zarr/", AssetItemURL(*DRAFT, "s /x.zarr")),
    (
        f"{DAV}/dandisets/000027/releases/{VERSION}/s/x.zarr/1/0/",
        AssetZarrEntryURL(DANDI, "000027", VERSION, "s/x.zarr", "1/0"),
    ),
    (
        "https://dandi.centerforopenneuroscience.org/dandisets/000027/latest/x.zarr/0",
        AssetZarrEntryURL(*LATEST, "x.zarr", "0"),
    ),
    (f"{DAV}/zarrs/92d/c0d/{UUID}/", ZarrArchiveURL(DANDI, UUID)),
    (f"{DAV}/zarrs/92d/c0d/{UUID}/{CHECKSUM}.zarr/", ZarrArchiveURL(DANDI, UUID, CHECKSUM)),
    (
        f"{DAV}/zarrs/92d/c0d/{UUID}/{CHECKSUM}.zarr/0/0",
        ZarrArchiveURL(DANDI, UUID, CHECKSUM, "0/0"),
    ),
    # object stores
    ("s3://bucket", ObjectURL("s3", "bucket", "")),
    ("s3://bucket/", ObjectURL("s3", "bucket", "")),
    ("s3://bucket/seq/", ObjectURL("s3", "bucket", "seq", is_folder=True)),
    ("s3://bucket/seq", ObjectURL("s3", "bucket", "seq")),
    ("s3://bucket/a/x.zarr", ObjectURL("s3", "bucket", "a/x.zarr")),
    ("s3://bucket/a/x.zarr/", ObjectURL("s3", "bucket", "a/x.zarr")),
    ("s3://bucket/x.zarr//0/./1/", ObjectURL("s3", "bucket", "x.zarr", zarr_subpath="0/1")),
    ("S3A://bucket/x.zarr.itar/c", ObjectURL("s3", "bucket", "x.zarr.itar", zarr_subpath="c")),
    ("gs://b/x.ozx", ObjectURL("gs", "b", "x.ozx")),
    ("gcs://b/x.zarr.zip/0", ObjectURL("gs", "b", "x.zarr.zip", zarr_subpath="0")),
    ("az://container/x.itar", ObjectURL("az", "container", "x.itar")),
    ("azure://container/x.itar", ObjectURL("az", "container", "x.itar")),
    ("abfs://container/x.zarr/0", ObjectURL("az", "container", "x.zarr", zarr_subpath="0")),
    (
        "abfss://container@acc.dfs.core.windows.net/x.zarr",
        ObjectURL("abfss", "container@acc.dfs.core.windows.net", "x.zarr"),
    ),
    ("s3://b/a%20b?c#d/x.zarr/é", ObjectURL("s3", "b", "a%20b?c#d/x.zarr", zarr_subpath="é")),
    (
        f"s3://dandiarchive/zarr/{UUID}/0/0",
        ObjectURL("s3", "dandiarchive", f"zarr/{UUID}", zarr_subpath="0/0"),
    ),
    (
        f"https://dandiarchive.s3.amazonaws.com/zarr/{UUID}/0/.zarray",
        ObjectURL("s3", "dandiarchive", f"zarr/{UUID}", zarr_subpath="0/.zarray"),
    ),
    (
        "https://a.b.s3.us-east-2.amazonaws.com/s%20/x.zarr/0",
        ObjectURL("s3", "a.b", "s /x.zarr", region="us-east-2", zarr_subpath="0"),
    ),
    (
        "https://s3-us-west-1.amazonaws.com/bucket/x.zarr/0",
        ObjectURL("s3", "bucket", "x.zarr", region="us-west-1", zarr_subpath="0"),
    ),
    ("https://s3.amazonaws.com/bucket/d/", ObjectURL("s3", "bucket", "d", is_folder=True)),
    # HTTP
    ("https://Example.org/d/x.zarr", HttpURL("https://example.org/d/x.zarr")),
    ("https://example.org/d//x.zarr//", HttpURL("https://example.org/d//x.zarr")),
    (
        "http://example.org:8080/a%20b/x%2Ezarr/0/%C3%A9/?sig=S&x",
        HttpURL("http://example.org:8080/a%20b/x%2Ezarr", "sig=S&x", "0/é"),
    ),
    ("http://[::1]:80/x.itar/0", HttpURL("http://[::1]:80/x.itar", zarr_subpath="0")),
    (
        f"http://127.0.0.1:9000/dandi-dandisets/zarr/{UUID}/0",
        HttpURL(f"http://127.0.0.1:9000/dandi-dandisets/zarr/{UUID}", zarr_subpath="0"),
    ),
    # files
    ("file:///data/x.zarr/0", LocalPath("/data/x.zarr", "0")),
    ("file://localhost/a%20b", LocalPath("/a b")),
    ("/data/x.zarr", LocalPath("/data/x.zarr")),
    ("/data/x.zarr/", LocalPath("/data/x.zarr")),
    ("../d//./x.zarr//0/./1/", LocalPath("../d//./x.zarr", "0/1")),
    ("x.zarr.itar/cameras/front", LocalPath("x.zarr.itar", "cameras/front")),
    ("a%20b/c?d#e", LocalPath("a%20b/c?d#e")),
    ("dir/", LocalPath("dir/")),
    (".", LocalPath(".")),
    (".zarr/0", LocalPath(".zarr/0")),
    ("/", LocalPath("/")),
    ("dandi", LocalPath("dandi")),
    ("./DANDI:000027", LocalPath("./DANDI:000027")),
    ("C:/x.zarr/0", LocalPath("C:/x.zarr", "0")),
    (" a", LocalPath(" a")),
    ("é\n", LocalPath("é\n")),
]


@pytest.mark.parametrize(("text", "expected"), FORMS, ids=[text for text, _ in FORMS])
def test_form(text: str, expected: Location) -> None:
    location = parse_location(text)
    assert location == expected
    assert type(location) is type(expected)
    if not (isinstance(location, HttpURL) and location.query):
        assert parse_location(str(location)) == location


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dandi://dandi/000027/sub-*/x.nwb", AssetGlobURL(*LATEST, "sub-*/x.nwb")),
        ("dandi://dandi/000027/x.zarr/0*", AssetGlobURL(*LATEST, "x.zarr/0*")),
        ("dandi://dandi/000027/sub-*/", AssetGlobURL(*LATEST, "sub-*/")),
        ("dandi://dandi/000027/", DandisetURL(*LATEST)),
        (f"{WEB}/dandiset/000027/draft/files?location=sub-*", AssetGlobURL(*DRAFT, "sub-*")),
        (f"{WEB}/dandiset/000027/draft/files?location=%2Fs%2F", AssetGlobURL(*DRAFT, "s/")),
        (f"{API}/assets/{UUID}", BaseAssetIDURL(DANDI, UUID)),
    ],
)
def test_glob_form(text: str, expected: Location) -> None:
    assert parse_location(text, glob=True) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("a\0b", r"\\x00"),
        (" https://dandiarchive.org/dandiset/000027", "begins with a blank"),
        ("simplecache::s3://b/x.zarr", "chains"),
        ("ftp://h/x.zarr", "scheme 'ftp'"),
        ("DANDI:27", "six digits"),
        ("DANDI:000027/latest", "six digits"),
        ("NOSUCH:000027", "instance must be one of dandi, dandi-sandbox"),
        ("dandi://nosuch/000027", "no instance 'nosuch'; known are dandi, dandi-sandbox"),
        ("dandi://dandi/27", "dandi://INSTANCE/ID"),
        ("dandi://dandi/000027@latest", "dandi://INSTANCE/ID"),
        ("dandi://dandi", "dandi://INSTANCE/ID"),
        ("dandi://dandi/000027/a/../b", r"'\.\.' component"),
        ("dandi://dandi/000027/x.zarr/..", r"'\.\.' component"),
        ("dandi://dandi/000027/%2e%2e/b", r"'\.\.' component"),
        ("dandi://dandi/000027/%ff", "not UTF-8"),
        ("dandi://dandi/000027/a%00b", r"\\x00"),
        ("dandi://dandi/000027/a\nb", r"\\n"),
        ("dandi://dandi/000027/a\ud800", r"\\ud800"),
        ("https://identifiers.org/LINC:000027", "identifiers.org/DANDI:ID"),
        ("https://identifiers.org/", "identifiers.org/DANDI:ID"),
        ("https://doi.org/10.1000/1", "10.48324"),
        (f"{WEB}/", "no page"),
        (f"{WEB}/about", "no page"),
        (f"{WEB}/dandiset/000027/draft/files?location=a#b", "fragment"),
        (f"{WEB}/dandiset/000027/draft/files?location=a&location=b", "given twice"),
        (f"{WEB}/dandiset/000027/draft/files?location=../a", r"'\.\.' component"),
        (f"{API}/dandisets/000027/versions/draft/assets/?path=a&glob=b", "both 'path' and 'glob'"),
        (f"{API}/dandisets/000027/versions/draft/assets/?page=2", "parameter 'page'"),
        (f"{API}/assets/not-a-uuid", "no page or resource"),
        (f"{API}/dandisets/000027/versions/9/", "no page or resource"),
        (f"{DAV}/dandisets/000027/releases/", "WebDAV path"),
        (f"{DAV}/dandisets/000027/draft/x?y", "query"),
        (f"{DAV}/dandisets/000027/draft/x#y", "fragment"),
        ("s3://", "name of a bucket"),
        ("s3:///x.zarr", "name of a bucket"),
        ("s3://key:secret@bucket/x", "name of a bucket"),
        ("s3://bucket/a//x.zarr", "component ''"),
        ("s3://bucket/a/../x.zarr", r"component '\.\.'"),
        ("s3://bucket/./x.zarr", r"component '\.'"),
        ("s3://bucket/x.zarr/../y", r"'\.\.' component"),
        ("https://example.org/data", "not a known DANDI archive"),
        ("https://example.org/.zarr/0", "not a known DANDI archive"),
        ("https://example.org/x.zarr#0", "fragment"),
        ("https://example.org/a/../x.zarr", r"'\.\.' component"),
        ("https://example.org/x.zarr/%2E./0", r"'\.\.' component"),
        ("https://user:pa55@example.org/x.zarr", "credentials"),
        ("https://", "no host"),
        ("https://[::1/x.zarr", "not a URL"),
        ("https://h:99999/x.zarr", "not a URL"),
        ("https://bucket.s3.amazonaws.com/x?X-Amz-Signature=S3CRET", "no component"),
        ("file://host/x", "file:///PATH"),
        ("file://x", "file:///PATH"),
        ("file:///a?b", "no query"),
        ("x.zarr/../y", r"'\.\.' component"),
    ],
)
def test_refused_form(text: str, reason: str) -> None:
    with pytest.raises(LocationError, match=reason) as caught:
        parse_location(text)
    message = str(caught.value)
    assert message.startswith("Cannot use location ")
    assert "dandi://INSTANCE/ID" in message
    assert "s3://BUCKET/KEY" in message
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "text", ["s3://b/x.zarr", "https://example.org/x.zarr", "x.zarr", "file:///x"]
)
def test_glob_is_for_dandisets(text: str) -> None:
    with pytest.raises(LocationError, match="glob"):
        parse_location(text, glob=True)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:S3CRET@example.org/x.zarr",
        "https://S3CRET@example.org/x",
        "https://example.org/x?token=S3CRET",
        "https://example.org/x?a=/b@c&token=S3CRET",
        "s3://id:S3CRET@bucket/x",
        "https://user:S3C/S3CRET@h/x.zarr",
        "https://user:S3CRET\u2100@h/x.zarr",
        " https://u:S3CRET@example.org/x.zarr",
        f"{API}/zarr/{UUID}/?token=S3CRET",
    ],
)
def test_message_keeps_secrets(text: str) -> None:
    with pytest.raises(LocationError) as caught:
        parse_location(text)
    assert "S3CRET" not in str(caught.value)


def test_http_query_is_sent_but_never_shown() -> None:
    location = parse_location("https://example.org/x.zarr/a%20b?sig=S3CRET")
    assert isinstance(location, HttpURL)
    assert "S3CRET" not in repr(location) + str(location)
    assert location.request_url() == "https://example.org/x.zarr?sig=S3CRET"
    assert location.request_url("a b/0") == "https://example.org/x.zarr/a%20b/0?sig=S3CRET"


def test_instances_can_be_given() -> None:
    test = DandiInstance("test", "http://127.0.0.1:1", "http://127.0.0.1:2/api")
    expected = DandisetURL(test, "000001", None)
    for text in ("dandi://test/000001", "test:000001", "http://127.0.0.1:2/api/dandisets/000001"):
        assert parse_location(text, instances=[test]) == expected
    with pytest.raises(LocationError, match="no instance 'dandi'; known are test"):
        parse_location("dandi://dandi/000027", instances=[test])
    docker = known_instances("django")[-1]
    assert parse_location(
        "http://django:8000/api/dandisets/000001", instances=known_instances("django")
    ) == DandisetURL(docker, "000001", None)


PIECES = st.sampled_from(
    [
        *("dandi://", "https://", "http://", "s3://", "gs://", "file://", "DANDI:", "LINC:"),
        *("dandi", "dandiarchive.org", "api.dandiarchive.org/api", "webdav.dandiarchive.org"),
        *("identifiers.org", "example.org", "localhost:8000", "b.s3.amazonaws.com", "doi.org"),
        *("/", "//", "/000027", "@draft", f"@{VERSION}", "/dandiset", "/dandisets", "/versions"),
        *("/draft", "/assets", f"/{UUID}", "/files", "/zarr", "/zarrs", "/92d", "/x.zarr", "/0"),
        *("?location=", "?path=", "?glob=", "&", "#", "#/", "%2F", "%2e", "%ff", "%", "..", "/."),
        *(
            "[",
            "]",
            ":",
            "@",
            "\n",
            " ",
            "\0",
            "é",
            "\ud800",
            "*",
            ".itar",
            ".zarr",
            f"/{CHECKSUM}",
        ),
    ]
)
STRINGS = st.text(max_size=40) | st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join)
# A longer run: NCORE_FUZZ_EXAMPLES=100000.
EXAMPLES = int(os.environ.get("NCORE_FUZZ_EXAMPLES", "1000"))


@settings(max_examples=EXAMPLES, deadline=None)
@given(STRINGS, st.booleans())
def test_any_string_is_a_location_or_the_documented_error(text: str, glob: bool) -> None:
    try:
        location = parse_location(text, glob=glob)
    except LocationError:
        return
    assert isinstance(location, Location)
    for name in location.zarr_subpath.split("/") if location.zarr_subpath else ():
        assert name not in ("", ".", "..")
    if not (isinstance(location, HttpURL) and location.query):
        assert parse_location(str(location)) == location
