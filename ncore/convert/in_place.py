"""Convert a directory where it lies: v3 metadata beside the v2 chunks, all or nothing.

A journal in the directory names every file that will be made before the first
is. Until the journal is removed the conversion has not happened: the next run
takes back whatever is there of it. The root's ``zarr.json`` comes last, so a
reader sees the v2 hierarchy until the v3 one is complete.
"""

import contextlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, Unpack

from zarr.storage import LocalStore

from ncore.convert.errors import SourceError
from ncore.convert.hierarchy import CONSOLIDATED, V2_METADATA
from ncore.convert.in_place_itar import convert_archive_in_place
from ncore.convert.in_place_steps import (
    already_done,
    check_options,
    hierarchy_in_place,
    plan_in_place,
    root_with,
    write_reencoded,
)
from ncore.convert.journal import Journal
from ncore.convert.options import Choices, ConvertOptions
from ncore.convert.plan import Plan
from ncore.convert.progress import NoProgress, Progress
from ncore.convert.report import ConversionReport
from ncore.convert.source import DirectorySource
from ncore.convert.translation import Action
from ncore.convert.verify import verify_store
from ncore.itar.durable import sync_file, sync_tree
from ncore.itar.location import is_remote, local_path
from ncore.stores.documents import inline_consolidated

JOURNAL = ".ncore-in-place.journal"


