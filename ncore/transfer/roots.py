"""From a location to the roots that it stands for, and to the target that it is.

A download or upload names places; each place stands for one or several roots
(a folder of a dandiset holds many assets), each with a backend and its own
selection: a path inside a zarr bounds the filters for that place alone.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import glob
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ncore.select.location_parser import parse_location
from ncore.select.locations import (
    AssetItemURL,
    AssetZarrEntryURL,
    BaseAssetIDURL,
    DandisetURL,
    HttpURL,
    LocalPath,
    Location,
    ObjectURL,
    ZarrArchiveURL,
)
from ncore.select.selection import ZarrSelection
from ncore.select.zarr_boundary import is_zarr_name
from ncore.transfer.backend import Root, Source, Target
from ncore.transfer.errors import EntryNotFoundError, LocationError
from ncore.transfer.local import LocalBackend
from ncore.transfer.local_listing import VERSION_CONTROL_NAMES
from ncore.transfer.one_file import ARCHIVES, ZIPS

DANDI_LOCATIONS = (DandisetURL, BaseAssetIDURL, ZarrArchiveURL)
_UNWRITTEN = (*ZIPS, ".tar", ".tar.gz", ".tgz")
# DANDI's, which anybody may read, also without an account.
_PUBLIC_BUCKET, _PUBLIC_REGION = "dandiarchive", "us-east-2"
_PATTERN = re.compile(r"[*?[]")


@dataclass(frozen=True)
class OpenOptions:
    """How places are opened.

    Attributes:
        storage: Options of object stores, by obstore's or fsspec's names; they
            may hold secrets and are shown nowhere.
        glob: A DANDI path is a glob over assets.
        whole: Without a selection an archive is one file, copied as it is.
    """

    storage: Mapping[str, Any] = field(default_factory=dict, repr=False)
    glob: bool = False
    whole: bool = False


def name_of_directory(name: str) -> str:
    """Return the directory that an archive is unpacked into: its name without ``.itar``."""
    stem = name.removesuffix(".itar")
    return stem if is_zarr_name(stem) else f"{stem}.zarr"


def parse(text: str, options: OpenOptions) -> Location:
    """Parse a location (see :func:`ncore.select.location_parser.parse_location`)."""
    return parse_location(text, glob=options.glob)


def parse_sources(texts: Sequence[str], options: OpenOptions) -> list[tuple[str, Location]]:
    """Parse what a user named as sources; patterns stand for the local paths that match.

    A path that is there is meant itself, whatever characters it has.

    Returns:
        Pairs of the text, as it is shown, and the location.

    Raises:
        LocationError: One cannot be parsed.
    """
    found: list[tuple[str, Location]] = []
    for text in texts:
        location = parse(text, options)
        paths = [] if not isinstance(location, LocalPath) else _matching(location.path)
        inside = f"/{location.zarr_subpath}" if location.zarr_subpath else ""
        # A pattern that matches nothing is an error where its place is opened.
        named = [path + inside for path in paths] or [text]
        found += [(path, parse(path, options)) for path in named]
    return found


def _matching(path: str) -> list[str]:
    if not _PATTERN.search(path) or os.path.lexists(path):
        return []
    return sorted(glob(path))  # noqa: PTH207  also of absolute patterns


async def open_roots(
    location: Location, options: OpenOptions, *, is_selected: bool
) -> AsyncIterator[Root]:
    """Open what a source location stands for, one root after another.

    Args:
        location: The place.
        options: How to open it.
        is_selected: Filters or a path inside apply, so that an archive's
            entries are meant rather than the file.

    Yields:
        Roots; the caller closes each one's backend.

    Raises:
        EntryNotFoundError: Nothing is there.
        LocationError: The place cannot be a source.
    """
    if isinstance(location, DANDI_LOCATIONS):
        from ncore.transfer.dandi_open import open_dandi_sources

        async for root in open_dandi_sources(location):
            yield root
    elif isinstance(location, LocalPath):
        yield _local_root(location, options, is_selected)
    elif isinstance(location, ObjectURL):
        yield await _object_root(location, options, is_selected)
    elif isinstance(location, HttpURL):
        yield _http_root(location, options, is_selected)
    else:
        raise LocationError(f"{location}: cannot be a source")


def _local_root(location: LocalPath, options: OpenOptions, is_selected: bool) -> Root:
    path = Path(location.path)
    name = (path.name.strip(".") and path.name) or path.resolve().name or "root"
    if path.is_dir():
        backend: Source = LocalBackend(
            path, must_exist=True, follow_links=True, skip_names=VERSION_CONTROL_NAMES
        )
        return Root(backend, name, name)
    if not path.exists():
        why = "nothing matches" if _PATTERN.search(location.path) else "no such file or directory"
        raise EntryNotFoundError(f"{path}: {why}")
    if name.endswith(ARCHIVES) and (is_selected or not options.whole):
        return Root(_itar_source(os.fspath(path), {}, is_local=True), name, name, kind="archive")
    _refuse_zip(name, is_selected)
    backend = LocalBackend(path.parent, must_exist=True, follow_links=True, only=name)
    return Root(backend, name, name, is_zarr=False, kind="file")


async def _object_root(location: ObjectURL, options: OpenOptions, is_selected: bool) -> Root:
    from ncore.transfer.objects import ObjectBackend

    bucket, storage, etag_is_md5 = _bucket(location, options)
    name = location.key.rpartition("/")[2] or location.bucket
    if name.endswith(ARCHIVES) and (is_selected or not options.whole):
        url = f"{bucket}/{location.key}"
        return Root(_itar_source(url, storage, is_local=False), name, location.key, kind="archive")
    if is_zarr_name(name) and not name.endswith((*ZIPS, *ARCHIVES)):
        kind = "zarr"
    else:
        _refuse_zip(name, is_selected)
        kind = "folder"
        if location.key and not location.is_folder:
            above, _, only = location.key.rpartition("/")
            one = ObjectBackend(
                bucket, above, storage, must_exist=True, only=only, etag_is_md5=etag_is_md5
            )
            if await one.stat(only) is not None:
                return Root(one, name, location.key, is_zarr=False, kind="file")
    backend = ObjectBackend(bucket, location.key, storage, must_exist=True, etag_is_md5=etag_is_md5)
    return Root(backend, name, f"{location.bucket}/{location.key}".rstrip("/"), kind=kind)


def _bucket(location: ObjectURL, options: OpenOptions) -> tuple[str, dict[str, Any], bool | None]:
    storage = dict(options.storage)
    elsewhere = any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"))
    if location.bucket == _PUBLIC_BUCKET and not storage and not elsewhere:
        storage = {"skip_signature": True, "region": _PUBLIC_REGION}
    if location.region is not None:
        storage.setdefault("region", location.region)
    etag_is_md5 = storage.pop("etag_is_md5", None)
    if etag_is_md5 is not None:
        etag_is_md5 = bool(etag_is_md5)
    return f"{location.scheme}://{location.bucket}", storage, etag_is_md5


def _http_root(location: HttpURL, options: OpenOptions, is_selected: bool) -> Root:
    name = unquote(location.url.rstrip("/").rpartition("/")[2])
    if name.endswith(ARCHIVES) and (is_selected or not options.whole):
        source = _itar_source(location.request_url(), options.storage, is_local=False)
        return Root(source, name, name, kind="archive")
    from ncore.transfer.http import HttpFile, HttpZarr

    if is_zarr_name(name) and not name.endswith((*ZIPS, *ARCHIVES)):
        return Root(HttpZarr(location), name, name)
    _refuse_zip(name, is_selected)
    return Root(HttpFile(location), name, name, is_zarr=False, kind="file")


def _refuse_zip(name: str, is_selected: bool) -> None:
    if is_selected and name.endswith(ZIPS):
        raise LocationError(
            f"{name}: entries of a zip cannot be selected; copy it whole, or make an archive "
            "of it first (ncore itar pack)"
        )


def _itar_source(url: str, storage: Mapping[str, Any], *, is_local: bool) -> Source:
    from ncore.itar.object_url import redact
    from ncore.stores.indexed_tar import IndexedTarStore
    from ncore.transfer.itar_source import ItarSource

    options = dict(storage)
    return ItarSource(
        lambda: IndexedTarStore(url, mode="r", **options),
        url if is_local else redact(url),
        is_local=is_local,
    )


def refuse_archive_name(path: Path) -> None:
    """Refuse to make a directory of a name that only a file of another kind would have.

    Raises:
        LocationError: The name ends as a zip's or a plain tar's does.
    """
    if path.name.endswith(_UNWRITTEN) and not is_zarr_name(path.name) and not path.is_dir():
        raise LocationError(
            f"{path}: zips and plain tars are not written; name a directory, or an archive that "
            "ends in .zarr.itar"
        )


def local_target(path: Path) -> Target:
    """Return the target at a local path: an archive if it is named so, else a directory.

    Raises:
        LocationError: What stands there, or its name, is of another kind.
    """
    if path.name.endswith(ZIPS):
        raise LocationError(
            f"{path}: zips are not written; name a directory, or an archive that ends in .zarr.itar"
        )
    if not path.name.endswith(ARCHIVES):
        return LocalBackend(path)
    if path.is_dir():
        raise LocationError(f"{path}: is a directory, but its name is that of an archive")
    from ncore.transfer.itar_target import ItarTarget

    return ItarTarget(path)


async def open_target(location: Location, name: str, options: OpenOptions, root: Root) -> Target:
    """Open the target of an upload.

    Args:
        location: The zarr itself, or what it shall lie in.
        name: The source's name, which it gets there unless the location names
            a zarr.
        options: How to open it.
        root: The source.

    Raises:
        LocationError: Nothing can be written there.
    """
    if location.zarr_subpath:
        raise LocationError(
            f"{location}: name the zarr; --zarr says what inside it is meant (a single file, or "
            "what the source has at the same path, may go to a path inside)"
        )
    if isinstance(location, DANDI_LOCATIONS):
        from ncore.transfer.dandi_open import open_dandi_target

        if not root.is_zarr:
            raise LocationError(f"{location}: only zarrs are uploaded to a dandiset")
        return await open_dandi_target(location, name)
    if isinstance(location, LocalPath):
        path = Path(location.path)
        if not root.is_zarr:
            return LocalBackend(path, only=name)
        refuse_archive_name(path)
        return local_target(path if is_zarr_name(path.name) else path / name)
    if isinstance(location, ObjectURL):
        from ncore.transfer.objects import ObjectBackend

        bucket, storage, etag_is_md5 = _bucket(location, options)
        key = location.key
        if root.is_zarr and not is_zarr_name(key.rpartition("/")[2]):
            key = f"{key}/{name}".lstrip("/")
        if root.is_zarr and key.endswith(ARCHIVES):
            raise LocationError(
                f"{location}: an archive is made locally first: upload to a .zarr.itar path, "
                "then upload that file"
            )
        only = None if root.is_zarr else name
        return ObjectBackend(bucket, key, storage, only=only, etag_is_md5=etag_is_md5)
    raise LocationError(f"{location}: can be read but not written to")


def zarr_of(location: Location) -> Location:
    """Return the zarr that a location leads into."""
    if isinstance(location, AssetZarrEntryURL):
        return AssetItemURL(
            location.instance, location.dandiset_id, location.version_id, location.asset_path
        )
    if isinstance(location, HttpURL | LocalPath | ObjectURL | ZarrArchiveURL):
        return replace(location, zarr_subpath="")
    return location


def selection_for(location: Location, selection: ZarrSelection) -> ZarrSelection:
    """Return the filters as they hold for one location."""
    return selection.with_bound(location.zarr_subpath)


async def close_all(*backends: Source) -> None:
    """Close backends; one that fails does not keep the others open."""
    await asyncio.gather(*(b.close() for b in backends), return_exceptions=True)
