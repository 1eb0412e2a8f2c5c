"""Options of object stores, by the names that people know -> by obstore's.

What is not given comes from the environment. obstore reads most of it; what other
tools of the clouds read and it does not is filled in here.
"""

import json
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ncore.itar.errors import ItarOptionError

S3 = {"s3", "s3a"}
GCS = {"gs", "gcs"}
AZURE = {"az", "azure", "abfs", "abfss", "adl"}
HTTP = {"http", "https"}

# By fsspec's names: s3fs, gcsfs, adlfs.
_S3_NAMES = {
    "key": "access_key_id",
    "secret": "secret_access_key",
    "token": "session_token",
    "endpoint_url": "endpoint",
    "anon": "skip_signature",
}
_GCS_NAMES = {
    "endpoint": "base_url",
    "endpoint_url": "base_url",
    "google_base_url": "base_url",
    "anon": "skip_signature",
}
_AZURE_NAMES = {
    "account": "account_name",
    "key": "account_key",
    "sas_token": "sas_key",
    "endpoint_url": "endpoint",
    "azure_endpoint": "endpoint",
    "anon": "skip_signature",
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
_GCS_CREDENTIALS = {
    "application_credentials",
    "bearer_token",
    "credential_provider",
    "service_account",
    "service_account_key",
    "service_account_path",
    "skip_signature",
}
_AZURE_CREDENTIALS = {
    "account_key",
    "client_secret",
    "credential_provider",
    "sas_key",
    "skip_signature",
    "use_azure_cli",
    "use_emulator",
}
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
AZURE_KEY_NAMES = (
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
)
"""Environment variables that obstore reads an account key from."""
_HINTS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
}


def scheme_of(url: str) -> str:
    """Return the scheme of a URL in lower case, "" for a plain path."""
    head, colon, _ = url.partition("://")
    return head.lower() if colon else ""


def cloud_of(url: str) -> str:
    """Return ``"s3"``, ``"gs"``, ``"az"`` or, for everything else, ``""``."""
    scheme = scheme_of(url)
    for cloud, schemes in (("s3", S3), ("gs", GCS), ("az", AZURE)):
        if scheme in schemes:
            return cloud
    return ""


def credentials_hint(url: str) -> str:
    """Return what to look at when the store at a URL refuses."""
    cloud = cloud_of(url)
    if cloud == "s3":
        return "check the credentials and the region"
    if cloud == "az":
        return "check the account and its key or SAS token, and whether that has expired"
    return "check the credentials"


def no_credentials(error: BaseException, url: str) -> str:
    """Return what to do if an obstore error says that no credentials were found, else ``""``.

    Without any, the client asks the cloud's metadata service, which only its own
    machines have.
    """
    text = str(error)
    asked = "//169.254.169.254" in text or "//metadata.google.internal" in text
    if not asked or cloud_of(url) == "":
        return ""
    return (
        f"no credentials were found; set {_HINTS[cloud_of(url)]}, or skip_signature=true "
        "for public data"
    )


def reason_of(error: BaseException, url: str) -> str:
    """Return what an obstore error says: no URL, which may be signed, and no debug output."""
    text = str(error)
    if missing := no_credentials(error, url):
        return missing
    named = _CODE.search(text)
    code = named[1] if named else ""
    if code in ("NoSuchBucket", "ContainerNotFound"):
        return "no such container" if cloud_of(url) == "az" else "no such bucket"
    if re.search(r"\b40[13] [A-Z][a-z]", text):
        return f"the store refuses it{f' ({code})' if code else ''}; {credentials_hint(url)}"
    line = text.splitlines()[0] if text else ""
    words = re.split(r"https?:|REDACTED", line)[0].rstrip(" :(") or type(error).__name__
    return f"{words}: {code}" if code else words


