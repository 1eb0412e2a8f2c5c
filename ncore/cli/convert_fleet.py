"""``ncore convert`` of many stores: progress over all of them, results as they come."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.text import Text

from ncore.cli.app import FAILED, UsageError
from ncore.cli.output import Output, counted, label, printable
from ncore.cli.output_file import STDOUT, is_stream, output_in_parts, partial_output
from ncore.convert.discover import discover
from ncore.convert.errors import SourceError
from ncore.convert.fleet import run_here
from ncore.convert.fleet_dask import run_on_dask
from ncore.convert.fleet_task import FleetResult, FleetTask, fleet_tasks
from ncore.convert.options import ConvertOptions
from ncore.convert.summary import human_size
from ncore.itar.location import is_remote, local_path
from ncore.stores.replaceable import overlap

_STATUSES = ("converted", "present", "v3", "failed")


def convert_fleet(args: argparse.Namespace, options: ConvertOptions, out: Output) -> int | None:
    """Convert every store that the arguments name; exit code 1 if one failed."""
    if args.to is None and not (args.in_place or args.dry_run):
        raise UsageError("say where the converted zarrs go: --to DIR_OR_PREFIX")
    places = list(_places(args.places))
    if not places:
        raise SourceError("no SOURCE to convert: standard input names none")
    found = discover(
        places,
        recursive=args.recursive,
        storage_options=options.storage_options,
        target=args.to,
    )
    tasks = fleet_tasks(found, args.to, args.container)
    _refuse_onto_itself(tasks)
    results: list[FleetResult] = []
    with ExitStack() as stack:
        # The size of a directory is not known; a bar of bytes would leave it out.
        of_bytes = all(task.size or task.problem for task in tasks)
        bar = stack.enter_context(out.progress(of_bytes=of_bytes))
        total = sum(task.size for task in tasks) if of_bytes else len(tasks)
        shown = bar.add_task(f"0 of {len(tasks)}", total=total)
        done = 0
        log = None
        if args.report is not None:
            log = stack.enter_context(output_in_parts(args.report))
            if args.report != STDOUT and not is_stream(args.report):
                args.interrupted.append(f"the report so far is {partial_output(args.report)}")
        for result in _results(tasks, options, args):
            results.append(result)
            if log is not None:
                log(json.dumps(result.to_json()) + "\n")
            if result.status == "failed":
                out.error(_failure(result))
            name = result.source.rstrip("/").rpartition("/")[2]
            done += result.report.get("bytes", 0)
            text = f"{len(results)} of {len(tasks)}  {human_size(done)}  {label(name)}"
            bar.update(shown, advance=result.size if of_bytes else 1, description=text)
    document = {
        "stores": len(results),
        **{status: _count(results, status) for status in _STATUSES},
        "results": [result.to_json() for result in results],
    }
    if args.report != STDOUT:
        out.result(document, None if args.quiet else _render(results, options.dry_run))
    return FAILED if document["failed"] else None


def _refuse_onto_itself(tasks: list[FleetTask]) -> None:
    for task in tasks:
        if not task.target or is_remote(task.source) or is_remote(task.target):
            continue
        if overlap(Path(local_path(task.source)), Path(local_path(task.target))) == "is":
            raise UsageError(
                f"{task.source} would be written over itself: choose another place for --to, "
                "another --container, or --in-place"
            )


def _failure(result: FleetResult) -> str:
    """One line; most errors begin with the name already."""
    text = result.error.splitlines()[0] if result.error else "failed"
    return text if text.startswith(result.source) else f"{result.source}: {text}"


def _places(given: list[str]) -> Iterator[str]:
    for place in given:
        if place == "-":
            yield from (line.strip() for line in sys.stdin if line.strip())
        else:
            yield place


def _results(
    tasks: list[Any], options: ConvertOptions, args: argparse.Namespace
) -> Iterator[FleetResult]:
    if args.dask is not None:
        yield from run_on_dask(tasks, options, args.dask, args.retries)
        return
    processors = len(os.sched_getaffinity(0))
    processes = min(args.jobs or processors, max(1, len(tasks)))
    # The machine's threads, and memory that was counted out, are shared by the processes.
    share = replace(
        options,
        jobs=max(1, 2 * processors // processes),
        memory=options.memory // (processes if args.memory is not None else 1),
    )
    yield from run_here(tasks, share, processes, args.retries)


def _count(results: list[FleetResult], status: str) -> int:
    return sum(result.status == status for result in results)


def _render(results: list[FleetResult], dry_run: bool) -> Text:
    size = sum(result.report.get("bytes", 0) for result in results)
    arrays = sum(len(result.report.get("arrays", [])) for result in results)
    count = {status: _count(results, status) for status in _STATUSES}
    v3 = f"{count['v3']} are zarr v3, " if count["v3"] else ""
    shown = Text()
    for line in _hints(results):
        shown.append(printable(f"hint: {line}") + "\n", style="cyan")
    return shown.append(
        printable(
            f"{count['converted']} of {len(results)} zarrs "
            f"{'would be ' if dry_run else ''}converted "
            f"({counted(arrays, 'array')}, {human_size(size)}), "
            f"{count['present']} there already, {v3}{count['failed']} failed"
        ),
        style="bold",
    )


def _hints(results: list[FleetResult]) -> list[str]:
    """What else could be asked for: each kind once, of the first zarr that it is about."""
    alike: dict[str, list[str]] = {}
    for result in results:
        for hint in result.report.get("hints", []):
            # Hints name nodes in brackets; what is left tells one kind from another.
            alike.setdefault(hint.partition(" (")[0], []).append(f"{result.source}: {hint}")
    more = [
        f" (and {counted(len(lines) - 1, 'more zarr')})" if lines[1:] else ""
        for lines in alike.values()
    ]
    return [lines[0] + rest for lines, rest in zip(alike.values(), more, strict=True)]
