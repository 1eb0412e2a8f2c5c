"""What the commands of ``ncore itar`` do with their arguments."""

import argparse
import base64
import errno
import json
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from rich.progress import Progress

from ncore.cli import itar_views as views
from ncore.cli.app import FAILED, UsageError
from ncore.cli.output import Output, counted, label, printable
from ncore.cli.output_file import STDOUT, output_file, write_output
from ncore.itar.errors import ItarKeyError
from ncore.itar.location import is_remote, local_path
from ncore.itar.object_url import redact
from ncore.itar.recover import survey
from ncore.itar.remote import TUNING_OPTIONS
from ncore.itar.repack import repack
from ncore.itar.verify import verify
from ncore.select.errors import SelectError
from ncore.select.selection import ZarrSelection
from ncore.stores.archive import describe, list_members, read_hierarchy, read_unpacked_hierarchy
from ncore.stores.decode import check_chunks
from ncore.stores.errors import StoreLocationError
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.layout import read_layout
from ncore.stores.layout_page import layout_page
from ncore.stores.pack import pack
from ncore.stores.recovery import recover_archive
from ncore.stores.references import (
    archive_url,
    iter_references,
    json_references,
    write_references,
)
from ncore.stores.replaceable import replaceable_archive
from ncore.stores.unpack import unpack

_NO_ITAR = (".zarr", ".zip", ".ozx", ".gz", ".bz2", ".xz", ".zst", ".tgz", ".7z")


def _selection(args: argparse.Namespace) -> Callable[[str], bool] | None:
    try:
        selection = ZarrSelection.from_flags(args.zarr, args.zarr_and, args.zarr_not)
    except SelectError as error:
        raise UsageError(str(error)) from None
    return None if selection.is_everything else selection.matches


