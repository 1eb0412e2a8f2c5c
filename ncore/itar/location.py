"""Where an archive lies -> how its bytes are read, and how a finished one gets there."""

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urlsplit

from ncore.itar.errors import ItarExistsError, ItarIOError, ItarOptionError
from ncore.itar.object_options import reason_of, scheme_of
from ncore.itar.object_url import OBJECT_SCHEMES, open_object, redact
from ncore.itar.remote import TUNING_OPTIONS, RemoteTuning
from ncore.itar.source import ByteSource, FileSource

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PART = 16 << 20
"""Size of one part of a multipart upload; 10,000 parts make 160 GB, and parts grow beyond."""
_MOST_PARTS = 10_000


def is_remote(location: str | os.PathLike[str]) -> bool:
    """Whether a location is a URL of something else than a local file."""
    return scheme_of(os.fspath(location)) not in ("", "file") or "::" in os.fspath(location)


def local_path(location: str | os.PathLike[str]) -> str:
    """Return the path of a local file given as path or ``file://`` URL."""
    text = os.fspath(location)
    if scheme_of(text) != "file":
        return text
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise ItarOptionError(f"{text}: a file URL names a file of this machine: file:///path")
    return unquote(parts.path)


def open_source(location: str | os.PathLike[str], **options: Any) -> ByteSource:
    """Return the source of an archive's bytes.

    Args:
        location: a path, ``file://``, ``s3://``, ``gs://``, ``az://``, ``http(s)://``, or
            any URL that fsspec knows.
        **options: the fields of :class:`~ncore.itar.remote.RemoteTuning`; all others go to
            the client under their usual names. None of them appears in a message.

    Raises:
        ItarNotFoundError: a local file does not exist (remote ones are asked at the first read).
        ItarOptionError: the location or an option cannot be used.
    """
    if not is_remote(location):
        if options:
            raise ItarOptionError(
                f"{os.fspath(location)}: a local file takes no option {sorted(options)[0]!r}"
            )
        return FileSource(local_path(location))
    url = os.fspath(location)
    tuning = RemoteTuning(**{n: options.pop(n) for n in TUNING_OPTIONS & options.keys()})
    scheme = scheme_of(url)
    if scheme in ("http", "https") and urlsplit(url).query:
        from ncore.itar.http_source import HttpSource

        headers = (options.get("client_options") or {}).get("default_headers")
        return HttpSource(url, headers, tuning)
    if scheme in OBJECT_SCHEMES and "::" not in url:
        from ncore.itar.object_source import ObjectSource

        return ObjectSource(url, options, tuning)
    from ncore.itar.fsspec_source import FsspecSource

    return FsspecSource(url, options, tuning)


def check_writable(url: str) -> None:
    """Raise ItarOptionError if nothing can be written at a URL of such a scheme."""
    if scheme_of(url) in ("http", "https"):
        raise ItarOptionError(
            f"{redact(url)}: http is for reading; write a local file or to an object store"
        )


def upload(
    path: str | os.PathLike[str],
    url: str,
    options: Mapping[str, Any] | None = None,
    overwrite: bool = True,
) -> None:
    """Send a finished file to its URL; it appears there complete or not at all.

    Object stores get a multipart upload, which they publish when it is complete. On
    other file systems the file is sent under another name and renamed.

    Args:
        path: the local file.
        url: where it goes.
        options: as for :func:`open_source`.
        overwrite: whether an object already there may be replaced.

    Raises:
        ItarExistsError: something is there and ``overwrite`` is false.
        ItarOptionError: the URL cannot be written to.
        ItarIOError: the upload failed; nothing changed at the URL.
    """
    check_writable(url)
    settings = {n: v for n, v in (options or {}).items() if n not in TUNING_OPTIONS}
    scheme = scheme_of(url)
    if scheme in OBJECT_SCHEMES:
        _upload_object(path, url, settings, overwrite)
    else:
        _upload_fsspec(path, url, settings, overwrite)


def _upload_object(
    path: str | os.PathLike[str], url: str, settings: Mapping[str, Any], overwrite: bool
) -> None:
    import obstore
    from obstore.exceptions import AlreadyExistsError, BaseError

    store, key = open_object(url, settings)
    try:
        if not overwrite:
            try:
                obstore.head(store, key)
            except FileNotFoundError:
                pass
            else:
                raise ItarExistsError(f"{redact(url)}: exists already")
        size = os.path.getsize(path)  # noqa: PTH202
        part = max(_PART, -(-size // _MOST_PARTS))
        with open(path, "rb") as file:
            if overwrite or size > _PART or not _create(store, key, file):
                obstore.put(store, key, file, chunk_size=part)
    except ItarExistsError:
        raise
    except AlreadyExistsError:
        raise ItarExistsError(f"{redact(url)}: exists already") from None
    except (BaseError, OSError) as error:
        raise ItarIOError(
            f"{redact(url)}: the upload failed ({type(error).__name__}: {reason_of(error, url)}); "
            "nothing was changed there. Check the credentials and the network"
        ) from None


def _create(store: "ObjectStore", key: str, file: BinaryIO) -> bool:
    """Put an object where none is, as one step; False: the server knows no such condition.

    Objects that are put in parts have no such step.
    """
    import obstore
    from obstore.exceptions import AlreadyExistsError, BaseError

    try:
        obstore.put(store, key, file, mode="create", use_multipart=False)
    except AlreadyExistsError:
        raise
    except (BaseError, OSError, NotImplementedError) as error:
        if re.search(r"\b501\b|NotImplemented|not.implemented", str(error)) is None:
            raise
        file.seek(0)
        return False
    return True


def _upload_fsspec(
    path: str | os.PathLike[str], url: str, settings: Mapping[str, Any], overwrite: bool
) -> None:
    import fsspec

    try:
        fs, target = fsspec.core.url_to_fs(url, **settings)
    except (ValueError, ImportError, TypeError) as error:
        raise ItarOptionError(f"{redact(url)}: {error}") from None
    except Exception as error:  # some connect already
        raise ItarIOError(f"{redact(url)}: cannot be reached ({type(error).__name__})") from None
    if not overwrite and fs.exists(target):
        raise ItarExistsError(f"{redact(url)}: exists already")
    beside = f"{target}.partial-{os.getpid()}"
    try:
        fs.put_file(os.fspath(path), beside)
        fs.mv(beside, target)
    except Exception as error:
        try:
            fs.rm_file(beside)
        except Exception as left:
            raise ItarIOError(
                f"{redact(url)}: the upload failed ({type(error).__name__}) and left a partial "
                f"file that could not be removed ({type(left).__name__})"
            ) from None
        raise ItarIOError(f"{redact(url)}: the upload failed ({type(error).__name__})") from None
