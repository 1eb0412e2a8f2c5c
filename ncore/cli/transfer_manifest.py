"""``ncore transfer checksum``, ``manifest``, ``verify`` and ``diff``."""

import argparse
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ncore.cli.app import FAILED, UsageError, add_output_flags
from ncore.cli.output import Output
from ncore.cli.transfer_storage import add_storage, run_with_places, storage_of
from ncore.itar.sizes import human_size
from ncore.select.help import LOCATION_HELP, ZARR_HELP
from ncore.select.selection import ZarrSelection
from ncore.stores.replaceable import overlap
from ncore.transfer.backend import Root
from ncore.transfer.errors import LocationError
from ncore.transfer.keys import show_key
from ncore.transfer.manifest import is_manifest
from ncore.transfer.manifest_check import verify
from ncore.transfer.manifest_diff import diff_manifests, prune_manifest
from ncore.transfer.merkle_sources import checksum_of, make_manifest, update_manifest
from ncore.transfer.roots import OpenOptions, close_all, open_roots, parse

_CHECKSUM_EXAMPLE = """
ncore transfer checksum x.zarr
ncore transfer checksum dandi://dandi/000108/sub-1/x.ome.zarr x.zarr.itar
"""
_MANIFEST_EXAMPLE = """
ncore transfer manifest dandi://dandi/000108/sub-1/x.ome.zarr -o x.jsonl
ncore transfer manifest x.zarr --update x.jsonl -o x.jsonl
ncore transfer manifest --prune x.jsonl --zarr path:0/3 -o part.jsonl
"""
_VERIFY_EXAMPLE = """
ncore transfer verify part/x.zarr --manifest x.jsonl
ncore transfer verify part/x.zarr --manifest x.jsonl --checksum 8f1…-86--34507
"""
_DIFF_EXAMPLE = """
ncore transfer diff yesterday.jsonl today.jsonl
"""


def add_commands(commands: Any) -> None:
    """Add the four commands."""
    _add_checksum(commands)
    _add_manifest(commands)
    _add_verify(commands)
    _add_diff(commands)


def _add_checksum(commands: Any) -> None:
    parser = commands.add_parser(
        "checksum",
        help="the zarr checksum of a directory, archive or remote",
        description="Compute the checksum that a DANDI archive shows for a zarr. Digests that are "
        "stored or listed are taken as they are; only a directory's files are read.",
        example=_CHECKSUM_EXAMPLE,
    )
    parser.add_argument("locations", nargs="+", metavar="LOCATION", help=LOCATION_HELP)
    add_storage(parser)
    add_output_flags(parser)
    parser.set_defaults(command=_checksum)


def _add_manifest(commands: Any) -> None:
    parser = commands.add_parser(
        "manifest",
        help="every entry's digest and every directory's checksum, in a file",
        description="Write a manifest: JSON Lines with every entry's size and MD5 and every "
        "directory's checksum, the same for the same zarr.",
        example=_MANIFEST_EXAMPLE,
    )
    parser.add_argument("location", nargs="?", metavar="LOCATION", help=LOCATION_HELP)
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True, help="where the manifest goes"
    )
    parser.add_argument(
        "--update",
        metavar="OLD",
        type=Path,
        help="read only what changed since this manifest was written",
    )
    parser.add_argument(
        "--changed",
        metavar="KEY",
        action="append",
        help="with --update: only this entry, or this directory (ends in a slash), has changed; "
        "may be repeated. Without, size and time of each file tell",
    )
    parser.add_argument(
        "--prune",
        metavar="WHOLE",
        type=Path,
        help="write the part of this manifest that proves what --zarr selects",
    )
    parser.add_argument("--zarr", metavar="FILTER", action="append", default=[], help=ZARR_HELP)
    add_storage(parser)
    add_output_flags(parser)
    parser.set_defaults(command=_manifest)


def _add_verify(commands: Any) -> None:
    parser = commands.add_parser(
        "verify",
        help="whether what is there of a zarr is right",
        description="Check a zarr, or the part of one that is there, against a manifest. Only "
        "what is there is read. Exit code 1 if any of it is wrong.",
        example=_VERIFY_EXAMPLE,
    )
    parser.add_argument("location", metavar="LOCATION", help=LOCATION_HELP)
    parser.add_argument(
        "--manifest", metavar="FILE", type=Path, required=True, help="of the zarr, or of the part"
    )
    parser.add_argument("--checksum", help="the whole zarr's checksum, as the archive shows it")
    parser.add_argument("--whole", action="store_true", help="also fail if something is missing")
    add_storage(parser)
    add_output_flags(parser)
    parser.set_defaults(command=_verify)


def _add_diff(commands: Any) -> None:
    parser = commands.add_parser(
        "diff",
        help="what differs between two manifests",
        description="List entries that were added, removed or changed between two manifests. "
        "Exit code 1 if any differ.",
        example=_DIFF_EXAMPLE,
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="the earlier manifest")
    parser.add_argument("new", type=Path, metavar="NEW", help="the later one")
    add_output_flags(parser)
    parser.set_defaults(command=_diff)


