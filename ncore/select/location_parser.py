"""From what a user types to a location, without asking anybody.

The rules for percent-encoding, slashes, dots, queries and fragments are in
docs/select.md; a form that is not listed there is an error.
"""

import os
import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from ncore.select import dandi_urls
from ncore.select.errors import LocationError
from ncore.select.instances import (
    KNOWN_INSTANCES,
    WEBDAV_HOSTS,
    DandiInstance,
    instance_by_host,
)
from ncore.select.locations import HttpURL, LocalPath, Location, ObjectURL
from ncore.select.zarr_boundary import (
    boundary,
    boundary_in_store,
    percent_decoded,
    plain_components,
    refuse_control_characters,
)

ACCEPTED = (
    "Accepted are dandi://INSTANCE/ID[@VERSION][/PATH], DANDI:ID[/VERSION], "
    "https://identifiers.org/DANDI:ID[/VERSION], web, API and WebDAV URLs of a DANDI archive, "
    "s3://BUCKET/KEY, gs://BUCKET/KEY, az://CONTAINER/KEY, http(s):// URLs that go through a "
    "component ending in .zarr, .ngff, .itar, .zarr.zip or .ozx, file:///PATH, and plain paths"
)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.S)
_CHAIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*::")
_OBJECT_SCHEMES = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "azure": "az",
    "adl": "az",
    "abfs": "abfs",
    "abfss": "abfss",
}
_ABFS_ACCOUNT = re.compile(r"@[a-z0-9]+\.(?:dfs|blob)\.[a-z0-9.-]+")
_BUCKET = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
# Virtual-hosted and path style: BUCKET.s3[.-]REGION.amazonaws.com, s3[.-]REGION.amazonaws.com
_S3_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:[.-](?P<region>[a-z]{2}(?:-[a-z]+)+-[0-9]))?\.amazonaws\.com"
)
# A password may hold a slash, so in http(s) everything up to the last @ may be one.
_SECRETS = re.compile(
    r"(?<=http://)[^?]*@|(?<=https://)[^?]*@|(?<=://)[^/?#]*@|(?<=\?).*", re.S | re.I
)


def parse_location(
    url_or_path: str | os.PathLike[str],
    *,
    glob: bool = False,
    instances: Sequence[DandiInstance] = KNOWN_INSTANCES,
) -> Location:
    """Parse a URL, an identifier or a path.

    Args:
        url_or_path: what the user typed. Blanks count, as they do in file names.
        glob: read the path of a dandiset as a glob over its assets (`AssetGlobURL`),
            as dandi-cli's ``--path-type glob`` does. Only for DANDI locations.
        instances: the DANDI archives that have names.

    Returns:
        One of the dataclasses in `ncore.select.locations`. Nothing is looked up, so
        an asset that is named may not exist, and the API of a server that is not among
        `instances` may be unknown (`ncore.select.resolve.resolve_instance`).

    Raises:
        LocationError: (a ValueError) quoting the location and saying what is accepted.
            Credentials and query strings are left out of the message.
    """
    url_or_path = os.fspath(url_or_path)
    try:
        location = _parse(url_or_path, glob, instances)
        if glob and isinstance(location, HttpURL | ObjectURL | LocalPath):
            raise LocationError("a glob is understood for DANDI locations only")
    except LocationError as error:
        shown = without_secrets(url_or_path)
        raise LocationError(f"Cannot use location {shown!r}: {error}. {ACCEPTED}.") from None
    return location


def without_secrets(location: str) -> str:
    """The text of a location, fit for a message: no credentials and no query string."""
    return _SECRETS.sub("...", location) if "://" in location else location


def _parse(text: str, glob: bool, instances: Sequence[DandiInstance]) -> Location:
    match = _SCHEME.fullmatch(text)
    if match is None:
        return _parse_without_scheme(text, instances)
    scheme, rest = match[1].lower(), match[2]
    refuse_control_characters(rest)
    if scheme == "dandi":
        return dandi_urls.parse_dandi_scheme(rest, glob=glob, instances=instances)
    if scheme in _OBJECT_SCHEMES:
        bucket, _, key = rest.partition("/")
        if scheme in ("abfs", "abfss") and "@" not in bucket:
            scheme = "az"  # the short form: the account comes from elsewhere
        return _object_url(_OBJECT_SCHEMES[scheme], bucket, key)
    if scheme == "file":
        return _file_url(rest)
    if scheme in ("http", "https"):
        return _parse_http(scheme, rest, glob, instances)
    raise LocationError(f"the scheme {scheme!r} is not known")


def _parse_without_scheme(text: str, instances: Sequence[DandiInstance]) -> Location:
    if not text:
        raise LocationError("it is empty")
    if "\0" in text:
        raise LocationError("it holds the character '\\x00'")
    if _SCHEME.match(text.lstrip()):
        raise LocationError("it begins with a blank")
    if _CHAIN.match(text):
        raise LocationError("chains of URLs are not understood")
    identifier = dandi_urls.parse_identifier(text, instances)
    return _local_path(text) if identifier is None else identifier


