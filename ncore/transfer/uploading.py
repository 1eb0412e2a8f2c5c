"""Uploading: local zarrs (or any other place) to a dandiset, bucket, directory or archive."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import cast

from ncore.select.locations import Location, ObjectURL
from ncore.select.selection import ZarrSelection
from ncore.transfer.actions import Existing, Extra
from ncore.transfer.backend import Entry, Root, Source
from ncore.transfer.dandiset_file import own_dandiset
from ncore.transfer.errors import EntryNotFoundError, LocationError, TransferError
from ncore.transfer.execute import Options, refuse_uncompared, transfer
from ncore.transfer.listing import only_metadata
from ncore.transfer.local import LocalBackend
from ncore.transfer.one_file import ARCHIVES, OneFile
from ncore.transfer.overlap import Claims
from ncore.transfer.plan import Policy
from ncore.transfer.report import Report, Reporter, Silent
from ncore.transfer.roots import (
    OpenOptions,
    close_all,
    name_of_directory,
    open_roots,
    open_target,
    parse,
    parse_sources,
    selection_for,
    zarr_of,
)
from ncore.transfer.several import ROOTS_AT_ONCE, Done, Lanes, each_location, failed

MODES = {"full": Extra.DELETE, "patch": Extra.KEEP, "subtree": Extra.SUBTREE}
"""Upload modes, and what each does about entries that only the target has."""


@dataclass(frozen=True)
class Upload:
    """What to upload, and where to.

    Attributes:
        sources: The places, mostly local paths.
        to: The target, of a plain file also its place inside a zarr that is there; None
            takes the dandiset that a source's directory
            belongs to (a ``dandiset.yaml`` in it or above it).
        selection: Filters, for every source.
        mode: ``"full"``, ``"patch"`` or ``"subtree"``.
        existing: What to do about entries that are there.
        instance: Archive of the dandiset where ``to`` is None; None takes the
            one it was downloaded from.
        open: How places are opened.
        options: How transfers are carried out.
        roots_at_once: How many are carried out side by side.
    """

    sources: Sequence[str]
    to: str | None = None
    selection: ZarrSelection = field(default_factory=ZarrSelection)
    mode: str = "full"
    existing: Existing = Existing.OVERWRITE_DIFFERENT
    instance: str | None = None
    open: OpenOptions = field(default_factory=OpenOptions)
    options: Options = field(default_factory=Options)
    roots_at_once: int = ROOTS_AT_ONCE


async def upload(request: Upload, reporter: Reporter | None = None) -> list[Report]:
    """Upload each source; one that fails does not stop the others.

    Returns:
        One report for each root, and one with the error for each place that
        could not be opened.

    Raises:
        LocationError: A location cannot be parsed, or flags exclude each
            other; nothing was begun.
    """
    reporter = reporter or Silent()
    if request.options.remove_source:
        if request.mode != "patch":
            raise LocationError(
                "--remove-local needs --zarr-mode patch: in another mode the next run would "
                "delete from the target what this one has removed here"
            )
        refuse_uncompared(request.existing)
    to = parse(request.to, request.open) if request.to is not None else None
    # To an archive's name in a bucket an archive goes as the file that it is.
    open_options = replace(request.open, whole=_names_archive(to))
    parsed = parse_sources(request.sources, open_options)
    claims = Claims()
    lanes = Lanes(request.roots_at_once)

    async def one(location: Location, done: Done) -> None:
        async def send(root: Root, number: int) -> None:
            try:
                target = to if to is not None else own_dandiset(location, request.instance)
                done[number] = await _upload(
                    request, location, root, target, open_options, claims, lanes, reporter
                )
            except TransferError as e:
                await close_all(root.backend)
                done[number] = failed(root.backend.url, e, reporter)

        is_selected = selection_for(location, request.selection) != ZarrSelection()
        await lanes.each(open_roots(location, open_options, is_selected=is_selected), send)

    return await each_location(parsed, one, reporter)


async def _upload(
    request: Upload,
    location: Location,
    root: Root,
    to: Location,
    open_options: OpenOptions,
    claims: Claims,
    lanes: Lanes,
    reporter: Reporter,
) -> Report:
    selection = selection_for(location, request.selection)
    backend: Source = root.backend
    if request.options.remove_source and not isinstance(backend, LocalBackend):
        await close_all(backend)
        raise LocationError(f"{location}: --remove-local is for local directories")
    name = name_of_directory(root.path) if root.kind == "archive" else root.path
    if root.is_zarr and to.zarr_subpath == location.zarr_subpath:
        to = zarr_of(to)  # the source's own path says the same
    inside = to.zarr_subpath if root.kind == "file" else ""
    if inside:
        if request.to is not None and request.to.endswith("/"):
            inside += f"/{name}"
        backend, root, to = OneFile(backend, name, inside), replace(root, is_zarr=True), zarr_of(to)
        selection = ZarrSelection((f"path:{inside}",))
    try:
        if not root.is_zarr and isinstance(to, ObjectURL) and _names_archive(to):
            above, _, new_name = to.key.rpartition("/")
            if not name.endswith(ARCHIVES):
                raise LocationError(f"{to}: is an archive's name, but {location} is no archive")
            backend, to = OneFile(backend, name, new_name), replace(to, key=above)
            name = new_name
        target = await open_target(to, name, open_options, root)
    except BaseException:
        await close_all(backend)
        raise
    policy = Policy(
        existing=request.existing,
        extra=MODES[request.mode] if root.is_zarr and not inside else Extra.KEEP,
        resolve_conflicts=not inside and request.existing not in (Existing.ERROR, Existing.SKIP),
        skip_chunks=only_metadata(selection),
        source_has=lambda path: has_directory(backend, path),
    )
    options = replace(request.options, mode=request.mode)
    try:
        claims.claim(backend, target)
        async with lanes.target(target.url):
            if inside and not await _holds_anything(target):
                raise EntryNotFoundError(f"{to}: there is no zarr to put {inside} into")
            return await transfer(
                backend, target, selection if root.is_zarr else None, policy, options, reporter
            )
    finally:
        await close_all(backend, target)


def _names_archive(to: Location | None) -> bool:
    return isinstance(to, ObjectURL) and to.key.endswith(ARCHIVES)


async def _holds_anything(target: Source) -> bool:
    async with aclosing(cast(AsyncGenerator[Sequence[Entry], None], target.list())) as pages:
        async for _ in pages:
            return True
    return False


async def has_directory(source: Source, path: str) -> bool:
    """Return whether a source has a directory, where it can tell also an empty one."""
    if isinstance(source, LocalBackend):
        return await source.has_directory(path)
    async for _ in source.list(path + "/"):
        return True
    return False
