"""A directory or zip file -> an archive."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ncore.itar.location import is_remote, local_path
from ncore.itar.safe_path import path_problem
from ncore.itar.writer import Digest
from ncore.stores.documents import CONSOLIDATED_V2_CBOR
from ncore.stores.errors import PackError, StoreExistsError
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.key_order import access_order
from ncore.stores.pack_source import holds_zarr, open_pack_source
from ncore.stores.replaceable import overlap, replaceable_archive


@dataclass
class PackReport:
    """What was packed, or would be."""

    source: str
    target: str
    members: int
    bytes: int
    """Payload bytes."""
    archive_bytes: int | None
    """Size of the archive; ``None`` if nothing was written."""
    holds_zarr: bool
    """Whether a zarr begins at the source's root."""

    def to_json(self) -> dict[str, Any]:
        """Everything above as JSON values."""
        return dict(vars(self))


def pack(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    dry_run: bool = False,
    selected: Callable[[str], bool] | None = None,
    digests: Sequence[Digest] = ("crc32c",),
    progress: Callable[[int], None] = lambda size: None,
    begin: Callable[[int], None] = lambda total: None,
    **options: Any,
) -> PackReport:
    """Write the files of a directory, or the members of a zip file, into a new archive.

    Chunks go in the order in which readers want them, metadata behind them, each
    document once; the consolidated metadata is made anew. Memory does not grow with
    the data.

    Args:
        source: the directory or zip file.
        target: where the archive goes. It appears there complete or not at all.
        overwrite: replace an archive that is there.
        dry_run: look, and write nothing.
        selected: which keys to take; all by default.
        digests: checksums to put in the index.
        progress: told the bytes of each piece that was written.
        begin: told the total of bytes.
        **options: of the target's URL, as for :class:`IndexedTarStore`.

    Raises:
        PackError: the source cannot be read, or a name in it cannot be a key.
        StoreExistsError: something is at ``target`` and ``overwrite`` is false.
        ItarLockedError: another writer has the target open.
    """
    _check_target(source, target, overwrite)
    files = open_pack_source(source)
    try:
        sizes = files.sizes()
        keys = sorted((k for k in sizes if selected is None or selected(k)), key=_packing_order)
        for key in keys:
            if problem := path_problem(key):
                raise PackError(f"{files.name}: {key!r} cannot be a key: {problem}")
        if not keys:
            raise PackError(
                f"{files.name}: " + ("the selection matches no key" if sizes else "holds no files")
            )
        total = sum(sizes[key] for key in keys)
        report = PackReport(
            files.name, os.fspath(target), len(keys), total, None, holds_zarr(sizes)
        )
        if dry_run:
            return report
        begin(total)
        with IndexedTarStore(
            target, "w" if overwrite else "x", digests=digests, **options
        ) as store:
            try:
                for key in keys:
                    store.write_stream(key, files.pieces(key), sizes[key])
                    progress(sizes[key])
            except BaseException:
                store.discard()
                raise
    finally:
        files.close()
    with IndexedTarStore(target, **options) as store:
        report.members = len(store.reader)
        report.archive_bytes = store.reader.source.size
    return report


def _packing_order(key: str) -> tuple[bool, Any]:
    # Made anew at close: what comes last can be replaced without a gap.
    return key == CONSOLIDATED_V2_CBOR, access_order(key)


def _check_target(
    source: str | os.PathLike[str], target: str | os.PathLike[str], overwrite: bool
) -> None:
    if is_remote(target):
        return  # mode x asks the server
    path = Path(local_path(target))
    if how := overlap(Path(source), path):
        raise PackError(f"{path}: {how} {source}, which is to be packed")
    if path.exists():
        replaceable_archive(path)
        if not overwrite:
            raise StoreExistsError(f"{path}: already exists; --overwrite replaces it")
