"""Object URL + options -> an obstore store and the object's key in it.

Options go by obstore's names (``access_key_id``, ``endpoint``, ``region``,
``skip_signature``, ``client_options``, ``retry_config``, …) or, where people
know them by these, by fsspec's (``key``, ``secret``, ``token``,
``endpoint_url``, ``anon``). What is not given comes from the environment, as
the cloud's own tools take it (see :mod:`ncore.itar.object_options`).
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from ncore.itar.errors import ItarOptionError
from ncore.itar.object_options import (
    AZURE,
    AZURE_KEY_NAMES,
    GCS,
    HTTP,
    S3,
    cloud_of,
    first_of,
    normalise_options,
    option_reason,
    scheme_of,
)
from ncore.itar.obstore_exit import settle_before_exit

if TYPE_CHECKING:
    from obstore.store import ObjectStore

OBJECT_SCHEMES = frozenset(S3 | GCS | AZURE | HTTP)
"""URL schemes that obstore serves."""


def redact(url: str) -> str:
    """Return the URL as messages may show it: without user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme.lower() in AZURE and ":" not in parts.netloc:
        host = parts.netloc  # container@account
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
    if scheme in HTTP:
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
    return _store(url, root, options or {}), key


def open_prefix(
    url: str, options: Mapping[str, Any] | None = None, *, whole_bucket: bool = False
) -> "ObjectStore":
    """Return the store of all objects below a URL, their keys relative to it.

    Args:
        url: ``s3://bucket/prefix`` and the like.
        options: of the client.
        whole_bucket: take a URL without a prefix, too.

    Raises:
        ItarOptionError: the URL or an option cannot be used.
    """
    if whole_bucket and scheme_of(url) not in HTTP and url.rstrip("/").count("/") == 2:
        root = url.rstrip("/")
        return _store(url, root, options or {})
    root, prefix = split_object_url(url.rstrip("/"))
    # obstore decodes the path of a URL, keys are taken as they stand.
    return _store(url, f"{root}/{quote(prefix)}", options or {})


def is_anonymous(url: str, options: Mapping[str, Any]) -> bool:
    """Return whether :func:`plain_url` is all that a reader of an object needs."""
    settings = normalise_options(url, options)
    prefix = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}.get(cloud_of(url), "")
    unsigned = settings.get("skip_signature", os.environ.get(f"{prefix}_SKIP_SIGNATURE"))
    return (
        str(unsigned).lower() in ("true", "1")
        or '"disable_oauth": true' in str(settings.get("service_account_key"))
        or bool(_sas(url, settings))
    )


def plain_url(url: str, options: Mapping[str, Any]) -> str | None:
    """Return where any HTTP client reads an object that needs no signature.

    A SAS token of Azure is part of it, so it may be secret. None: the account is unknown.
    """
    root, key = split_object_url(url)
    settings = normalise_options(root, options)
    cloud = cloud_of(url)
    bucket, _, account = root.partition("://")[2].partition("@")
    endpoint = settings.get("endpoint")
    if cloud == "s3":
        region = settings.get("region") or os.environ.get("AWS_REGION") or "us-east-1"
        endpoint = endpoint or f"https://s3.{region}.amazonaws.com"
    elif cloud == "gs":
        endpoint = settings.get("base_url") or os.environ.get("GOOGLE_BASE_URL")
        endpoint = endpoint or "https://storage.googleapis.com"
    elif cloud == "az":
        endpoint = endpoint or first_of("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
        account = account.partition(".")[0]
        named = account or settings.get("account_name") or first_of("AZURE_STORAGE_ACCOUNT_NAME")
        if endpoint is None and named:
            endpoint = f"https://{named}.blob.core.windows.net"
    if endpoint is None:
        return None
    sas = _sas(url, settings)
    return f"{str(endpoint).rstrip('/')}/{bucket}/{quote(key)}{f'?{sas}' if sas else ''}"


def _sas(url: str, settings: Mapping[str, Any]) -> str:
    """Return the SAS token that is in use, if it is one and no account key comes before it."""
    if cloud_of(url) != "az" or settings.get("account_key") or first_of(*AZURE_KEY_NAMES):
        return ""
    given = settings.get("sas_key") or first_of("AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN")
    return str(given or "").lstrip("?")


def _store(url: str, place: str, options: Mapping[str, Any]) -> "ObjectStore":
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    try:
        settings = normalise_options(place, options)
    except ItarOptionError as error:
        raise ItarOptionError(f"{redact(url)}: {error}") from None
    if scheme_of(place) == "gcs":  # which obstore does not know
        place = f"gs{place[3:]}"
    settle_before_exit()
    try:
        return from_url(place, **settings)
    except BaseException as error:
        # Some names that it does not know make its Rust code panic, which is no Exception.
        panicked = type(error).__name__ == "PanicException"
        if not panicked and not isinstance(error, (BaseError, TypeError, ValueError)):
            raise
        raise ItarOptionError(
            f"{redact(url)}: cannot use these options: {option_reason(error)}"
        ) from None