def option_reason(error: BaseException) -> str:
    """Return why obstore takes no such options: the first line, the rest is its debug output."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "Account must be specified" in reason:
        reason += "; set AZURE_STORAGE_ACCOUNT_NAME or the option account_name"
    return reason


def normalise_options(root: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by obstore's names.

    ``anon=False`` and ``None`` values mean "not given". A plain-http endpoint allows
    plain http, since it was asked for by name.

    Raises:
        ItarOptionError: a connection string or an endpoint is none.
    """
    cloud = cloud_of(root)
    names = {"s3": _S3_NAMES, "gs": _GCS_NAMES, "az": _AZURE_NAMES}.get(cloud, {})
    settings: dict[str, Any] = {}
    for name, value in options.items():
        if value is None or (name == "anon" and not value):
            continue
        settings[names.get(name, name)] = value
    client_options = dict(settings.pop("client_options", None) or {})
    for name in _CLIENT_NAMES & settings.keys():
        client_options[name] = settings.pop(name)
    endpoint: Any = root
    if cloud == "s3":
        endpoint = settings.get("endpoint") or first_of("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        if endpoint:
            settings["endpoint"] = endpoint
    elif cloud == "gs":
        endpoint = _complete_gcs(settings)
    elif cloud == "az":
        endpoint = _complete_azure(root, settings)
    if endpoint and endpoint is not root:
        _check_endpoint(str(endpoint))
    if endpoint and str(endpoint).startswith("http://"):
        client_options.setdefault("allow_http", True)
    if client_options:
        settings["client_options"] = client_options
    return settings


def _check_endpoint(endpoint: str) -> None:
    """Raise ItarOptionError for what the client would panic over or misread."""
    try:
        parts = urlsplit(endpoint)
        is_url = parts.scheme in HTTP and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not re.fullmatch(r"[!-~]+", endpoint):
        # What was given may be a secret in the wrong place, so it is not shown.
        raise ItarOptionError(
            "the endpoint of the object store is no URL; give http://HOST:PORT or https://HOST"
        )


def first_of(*names: str) -> str | None:
    """Return the first of these environment variables that is set to anything."""
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _complete_gcs(settings: dict[str, Any]) -> Any:
    """Fill in what Google's tools take from the environment; return the endpoint."""
    if settings.get("token") == "anon":
        del settings["token"]
        settings["skip_signature"] = True
    endpoint = settings.get("base_url") or first_of("GOOGLE_BASE_URL")
    emulator = first_of("STORAGE_EMULATOR_HOST")
    if endpoint or not emulator:
        return endpoint
    endpoint = emulator if "://" in emulator else f"http://{emulator}"
    endpoint = settings["base_url"] = endpoint.rstrip("/")
    if not _GCS_CREDENTIALS & settings.keys():
        # Emulators ask for no credentials, and skip_signature alone signs what is written.
        settings["service_account_key"] = json.dumps(
            {
                "gcs_base_url": endpoint,
                "disable_oauth": True,
                "client_email": "",
                "private_key": "",
                "private_key_id": "",
            }
        )
    return endpoint


def _complete_azure(root: str, settings: dict[str, Any]) -> Any:
    """Fill in what Azure's tools take from the environment; return the endpoint."""
    given = settings.pop("connection_string", None)
    if given is not None:
        for name, value in _connection(str(given)).items():
            settings.setdefault(name, value)
    elif not settings.keys() & {"account_name", "endpoint", *_AZURE_CREDENTIALS}:
        found = _azure_environment()
        # An account that the URL names itself must be the one that the environment speaks of.
        host = urlsplit(root).netloc.rpartition("@")
        if not host[1] or host[2].partition(".")[0] == found.get("account_name"):
            settings.update(found)
    return settings.get("endpoint") or first_of("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")


def _azure_environment() -> dict[str, Any]:
    """Return what ``az`` and adlfs read and obstore does not."""
    connection = first_of("AZURE_STORAGE_CONNECTION_STRING")
    if connection is not None:
        return _connection(connection)
    found = {}
    if not first_of("AZURE_STORAGE_ACCOUNT_NAME") and (
        account := first_of("AZURE_STORAGE_ACCOUNT")
    ):
        found["account_name"] = account
    if not first_of(*AZURE_KEY_NAMES) and (key := first_of("AZURE_STORAGE_KEY")):
        found["account_key"] = key
    return found


def _connection(text: str) -> dict[str, Any]:
    """Take apart ``AccountName=...;AccountKey=...;BlobEndpoint=...``.

    Raises:
        ItarOptionError: it is none. The message holds nothing of it, since keys are in it.
    """
    parts = {}
    for part in text.strip().strip(";").split(";"):
        name, equals, value = part.strip().partition("=")
        if not equals:
            raise ItarOptionError(
                "the Azure connection string is none; copy it whole, as the portal shows it "
                "(AccountName=...;AccountKey=...)"
            )
        parts[name.lower()] = value
    if parts.get("usedevelopmentstorage", "").lower() == "true":
        return {"use_emulator": True}
    found: dict[str, Any] = {
        ours: parts[theirs]
        for theirs, ours in (
            ("accountname", "account_name"),
            ("accountkey", "account_key"),
            ("sharedaccesssignature", "sas_key"),
            ("blobendpoint", "endpoint"),
        )
        if parts.get(theirs)
    }
    if "endpoint" in found:
        found["endpoint"] = found["endpoint"].rstrip("/")
        # With a SAS token alone the account's name stands in the endpoint only.
        host, path = urlsplit(found["endpoint"]).netloc, urlsplit(found["endpoint"]).path
        found.setdefault("account_name", path.strip("/") or host.partition(".")[0])
    elif "account_name" in found and parts.get("endpointsuffix"):
        protocol = parts.get("defaultendpointsprotocol", "https")
        suffix = parts["endpointsuffix"]
        found["endpoint"] = f"{protocol}://{found['account_name']}.blob.{suffix}"
    return found
