"""Metadata documents of zarr: which keys they are, and their way into CBOR and back."""

import json
import lzma
from collections.abc import Iterable, Mapping
from typing import Any

import cbor2

from ncore.itar.index_codec import decompress
from ncore.stores.collection import paused_collection
from ncore.stores.errors import ConsolidatedMetadataError

ROOT_V3 = "zarr.json"
ROOT_V3_CBOR = "zarr.cbor.xz"
"""Where an archive holds the root's ``zarr.json`` (docs/format.md, "Zarr v3 content")."""
CONSOLIDATED_V2 = ".zmetadata"
CONSOLIDATED_V2_CBOR = ".zmetadata.cbor.xz"
V2_NAMES = (".zgroup", ".zattrs", ".zarray")

_NAMES = frozenset({ROOT_V3, CONSOLIDATED_V2, *V2_NAMES})
_INFLATED_MOST = 64 << 20
_SMALL = 128 << 10
"""Above this many bytes of CBOR the legacy preset takes ten times as long for a tenth less."""
_INFLATED_RATIO = 64
_PLAIN_HINT = "zarr_format=2, use_consolidated=False opens the plain metadata"

Document = dict[str, Any]


def is_document(key: str) -> bool:
    """Return whether zarr keeps a metadata document under this key."""
    return key.rpartition("/")[2] in _NAMES


def node_path(key: str) -> str:
    """Return the path of the node that a document describes ("" for the root)."""
    return key.rpartition("/")[0]


def by_depth(key: str) -> tuple[int, str]:
    """Sort key that puts parents before children and siblings side by side.

    zarr-python 3 nests a flat consolidated map by runs of equal parents: a map
    in another order loses nodes there.
    """
    return key.count("/"), key


def parse_json(data: bytes) -> Document | None:
    """Return a JSON object, ``None`` if the bytes are anything else."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def encode_json(document: Mapping[str, Any]) -> bytes:
    """Return a document as zarr reads it."""
    return json.dumps(document).encode()


def encode_cbor(document: Mapping[str, Any]) -> bytes | None:
    """Return an xz stream of the document's CBOR, ``None`` if CBOR cannot say it.

    (It cannot say a lone surrogate in a string.)
    """
    try:
        raw = cbor2.dumps(document)
        return lzma.compress(raw, preset=6 if len(raw) <= _SMALL else 1)
    except (cbor2.CBOREncodeError, UnicodeEncodeError, RecursionError):
        return None


def decode_cbor(data: bytes, name: str, documents_size: int) -> Document:
    """Return the document in an xz stream of CBOR.

    Args:
        data: the stream.
        name: archive and key, for messages.
        documents_size: bytes of all plain documents in the archive; what the stream
            may inflate to is bounded by them and by its own size.

    Raises:
        ConsolidatedMetadataError: it is damaged, or no map.
    """
    limit = _INFLATED_MOST + _INFLATED_RATIO * len(data) + 4 * documents_size
    try:
        with paused_collection():
            found = cbor2.loads(decompress(data, limit))
    except (ValueError, cbor2.CBORError, RecursionError, EOFError, TypeError) as error:
        raise ConsolidatedMetadataError(f"{name} is corrupt: {error}") from None
    if not isinstance(found, dict):
        raise ConsolidatedMetadataError(f"{name} is corrupt: it is not a map")
    return found


def checked_v2(consolidated: Mapping[str, Any], name: str) -> dict[str, Document]:
    """Return key -> document of a v2 consolidated map.

    Raises:
        ConsolidatedMetadataError: its format is not 1, or it holds no such map.
    """
    stated = consolidated.get("zarr_consolidated_format")
    if stated != 1:
        raise ConsolidatedMetadataError(
            f"{name}: zarr_consolidated_format is {stated!r}, only 1 is known; {_PLAIN_HINT}"
        )
    return _checked_map(consolidated.get("metadata"), name)


def checked_v3(root: Mapping[str, Any], name: str) -> dict[str, Document] | None:
    """Return node path -> document of a v3 root's inline consolidated metadata, if it has any.

    Raises:
        ConsolidatedMetadataError: it is there and malformed.
    """
    consolidated = root.get("consolidated_metadata")
    if consolidated is None:
        return None
    if not isinstance(consolidated, dict) or consolidated.get("kind") != "inline":
        raise ConsolidatedMetadataError(f"{name}: its consolidated metadata is not inline")
    return _checked_map(consolidated.get("metadata"), name)


def inline_consolidated(nodes: Mapping[str, Document]) -> Document:
    """Return v3 consolidated metadata of the nodes below a group, by path relative to it."""
    return {
        "kind": "inline",
        "must_understand": False,
        "metadata": {path: without_consolidated(nodes[path]) for path in sorted_paths(nodes)},
    }


def without_consolidated(document: Document) -> Document:
    """Return a node's document without what it knows of the nodes below it."""
    if "consolidated_metadata" not in document:
        return document
    return {key: value for key, value in document.items() if key != "consolidated_metadata"}


def sorted_paths(paths: Iterable[str]) -> list[str]:
    """Return node paths, parents first and siblings together."""
    return sorted(paths, key=by_depth)


def _checked_map(found: object, name: str) -> dict[str, Document]:
    if not isinstance(found, dict) or not all(
        isinstance(key, str) and isinstance(value, dict) for key, value in found.items()
    ):
        raise ConsolidatedMetadataError(
            f"{name}: it holds no map of metadata documents; {_PLAIN_HINT}"
        )
    return found
