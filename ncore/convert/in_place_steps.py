"""What converting a directory and an archive where they lie have in common."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from ncore.convert.errors import AlreadyV3Error, LayoutError
from ncore.convert.hierarchy import V2Hierarchy, read_hierarchy
from ncore.convert.memory import check_memory
from ncore.convert.options import ConvertOptions
from ncore.convert.plan import Plan, make_plan, refuse_unsupported, report_plan
from ncore.convert.progress import Progress
from ncore.convert.reencode import reencode
from ncore.convert.report import ConversionReport
from ncore.convert.source import Source
from ncore.convert.translation import Action
from ncore.stores.documents import inline_consolidated


def check_options(options: ConvertOptions) -> None:
    """Refuse what makes no sense where chunks stay.

    Raises:
        LayoutError: a layout or a selection was asked for.
    """
    if options.layout.asks or options.selected is not None:
        raise LayoutError("another layout or a selection cannot be had in place: name a target")


def plan_in_place(
    source: Source, hierarchy: V2Hierarchy, options: ConvertOptions
) -> tuple[Plan, ConversionReport]:
    """The plan and the report that goes with it.

    Raises:
        UnsupportedError: arrays that cannot be converted (but not of a dry run).
        LayoutError: a chunk is larger than the memory granted.
    """
    plan = make_plan(source, hierarchy, options, "")
    report = report_plan(plan, source.name, source.name, dry_run=options.dry_run)
    if not options.dry_run:
        refuse_unsupported(plan, source.name)
        check_memory(plan, options)
    return plan, report


def hierarchy_in_place(source: Source) -> V2Hierarchy | None:
    """What is left to convert; None if each node has its v3 metadata.

    Raises:
        SourceError: there is no zarr.
    """
    try:
        hierarchy = read_hierarchy(source, beside_v3=True)
    except AlreadyV3Error:
        return None
    return hierarchy if hierarchy.arrays or hierarchy.groups else None


def already_done(source: Source, started: float) -> ConversionReport:
    """The report of a run that found nothing left to do."""
    seconds = time.monotonic() - started
    return ConversionReport(source.name, source.name, already=True, seconds=seconds)


def root_with(root: Mapping[str, Any], nodes: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A root's ``zarr.json`` whose consolidated metadata, where it has any, knows new nodes."""
    consolidated = root.get("consolidated_metadata")
    known = consolidated.get("metadata") if isinstance(consolidated, Mapping) else None
    if not isinstance(known, Mapping):
        return dict(root)
    return {**root, "consolidated_metadata": inline_consolidated({**known, **nodes})}


def write_reencoded(
    source: Source,
    plan: Plan,
    options: ConvertOptions,
    progress: Progress,
    report: ConversionReport,
    write: Callable[[str, bytes], None],
) -> None:
    """Give the arrays whose chunks cannot stay new ones, beside the old.

    Args:
        source: the v2 store.
        plan: its plan.
        options: choices of the user.
        progress: told what is being done.
        report: gets bytes written and seconds.
        write: stores bytes under a key.
    """
    todo = [
        (array, line)
        for array, line in zip(plan.arrays, report.arrays, strict=True)
        if array.translation.action is Action.REENCODE
    ]
    progress.phase("convert", sum(array.size for array, _ in todo))
    for array, line in todo:
        began = time.monotonic()
        for key, data in reencode(
            array,
            source,
            "",
            jobs=options.jobs,
            memory=options.memory,
            allow_pickle=options.translation.allow_pickle,
        ):
            write(array.prefix + key, data)
            line.bytes_written += len(data)
        progress.advance(array.size)
        report.bytes_written += line.bytes_written
        line.seconds = time.monotonic() - began
