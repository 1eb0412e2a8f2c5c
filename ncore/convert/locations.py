"""Open what a user typed as source or target: by its name, the container that it is."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ncore.convert.errors import SourceError, TargetError
from ncore.convert.source import DirectorySource, Source
from ncore.convert.source_itar import ItarSource
from ncore.convert.source_zip import ZipSource
from ncore.convert.target import Target
from ncore.convert.target_directory import DirectoryTarget
from ncore.convert.target_itar import ItarTarget
from ncore.convert.target_zip import ZipTarget
from ncore.itar import location as itar_location
from ncore.itar.errors import ItarError
from ncore.itar.object_options import scheme_of
from ncore.itar.object_url import OBJECT_SCHEMES, redact
from ncore.select.zarr_boundary import split_zarr_location

ZIP_SUFFIXES = (".zip", ".ozx")
_OTHER_FORMATS = (
    *(".7z", ".bz2", ".gz", ".rar", ".tar", ".tbz", ".tgz", ".txz", ".xz", ".zst"),
    *(".h5", ".hdf5", ".nc", ".tif", ".tiff"),
)


def suffix_of(location: str) -> str:
    """The suffix of a path or URL (``.itar``), in lower case."""
    path = location.partition("?")[0] if scheme_of(location) in ("http", "https") else location
    return PurePosixPath(path.rstrip("/")).suffix.lower()


def split_archive(location: str) -> tuple[str, str]:
    """Part ``x.zarr.itar/a/b`` into the archive and the path of a node in it.

    A directory or a prefix needs no parting: a node of it is a directory or prefix.
    """
    if not itar_location.is_remote(location) and Path(location).exists():
        return location, ""
    parts = split_zarr_location(location)
    if parts is None or not parts[1] or suffix_of(parts[0]) not in (".itar", *ZIP_SUFFIXES):
        return location, ""
    return parts[0], parts[1].strip("/")


def open_source(location: str, storage_options: Mapping[str, Any] | None = None) -> Source:
    """Open a v2 store for reading.

    Args:
        location: a directory, an ``.itar``, ``.zip`` or ``.ozx`` file, or the URL of one
            or of a prefix (``s3://``, ``gs://``, ``az://``, ``http(s)://``).
        storage_options: for remote ones, by their usual names.

    Raises:
        SourceError: there is none, or it cannot be read.
    """
    suffix = suffix_of(location)
    if itar_location.is_remote(location):
        return _open_remote(location, suffix, storage_options or {})
    path = Path(itar_location.local_path(location))
    if path.is_dir():
        return DirectorySource(path)
    if suffix == ".itar":
        return ItarSource(path)
    if suffix in ZIP_SUFFIXES:
        return ZipSource(path)
    if not path.exists():
        raise SourceError(f"{location}: no such file or directory")
    raise SourceError(f"{location}: neither a directory nor named .itar, .zip or .ozx")


def _open_remote(url: str, suffix: str, options: Mapping[str, Any]) -> Source:
    if suffix == ".itar" or suffix in ZIP_SUFFIXES:
        try:
            there = itar_location.open_source(url, **options)
        except ItarError as error:
            raise SourceError(str(error)) from error
        return (ItarSource if suffix == ".itar" else ZipSource)(there, redact(url))
    if scheme_of(url) not in OBJECT_SCHEMES:
        raise SourceError(f"{redact(url)}: a zarr is read from s3://, gs://, az:// or http(s)://")
    from ncore.convert.source_object import ObjectSource, WebSource

    try:
        return (WebSource if scheme_of(url).startswith("http") else ObjectSource)(url, options)
    except ItarError as error:
        raise SourceError(str(error)) from error


def _check_suffix(location: str, suffix: str) -> None:
    """Refuse a target's name that promises something else than what would be made.

    Raises:
        TargetError: it does.
    """
    shown = redact(location)
    if suffix in (".itar", *ZIP_SUFFIXES) and not location.partition("?")[0].rstrip("/").endswith(
        suffix
    ):
        raise TargetError(f"{shown}: write the suffix in lower case ({suffix})")
    if suffix in _OTHER_FORMATS:
        raise TargetError(
            f"{shown}: a target is an archive if its name ends in .itar, .zip or .ozx, else a "
            f"directory; a directory named {suffix} would mislead, so choose another name"
        )


def open_target(
    location: str, jobs: int = 4, storage_options: Mapping[str, Any] | None = None
) -> Target:
    """Prepare a place to write a v3 store to; nothing is created yet.

    Args:
        location: as for `open_source`; ``http(s)`` cannot be written.
        jobs: threads that write files.
        storage_options: for remote ones.

    Raises:
        TargetError: nothing can be written there.
    """
    suffix = suffix_of(location)
    _check_suffix(location, suffix)
    archive = ItarTarget if suffix == ".itar" else ZipTarget if suffix in ZIP_SUFFIXES else None
    if not itar_location.is_remote(location):
        path = Path(itar_location.local_path(location))
        return DirectoryTarget(path, jobs) if archive is None else archive(path)
    if scheme_of(location) in ("http", "https"):
        raise TargetError(f"{redact(location)}: http is for reading")
    from ncore.convert.target_object import ObjectTarget
    from ncore.convert.target_upload import UploadTarget

    try:
        if archive is not None:
            return UploadTarget(location, archive, storage_options)
        return ObjectTarget(location, storage_options)
    except ItarError as error:
        raise TargetError(str(error)) from error


def absolute(location: str) -> str:
    """The same place for processes that work in another directory."""
    if itar_location.is_remote(location):
        return location
    return str(Path(itar_location.local_path(location)).absolute())
