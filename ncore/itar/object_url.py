"""Object URL + options -> an obstore store and the object's key in it.

Options go by obstore's names (``access_key_id``, ``endpoint``, ``region``,
``skip_signature``, ``client_options``, ``retry_config``, …) or, where people
know them by these, by fsspec's (``key``, ``secret``, ``token``,
``endpoint_url``, ``anon``). What is not given comes from the environment, as
the cloud's own tools take it (``AWS_ACCESS_KEY_ID`` and so on).
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from ncore.itar.errors import ItarOptionError
from ncore.itar.obstore_exit import settle_before_exit

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_S3 = {"s3", "s3a"}
_GCS = {"gs", "gcs"}
_AZURE = {"az", "azure", "abfs", "abfss", "adl"}
_HTTP = {"http", "https"}
OBJECT_SCHEMES = frozenset(_S3 | _GCS | _AZURE | _HTTP)
"""URL schemes that obstore serves."""

_FSSPEC_NAMES = {
    "key": "access_key_id",
    "secret": "secret_access_key",
    "token": "session_token",
    "endpoint_url": "endpoint",
    "anon": "skip_signature",
    "account": "account_name",
}
# What obstore wants inside of client_options, and a command line cannot nest.
_CLIENT_NAMES = {
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "proxy_url",
    "timeout",
    "user_agent",
}


def scheme_of(url: str) -> str:
    """Return the scheme of a URL in lower case, "" for a plain path."""
    head, colon, _ = url.partition("://")
    return head.lower() if colon else ""


def redact(url: str) -> str:
    """Return the URL as messages may show it: without user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def split_object_url(url: str) -> tuple[str, str]:
    """Split a URL into what holds the object (bucket or host) and the object's key.

    ``s3://bucket/a/b`` -> (``s3://bucket``, ``a/b``). Keys are taken as they stand in
    the URL of an object store; in an ``http(s)`` URL they are percent-decoded, as the
    client encodes them again.

    Raises:
        ItarOptionError: the URL names no object.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme in _HTTP:
        root, key = f"{scheme}://{parts.netloc}", unquote(parts.path).lstrip("/")
    else:
        # "?" and "#" are ordinary characters in a key of an object store.
        _, _, rest = url.partition("://")
        host, _, key = rest.partition("/")
        root = f"{scheme}://{host}"
    if not key or root.endswith("://"):
        shown = redact(url) if parts.netloc else f"{scheme}://{key}"
        raise ItarOptionError(f"{shown}: names no object; give scheme://bucket/key")
    return root, key


def open_object(url: str, options: Mapping[str, Any] | None = None) -> tuple["ObjectStore", str]:
    """Return the store that holds an object, and the object's key.

    Raises:
        ItarOptionError: the URL or an option cannot be used.
    """
    root, key = split_object_url(url)
    return _store(url, root, normalise_options(root, options or {})), key


def open_prefix(url: str, options: Mapping[str, Any] | None = None) -> "ObjectStore":
    """Return the store of all objects below a URL, their keys relative to it.

    Raises:
        ItarOptionError: the URL or an option cannot be used.
    """
    root, prefix = split_object_url(url.rstrip("/"))
    # obstore decodes the path of a URL, keys are taken as they stand.
    return _store(url, f"{root}/{quote(prefix)}", normalise_options(root, options or {}))


def _store(url: str, place: str, settings: Mapping[str, Any]) -> "ObjectStore":
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    settle_before_exit()
    try:
        return from_url(place, **settings)
    except BaseException as error:
        # Some names that it does not know make its Rust code panic, which is no Exception.
        panicked = type(error).__name__ == "PanicException"
        if not panicked and not isinstance(error, (BaseError, TypeError, ValueError)):
            raise
        # The first line only: the rest is the library's own debug output.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ItarOptionError(f"{redact(url)}: cannot use these options: {reason}") from None


def normalise_options(root: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by obstore's names.

    ``anon=False`` and ``None`` values mean "not given". A plain-http endpoint allows
    plain http, since it was asked for by name.
    """
    scheme = scheme_of(root)
    settings: dict[str, Any] = {}
    for name, value in options.items():
        if value is None or (name == "anon" and not value):
            continue
        settings[_FSSPEC_NAMES.get(name, name) if scheme not in _HTTP else name] = value
    client_options = dict(settings.pop("client_options", None) or {})
    for name in _CLIENT_NAMES & settings.keys():
        client_options[name] = settings.pop(name)
    endpoint = settings.get("endpoint") or (
        os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if scheme in _S3
        else root
    )
    if endpoint and scheme in _S3:
        settings["endpoint"] = endpoint
    if endpoint and str(endpoint).startswith("http://"):
        client_options.setdefault("allow_http", True)
    if client_options:
        settings["client_options"] = client_options
    return settings
