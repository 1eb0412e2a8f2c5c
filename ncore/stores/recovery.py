"""Recovering an archive as a zarr hierarchy: every chunk under a group and an array again."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from ncore.itar.recover import RecoveryReport, recover
from ncore.itar.writer import ItarWriter
from ncore.stores import documents
from ncore.stores.documents import CONSOLIDATED_V2_CBOR, ROOT_V3, ROOT_V3_CBOR, V2_NAMES
from ncore.stores.errors import ConsolidatedMetadataError
from ncore.stores.finish import parse_documents, write_documents


@dataclass
class ZarrRecoveryReport:
    """What came back of the hierarchy, besides the members."""

    container: RecoveryReport
    nodes: list[str] = field(default_factory=list)
    """Paths of the groups and arrays that have metadata ("" is the root)."""
    made_groups: list[str] = field(default_factory=list)
    """Paths of groups whose metadata was lost and which stand here without attributes."""
    orphans: int = 0
    """Values that lie below no array whose metadata is known."""


def recover_archive(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ZarrRecoveryReport:
    """Recover an archive (:func:`ncore.itar.recover.recover`) and make it whole as a zarr.

    Metadata documents, of the file and of the journal of a writer that died, are
    consolidated again; groups that must have been there are made.

    Args:
        path: the damaged archive, or the name of one whose writer died.
        output: where the new archive goes.
        overwrite: whether it may be replaced.
        progress: called with (bytes of the source done, bytes in all).

    Raises:
        ItarError: as :func:`~ncore.itar.recover.recover`.
    """
    found: list[ZarrRecoveryReport] = []

    def finish(writer: ItarWriter, container: RecoveryReport) -> None:
        report = ZarrRecoveryReport(container)
        _gather(writer)
        _add_groups(writer, report)
        keys = writer.keys()
        arrays = set()
        for key, document in parse_documents(writer.deferred, (ROOT_V3, *V2_NAMES)).items():
            if not key.endswith(".zattrs"):
                report.nodes.append(documents.node_path(key))
            if document.get("node_type") == "array" or key.endswith(".zarray"):
                arrays.add(documents.node_path(key))
        report.nodes.sort()
        for key in keys:
            if not documents.is_document(key) and not _below(key, arrays):
                report.orphans += 1
        write_documents(writer)
        found.append(report)

    recover(path, output, overwrite=overwrite, finish=finish, progress=progress)
    return found[0]


def _gather(writer: ItarWriter) -> None:
    """Defer every document again, the root's out of its CBOR, to be written consolidated."""
    known = set(writer.deferred)
    for key in writer:
        if documents.is_document(key) and key not in known:
            writer.defer(key, writer.read(key))
    if ROOT_V3_CBOR in writer:
        if ROOT_V3 not in writer:
            try:
                root = documents.decode_cbor(
                    writer.read(ROOT_V3_CBOR), f"{writer.path}: {ROOT_V3_CBOR}", 0
                )
            except ConsolidatedMetadataError:
                pass  # damaged: the group is made anew below
            else:
                for path, node in (documents.checked_v3(root, ROOT_V3_CBOR) or {}).items():
                    if f"{path}/{ROOT_V3}" not in writer:
                        writer.defer(f"{path}/{ROOT_V3}", documents.encode_json(node))
                writer.defer(ROOT_V3, documents.encode_json(root))
        writer.delete(ROOT_V3_CBOR)
    if CONSOLIDATED_V2_CBOR in writer:
        name = f"{writer.path}: {CONSOLIDATED_V2_CBOR}"
        try:
            decoded = documents.decode_cbor(writer.read(CONSOLIDATED_V2_CBOR), name, 0)
            stated = documents.checked_v2(decoded, name)
        except ConsolidatedMetadataError:
            stated = {}
        for key, document in stated.items():
            if documents.is_document(key) and key not in writer:
                writer.defer(key, documents.encode_json(document))
        writer.delete(CONSOLIDATED_V2_CBOR)


def _add_groups(writer: ItarWriter, report: ZarrRecoveryReport) -> None:
    for name, document in (
        (ROOT_V3, {"zarr_format": 3, "node_type": "group", "attributes": {}}),
        (".zgroup", {"zarr_format": 2}),
    ):
        marks = (ROOT_V3,) if name == ROOT_V3 else V2_NAMES
        nodes = {documents.node_path(key) for key in parse_documents(writer.deferred, marks)}
        needed = {parent for node in nodes for parent in _parents(node)}
        for path in sorted(needed):
            own = [f"{path}/{mark}".lstrip("/") for mark in marks if mark != ".zattrs"]
            if not any(key in writer for key in own):
                key = f"{path}/{name}".lstrip("/")
                writer.defer(key, documents.encode_json(document))
                report.made_groups.append(path)


def _parents(path: str) -> list[str]:
    parts = path.split("/") if path else []
    return ["/".join(parts[:n]) for n in range(len(parts))]


def _below(key: str, arrays: set[str]) -> bool:
    parts = key.split("/")
    return any("/".join(parts[:n]) in arrays for n in range(len(parts)))
