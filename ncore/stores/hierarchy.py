"""The nodes of a zarr as its metadata documents tell them, with what each one stores.

Read from the documents themselves and not through zarr, so that one array
which no zarr can open does not hide the others.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from zarr.core.dtype import get_data_type_from_json

from ncore.stores import documents
from ncore.stores.documents import CONSOLIDATED_V2, CONSOLIDATED_V2_CBOR, ROOT_V3_CBOR, Document

Kind = Literal["group", "array"]
_CONSOLIDATED = frozenset({ROOT_V3_CBOR, CONSOLIDATED_V2, CONSOLIDATED_V2_CBOR})
_SHARDING = "sharding_indexed"


@dataclass
class Node:
    """One group or array."""

    path: str
    """Path inside the zarr; "" is the root."""
    kind: Kind
    zarr_format: int
    attributes: int
    """Number of attributes."""
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    itemsize: int | None = None
    """Bytes of one element; ``None`` where elements vary in size or the type is unknown."""
    chunks: tuple[int, ...] | None = None
    """Shape of what is encoded by itself: the chunk, or the inner chunk of a shard."""
    shards: tuple[int, ...] | None = None
    """Shape of what is stored under one key, where that is a shard."""
    codecs: list[str] = field(default_factory=list)
    """In the order in which they encode: filters, serializer, compressors."""
    problem: str = ""
    """What is wrong with its document, if anything."""
    members: int = 0
    """Keys of this node alone, metadata included."""
    stored: int = 0
    """Bytes under those keys."""
    stored_chunks: int = 0
    """Chunks (or shards) that there are."""
    chunk_bytes: int = 0
    """Bytes of those chunks."""

    @property
    def total_chunks(self) -> int | None:
        """Chunks (or shards) that the array has, those equal to the fill value included."""
        grid = self.shards or self.chunks
        if self.shape is None or grid is None:
            return None
        return math.prod(-(-n // c) if c else 0 for n, c in zip(self.shape, grid, strict=True))

    @property
    def logical(self) -> int | None:
        """Bytes of the whole array, not encoded."""
        if self.shape is None or self.itemsize is None:
            return None
        return math.prod(self.shape) * self.itemsize

    @property
    def ratio(self) -> float | None:
        """Bytes that the stored chunks decode to, for each byte that they take."""
        grid = self.shards or self.chunks
        if grid is None or self.itemsize is None or not self.chunk_bytes:
            return None
        return self.stored_chunks * math.prod(grid) * self.itemsize / self.chunk_bytes

    def to_json(self) -> dict[str, Any]:
        """Everything above as JSON values."""
        found: dict[str, Any] = {
            "path": self.path,
            "kind": self.kind,
            "zarr_format": self.zarr_format,
            "attributes": self.attributes,
            "members": self.members,
            "stored_bytes": self.stored,
        }
        if self.kind == "array":
            found |= {
                "shape": None if self.shape is None else list(self.shape),
                "dtype": self.dtype,
                "chunks": None if self.chunks is None else list(self.chunks),
                "shards": None if self.shards is None else list(self.shards),
                "codecs": self.codecs,
                "stored_chunks": self.stored_chunks,
                "total_chunks": self.total_chunks,
                "logical_bytes": self.logical,
                "compression_ratio": self.ratio,
            }
        if self.problem:
            found["problem"] = self.problem
        return found


class Hierarchy:
    """All nodes of a zarr, and which of them owns a key.

    Attributes:
        nodes: path -> node, parents first and siblings in order.
        unowned: (number, bytes) of the keys that belong to no node.
    """

    def __init__(
        self, sizes: Iterable[tuple[str, int]], found: Mapping[str, Document | None]
    ) -> None:
        """Build it.

        Args:
            sizes: (key, stored bytes) of every member.
            found: key -> metadata document, ``None`` for one that is not JSON.
        """
        self.nodes: dict[str, Node] = _nodes(found)
        self.unowned = (0, 0)
        self._owners: dict[str, Node | None] = {}
        for key, size in sizes:
            node = self.owner(key)
            if node is None:
                self.unowned = (self.unowned[0] + 1, self.unowned[1] + size)
                continue
            node.members += 1
            node.stored += size
            if node.kind == "array" and not is_metadata(key):
                node.stored_chunks += 1
                node.chunk_bytes += size

    def owner(self, key: str) -> Node | None:
        """Return the node that a key belongs to: the deepest one whose path leads to it.

        A key right below a group that is no metadata belongs to nothing that zarr
        knows, but lies in that group.
        """
        return self._owner(key.rpartition("/")[0])

    def _owner(self, directory: str) -> Node | None:
        try:
            return self._owners[directory]
        except KeyError:
            pass
        above = directory
        while (node := self.nodes.get(above)) is None and above:
            above = above.rpartition("/")[0]
        self._owners[directory] = node
        return node

    def children(self, path: str) -> list[Node]:
        """Return the nodes whose nearest node above is the one at ``path``, by name."""
        return self._children.get(path, [])

    def below(self, path: str) -> list[Node]:
        """Return a node and all nodes below it."""
        prefix = path + "/" if path else ""
        return [
            node for there, node in self.nodes.items() if there == path or there.startswith(prefix)
        ]

    @cached_property
    def _children(self) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for path, node in sorted(self.nodes.items()):
            if path:
                above = self._owner(path.rpartition("/")[0])
                found.setdefault("" if above is None else above.path, []).append(node)
        return found


def is_metadata(key: str) -> bool:
    """Whether a member holds metadata: a document, or consolidated ones."""
    return documents.is_document(key) or key in _CONSOLIDATED


def _nodes(found: Mapping[str, Document | None]) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    paths = dict.fromkeys(documents.node_path(key) for key in documents.sorted_paths(found))
    for path in paths:
        prefix = path + "/" if path else ""
        node = None
        if prefix + "zarr.json" in found:
            node = _node_v3(path, found[prefix + "zarr.json"])
        elif prefix + ".zarray" in found:
            node = _array_v2(path, found[prefix + ".zarray"], found.get(prefix + ".zattrs"))
        elif prefix + ".zgroup" in found:
            node = Node(path, "group", 2, len(found.get(prefix + ".zattrs") or {}))
        if node is not None:
            nodes[path] = node
    return nodes


def _node_v3(path: str, document: Document | None) -> Node:
    if document is None:
        return Node(path, "group", 3, 0, problem="zarr.json is not a JSON object")
    attributes = document.get("attributes")
    count = len(attributes) if isinstance(attributes, dict) else 0
    if document.get("node_type") != "array":
        known = document.get("node_type") == "group"
        problem = "" if known else f"node_type is {document.get('node_type')!r}"
        return Node(path, "group", 3, count, problem=problem)
    node = Node(path, "array", 3, count)
    try:
        node.shape = _extent(document["shape"])
        node.dtype = _name(document["data_type"])
        node.itemsize = _itemsize(document["data_type"], 3)
        node.chunks = _extent(document["chunk_grid"]["configuration"]["chunk_shape"])
        codecs = document["codecs"]
        node.codecs = [_codec_v3(codec) for codec in codecs]
        if len(codecs) == 1 and codecs[0].get("name") == _SHARDING:
            node.shards = node.chunks
            node.chunks = _extent(codecs[0]["configuration"]["chunk_shape"])
            node.codecs = [_codec_v3(codec) for codec in codecs[0]["configuration"]["codecs"]]
        _check(node)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        _broken(node, "zarr.json", error)
    return node


def _array_v2(path: str, document: Document | None, attributes: Document | None) -> Node:
    node = Node(path, "array", 2, len(attributes or {}))
    if document is None:
        node.problem = ".zarray is not a JSON object"
        return node
    try:
        node.shape = _extent(document["shape"])
        node.chunks = _extent(document["chunks"])
        dtype = document["dtype"]
        node.dtype = dtype if isinstance(dtype, str) else "struct"
        node.itemsize = _itemsize(dtype, 2)
        compressor = document.get("compressor")
        encoders = [*(document.get("filters") or []), *([compressor] if compressor else [])]
        node.codecs = [_codec_v2(codec) for codec in encoders]
        _check(node)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        _broken(node, ".zarray", error)
    return node


def _check(node: Node) -> None:
    assert node.shape is not None
    assert node.chunks is not None
    for grid in (node.chunks, node.shards):
        # v2 writers give an empty dimension chunks of 0.
        if grid is not None and (
            len(grid) != len(node.shape)
            or any(n and not c for n, c in zip(node.shape, grid, strict=True))
        ):
            raise ValueError(f"shape {list(node.shape)} and chunks {list(grid)} do not agree")


def _broken(node: Node, name: str, error: Exception) -> None:
    node.shape = node.chunks = node.shards = node.itemsize = None
    reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
    node.problem = f"{name}: {reason}"


def _extent(values: Sequence[Any]) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(
        isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in values
    ):
        raise ValueError(f"{values!r:.60} is no shape")
    return tuple(values)


def _name(data_type: object) -> str:
    if isinstance(data_type, str):
        return data_type
    if isinstance(data_type, dict) and isinstance(data_type.get("name"), str):
        return str(data_type["name"])
    raise ValueError("its data_type is none")


def _itemsize(data_type: Any, zarr_format: Literal[2, 3]) -> int | None:
    if zarr_format == 2:
        if isinstance(data_type, str):
            if data_type[1:2] == "O":
                return None
            try:
                return np.dtype(data_type).itemsize
            except TypeError:
                return None
        data_type = {"name": data_type, "object_codec_id": None}
    elif isinstance(data_type, str) and data_type[:1] == "r" and data_type[1:].isdecimal():
        return int(data_type[1:]) // 8
    try:
        size = getattr(get_data_type_from_json(data_type, zarr_format=zarr_format), "item_size", 0)
    except Exception:  # the registry raises all kinds for what it does not know
        return None
    return int(size) or None


def _codec_v3(codec: Mapping[str, Any]) -> str:
    settings = codec.get("configuration") or {}
    return _codec(str(codec["name"]), settings)


def _codec_v2(codec: Mapping[str, Any]) -> str:
    return _codec(str(codec["id"]), codec)


def _codec(name: str, settings: Mapping[str, Any]) -> str:
    """Return a codec's name with the settings that tell one use from another."""
    shown = [
        str(settings[key])
        for key in ("cname", "level", "clevel", "endian", "order")
        if isinstance(settings.get(key), int | str | list)
    ]
    return f"{name}({', '.join(shown)})" if shown else name