def convert_in_place(
    location: str | os.PathLike[str],
    options: ConvertOptions | None = None,
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> ConversionReport:
    """Convert a directory or an archive where it lies.

    See `convert_directory_in_place` and `convert_archive_in_place`.

    Args:
        location: of the directory or ``.itar`` file.
        options: choices of the user; a layout and a selection make no sense here.
        progress: told what is being done.
        choices: single ones of ``options``, by keyword: ``remove_v2=True``.

    Raises:
        SourceError: what lies there cannot be changed in place.
        OptionError: a choice does not exist.
    """
    options = (options or ConvertOptions()).with_choices(**choices)
    location = os.fspath(location)
    if not is_remote(location) and Path(local_path(location)).is_dir():
        path = local_path(location)
        return convert_directory_in_place(path, options, progress)
    if not is_remote(location) and location.endswith(".itar"):
        return convert_archive_in_place(local_path(location), options, progress)
    raise SourceError(
        f"{location}: only a directory or an .itar file of this machine is converted in place; "
        "name a target"
    )


def convert_directory_in_place(
    path: str | os.PathLike[str],
    options: ConvertOptions | None = None,
    progress: Progress | None = None,
) -> ConversionReport:
    """Give a v2 directory v3 metadata; chunks stay where they are.

    Arrays that must be re-encoded get new chunks beside the old ones.

    Args:
        path: the ``.zarr`` directory.
        options: choices of the user; a layout and a selection make no sense here.
        progress: told what is being done.

    Raises:
        UnsupportedError: arrays that cannot be converted; nothing was written.
        VerificationError: values differ; the directory is as it was.
        SourceError: the directory holds no zarr v2 hierarchy.
    """
    options = options or ConvertOptions()
    progress = progress or NoProgress()
    check_options(options)
    started = time.monotonic()
    root = Path(path)
    source = DirectorySource(root)
    journal = Journal(root / JOURNAL)
    if not options.dry_run:
        journal.acquire()
    try:
        return _convert(root, source, journal, options, progress, started)
    finally:
        if journal.path.exists() and not journal.records():
            journal.remove()
        journal.release()


def _convert(
    root: Path,
    source: DirectorySource,
    journal: Journal,
    options: ConvertOptions,
    progress: Progress,
    started: float,
) -> ConversionReport:
    progress.phase("plan", 0)
    records = journal.records()
    if records and records[0].get("phase") == "remove":
        _remove(root, journal, records[0])
        return ConversionReport(source.name, source.name, seconds=time.monotonic() - started)
    if records and options.dry_run:
        raise SourceError(
            f"{source.name}: an earlier --in-place run was interrupted; the next one takes back "
            "what it left and begins anew"
        )
    if records:
        _take_back(root, records[0])
        journal.clear()
    hierarchy = hierarchy_in_place(source)
    if hierarchy is None:
        report = already_done(source, started)
        if options.remove_v2 and not options.dry_run:
            report.removed = _start_removal(root, journal, _leftovers(source))
        return report
    hierarchy.others.pop(JOURNAL, None)
    for node in hierarchy.arrays.values():
        node.keys.pop(JOURNAL, None)
    plan, report = plan_in_place(source, hierarchy, options)
    if options.dry_run:
        return report
    record = _files_to_make(root, plan)
    journal.append(record)
    sync_file(root)
    try:
        _write(root, source, plan, options, progress, report)
        if options.verify != "none":
            store = LocalStore(root, read_only=True)
            try:
                verify_store(source, store, plan, options, progress, report)
            finally:
                store.close()
    except BaseException:
        _take_back(root, record)
        journal.clear()
        raise
    journal.clear()  # from here on it has happened
    if options.remove_v2:
        keys = _superseded(plan, hierarchy.consolidated, source)
        if hierarchy.converted:  # by an earlier run
            keys = sorted({*keys, *_leftovers(DirectorySource(root))})
        report.removed = _start_removal(root, journal, keys)
    report.seconds = time.monotonic() - started
    return report


def _files_to_make(root: Path, plan: Plan) -> dict[str, Any]:
    files = [f"{path}/zarr.json" if path else "zarr.json" for path in plan.documents()]
    folders = [a.prefix + "c" for a in plan.arrays if a.translation.action is Action.REENCODE]
    for name in (*files, *folders):
        if (root / name).exists():
            raise SourceError(f"{root / name} is there already: convert to another directory")
    record = {"phase": "make", "files": files, "folders": folders}
    if "zarr.json" not in files:
        record["root"] = _root_text(root)
    return record


def _root_text(root: Path) -> str:
    try:
        text = (root / "zarr.json").read_text()
        if isinstance(json.loads(text), dict):
            return text
    except (OSError, ValueError, RecursionError):
        pass
    raise SourceError(f"{root / 'zarr.json'}: the root's v3 metadata cannot be read; mend it first")


def _write(
    root: Path,
    source: DirectorySource,
    plan: Plan,
    options: ConvertOptions,
    progress: Progress,
    report: ConversionReport,
) -> None:
    def write(key: str, data: bytes) -> None:
        file = root / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    write_reencoded(source, plan, options, progress, report, write)
    documents = plan.documents()
    nodes = {path: document for path, document in documents.items() if path}
    if "" not in documents:  # an earlier run made it
        document = root_with(json.loads((root / "zarr.json").read_bytes()), nodes)
    elif plan.consolidated:
        document = {**documents[""], "consolidated_metadata": inline_consolidated(nodes)}
    else:
        document = documents[""]
    for path in reversed(nodes):
        (root / path / "zarr.json").write_bytes(json.dumps(nodes[path], indent=2).encode())
    _put_root(root, json.dumps(document, indent=2).encode())  # all else is there


def _put_root(root: Path, text: bytes) -> None:
    sync_tree(root)
    temporary = root / "zarr.json.ncore-new"
    temporary.write_bytes(text)
    sync_file(temporary)
    temporary.rename(root / "zarr.json")
    sync_tree(root)


def _take_back(root: Path, record: dict[str, Any]) -> None:
    """Remove what an unfinished run made; the journal names nothing that was there before."""
    for name in (*record["files"], "zarr.json.ncore-new"):
        with contextlib.suppress(FileNotFoundError):
            (root / name).unlink()
    for name in record["folders"]:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(root / name)
    if "root" in record:
        _put_root(root, record["root"].encode())
    sync_tree(root)


def _superseded(plan: Plan, consolidated: bool, source: DirectorySource) -> list[str]:
    """Keys that nobody needs once the v3 metadata is there."""
    keys = []
    entries = source.entries()
    for array in plan.arrays:
        if array.translation.document is None:
            continue
        keys += [array.prefix + name for name in V2_METADATA]
        if array.translation.action is Action.REENCODE:
            keys += [array.prefix + key for key in array.node.keys]
    for path in plan.groups:
        keys += [f"{path}/{name}" if path else name for name in V2_METADATA]
    keys += CONSOLIDATED
    return [key for key in keys if key in entries]


def _leftovers(source: DirectorySource) -> list[str]:
    """v2 metadata of a directory converted earlier, where v3 metadata lies beside it."""
    entries = source.entries()
    found = [key for key in CONSOLIDATED if key in entries]
    for key in entries:
        folder, _, name = key.rpartition("/")
        at = f"{folder}/" if folder else ""
        if name in V2_METADATA and f"{at}zarr.json" in entries:
            found.append(key)
            if name == ".zarray" and _has_new_chunks(source, at):
                found += [k for k in entries if k.startswith(at) and _is_old_chunk(k, at)]
    return found


def _has_new_chunks(source: DirectorySource, at: str) -> bool:
    document = json.loads(source.read(f"{at}zarr.json"))
    return bool(document.get("chunk_key_encoding", {}).get("name") == "default")


def _is_old_chunk(key: str, at: str) -> bool:
    rest = key[len(at) :]
    return rest.replace("/", "").replace(".", "").isdigit()


def _start_removal(root: Path, journal: Journal, keys: list[str]) -> int:
    """Remove files, to be gone on with should that be interrupted; returns how many."""
    if not keys:
        return 0
    record = {"phase": "remove", "files": keys}
    journal.append(record)
    _remove(root, journal, record)
    return len(keys)


def _remove(root: Path, journal: Journal, record: dict[str, Any]) -> None:
    for name in record["files"]:
        with contextlib.suppress(FileNotFoundError):
            (root / name).unlink()
    sync_tree(root)
    journal.clear()
