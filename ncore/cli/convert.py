"""``ncore convert``: zarr v2 to v3, in any container."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.progress import Progress as RichProgress
from rich.progress import TaskID
from rich.text import Text

from ncore.cli.app import FAILED, ArgumentParser, UsageError, add_output_flags, run_command
from ncore.cli.convert_fleet import convert_fleet
from ncore.cli.output import Output, printable, table
from ncore.convert.convert import convert
from ncore.convert.in_place import convert_in_place
from ncore.convert.options import ConvertOptions
from ncore.convert.relayout import Layout, parse_compressor, parse_extent
from ncore.convert.report import ConversionReport
from ncore.convert.summary import summary_rows, warning_lines
from ncore.convert.translate_array import TranslationOptions
from ncore.itar.sizes import human_size
from ncore.select.selection import ZarrSelection

_EXAMPLE = """
ncore convert OLD.zarr.itar NEW.zarr.itar
ncore convert --dry-run image.zarr image3.zarr
ncore convert --shards 64MiB --compressor zstd:5 old.zarr s3://bucket/new.zarr
ncore convert --zarr path:labels old.zarr labels.zarr.itar
ncore convert --in-place old.zarr
ncore convert --recursive recordings/ --to s3://bucket/v3 --report fleet.jsonl
"""


def make_parser() -> argparse.ArgumentParser:
    """The command line of ``ncore convert``."""
    parser = ArgumentParser(
        prog="ncore convert",
        description="Convert zarr v2 to v3. Chunks are copied as they are wherever v3 can "
        "describe them, every value is compared afterwards, and nothing appears under "
        "TARGET before it is complete.",
        example=_EXAMPLE,
    )
    parser.add_argument(
        "places",
        metavar="SOURCE [TARGET]",
        nargs="+",
        help=".zarr directory, .zarr.itar, .zarr.zip, .ozx, or URL; with --to any number of "
        "SOURCEs, patterns of them, or - for a list on stdin",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done; TARGET may be left out"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is at TARGET")
    verify = parser.add_mutually_exclusive_group()
    verify.add_argument(
        "--verify",
        choices=("full", "sample"),
        default="full",
        help="compare all values (default), or those of a few chunks of each array",
    )
    verify.add_argument("--no-verify", action="store_true", help="compare nothing")
    parser.add_argument(
        "--report", metavar="FILE", type=Path, help="write the report there, as JSON"
    )
    place = parser.add_argument_group("in place")
    place.add_argument(
        "--in-place",
        action="store_true",
        help="put v3 metadata beside the v2 metadata of SOURCE; chunks stay where they are",
    )
    place.add_argument(
        "--remove-v2",
        action="store_true",
        help="with --in-place: remove the v2 metadata once the v3 one is complete",
    )
    fleet = parser.add_argument_group("fleet")
    fleet.add_argument("--to", metavar="DIR|PREFIX", help="convert every SOURCE into this place")
    fleet.add_argument(
        "--recursive", action="store_true", help="convert every zarr that lies below the SOURCEs"
    )
    fleet.add_argument(
        "--container",
        choices=(".zarr", ".zarr.itar", ".zarr.zip", ".ozx"),
        help="of the targets (default: as the source)",
    )
    fleet.add_argument(
        "--dask", metavar="ADDRESS", help="on a Dask cluster, e.g. tcp://scheduler:8786"
    )
    fleet.add_argument(
        "--retries", type=int, default=3, metavar="N", help="of remote errors (default 3)"
    )
    select = parser.add_argument_group("what")
    for flag, meaning in (
        ("--zarr", "convert what matches the filter, e.g. path:labels or glob:**/0"),
        ("--zarr-and", "of that, only what also matches this one"),
        ("--zarr-not", "but not what matches this one"),
    ):
        select.add_argument(flag, metavar="TYPE:PATTERN", action="append", default=[], help=meaning)
    forms = parser.add_argument_group("where v2 and v3 differ")
    forms.add_argument(
        "--on-unsupported",
        choices=("fail", "skip", "keep-v2"),
        default="fail",
        help="arrays without a v3 form: convert nothing (default), leave them out, or take "
        "them along with their v2 metadata",
    )
    forms.add_argument(
        "--objects",
        choices=("refuse", "json-strings"),
        default="refuse",
        help="Python objects that are no strings: refuse (default), or store the JSON text of each",
    )
    forms.add_argument(
        "--allow-pickle",
        action="store_true",
        help="unpickle pickled objects; this runs code from the file, so only if you trust it",
    )
    forms.add_argument(
        "--structs",
        choices=("flatten", "raw"),
        default="flatten",
        help="nested and sub-array fields: make them fields of their own (default), or keep "
        "the struct as raw bytes",
    )
    forms.add_argument(
        "--blobs",
        choices=("auto", "uint8", "keep"),
        default="auto",
        help="0-d byte strings that become 1-D uint8: NCore's images (default), all, or none",
    )
    forms.add_argument(
        "--ome", action="store_true", help="bring OME-Zarr 0.4 metadata to OME-Zarr 0.5"
    )
    layout = parser.add_argument_group("layout (re-encodes)")
    layout.add_argument("--chunks", metavar="SHAPE|SIZE", help="e.g. 64,64,64 or 1MiB")
    layout.add_argument("--shards", metavar="SHAPE|SIZE", help="e.g. 512,512,512 or 64MiB")
    layout.add_argument(
        "--compressor",
        metavar="CODEC",
        help="none, zstd[:LEVEL], gzip[:LEVEL] or blosc[:CNAME[:LEVEL[:SHUFFLE]]]",
    )
    effort = parser.add_argument_group("effort")
    effort.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="threads (default 4); of a fleet: processes (default: one a processor)",
    )
    effort.add_argument(
        "--memory", default="1GiB", metavar="SIZE", help="for chunks in flight (default 1GiB)"
    )
    effort.add_argument(
        "--storage-option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="of remote places, e.g. endpoint=http://host:9000 or anon=true; keys and tokens "
        "are better left in the environment",
    )
    add_output_flags(parser)
    parser.set_defaults(command=_convert)
    return parser


def _convert(args: argparse.Namespace, out: Output) -> int | None:
    if args.remove_v2 and not args.in_place:
        raise UsageError("--remove-v2 belongs to --in-place: other sources are never changed")
    if args.in_place and args.to is not None:
        raise UsageError("--in-place changes the SOURCEs: leave --to out")
    options = _options(args)
    if args.to is not None or args.recursive or "-" in args.places:
        return convert_fleet(args, options, out)
    most = 1 if args.in_place else 2
    if len(args.places) > most:
        raise UsageError("too many arguments: to convert several SOURCEs, say where --to")
    source, target = [*args.places, None][:2]
    if target is None and not (args.dry_run or args.in_place):
        raise UsageError("TARGET is missing (only --dry-run and --in-place go without)")
    with out.progress() as bar:
        if args.in_place:
            report = convert_in_place(source, options, _Bar(bar))
        else:
            report = convert(source, target, options, _Bar(bar))
    document = report.to_json()
    if args.report is not None:
        args.report.write_text(json.dumps(document, indent=2) + "\n")
    out.result(document, render(report))
    return FAILED if report.dry_run and report.count("refuse") else None


def _options(args: argparse.Namespace) -> ConvertOptions:
    try:
        selection = ZarrSelection.from_flags(args.zarr, args.zarr_and, args.zarr_not)
        layout = Layout(
            chunks=None if args.chunks is None else parse_extent(args.chunks),
            shards=None if args.shards is None else parse_extent(args.shards),
            compressor=None if args.compressor is None else parse_compressor(args.compressor),
        )
        memory = parse_extent(args.memory)
    except ValueError as error:
        raise UsageError(str(error)) from None
    storage: dict[str, object] = {}
    for item in args.storage_option:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--storage-option takes NAME=VALUE, not {item!r}")
        storage[name] = {"true": True, "false": False}.get(value.lower(), value)
    if not isinstance(memory, int) or (args.jobs is not None and args.jobs < 1):
        raise UsageError("--memory takes a size such as 512MiB, --jobs at least 1")
    return ConvertOptions(
        TranslationOptions(args.objects, args.allow_pickle, args.structs, args.blobs),
        layout,
        ome=args.ome,
        on_unsupported=args.on_unsupported,
        selected=None if selection.is_everything else selection.matches,
        overwrite=args.overwrite,
        verify="none" if args.no_verify else args.verify,
        remove_v2=args.remove_v2,
        dry_run=args.dry_run,
        jobs=args.jobs or 4,
        memory=memory,
        storage_options=storage,
    )


class _Bar:
    """Progress of a conversion on a terminal, one bar a phase."""

    def __init__(self, bar: RichProgress) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def phase(self, name: str, total: int) -> None:
        self._task = self._bar.add_task(f"{name:8}", total=total or None)

    def advance(self, size: int) -> None:
        if self._task is not None:
            self._bar.advance(self._task, size)


def render(report: ConversionReport) -> Any:
    """The report as a person at a terminal sees it."""
    words = {
        "copy": "copied",
        "re-encode": "re-encoded",
        "keep-v2": "kept as v2",
        "skip": "left out",
        "refuse": "refused",
    }
    if report.dry_run:
        words = {**words, "copy": "copy", "re-encode": "re-encode", "keep-v2": "keep as v2"}
    header = [
        "v2",
        "v3",
        "chunks are" if not report.dry_run else "would",
        "arrays",
        "chunks",
        "size",
    ]
    rows = [
        [row.v2, row.v3 or "—", words[row.action], row.arrays, row.chunks, human_size(row.bytes)]
        for row in summary_rows(report)
    ]
    shown = table(None, header, rows)
    shown.box = box.SIMPLE_HEAD
    for column in shown.columns[3:]:
        column.justify = "right"
    parts: list[Any] = [shown] if rows else []
    for line in report.arrays:
        if line.reason and line.action not in ("copy",):
            parts.append(
                Text(printable(f"{line.path or '/'}: {words[line.action]}: {line.reason}"))
            )
    parts += [Text(printable(f"note: {line}"), style="yellow") for line in warning_lines(report)]
    parts += [Text(printable(f"hint: {line}"), style="cyan") for line in report.hints]
    parts.append(Text(printable(_closing(report)), style="bold"))
    return Group(*parts)


def _closing(report: ConversionReport) -> str:
    nodes = f"{len(report.arrays)} arrays and {report.groups} groups"
    refused = report.count("refuse")
    if report.dry_run and refused:
        return f"would convert nothing, because of what is refused: {refused}; nothing was written"
    if report.dry_run:
        return f"would convert {nodes}, {human_size(report.bytes)}; nothing was written"
    verified = {line.verified for line in report.arrays} - {"none"}
    check = {"full": "every value compared equal", "sample": "samples compared equal"}.get(
        next(iter(verified), ""), "not verified" if report.arrays else "verified"
    )
    resumed = f", {report.resumed} of them done by an earlier run" if report.resumed else ""
    return (
        f"{report.target}: {nodes}{resumed}, {human_size(report.bytes)} "
        f"in {report.seconds:.1f} s; {check}"
    )


def run(argv: Sequence[str] | None = None) -> None:
    """Run ``ncore convert``; see `make_parser`."""
    run_command(make_parser, argv)


if __name__ == "__main__":
    run()
