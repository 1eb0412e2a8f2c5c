"""Convert one zarr v2 store to v3: plan, execute, verify, publish, report."""

import contextlib
import errno
import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Unpack

from ncore.convert.errors import TargetError
from ncore.convert.hierarchy import V2_METADATA, read_hierarchy
from ncore.convert.locations import absolute, open_source, open_target, split_archive
from ncore.convert.memory import check_memory
from ncore.convert.options import Choices, ConvertOptions
from ncore.convert.plan import ArrayPlan, Plan, make_plan, refuse_unsupported, report_plan
from ncore.convert.progress import NoProgress, Progress
from ncore.convert.reencode import BlockEncoder, Encoded, reencode
from ncore.convert.report import ArrayReport, ConversionReport
from ncore.convert.source import Source
from ncore.convert.split import (
    SourcePlace,
    Split,
    TargetPlace,
    split_copy,
    split_reencode,
    worth_splitting,
)
from ncore.convert.target import Target
from ncore.convert.translation import Action
from ncore.convert.verify import verify_store
from ncore.errors import NcoreError

_WRITERS = 8
_OF_WRITING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES})
_BATCH_BYTES = 256 << 20
_SPLIT_BATCH_BYTES = 4 << 30  # enough shares at once for a cluster
_BATCH_ARRAYS = 4096


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | None,
    options: ConvertOptions | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
    **choices: Unpack[Choices],
) -> ConversionReport:
    """Convert a zarr v2 store to v3.

    Args:
        source: a directory, an ``.itar``, ``.zip`` or ``.ozx`` file, a URL; or a node
            inside one of these, ``x.zarr.itar/path/of/node``.
        target: likewise, but a whole one, chosen by its name; None plans only.
        options: choices of the user.
        progress: told what is being done.
        executor: of processes (here or elsewhere, that see source and target) among which
            what is large is split: arrays that must be encoded anew, and all that is copied
            to a directory or prefix.
        choices: single ones of ``options``, by keyword: ``verify="sample"``,
            ``overwrite=True``, ``shards="64MiB"``, ``objects="json-strings"``.

    Returns:
        What was done, array by array.

    Raises:
        UnsupportedError: arrays that cannot be converted; nothing was written.
        TargetExistsError: something is at the target and ``overwrite`` is off.
        VerificationError: what was written differs; the target was not published.
        SourceError: the source holds no zarr v2 hierarchy.
        ChunkDecodeError: a chunk that had to be re-encoded is damaged.
        OptionError: a choice does not exist.
    """
    options = (options or ConvertOptions()).with_choices(**choices)
    archive, root = split_archive(os.fspath(source))
    opened = open_source(archive, options.storage_options)
    try:
        to = None
        if target is not None:
            to = open_target(os.fspath(target), options.jobs, options.storage_options)
        split = None
        if executor is not None:
            storage = options.storage_options
            there = None
            if target is not None:
                there = TargetPlace(absolute(os.fspath(target)), storage, options.jobs)
            split = Split(executor, SourcePlace(absolute(archive), storage), there)
        return convert_store(opened, to, options, progress, root, split)
    finally:
        opened.close()


def convert_store(
    source: Source,
    target: Target | None,
    options: ConvertOptions | None = None,
    progress: Progress | None = None,
    root: str = "",
    split: Split | None = None,
) -> ConversionReport:
    """Convert an opened source into a target.

    Nothing is under the target's final name until all of it is written, synced
    and verified. An interrupted conversion is continued by the next call with the
    same source and options.

    Args:
        source: the v2 store, never modified.
        target: where to write; None plans only.
        options: choices of the user.
        progress: told what is being done.
        root: the node of the source that becomes the root.
        split: who helps with what is large; None does it here.

    Returns:
        What was done.

    Raises:
        UnsupportedError: arrays that cannot be converted; nothing was written.
        TargetExistsError: something is at the target and ``overwrite`` is off.
        VerificationError: what was written differs; the target was not published.
        SourceError: the source holds no zarr v2 hierarchy.
        ChunkDecodeError: a chunk that had to be re-encoded is damaged.
    """
    options = options or ConvertOptions()
    progress = progress or NoProgress()
    started = time.monotonic()
    progress.phase("plan", 0)
    hierarchy = read_hierarchy(source, options.selected, root)
    plan = make_plan(source, hierarchy, options, root)
    planned_only = options.dry_run or target is None
    name = None if target is None else target.name
    report = report_plan(plan, source.name, name, dry_run=planned_only)
    if target is not None:
        report.container = target.container
        report.replaces = target.check_place(source, options.overwrite)
    if options.dry_run or target is None:
        report.seconds = time.monotonic() - started
        return report
    refuse_unsupported(plan, source.name)
    check_memory(plan, options)
    target.check(_keys(plan))
    try:
        _execute(plan, source, target, options, progress, report, split)
        target.finish()
        if options.verify != "none":
            store = target.staged()
            try:
                verify_store(source, store, plan, options, progress, report)
            finally:
                store.close()
        target.publish(options.overwrite)
    except (OSError, KeyboardInterrupt) as error:
        with contextlib.suppress(OSError):
            target.abandon()
        if isinstance(error, OSError):
            raise _named(error, source, target) from error
        raise
    finally:
        target.release()
    report.seconds = time.monotonic() - started
    return report


def _named(error: OSError, source: Source, target: Target) -> OSError:
    """The error, naming a place that the user knows."""
    if isinstance(error, NcoreError) and ".ncore-" in str(error):
        return TargetError(f"{target.name}: {error}")
    hidden = isinstance(error.filename, str) and ".ncore-" in error.filename
    if isinstance(error, NcoreError) or not error.strerror or not (hidden or not error.filename):
        return error
    where = target.name if error.errno in _OF_WRITING else f"{source.name} -> {target.name}"
    return TargetError(f"{where}: {error.strerror}")


