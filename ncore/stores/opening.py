"""A zarr wherever it lies -> the store that reads it."""

import os
import re
from pathlib import Path
from typing import Any, Literal

from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, ObjectStore, ZipStore

from ncore.itar.errors import ItarOptionError
from ncore.itar.location import is_remote, local_path
from ncore.itar.object_options import cloud_of, scheme_of
from ncore.itar.object_url import OBJECT_SCHEMES, open_prefix, redact
from ncore.stores.errors import StoreExistsError, StoreLocationError, StoreNotFoundError
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.location import plain_location

OpenMode = Literal["r", "r+", "a", "w", "x"]
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}
_ZIP_MODES: dict[str, Literal["r", "w", "a"]] = {
    "r": "r",
    "r+": "a",
    "a": "a",
    "w": "w",
    "x": "w",
}


def open_store(url: str | os.PathLike[str], mode: OpenMode = "r", **storage_options: Any) -> Store:
    """Open the store of a zarr hierarchy by what its name says.

    ``….itar`` is an :class:`IndexedTarStore`, ``….zip`` and ``….ozx`` a
    :class:`zarr.storage.ZipStore`, any other local path a directory
    (:class:`zarr.storage.LocalStore`). Elsewhere it is a prefix in an object store or
    on an HTTP server through obstore (:class:`zarr.storage.ObjectStore`), or a
    directory of any file system that fsspec knows.

    Args:
        url: a path, ``file://``, ``s3://``, ``gs://``, ``az://``, ``http(s)://``, any other
            URL of fsspec, or a ``UPath``.
        mode: ``r`` reads what exists; ``r+`` changes what exists; ``a`` changes it or begins
            it; ``w`` begins anew; ``x`` begins where nothing is.
        **storage_options: of a URL, under their usual names; of an ``.itar`` also the
            arguments of :class:`IndexedTarStore`. They appear in no message.

    Raises:
        StoreExistsError: mode ``x``, and something is there.
        StoreNotFoundError: modes ``r`` and ``r+``, and nothing is there.
        StoreLocationError: the mode or location cannot be used; the message says why.
        ItarError: of an ``.itar``, as :class:`IndexedTarStore` says.
    """
    if mode not in _ZIP_MODES:
        raise StoreLocationError(f"mode {mode!r} is none of {', '.join(_ZIP_MODES)}")
    location, options = plain_location(url, storage_options)
    remote = is_remote(location)
    # A query (a signed URL's) does not belong to the name.
    path = (redact(location) if remote else local_path(location)).rstrip("/")
    suffix = Path(path).suffix.lower()
    if suffix == ".itar" and (remote or not Path(path).is_dir()):
        return IndexedTarStore(location, mode, **options)
    if remote:
        return _open_remote(location, path, suffix, mode, options)
    if options:
        raise StoreLocationError(f"{path}: a local zarr takes no option {sorted(options)[0]!r}")
    return _open_local(Path(path), suffix, mode)


def _open_local(path: Path, suffix: str, mode: OpenMode) -> Store:
    exists = path.exists()
    if mode in ("r", "r+") and not exists:
        raise StoreNotFoundError(f"{path}: no such file or directory")
    if mode == "x" and exists and not (path.is_dir() and not any(path.iterdir())):
        raise StoreExistsError(f"{path}: already exists")
    if suffix in (".zip", ".ozx") and not path.is_dir():
        return ZipStore(path, mode=_ZIP_MODES[mode])
    if exists and not path.is_dir():
        raise StoreLocationError(
            f"{path}: neither a directory nor an archive; "
            "the names of archives end in .itar, .zip or .ozx"
        )
    return LocalStore(path, read_only=mode == "r")


def _open_remote(
    url: str, name: str, suffix: str, mode: OpenMode, options: dict[str, Any]
) -> Store:
    if suffix in (".zip", ".ozx"):
        if mode != "r":
            raise StoreLocationError(f"{name}: a zip can only be written locally")
        # fsspec's zip file system reads the central directory and ranges of the URL below it.
        scheme = scheme_of(url)
        below = {scheme: options} if options else {}
        return _fsspec(f"zip::{url}", name, {**below}, read_only=True)
    if scheme_of(url) not in OBJECT_SCHEMES or "::" in url:
        return _fsspec(url, name, options, read_only=mode == "r")
    if mode != "r" and scheme_of(url) in ("http", "https"):
        raise StoreLocationError(f"{name}: http is for reading")
    try:
        store = open_prefix(url, options)
    except ItarOptionError as error:
        raise StoreLocationError(str(error)) from None
    return ObjectStore(store, read_only=mode == "r")


def _fsspec(url: str, name: str, options: dict[str, Any], *, read_only: bool) -> Store:
    try:
        return FsspecStore.from_url(url, storage_options=options, read_only=read_only)
    except FileNotFoundError:
        raise StoreNotFoundError(f"{name}: not found") from None
    except ImportError:
        over_http = re.search(r"(?:^|::)https?://", url)
        package = _PACKAGES.get(cloud_of(url.rpartition("::")[2]))
        hint = f"pip install {package}" if package else "its documentation names it"
        if over_http:
            hint = "pip install 'ncore[http]'"
        raise StoreLocationError(
            f"{name}: cannot be opened: fsspec needs a package for it that is missing; {hint}"
        ) from None
    except (ValueError, TypeError) as error:
        raise StoreLocationError(f"{name}: cannot be opened: {type(error).__name__}") from None
