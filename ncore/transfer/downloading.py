"""Downloading: any number of places into a local directory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ncore.select.locations import DandisetURL, Location
from ncore.select.selection import ZarrSelection
from ncore.select.zarr_boundary import is_zarr_name
from ncore.transfer.actions import Existing, Extra
from ncore.transfer.backend import Root, Source, Target
from ncore.transfer.dandiset_file import name_dandiset
from ncore.transfer.errors import LocationError, NoMatchError, TransferError, UnsafeKeyError
from ncore.transfer.execute import Options, transfer
from ncore.transfer.keys import check_key, parent_of
from ncore.transfer.listing import only_metadata
from ncore.transfer.local import LocalBackend
from ncore.transfer.one_file import OneFile, ending_of
from ncore.transfer.overlap import Claims
from ncore.transfer.plan import Policy
from ncore.transfer.report import Report, Reporter, Silent
from ncore.transfer.roots import (
    OpenOptions,
    close_all,
    local_target,
    name_of_directory,
    open_roots,
    parse_sources,
    refuse_archive_name,
    selection_for,
)
from ncore.transfer.several import ROOTS_AT_ONCE, Done, Lanes, each_location, failed


@dataclass(frozen=True)
class Download:
    """What to download, and where to.

    Attributes:
        locations: The places.
        selection: Filters, for every zarr among them.
        output: Directory that each root gets a directory in; a name that ends
            as a zarr's does is the root itself (of a single source): an archive
            is unpacked into a directory of such a name, and copied to that of
            an archive.
        existing: What to do about files that are there.
        sync: Delete local files that the source lacks, as far as the filters go.
        preserve_tree: Keep the path from the top of the dandiset or bucket.
        open: How places are opened.
        options: How transfers are carried out.
        roots_at_once: How many are carried out side by side.
    """

    locations: Sequence[str]
    selection: ZarrSelection = field(default_factory=ZarrSelection)
    output: Path = field(default_factory=Path)
    existing: Existing = Existing.ERROR
    sync: bool = False
    preserve_tree: bool = False
    open: OpenOptions = field(default_factory=OpenOptions)
    options: Options = field(default_factory=Options)
    roots_at_once: int = ROOTS_AT_ONCE


async def download(request: Download, reporter: Reporter | None = None) -> list[Report]:
    """Download each place; one that fails does not stop the others.

    Returns:
        One report for each root, and one with the error for each place that
        could not be opened.

    Raises:
        LocationError: A location cannot be parsed, or the output directory has
            the name of a file that is not written; nothing was begun.
    """
    reporter = reporter or Silent()
    refuse_archive_name(request.output)
    # Into a directory named so, an archive is unpacked.
    unpacks = _names_zarr(request) and not ending_of(request.output.name)
    open_options = replace(request.open, whole=not unpacks)
    parsed = parse_sources(request.locations, open_options)
    claims = Claims()
    lanes = Lanes(request.roots_at_once)

    async def one(location: Location, done: Done) -> None:
        await _download(request, location, open_options, claims, lanes, reporter, done)

    return await each_location(parsed, one, reporter)


async def _download(
    request: Download,
    location: Location,
    open_options: OpenOptions,
    claims: Claims,
    lanes: Lanes,
    reporter: Reporter,
    done: Done,
) -> None:
    selection = selection_for(location, request.selection)
    is_selected = selection != ZarrSelection()  # also by filters that everything passes
    policy = Policy(
        existing=request.existing,
        extra=Extra.DELETE if request.sync else Extra.KEEP,
        resolve_conflicts=request.existing not in (Existing.ERROR, Existing.SKIP),
        skip_chunks=only_metadata(selection),
    )

    async def fetch(root: Root, number: int) -> Report:
        source: Source = root.backend
        target: Target | None = None
        try:
            path = target_path(request, root, number)
            if root.is_zarr:
                target = local_target(path)
            else:
                source, target = _one_file(request, root, path)
            is_whole = type(location) is DandisetURL and not _names_zarr(request)
            is_copy = request.preserve_tree or is_whole
            if is_copy and number == 1 and not request.options.dry_run:
                name_dandiset(location, root, request.output)
            claims.claim(source, target)
            async with lanes.target(target.url):
                return await transfer(
                    source,
                    target,
                    selection if root.is_zarr else None,
                    policy if root.is_zarr else replace(policy, extra=Extra.KEEP),
                    replace(request.options, allow_empty=True),
                    reporter,
                )
        finally:
            await close_all(source, *([target] if target is not None else []))

    async def one(root: Root, number: int) -> None:
        try:
            done[number] = await fetch(root, number)
        except TransferError as e:
            done[number] = failed(root.backend.url, e, reporter)

    await lanes.each(open_roots(location, open_options, is_selected=is_selected), one)
    selected = sum(r.planned.selected + r.planned.to_delete + r.failed for r in done.values())
    if not selected and not request.options.allow_empty:
        what = f"nothing matches {selection}" if is_selected else "there is nothing"
        raise NoMatchError(f"{location}: {what}; --allow-empty if that is meant")


def _names_zarr(request: Download) -> bool:
    return is_zarr_name(request.output.name) and not request.preserve_tree


def _one_file(request: Download, root: Root, path: Path) -> tuple[Source, Target]:
    """Return a plain file as source, and where it goes: into a directory, or to a name.

    Raises:
        LocationError: The name is one of another kind of file.
    """
    key = root.path.rpartition("/")[2]
    name = key
    if _names_zarr(request):
        if not ending_of(key) or ending_of(key) != ending_of(path.name):
            raise LocationError(
                f"{key}: a plain file cannot become {path.name}; name a directory with -o"
                + (", or one that ends in the same suffix" if ending_of(key) else "")
            )
        path, name = path.parent, path.name
    return OneFile(root.backend, key, name), LocalBackend(path, only=name)


def target_path(request: Download, root: Root, number: int) -> Path:
    """Return where a root goes.

    Raises:
        UnsafeKeyError: The root's path, which a server gave, leads elsewhere.
        LocationError: Several roots, but one name for them.
    """
    if _names_zarr(request):
        if number > 1 or len(request.locations) > 1:
            raise LocationError(f"{request.output}: names one zarr, but several are downloaded")
        return request.output
    path = root.tree_path if request.preserve_tree else root.path
    if root.kind == "file":
        check_key(path)
        path = parent_of(path)
        if not path:
            return request.output
    if root.kind == "archive":
        above, slash, name = path.rpartition("/")
        path = above + slash + name_of_directory(name)
    check_key(path)
    result = request.output
    for part in path.split("/"):
        result = result / part
        if result.is_symlink():
            raise UnsafeKeyError(
                f"{result} is a symbolic link, and nothing is written through links; "
                "remove it, or name its target with -o"
            )
    return result