def _keys(plan: Plan) -> Iterator[str]:
    """Every key that the target will hold."""
    for array in plan.arrays:
        if array.translation.action is not Action.SKIP:
            prefix = array.prefix
            yield f"{prefix}zarr.json"
            if array.translation.action is not Action.REENCODE:
                yield from (prefix + key for key in array.node.keys)
    for path in plan.groups:
        yield f"{path}/zarr.json" if path else "zarr.json"
    yield from plan.others


def _execute(
    plan: Plan,
    source: Source,
    target: Target,
    options: ConvertOptions,
    progress: Progress,
    report: ConversionReport,
    split: Split | None,
) -> None:
    lines = {array.path: line for array, line in zip(plan.arrays, report.arrays, strict=True)}
    fingerprint = plan.fingerprint(source, options)
    records = target.read_journal()
    done: dict[str, int] = {}
    state: Any = None
    if records and records[0] == {"fingerprint": fingerprint}:
        for record in records[1:]:
            done.update(record["arrays"])
            state = record["state"]
    if not target.begin(plan.documents(), state, plan.consolidated):
        done.clear()
        target.append_journal({"fingerprint": fingerprint})
    report.resumed = len(done)
    for path, written in done.items():
        if path in lines:
            lines[path].bytes_written = written
    todo = [
        array
        for array in plan.arrays
        if array.path not in done and array.translation.action is not Action.SKIP
    ]
    progress.phase("convert", sum(a.size for a in todo) + sum(plan.others.values()))
    stored: dict[str, int] = {}
    most = _BATCH_BYTES if split is None else _SPLIT_BATCH_BYTES
    for batch in _batches(todo, most):
        _run_batch(batch, plan, source, target, options, progress, lines, split)
        stored.update((array.path, lines[array.path].bytes_written) for array in batch)
        state = target.checkpoint()
        if state is not None:
            target.append_journal({"arrays": stored, "state": state})
            stored = {}
    at = f"{plan.root}/" if plan.root else ""
    if plan.others:
        target.copy(source, {key: at + key for key in plan.others}, progress.advance)
    for line in report.arrays:
        report.bytes_written += line.bytes_written


def _batches(arrays: list[ArrayPlan], most: int) -> Iterator[list[ArrayPlan]]:
    """Arrays to copy come together, so that neighbours in an archive are copied in one go."""
    batch: list[ArrayPlan] = []
    size = 0
    for array in arrays:
        alone = array.translation.action is Action.REENCODE
        if batch and (alone or size + array.size > most or len(batch) >= _BATCH_ARRAYS):
            yield batch
            batch, size = [], 0
        batch.append(array)
        size += array.size
        if alone:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _run_batch(
    batch: list[ArrayPlan],
    plan: Plan,
    source: Source,
    target: Target,
    options: ConvertOptions,
    progress: Progress,
    lines: dict[str, ArrayReport],
    split: Split | None,
) -> None:
    started = time.monotonic()
    root = f"{plan.root}/" if plan.root else ""
    if batch[0].translation.action is Action.REENCODE:
        array = batch[0]
        line = lines[array.path]
        todo = array.size
        share = array.size / max(1, len(array.node.keys))
        encoded = _encoded(array, source, plan.root, options, split)
        for written in _written(encoded, array.prefix, target):
            line.bytes_written += written
            step = min(todo, int(share))
            todo -= step
            progress.advance(step)
        progress.advance(todo)
    else:
        keys: dict[str, str] = {}
        for array in batch:
            names = list(array.node.keys)
            if array.translation.action is Action.KEEP:
                metadata = [array.prefix + name for name in sorted(V2_METADATA)]
                entries = source.entries()
                keys.update({key: root + key for key in metadata if root + key in entries})
            for name in names:
                keys[array.prefix + name] = root + array.prefix + name
            lines[array.path].bytes_written = array.size
        if options.link:
            target.link(source, keys, progress.advance)
        elif split is None or not split_copy(split, source, target, keys, progress.advance):
            target.copy(source, keys, progress.advance)
    seconds = time.monotonic() - started
    total = sum(array.size for array in batch)
    for array in batch:
        part = array.size / total if total else 1 / len(batch)
        lines[array.path].seconds = seconds * part


def _encoded(
    array: ArrayPlan, source: Source, root: str, options: ConvertOptions, split: Split | None
) -> Iterator[Encoded]:
    memory, pickles = options.memory, options.translation.allow_pickle
    if split is not None:
        encoder = BlockEncoder(array, source, root, memory=memory, allow_pickle=pickles)
        if worth_splitting(encoder):
            return split_reencode(split, array, encoder, root, memory=memory, pickles=pickles)
    return reencode(array, source, root, jobs=options.jobs, memory=memory, allow_pickle=pickles)


def _written(encoded: Iterator[Encoded], prefix: str, target: Target) -> Iterator[int]:
    """Write what was encoded; several at once where the target takes that. Yields sizes."""
    if not target.parallel:
        for key, data in encoded:
            target.write(prefix + key, data)
            yield len(data)
        return
    with ThreadPoolExecutor(_WRITERS) as pool:
        waiting: deque[tuple[Future[None], int]] = deque()
        for key, data in encoded:
            waiting.append((pool.submit(target.write, prefix + key, data), len(data)))
            while len(waiting) >= _WRITERS:
                future, size = waiting.popleft()
                future.result()
                yield size
        for future, size in waiting:
            future.result()
            yield size
