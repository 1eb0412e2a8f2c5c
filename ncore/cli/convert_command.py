"""What ``ncore convert`` does with its arguments."""

import argparse
import json
from typing import Any

from rich import box
from rich.console import Group
from rich.progress import Progress as RichProgress
from rich.progress import TaskID
from rich.text import Text

from ncore.cli.app import FAILED, UsageError
from ncore.cli.convert_fleet import convert_fleet
from ncore.cli.output import Output, counted, printable, table
from ncore.cli.output_file import STDOUT, output_file, write_output
from ncore.convert.conversion import convert as convert_one
from ncore.convert.in_place import convert_in_place
from ncore.convert.options import ConvertOptions
from ncore.convert.relayout import Layout, parse_compressor, parse_extent
from ncore.convert.report import ConversionReport
from ncore.convert.summary import summary_rows, warning_lines
from ncore.convert.translate_array import TranslationOptions
from ncore.itar.location import is_remote
from ncore.itar.sizes import human_size
from ncore.select.selection import ZarrSelection


def convert(args: argparse.Namespace, out: Output) -> int | None:
    """Convert what the arguments name; exit code 1 if something failed or is refused."""
    if args.remove_v2 and not args.in_place:
        raise UsageError("--remove-v2 belongs to --in-place: other sources are never changed")
    if args.in_place and args.to is not None:
        raise UsageError("--in-place changes the SOURCEs: leave --to out")
    if args.link and args.in_place:
        raise UsageError("--link makes another directory: leave it out with --in-place")
    options = _options(args)
    if "" in args.places or args.to == "":
        raise UsageError("a SOURCE, TARGET or --to is empty: name a path or URL")
    if args.report is not None:
        args.report = output_file(
            args.report, reading=[p for p in args.places if p != "-"], flag="--report"
        )
        if args.report == STDOUT and args.json:
            raise UsageError("--json and --report - both write to standard output")
    if args.to is not None or args.recursive or "-" in args.places:
        return convert_fleet(args, options, out)
    most = 1 if args.in_place else 2
    if len(args.places) > most:
        if args.in_place:
            raise UsageError("--in-place has no TARGET; several SOURCEs go with --recursive")
        raise UsageError("too many arguments: to convert several SOURCEs, say where --to")
    source, target = [*args.places, None][:2]
    if target is None and not (args.dry_run or args.in_place):
        raise UsageError("TARGET is missing (only --dry-run and --in-place go without)")
    with out.progress() as bar:
        if args.in_place:
            report = convert_in_place(source, options, _Bar(bar))
        else:
            report = convert_one(source, target, options, _Bar(bar))
    document = report.to_json()
    if args.report is not None:
        write_output(args.report, json.dumps(document, indent=2) + "\n")
    if args.report != STDOUT:
        out.result(document, None if args.quiet else render(report))
    return FAILED if report.dry_run and report.count("refuse") else None


def _options(args: argparse.Namespace) -> ConvertOptions:
    try:
        selection = ZarrSelection.from_flags(args.zarr, args.zarr_and, args.zarr_not)
        layout = Layout(
            chunks=None if args.chunks is None else parse_extent(args.chunks),
            shards=None if args.shards is None else parse_extent(args.shards),
            compressor=None if args.compressor is None else parse_compressor(args.compressor),
        )
        memory = parse_extent(args.memory or "1GiB")
    except ValueError as error:
        raise UsageError(str(error)) from None
    if args.storage_option and "-" not in args.places:
        named = [*args.places, *([args.to] if args.to else [])]
        if not any(map(is_remote, named)):
            raise UsageError("--storage-option is for URLs, and all places are of this machine")
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
        link=args.link,
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
    parts += [Text(printable(line)) for line in _reasons(report, words)]
    parts += [Text(printable(f"note: {line}"), style="yellow") for line in warning_lines(report)]
    parts += [Text(printable(f"hint: {line}"), style="cyan") for line in report.hints]
    parts.append(Text(printable(_closing(report)), style="bold"))
    return Group(*parts)


def _reasons(report: ConversionReport, words: dict[str, str]) -> list[str]:
    """Why arrays were not copied: each that is lost by name, the others counted."""
    lines = []
    alike: dict[str, list[str]] = {}
    for line in report.arrays:
        if line.action == "re-encode":
            alike.setdefault(line.reason, []).append(line.path or "/")
        elif line.reason and line.action != "copy":
            lines.append(f"{line.path or '/'}: {words[line.action]}: {line.reason}")
    for reason, paths in alike.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        lines.append(f"{paths[0]}{more}: {words['re-encode']}: {reason}")
    return lines


def _left(report: ConversionReport) -> str:
    """How many arrays did not become v3."""
    counts = (("left out", report.count("skip")), ("kept as v2", report.count("keep-v2")))
    return "".join(f", {count} {what}" for what, count in counts if count)


def _replacing(report: ConversionReport) -> str:
    return f" and replace {report.target} ({report.replaces})" if report.replaces else ""


def _closing(report: ConversionReport) -> str:
    converted = len(report.arrays) - report.count("skip") - report.count("keep-v2")
    nodes = f"{counted(converted, 'array')} and {counted(report.groups, 'group')}{_left(report)}"
    named = (report.target or "").rstrip("/").endswith(".zarr")
    kind = f" (a {report.container})" if report.container == "directory" and not named else ""
    into = f" into {report.target}{kind}" if kind else ""
    refused = report.count("refuse")
    if report.dry_run and refused:
        return f"would convert nothing, because of what is refused: {refused}; nothing was written"
    if report.dry_run:
        return (
            f"would convert {nodes}{into}, {human_size(report.bytes)}{_replacing(report)}; "
            "nothing was written"
        )
    removed = f"; {report.removed} files of v2 removed" if report.removed else ""
    if report.already:
        return f"{report.target}: zarr v3 already, nothing was left to convert{removed}"
    verified = {line.verified for line in report.arrays} - {"none"}
    check = {"full": "every value compared equal", "sample": "samples compared equal"}.get(
        next(iter(verified), ""), "not verified" if report.arrays else "verified"
    )
    resumed = f", {report.resumed} of them done by an earlier run" if report.resumed else ""
    return (
        f"{report.target}{kind}: {nodes}{resumed}, {human_size(report.bytes)} "
        f"in {report.seconds:.1f} s; {check}{removed}"
    )
