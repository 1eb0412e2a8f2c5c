"""Downloading: any number of places into a local directory."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ncore.select.location_parser import without_secrets
from ncore.select.locations import Location
from ncore.select.selection import ZarrSelection
from ncore.select.zarr_boundary import is_zarr_name
from ncore.transfer.backend import Root
from ncore.transfer.dandiset_file import name_dandiset
from ncore.transfer.errors import LocationError, NoMatchError, TransferError, UnsafeKeyError
from ncore.transfer.execute import Options, transfer
from ncore.transfer.keys import check_key, parent_of
from ncore.transfer.listing import only_metadata
from ncore.transfer.local import LocalBackend
from ncore.transfer.overlap import Claims
from ncore.transfer.plan import Existing, Extra, Policy
from ncore.transfer.report import Report, Reporter, Silent
from ncore.transfer.roots import (
    OpenOptions,
    close_all,
    local_target,
    name_of_directory,
    open_roots,
    parse,
    selection_for,
)


@dataclass(frozen=True)
class Download:
    """What to download, and where to.

    Attributes:
        locations: The places.
        selection: Filters, for every zarr among them.
        output: Directory that each root gets a directory in; a name that ends
            as a zarr's does is the root itself (of a single source).
        existing: What to do about files that are there.
        sync: Delete local files that the source lacks, as far as the filters go.
        preserve_tree: Keep the path from the top of the dandiset or bucket.
        open: How places are opened.
        options: How transfers are carried out.
    """

    locations: Sequence[str]
    selection: ZarrSelection = field(default_factory=ZarrSelection)
    output: Path = field(default_factory=Path)
    existing: Existing = Existing.ERROR
    sync: bool = False
    preserve_tree: bool = False
    open: OpenOptions = field(default_factory=OpenOptions)
    options: Options = field(default_factory=Options)


async def download(request: Download, reporter: Reporter | None = None) -> list[Report]:
    """Download each place; one that fails does not stop the others.

    Returns:
        One report for each root, and one with the error for each place that
        could not be opened.

    Raises:
        LocationError: A location cannot be parsed; nothing was begun.
    """
    reporter = reporter or Silent()
    open_options = replace(request.open, whole=True)
    parsed = [(text, parse(text, open_options)) for text in request.locations]
    claims = Claims()
    reports: list[Report] = []
    for text, location in parsed:
        try:
            async for report in _download(request, location, open_options, claims, reporter):
                reports.append(report)
        except TransferError as e:
            reports.append(failed(without_secrets(text), e, reporter))
    return reports


def failed(location: str, error: TransferError, reporter: Reporter) -> Report:
    """Return the report of a place that failed as a whole."""
    report = Report(location, "")
    report.fail("", error)
    reporter.begin(report)
    reporter.entry("error", "", {"error": str(error), "source": location})
    reporter.end(report)
    return report


async def _download(
    request: Download,
    location: Location,
    open_options: OpenOptions,
    claims: Claims,
    reporter: Reporter,
) -> AsyncIterator[Report]:
    selection = selection_for(location, request.selection)
    is_selected = not selection.is_everything
    policy = Policy(
        existing=request.existing,
        extra=Extra.DELETE if request.sync else Extra.KEEP,
        resolve_conflicts=request.existing not in (Existing.ERROR, Existing.SKIP),
        skip_chunks=only_metadata(selection),
    )
    selected = 0
    roots = 0
    async for root in open_roots(location, open_options, is_selected=is_selected):
        roots += 1
        path = target_path(request, root, roots)
        if request.preserve_tree and roots == 1 and not request.options.dry_run:
            name_dandiset(location, root, request.output)
        target = local_target(path) if root.is_zarr else _file_target(path, root)
        try:
            claims.claim(root.backend, target)
            report = await transfer(
                root.backend,
                target,
                selection if root.is_zarr else None,
                policy if root.is_zarr else replace(policy, extra=Extra.KEEP),
                replace(request.options, allow_empty=True),
                reporter,
            )
        finally:
            await close_all(root.backend, target)
        selected += report.planned.selected + report.planned.to_delete
        yield report
    if not selected and not request.options.allow_empty:
        what = f"nothing matches {selection}" if is_selected else "there is nothing"
        raise NoMatchError(f"{location}: {what}; --allow-empty if that is meant")


def _file_target(directory: Path, root: Root) -> LocalBackend:
    return LocalBackend(directory, only=root.path.rpartition("/")[2])


def target_path(request: Download, root: Root, number: int) -> Path:
    """Return where a root goes.

    Raises:
        UnsafeKeyError: The root's path, which a server gave, leads elsewhere.
        LocationError: Several roots, but one name for them.
    """
    if root.is_zarr and is_zarr_name(request.output.name) and not request.preserve_tree:
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