def _local_path(path: str) -> LocalPath:
    """A path as the operating system reads it, up to the zarr; inside, as zarr does."""
    names = path.split("/")
    end = boundary(names)
    if end is None:
        return LocalPath(path)
    return LocalPath("/".join(names[:end]), "/".join(plain_components("/".join(names[end:]))))


def _file_url(rest: str) -> LocalPath:
    host, slash, path = rest.partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise LocationError("a file URL is file:///PATH, with an absolute path on this machine")
    if "?" in path or "#" in path:
        raise LocationError("a file URL has no query or fragment; write ? as %3F and # as %23")
    return _local_path("/" + percent_decoded(path))


def _object_url(scheme: str, bucket: str, key: str, region: str | None = None) -> ObjectURL:
    """Keys are literal: a ``%``, ``?`` or ``#`` is part of the key."""
    name = bucket
    if scheme.startswith("abfs") and (account := _ABFS_ACCOUNT.search(bucket)):
        name = bucket[: account.start()] if account.end() == len(bucket) else ""
    if not _BUCKET.fullmatch(name):
        raise LocationError("the part before the first / is not the name of a bucket")
    is_folder = key.endswith("/")
    names = key.removesuffix("/").split("/") if key.removesuffix("/") else []
    end = boundary_in_store(names)
    inside = plain_components("/".join(names[end:])) if end is not None else []
    names = names[:end]
    for name in names:
        if name in ("", ".", ".."):
            raise LocationError(
                f"its key has the component {name!r}, which tools for object stores rewrite; "
                "such a key cannot be named here"
            )
    is_folder = is_folder and end is None and bool(names)
    return ObjectURL(scheme, bucket, "/".join(names), is_folder, region, "/".join(inside))


def _parse_http(scheme: str, rest: str, glob: bool, instances: Sequence[DandiInstance]) -> Location:
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:  # its text would repeat credentials
        raise LocationError("it is not a URL; look at the host and port") from None
    if not host:
        raise LocationError("it has no host")
    if "@" in parts.netloc:
        raise LocationError(
            "it holds credentials, which would end up in logs; give them by another way"
        )
    address = host if port in (None, 80 if scheme == "http" else 443) else f"{host}:{port}"
    instance = instance_by_host(address, instances)
    if instance is not None:
        return dandi_urls.parse_server_url(instance, parts, glob=glob)
    if dandi := _parse_dandi_service(host, parts, instances):
        return dandi
    s3_host = _S3_HOST.fullmatch(host)
    if s3_host is not None and not parts.query:
        _refuse_fragment(parts)
        key = percent_decoded(parts.path.removeprefix("/"))
        bucket = s3_host["bucket"]
        if bucket is None:
            bucket, _, key = key.partition("/")
        return _object_url("s3", bucket, key, s3_host["region"])
    if dandi_urls.is_specific(parts):
        root = f"{scheme}://{address}"
        api = f"{root}/api" if parts.path.startswith("/api/") else None
        server = DandiInstance(address, None if api else root, api)
        return dandi_urls.parse_server_url(server, parts, glob=glob)
    return _http_zarr(parts, f"{scheme}://{parts.netloc.lower()}")


def _parse_dandi_service(
    host: str, parts: SplitResult, instances: Sequence[DandiInstance]
) -> Location | None:
    """Services around the archive, whose URLs carry neither query nor fragment."""
    if host in WEBDAV_HOSTS:
        parse = dandi_urls.parse_webdav
    elif host == "identifiers.org":
        parse = dandi_urls.parse_identifiers_org
    elif host in ("doi.org", "dx.doi.org"):
        parse = dandi_urls.parse_doi
    else:
        return None
    if parts.query:
        raise LocationError("it has a query string; write a ? in a path as %3F")
    _refuse_fragment(parts)
    return parse(parts.path, instances)


def _http_zarr(parts: SplitResult, server: str) -> HttpURL:
    raw = parts.path.split("/")[1:]
    names = [percent_decoded(name) for name in raw]
    end = boundary_in_store(names)
    if end is None:
        raise LocationError(
            f"the host {parts.hostname!r} is not a known DANDI archive, and no component of the "
            "path names a zarr"
        )
    _refuse_fragment(parts)
    for name in names[:end]:
        if name in (".", ".."):
            raise LocationError(f"it has a {name!r} component; write the path without it")
    inside = "/".join(plain_components("/".join(names[end:])))
    return HttpURL("/".join([server, *raw[:end]]), parts.query, inside)


def _refuse_fragment(parts: SplitResult) -> None:
    if parts.fragment:
        raise LocationError("it has a fragment; write a # in a path as %23")
