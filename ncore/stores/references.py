"""References into an archive, for readers that have no code of ours.

kerchunk's format, which fsspec's ``reference`` file system reads: each key is a
document as text, or where its bytes lie: ``[url, offset, size]``. See
https://fsspec.github.io/kerchunk/spec.html (version 1), and for Parquet the layout of
``fsspec.implementations.reference.LazyReferenceMapper``.
"""

import base64
import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ncore.itar.errors import ItarKeyError
from ncore.itar.location import is_remote, local_path
from ncore.stores.documents import (
    CONSOLIDATED_V2,
    CONSOLIDATED_V2_CBOR,
    ROOT_V3_CBOR,
    is_document,
)
from ncore.stores.errors import StoreExistsError
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.replaceable import part_of_a_zarr

Json = dict[str, Any]
Reference = str | list[Any]
"""Text, ``base64:...``, or ``[url, offset, size]``."""


Format = Literal["json", "parquet"]


class ReferenceReport(NamedTuple):
    """What was written."""

    target: str
    documents: int
    """Metadata documents, which are held inline."""
    chunks: int
    """Chunks, which are referenced."""


def archive_url(location: str | os.PathLike[str]) -> str:
    """Return how references call an archive: an absolute path, or the URL as it is."""
    text = os.fspath(location)
    return text if is_remote(text) else str(Path(local_path(text)).absolute())


def write_references(
    store: IndexedTarStore,
    target: str | os.PathLike[str],
    format: Format = "json",
    *,
    url: str | None = None,
    overwrite: bool = False,
    record_size: int = 100_000,
) -> ReferenceReport:
    """Write references to everything in an archive; they appear complete or not at all.

    Args:
        store: the archive, open for reading.
        target: a local file, or for Parquet a directory.
        format: ``json``, or ``parquet`` for archives of millions of chunks, which readers
            then load piece by piece.
        url: where readers will find the archive; by default where it lies now, without
            credentials.
        overwrite: replace what is at ``target``.
        record_size: references a Parquet file.

    Raises:
        StoreExistsError: there is something at ``target`` (a ``FileExistsError``).
        ReferencesError: an array that Parquet references cannot describe (a ``ValueError``).
        MissingPackageError: Parquet needs pandas, fastparquet and kerchunk (an
            ``ImportError``): ``pip install 'ncore[parquet]'``.
    """
    final = Path(target)
    if (final.exists() or final.is_symlink()) and not overwrite:
        raise StoreExistsError(f"{final}: exists already")
    if what := part_of_a_zarr(final):
        raise StoreExistsError(f"{final}: is {what}, which references never replace")
    if final.is_dir() and not (format == "parquet" and _is_parquet_references(final)):
        raise StoreExistsError(
            f"{final}: is a directory and holds no Parquet references, so it is not replaced"
        )
    references = iter_references(store, archive_url(store.name if url is None else url))
    beside = final.with_name(f".{final.name}.ncore-{os.getpid()}")
    try:
        if format == "json":
            report = _write_json(references, beside)
        else:
            from ncore.stores.parquet_references import write_parquet

            report = ReferenceReport("", *write_parquet(references, beside, store, record_size))
        _put_in_place(beside, final)
    except BaseException:
        _remove(beside)
        raise
    return report._replace(target=str(final))


def json_references(references: Iterator[tuple[str, Reference]]) -> Json:
    """Return references as the document that kerchunk calls version 1."""
    return {"version": 1, "refs": dict(references)}


def _is_parquet_references(path: Path) -> bool:
    try:
        return "record_size" in json.loads((path / ".zmetadata").read_bytes())
    except (OSError, ValueError, TypeError):
        return False


def _write_json(references: Iterator[tuple[str, Reference]], path: Path) -> ReferenceReport:
    document = json_references(references)
    refs = document["refs"]
    with path.open("w") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    documents = sum(map(is_document, refs))
    return ReferenceReport("", documents, len(refs) - documents)


def _put_in_place(beside: Path, final: Path) -> None:
    if not final.is_dir():
        beside.replace(final)
        return
    old = final.with_name(f".{final.name}.ncore-old-{os.getpid()}")
    final.rename(old)
    beside.rename(final)
    shutil.rmtree(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def iter_references(store: IndexedTarStore, url: str) -> Iterator[tuple[str, Reference]]:
    """Yield (key, reference) of everything in an archive that is open for reading.

    Documents are inline, as zarr reads them; so is the root's ``zarr.json``, which the
    archive holds compressed only.

    Args:
        store: the archive.
        url: where readers find it.
    """
    for key in store.sorted_keys():
        if is_document(key):
            yield key, _inline(store.read(key))
        elif key == CONSOLIDATED_V2_CBOR:
            with contextlib.suppress(ItarKeyError):  # of no use to zarr
                yield CONSOLIDATED_V2, _inline(store.read(CONSOLIDATED_V2))
        elif key != ROOT_V3_CBOR:
            entry = store.entry(key)
            yield key, [url, entry.offset, entry.size] if entry.size else ""


def _inline(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(data).decode()}"
    # fsspec takes such text for an encoded value.
    return f"base64:{base64.b64encode(data).decode()}" if text.startswith("base64:") else text
