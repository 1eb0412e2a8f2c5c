"""The last members of an archive: its metadata documents, and the consolidated ones.

docs/format.md, "Zarr v3 content". They lie at the end of the file, where the
read that opens an archive finds them.
"""

import warnings
from collections.abc import Mapping, Sequence

from ncore.itar.writer import ItarWriter
from ncore.stores import documents
from ncore.stores.documents import (
    CONSOLIDATED_V2,
    CONSOLIDATED_V2_CBOR,
    ROOT_V3,
    ROOT_V3_CBOR,
    V2_NAMES,
    Document,
)


def write_documents(writer: ItarWriter) -> None:
    """Write the deferred documents of a writer that is about to be closed.

    The root's ``zarr.json`` becomes ``zarr.cbor.xz``, with the documents of all nodes
    below it; v2 documents are repeated in ``.zmetadata.cbor.xz``.
    """
    found = parse_documents(_all_documents(writer, V2_NAMES), V2_NAMES)
    consolidated_v2 = None
    if ".zgroup" in found:
        ordered = {key: found[key] for key in documents.sorted_paths(found)}
        consolidated_v2 = documents.encode_cbor(
            {"zarr_consolidated_format": 1, "metadata": ordered}
        )
    # zarr's own, of before an archive was changed, would hide what is new.
    stale = CONSOLIDATED_V2 in writer and CONSOLIDATED_V2 not in writer.deferred
    root = _consolidated_root(writer)
    if root is not None:
        writer.delete(ROOT_V3)
    for key in documents.sorted_paths(writer.deferred):
        writer.write_deferred(key)
    if stale:
        writer.delete(CONSOLIDATED_V2)
    if consolidated_v2 is not None:
        writer.set(CONSOLIDATED_V2_CBOR, consolidated_v2)
    if root is not None:
        writer.set(ROOT_V3_CBOR, root)


def _all_documents(writer: ItarWriter, names: Sequence[str]) -> dict[str, bytes]:
    """Return the documents that wait and, of an archive that is being changed, those in it."""
    found = dict(writer.deferred)
    for key in writer:
        if key not in found and key.rpartition("/")[2] in names:
            found[key] = writer.read(key)
    return found


def parse_documents(deferred: Mapping[str, bytes], names: Sequence[str]) -> dict[str, Document]:
    """Return key -> document of those with these names that are JSON objects."""
    found = {}
    for key, data in deferred.items():
        if key.rpartition("/")[2] in names:
            document = documents.parse_json(data)
            if document is not None:
                found[key] = document
    return found


def _consolidated_root(writer: ItarWriter) -> bytes | None:
    """Return the content of ``zarr.cbor.xz``; ``None`` if the root has no such document."""
    nodes = parse_documents(_all_documents(writer, (ROOT_V3,)), (ROOT_V3,))
    root = nodes.pop(ROOT_V3, None)
    if root is None:
        return None  # none, or not zarr's: it stays a member as it is
    if root.get("node_type") == "group":
        by_path = {documents.node_path(key): document for key, document in nodes.items()}
        root = {**root, "consolidated_metadata": documents.inline_consolidated(by_path)}
    packed = documents.encode_cbor(root)
    if packed is None:
        warnings.warn(
            f"{writer.path}: the root's zarr.json cannot be written as CBOR; "
            "it stays a plain member",
            stacklevel=4,
        )
    return packed