@asynccontextmanager
async def _root(location: str, args: argparse.Namespace) -> AsyncIterator[Root]:
    """Open the one zarr at a location."""
    options = OpenOptions(storage=storage_of(args))
    parsed = parse(location, options)
    if parsed.zarr_subpath:
        raise LocationError(f"{parsed}: name the zarr as a whole")
    roots = open_roots(parsed, options, is_selected=True)
    try:
        async for root in roots:
            try:
                if root.kind == "file":
                    raise LocationError(f"{parsed}: is no zarr")
                yield root
            finally:
                await close_all(root.backend)
            return
    finally:
        await roots.aclose()  # type: ignore[attr-defined]


def _checksum(args: argparse.Namespace, out: Output) -> int | None:
    async def work() -> list[dict[str, object]]:
        found = []
        for location in args.locations:
            async with _root(location, args) as root:
                digest = await checksum_of(root.backend)
                found.append(
                    {
                        "location": root.backend.url,
                        "checksum": str(digest),
                        "files": digest.file_count,
                        "bytes": digest.size,
                    }
                )
        return found

    found = run_with_places(work())
    out.result(found, "\n".join(f"{line['checksum']}  {line['location']}" for line in found))
    return None


def _manifest(args: argparse.Namespace, out: Output) -> int | None:
    # Not before it is needed: what it imports would slow down the help.
    from ncore.cli.output_file import STDOUT, output_file

    if (args.location is None) == (args.prune is None):
        raise UsageError("a LOCATION, or --prune with --zarr, but not both")
    if args.changed and args.update is None:
        raise UsageError("--changed goes with --update")
    # An update may replace the manifest that it begins from, but nothing that it reads.
    reading = [place for place in (args.location, args.prune) if place is not None]
    args.output = output_file(args.output, reading=reading)
    if args.output == STDOUT:
        raise UsageError("-o: a manifest is a file; it cannot go to standard output")
    _check_output(args)
    if args.prune is not None:
        try:
            selection = ZarrSelection(tuple(args.zarr))
        except ValueError as e:
            raise UsageError(str(e)) from None
        digest = prune_manifest(args.prune, args.output, selection.matches)
    elif args.zarr:
        raise UsageError("a manifest is of a whole zarr; --zarr goes with --prune")
    else:

        async def work() -> Any:
            async with _root(args.location, args) as root:
                if args.update is not None:
                    return await update_manifest(
                        args.update, root.backend, args.output, args.changed
                    )
                return await make_manifest(root.backend, args.output)

        digest = run_with_places(work())
    document = {
        "manifest": str(args.output),
        "checksum": str(digest),
        "files": digest.file_count,
        "bytes": digest.size,
    }
    out.result(document, f"{digest}  {args.output}")
    return None


def _check_output(args: argparse.Namespace) -> None:
    """Refuse to write the manifest over anything but another manifest.

    Raises:
        UsageError: It would replace something else, or lie in the zarr itself.
    """
    path: Path = args.output
    if path.exists() and path.stat().st_size and not is_manifest(path):
        raise UsageError(f"-o {path}: exists and is no manifest, so it is not replaced")
    location = args.location
    if location and Path(location).is_dir() and overlap(Path(location), path) == "lies inside":
        raise UsageError(f"-o {path}: lies inside {location}, of which it is the manifest")


def _verify(args: argparse.Namespace, out: Output) -> int | None:
    async def work() -> Any:
        async with _root(args.location, args) as root:
            return await verify(args.manifest, root.backend, args.checksum)

    found = run_with_places(work())
    complete = [{"path": s.path, "checksum": str(s.digest)} for s in found.complete]
    document = {
        "checksum": found.checksum,
        "ok": found.ok,
        "whole": found.is_whole,
        "present": found.present,
        "present_bytes": found.present_bytes,
        "total": found.total,
        "wrong": found.wrong,
        "complete": complete,
        "problems": [problem._asdict() for problem in found.problems],
    }
    lines = [
        f"{found.present} of {found.total} entries ({human_size(found.present_bytes)}) are there "
        f"and right; {found.wrong} wrong"
    ]
    lines += [
        f"complete  {s.digest}  {show_key(s.path) or 'the whole zarr'}" for s in found.complete
    ]
    out.result(document, "\n".join(lines))
    for problem in found.problems:
        out.error(f"{show_key(problem.key)}: {problem.what}")
    return None if found.ok and (found.is_whole or not args.whole) else FAILED


def _diff(args: argparse.Namespace, out: Output) -> int | None:
    signs = {"added": "+", "removed": "-", "changed": "~"}
    differs = False
    for difference in diff_manifests(args.old, args.new):
        differs = True
        if out.as_json:
            line = {"change": difference.change, "path": difference.path}
            sys.stdout.write(json.dumps(line) + "\n")
        else:
            out.result(None, f"{signs[difference.change]} {show_key(difference.path)}")
    return FAILED if differs else None