def _storage_options(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in args.storage_option:
        name, equals, value = text.partition("=")
        if not name or not equals:
            # The text may be a secret that lost its name.
            raise UsageError("--storage-option takes NAME=VALUE")
        if name in TUNING_OPTIONS:
            if not value.isdecimal():
                raise UsageError(f"--storage-option {name} takes a number")
            found[name] = int(value)
        elif value in ("true", "false"):
            found[name] = value == "true"
        else:
            found[name] = value
    return found


def _check_target(place: str, overwrite: bool) -> None:
    """Refuse to replace what is no archive; whether one may be is for the command to say."""
    path = Path("" if is_remote(place) else local_path(place))
    if overwrite and not is_remote(place) and path.exists():
        replaceable_archive(path)


def _open(args: argparse.Namespace, **kwargs: Any) -> IndexedTarStore:
    if not is_remote(args.archive) and Path(local_path(args.archive)).is_dir():
        raise StoreLocationError(
            f"{args.archive}: not a file, so it is not an itar archive. It is a directory: "
            "`ncore transfer ls` lists one, `ncore itar tree` shows its arrays, "
            "`ncore itar pack` makes an archive of it"
        )
    return IndexedTarStore(args.archive, **kwargs, **_storage_options(args))


def do_info(args: argparse.Namespace, out: Output) -> None:
    """Show the figures of an archive."""
    with _open(args) as store:
        found = describe(store)
    out.result(found.to_json())
    if not out.as_json:
        out.result(None, views.info(found))


def do_ls(args: argparse.Namespace, out: Output) -> None:
    """List keys."""
    selected = _selection(args)
    with _open(args) as store:
        listed = list_members(
            store, args.path, recursive=args.recursive or selected is not None, selected=selected
        )
    if not listed and selected is not None:
        below = f" below {args.path!r}" if args.path else ""
        raise ItarKeyError(
            f"{args.archive}: the filters match no key{below}; they are relative to the root of "
            "the archive, whatever PATH is"
        )
    if out.as_json:
        out.result([line.to_json() for line in listed])
        return
    for line in views.listing(listed, long=args.long):
        print(line)


def do_cat(args: argparse.Namespace, out: Output) -> None:
    """Write the bytes of keys to standard output."""
    with _open(args) as store:
        values = store.read_many(args.keys)
    if out.as_json:
        out.result(
            [
                {"key": key, "size": len(data), "base64": base64.b64encode(data).decode()}
                for key, data in zip(args.keys, values, strict=True)
            ]
        )
        return
    if sys.stdout.isatty():
        for key, data in zip(args.keys, values, strict=True):
            if views.upsets_terminal(data):
                raise UsageError(f"{printable(key)} is binary; send it to a file or a pipe")
    sys.stdout.flush()
    for data in values:
        sys.stdout.buffer.write(data)


def do_tree(args: argparse.Namespace, out: Output) -> None:
    """Show the hierarchy."""
    if _is_unpacked(args.archive):
        name = local_path(args.archive)
        hierarchy = read_unpacked_hierarchy(name)
    else:
        with _open(args) as store:
            hierarchy, name = read_hierarchy(store), store.name
    path = args.path.strip("/")
    nodes = hierarchy.below(path)
    if path and not nodes:
        raise ItarKeyError(f"{name}: no group or array at {path!r}")
    if out.as_json:
        out.result({"archive": name, "nodes": [node.to_json() for node in nodes]})
    else:
        out.result(None, views.tree(hierarchy, path, name, args.depth))


def _is_unpacked(location: str) -> bool:
    """Whether a zarr lies there as a directory or zip file."""
    if is_remote(location):
        return False
    path = Path(local_path(location))
    return path.is_dir() or (path.suffix in (".zip", ".ozx") and path.is_file())


def _output(args: argparse.Namespace, place: str, *, directory: bool = False) -> Path:
    """Where a page or references may go; Parquet's are a directory."""
    if directory and Path(place).is_dir() and not args.overwrite:
        raise FileExistsError(errno.EEXIST, "already exists; --overwrite replaces it", place)
    if directory and Path(place).is_dir():
        return Path(place)  # write_references looks into it
    target = output_file(place, reading=[args.archive], overwrite=args.overwrite)
    if target == STDOUT and args.json:
        raise UsageError("--json and - both write to standard output")
    return target


def do_map(args: argparse.Namespace, out: Output) -> None:
    """Draw the layout."""
    name = str(redact(args.archive)) if is_remote(args.archive) else local_path(args.archive)
    output = f"{name.rstrip('/').rpartition('/')[2]}.html" if args.output is None else args.output
    target = _output(args, output)
    with _open(args) as store:
        layout = read_layout(store)
    write_output(target, layout_page(layout))
    if target != STDOUT:
        out.result({"output": str(target), **layout.to_json()}, f"{target}: open it in a browser")


def do_refs(args: argparse.Namespace, out: Output) -> None:
    """Write references into the archive."""
    target = _output(args, args.target, directory=args.format == "parquet")
    if target == STDOUT:
        if args.format == "parquet":
            raise UsageError("Parquet references are a directory: name one")
        with _open(args) as store:
            url = archive_url(store.name if args.url is None else args.url)
            document = json_references(iter_references(store, url))
        write_output(target, json.dumps(document) + "\n")
        return
    with _open(args) as store:
        report = write_references(
            store, args.target, args.format, url=args.url, overwrite=args.overwrite
        )
    out.result(
        report._asdict(),
        f"{args.target}: {counted(report.chunks, 'chunk')} referenced, "
        f"{counted(report.documents, 'document')} inline",
    )


def do_pack(args: argparse.Namespace, out: Output) -> None:
    """Make an archive."""
    name = args.archive.partition("?")[0].rstrip("/")
    if name.lower().endswith(_NO_ITAR):
        raise UsageError(
            f"{args.archive}: what is made is an itar archive, and its name says another thing; "
            f"call it {PurePosixPath(name).stem}.itar"
        )
    with out.progress() as bar:
        report = pack(
            args.source,
            args.archive,
            overwrite=args.overwrite,
            dry_run=args.dry_run,
            selected=_selection(args),
            digests=("crc32c", "md5") if args.md5 else ("crc32c",),
            **_bar(bar, f"pack {Path(args.source).name}"),
            **_storage_options(args),
        )
    if not report.holds_zarr:
        out.warning(f"{report.source}: no zarr begins here (no zarr.json, .zgroup or .zarray)")
    out.result(report.to_json(), views.packed(report))


def do_unpack(args: argparse.Namespace, out: Output) -> None:
    """Make a directory."""
    with _open(args, verify_reads=True) as store, out.progress() as bar:
        report = unpack(
            store,
            args.target,
            raw=args.raw,
            overwrite=args.overwrite,
            dry_run=args.dry_run,
            selected=_selection(args),
            **_bar(bar, f"unpack {Path(store.name).name}"),
        )
    out.result(report.to_json(), views.unpacked(report))


def do_verify(args: argparse.Namespace, out: Output) -> int | None:
    """Compare an archive with its index."""
    with _open(args) as store, out.progress() as bar:
        report = verify(
            store.reader,
            payloads=not args.no_payloads,
            progress=_of_total(bar, f"verify {Path(store.name).name}"),
        )
        decoded = None
        if args.decode:
            steps = _bar(bar, "decode chunks")
            steps["begin"](report.payload_bytes)
            decoded, found = check_chunks(store, progress=steps["progress"])
            report.problems += found
    document = {
        **{name: value for name, value in vars(report).items() if name != "problems"},
        "decoded_chunks": decoded,
        "ok": report.ok,
        "problems": [vars(problem) for problem in report.problems],
    }
    out.result(document, views.verified(report, decoded, payloads=not args.no_payloads))
    return None if report.ok else FAILED


def do_repack(args: argparse.Namespace, out: Output) -> None:
    """Write an archive anew."""
    options = _storage_options(args)
    if args.dry_run:
        with _open(args) as store:
            found = describe(store)
        out.result(
            {"archive": found.name, "dead_bytes": found.dead, "digests": found.digests},
            f"{found.name}: {found.dead:,} dead bytes would go; nothing was written",
        )
        return
    if args.target is not None:
        _check_target(args.target, args.overwrite)
    with out.progress() as bar:
        report = repack(
            args.archive,
            args.target,
            digests=("crc32c", "md5") if args.md5 else None,
            index_preset=args.index_preset,
            overwrite=args.overwrite,
            storage_options=options,
            progress=_of_total(bar, f"repack {Path(args.archive).name}"),
        )
    out.result(vars(report), views.repacked(report))


def do_recover(args: argparse.Namespace, out: Output) -> None:
    """Make an archive of a damaged one."""
    target = args.target
    if target is None and not args.dry_run:
        if Path(args.archive).exists():
            raise UsageError("TARGET is missing: a damaged archive is never changed in place")
        target = args.archive
    if args.dry_run:
        survey_report = survey(args.archive)
        out.result(
            {**vars(survey_report), "lost_anything": survey_report.lost_anything},
            views.recovered(survey_report, None),
        )
        return
    _check_target(target, args.overwrite)
    with out.progress() as bar:
        report = recover_archive(
            args.archive,
            target,
            overwrite=args.overwrite,
            progress=_of_total(bar, f"recover {Path(args.archive).name}"),
        )
    container = report.container
    document = {
        **vars(container),
        "lost_anything": container.lost_anything,
        "nodes": report.nodes,
        "made_groups": report.made_groups,
        "orphans": report.orphans,
    }
    if report.orphans:
        out.warning(
            f"{container.output}: {report.orphans:,} values lie below no array whose metadata is "
            "left, so zarr does not find them; `ncore itar ls` lists them, `cat` reads them"
        )
    out.result(document, views.recovered(container, report))


def _of_total(bar: Progress, name: str) -> Callable[[int, int], None]:
    """Return a callback of (done, in all) that shows how far a command is."""
    task = bar.add_task(label(name), total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)


def _bar(bar: Progress, name: str) -> dict[str, Callable[[int], None]]:
    """Return the callbacks that show how far a command is."""
    task = bar.add_task(label(name), total=None)
    return {
        "begin": lambda total: bar.update(task, total=total),
        "progress": lambda size: bar.advance(task, size),
    }
