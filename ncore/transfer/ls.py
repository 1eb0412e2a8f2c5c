"""Listing a location: a zarr's entries, one directory of it, or the assets of a folder."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ncore.select.location_parser import without_secrets
from ncore.select.locations import (
    AssetFolderURL,
    AssetGlobURL,
    AssetPathPrefixURL,
    DandisetURL,
    LocalPath,
    Location,
)
from ncore.select.selection import ZarrSelection
from ncore.transfer.backend import Entry, Root
from ncore.transfer.errors import NoMatchError
from ncore.transfer.listing import list_level, list_scopes, only_metadata, scopes
from ncore.transfer.roots import OpenOptions, close_all, open_roots, parse_sources, selection_for


@dataclass(frozen=True)
class Line:
    """One line of a listing.

    Attributes:
        path: Path from the last name of the location on; a directory's ends in a slash.
        size: Bytes, None of a directory; of an asset all of it.
        time: Modification time (UTC, ISO 8601), empty if unknown.
        digest: Digest as ``algorithm:value``, empty if unknown.
    """

    path: str
    size: int | None = None
    time: str = ""
    digest: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the line for a machine."""
        return {
            "path": self.path,
            "size": self.size,
            "time": self.time or None,
            "digest": self.digest or None,
        }


async def list_location(
    location: str,
    selection: ZarrSelection,
    options: OpenOptions,
    *,
    recursive: bool = False,
    allow_empty: bool = False,
) -> AsyncIterator[Line]:
    """List what is at a location.

    Args:
        location: The place. Of a folder of a dandiset the assets are listed,
            of a zarr its entries.
        selection: Filters; with any the listing is recursive.
        options: How to open it.
        recursive: Everything below rather than one level.
        allow_empty: Nothing there is no error.

    Raises:
        NoMatchError: There is nothing, or nothing that matches.
        LocationError: The location cannot be parsed.
    """
    found = False
    for _, parsed in (places := parse_sources([location], options)):
        async for line in _lines(parsed, selection, options, recursive=recursive):
            found = True
            yield line
    if not found and not allow_empty:
        where = str(places[0][1]) if len(places) == 1 else without_secrets(location)
        what = f"nothing matches {selection}" if not selection.is_everything else "there is nothing"
        raise NoMatchError(f"{where}: {what}")


async def _lines(
    parsed: Location, selection: ZarrSelection, options: OpenOptions, *, recursive: bool
) -> AsyncIterator[Line]:
    deep = recursive or not selection.is_everything
    many = type(parsed) is DandisetURL or isinstance(
        parsed, (AssetFolderURL, AssetGlobURL, AssetPathPrefixURL)
    )
    async for root in open_roots(parsed, options, is_selected=True):
        if isinstance(parsed, LocalPath) and not Path(parsed.path).name.strip("."):
            root.path = ""  # of "." and ".." what is shown lies in it
        try:
            if many and not deep:
                yield Line(root.path + ("/" if root.is_zarr else ""), root.size)
                continue
            bounded = selection_for(parsed, selection) if root.is_zarr else ZarrSelection()
            if deep or not root.is_zarr:
                lines = _selected(root, bounded)
            else:
                lines = _level(root, parsed.zarr_subpath)
            async for line in lines:
                yield line
        finally:
            await close_all(root.backend)


async def _selected(root: Root, selection: ZarrSelection) -> AsyncIterator[Line]:
    pages = list_scopes(
        root.backend, scopes(selection.cover()), skip_chunks=only_metadata(selection)
    )
    async for page in pages:
        for entry in page:
            if selection.matches(entry.key):
                yield _line(root, entry)


async def _level(root: Root, subpath: str) -> AsyncIterator[Line]:
    if subpath:
        entry = await root.backend.stat(subpath)
        if entry is not None:
            yield _line(root, entry)
            return
    async for item in list_level(root.backend, f"{subpath}/" if subpath else ""):
        yield Line(_path(root, item)) if isinstance(item, str) else _line(root, item)


def _path(root: Root, key: str) -> str:
    if root.kind == "file":
        return root.path
    return f"{root.path}/{key}" if root.path else key


def _line(root: Root, entry: Entry) -> Line:
    time = ""
    if entry.mtime is not None:
        time = datetime.fromtimestamp(entry.mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    size = entry.size if entry.size >= 0 else None
    return Line(_path(root, entry.key), size, time, str(entry.digest or ""))
