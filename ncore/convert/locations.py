"""Open what a user typed as source or target: by its name, the container that it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncore.convert.errors import ConvertError, SourceError
from ncore.convert.source import DirectorySource, Source
from ncore.convert.source_itar import ItarSource
from ncore.convert.source_zip import ZipSource
from ncore.convert.target import Target
from ncore.convert.target_directory import DirectoryTarget
from ncore.convert.target_itar import ItarTarget
from ncore.convert.target_zip import ZipTarget

ZIP_SUFFIXES = (".zip", ".ozx")


def is_url(location: str) -> bool:
    """Whether a location names something remote."""
    return "://" in location and not location.startswith("file://")


def local_path(location: str) -> Path:
    """The path that a local location names; ``file://`` is taken off."""
    return Path(location.removeprefix("file://"))


def open_source(location: str, storage_options: Mapping[str, Any] | None = None) -> Source:
    """Open a v2 store for reading.

    Args:
        location: a directory or an ``.itar`` file.
        storage_options: for remote ones.

    Raises:
        SourceError: there is none, or it cannot be read.
    """
    path = local_path(location)
    if path.is_dir():
        return DirectorySource(path)
    if path.suffix == ".itar":
        return ItarSource(path)
    if path.suffix in ZIP_SUFFIXES:
        return ZipSource(path)
    if not path.exists():
        raise SourceError(f"{location}: no such file or directory")
    raise SourceError(f"{location}: neither a directory nor named .itar, .zip or .ozx")


def open_target(
    location: str, jobs: int = 4, storage_options: Mapping[str, Any] | None = None
) -> Target:
    """Prepare a place to write a v3 store to; nothing is created yet.

    Raises:
        ConvertError: nothing can be written there.
    """
    path = local_path(location)
    if path.suffix == ".itar":
        return ItarTarget(path)
    if path.suffix in ZIP_SUFFIXES:
        return ZipTarget(path)
    if is_url(location):
        raise ConvertError(f"{location}: cannot be written yet")
    return DirectoryTarget(path, jobs)
