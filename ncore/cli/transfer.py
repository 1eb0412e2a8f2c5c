"""``ncore transfer``: parts of zarrs, up or down, from and to anywhere."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ncore.cli.app import FAILED, ArgumentParser, UsageError, add_output_flags, run_command
from ncore.cli.output import Output
from ncore.cli.transfer_manifest import add_commands
from ncore.cli.transfer_progress import Events, Live, Plan, summary
from ncore.cli.transfer_storage import add_storage, run_with_places, storage_of
from ncore.itar.sizes import human_size
from ncore.select.help import LOCATION_HELP, ZARR_AND_HELP, ZARR_HELP, ZARR_NOT_HELP
from ncore.select.selection import ZarrSelection
from ncore.transfer.actions import Existing
from ncore.transfer.downloading import Download, download
from ncore.transfer.execute import Options
from ncore.transfer.keys import show_key
from ncore.transfer.ls import list_location
from ncore.transfer.report import Report, Reporter
from ncore.transfer.roots import OpenOptions
from ncore.transfer.several import ROOTS_AT_ONCE
from ncore.transfer.uploading import MODES, Upload, upload

_DOWNLOAD_EXAMPLE = """
ncore transfer download dandi://dandi/000108/sub-1/x.ome.zarr --zarr metadata
ncore transfer download s3://bucket/seq.zarr.itar --zarr path:cameras/front -o front/
ncore transfer download https://host/x.zarr/0/5 -e overwrite-different
"""
_UPLOAD_EXAMPLE = """
ncore transfer upload x.ome.zarr --zarr-mode patch --to dandi://dandi/000108/sub-1/
ncore transfer upload x.zarr --zarr path:0/3 --zarr-mode patch --remove-local --to s3://bucket/
"""
_LS_EXAMPLE = """
ncore transfer ls dandi://dandi/000108/sub-1/x.ome.zarr/0/0
ncore transfer ls -R --zarr metadata s3://bucket/x.zarr
"""


def make_parser() -> argparse.ArgumentParser:
    """The command line of ``ncore transfer``."""
    parser = ArgumentParser(
        prog="ncore transfer",
        description="Move parts of zarrs between DANDI archives, object stores, web servers, "
        "directories and .itar archives.",
        example=_DOWNLOAD_EXAMPLE + _UPLOAD_EXAMPLE.lstrip("\n"),
    )
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=ArgumentParser)
    _add_download(commands)
    _add_upload(commands)
    _add_ls(commands)
    add_commands(commands)
    return parser


def _add_download(commands: Any) -> None:
    parser = commands.add_parser(
        "download",
        help="places into a local directory",
        description="Download zarrs, parts of them, or files. Each place gets a directory of its "
        "name. What is there and identical is not fetched again, so the same command finishes "
        "what was interrupted.",
        example=_DOWNLOAD_EXAMPLE,
    )
    parser.add_argument("locations", nargs="+", metavar="LOCATION", help=LOCATION_HELP)
    _add_filters(parser)
    parser.add_argument(
        "-o",
        "--output-dir",
        metavar="DIR",
        type=Path,
        default=Path(),
        help="where to (default: here); a name ending in .zarr or .zarr.itar is the zarr itself: "
        "an archive is unpacked into NAME.zarr, copied to NAME.zarr.itar",
    )
    _add_existing(parser, Existing.ERROR)
    parser.add_argument(
        "--sync",
        action="store_true",
        help="delete local entries that the source lacks; with filters only what they cover",
    )
    parser.add_argument(
        "--preserve-tree",
        action="store_true",
        help="keep the path from the top of the dandiset or bucket, as upload wants it",
    )
    parser.add_argument(
        "--path-type",
        choices=("exact", "glob"),
        default="exact",
        help="read a DANDI path as a glob over assets",
    )
    _add_effort(parser)
    parser.set_defaults(
        command=_download, interrupted=["the same command goes on where it stopped"]
    )


def _add_upload(commands: Any) -> None:
    parser = commands.add_parser(
        "upload",
        help="zarrs to a dandiset, bucket, directory or archive",
        description="Upload zarrs or parts of them. Entries that the target has with the same "
        "digest are not sent again.",
        example=_UPLOAD_EXAMPLE,
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="a local zarr, or any place")
    parser.add_argument(
        "--to",
        metavar="LOCATION",
        help="the zarr, or the folder that it goes in; of a single file also its place inside a "
        "zarr; without it the dandiset whose dandiset.yaml lies above SOURCE",
    )
    parser.add_argument(
        "-i",
        "--dandi-instance",
        metavar="NAME",
        help="archive of that dandiset (default: where it was downloaded from, else dandi)",
    )
    _add_filters(parser)
    parser.add_argument(
        "--zarr-mode",
        choices=tuple(MODES),
        default="full",
        help="full (default): delete what is absent here. patch: delete nothing (but a file where "
        "a directory must be, or the reverse). subtree: full in the top-level directories that "
        "exist here, also empty ones, patch elsewhere",
    )
    _add_existing(parser, Existing.OVERWRITE_DIFFERENT)
    parser.add_argument(
        "--remove-local",
        action="store_true",
        help="delete each local file once the target has it and says so with a digest "
        "(with --zarr-mode patch)",
    )
    _add_effort(parser)
    parser.set_defaults(command=_upload, interrupted=["the same command goes on where it stopped"])


def _add_ls(commands: Any) -> None:
    parser = commands.add_parser(
        "ls",
        help="what is in a zarr, a directory of it, or a folder",
        description="List entries. Only what is asked for is listed on the server: one directory "
        "costs a few requests, whatever lies below its subdirectories.",
        example=_LS_EXAMPLE,
    )
    parser.add_argument("locations", nargs="+", metavar="LOCATION", help=LOCATION_HELP)
    _add_filters(parser)
    parser.add_argument("-R", "--recursive", action="store_true", help="everything below")
    parser.add_argument("-l", "--long", action="store_true", help="with digest and time")
    add_storage(parser)
    add_output_flags(parser)
    parser.set_defaults(command=_ls)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what")
    for flag, text in (
        ("--zarr", ZARR_HELP),
        ("--zarr-and", ZARR_AND_HELP),
        ("--zarr-not", ZARR_NOT_HELP),
    ):
        group.add_argument(flag, metavar="FILTER", action="append", default=[], help=text)
    group.add_argument(
        "--allow-empty", action="store_true", help="a selection that matches nothing is no error"
    )


def _add_existing(parser: argparse.ArgumentParser, default: Existing) -> None:
    parser.add_argument(
        "-e",
        "--existing",
        type=Existing,
        choices=tuple(Existing),
        metavar="{" + ",".join(Existing) + "}",
        default=default,
        help="entries that are there: identical ones stay in every case but overwrite; others "
        "are an error, stay (skip), or are replaced; refresh takes equal size and time for "
        f"identical (default: {default})",
    )


def _add_effort(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    parser.add_argument("--yes", action="store_true", help="delete even more than is kept")
    parser.add_argument(
        "-J",
        "--jobs",
        metavar="[PLACES:]ENTRIES",
        help=f"how many zarrs or files at once (default: {ROOTS_AT_ONCE}), and how many entries of "
        "each",
    )
    add_storage(parser)
    add_output_flags(parser)


def _jobs(args: argparse.Namespace) -> tuple[int, int | None]:
    """Return how many roots, and how many entries of each, at once."""
    if args.jobs is None:
        return ROOTS_AT_ONCE, None
    places, colon, entries = args.jobs.rpartition(":")
    numbers = [places, entries] if colon else [str(ROOTS_AT_ONCE), entries]
    if not all(n.isascii() and n.isdecimal() and 1 <= int(n) <= 1024 for n in numbers):
        raise UsageError(f"--jobs {args.jobs}: ENTRIES or PLACES:ENTRIES, each from 1 to 1024")
    return int(numbers[0]), int(numbers[1])


def _selection(args: argparse.Namespace) -> ZarrSelection:
    try:
        return ZarrSelection.from_flags(args.zarr, args.zarr_and, args.zarr_not)
    except ValueError as e:
        raise UsageError(str(e)) from None


def _options(args: argparse.Namespace) -> Options:
    return Options(
        jobs=_jobs(args)[1],
        dry_run=args.dry_run,
        yes=args.yes,
        allow_empty=args.allow_empty,
        remove_source=getattr(args, "remove_local", False),
    )


def _reporter(args: argparse.Namespace, out: Output) -> Reporter:
    if out.as_json:
        return Events(plan=args.dry_run)
    return Plan(out) if args.dry_run else Live(out)


def _download(args: argparse.Namespace, out: Output) -> int | None:
    request = Download(
        locations=args.locations,
        selection=_selection(args),
        output=args.output_dir,
        existing=args.existing,
        sync=args.sync,
        preserve_tree=args.preserve_tree,
        open=OpenOptions(storage=storage_of(args), glob=args.path_type == "glob"),
        options=_options(args),
        roots_at_once=_jobs(args)[0],
    )
    return _finish(run_with_places(download(request, _reporter(args, out))), out)


def _upload(args: argparse.Namespace, out: Output) -> int | None:
    request = Upload(
        sources=args.sources,
        to=args.to,
        selection=_selection(args),
        mode=args.zarr_mode,
        existing=args.existing,
        instance=args.dandi_instance,
        open=OpenOptions(storage=storage_of(args)),
        options=_options(args),
        roots_at_once=_jobs(args)[0],
    )
    return _finish(run_with_places(upload(request, _reporter(args, out))), out)


def _finish(reports: Sequence[Report], out: Output) -> int | None:
    for report in reports:
        if not out.as_json:
            if report.target:
                out.result(None, summary(report))
            if report.refusal:
                out.warning(report.refusal)
        for key, error in report.errors:
            # Errors mostly name the key; a whole place's have none.
            shown = show_key(key)
            out.error(error if not key or shown in error else f"{shown}: {error}")
        if report.failed > len(report.errors):
            out.error(f"... and {report.failed - len(report.errors)} more")
    if out.as_json:
        ok = all(report.ok for report in reports)
        fields = {"written": sum(r.written for r in reports), "ok": ok}
        print(json.dumps({"event": "summary", **fields}), flush=True)
    return None if all(report.ok for report in reports) else FAILED


def _ls(args: argparse.Namespace, out: Output) -> int | None:
    selection = _selection(args)
    options = OpenOptions(storage=storage_of(args))

    async def show() -> None:
        for location in args.locations:
            async for line in list_location(
                location,
                selection,
                options,
                recursive=args.recursive,
                allow_empty=args.allow_empty,
            ):
                path = show_key(line.path)
                if out.as_json:
                    sys.stdout.write(json.dumps(line.as_dict()) + "\n")
                elif args.long:
                    size = "" if line.size is None else str(line.size)
                    out.result(None, f"{size:>12}  {line.time:20}  {line.digest:36}  {path}")
                else:
                    size = "" if line.size is None else human_size(line.size)
                    out.result(None, f"{size:>9}  {path}")

    run_with_places(show())
    return None


def run(argv: Sequence[str] | None = None) -> None:
    """Run ``ncore transfer``.

    Args:
        argv: the arguments after the program's name; ``None`` takes ``sys.argv[1:]``.

    Raises:
        SystemExit: always; 0 done, 1 failed, 2 wrong usage.
    """
    run_command(make_parser, argv)
