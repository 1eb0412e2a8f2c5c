"""Which keys a zarr can have, told from its metadata alone.

For servers that cannot list: consolidated metadata names every node, and an
array's shape and chunk grid name its chunks. Keys come in order, without a
list of them in memory.
"""

import heapq
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ncore.transfer.errors import TransferError

_MOST_DIMENSIONS = 64


def chunk_counts(document: Mapping[str, Any]) -> list[int]:
    """Return the number of chunks along each dimension of an array's document.

    Raises:
        TransferError: The document is not one of a regular grid.
    """
    try:
        shape = document["shape"]
        if "chunk_grid" in document:
            grid = document["chunk_grid"]
            if grid["name"] != "regular":
                raise TransferError(f"the chunk grid {grid['name']!r} is not known")
            chunks = grid["configuration"]["chunk_shape"]
        else:
            chunks = document["chunks"]
        if len(shape) != len(chunks) or len(shape) > _MOST_DIMENSIONS:
            raise ValueError("shape and chunks differ in length")
        if any(type(n) is not int or n < 0 for n in shape):
            raise ValueError("shape")
        if any(type(n) is not int or n < 1 for n in chunks):
            raise ValueError("chunks")
        return [math.ceil(n / c) for n, c in zip(shape, chunks, strict=True)]
    except (KeyError, TypeError, ValueError) as e:
        raise TransferError(f"an array's metadata is malformed: {e!r}") from None


def _separator(document: Mapping[str, Any]) -> tuple[str, str]:
    """Return what chunk keys begin with, and what stands between their indices."""
    if "chunk_key_encoding" not in document:
        return "", str(document.get("dimension_separator", "."))
    encoding = document["chunk_key_encoding"]
    configuration = encoding.get("configuration") or {}
    if encoding.get("name") == "v2":
        return "", str(configuration.get("separator", "."))
    separator = str(configuration.get("separator", "/"))
    return f"c{separator}", separator


def _indices(count: int) -> Iterator[str]:
    """Yield 0 … count-1 as decimals in the order of strings, without holding them all."""
    if count:
        yield "0"
    stack = [str(d) for d in range(9, 0, -1) if d < count]
    while stack:
        number = stack.pop()
        yield number
        tens = int(number) * 10
        stack.extend(str(tens + d) for d in range(9, -1, -1) if tens + d < count)


def chunk_keys(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys that an array's chunks can have, below the array, in order."""
    counts = chunk_counts(document)
    start, separator = _separator(document)
    if separator not in (".", "/"):
        raise TransferError(f"the chunk key separator {separator!r} is not known")
    if not counts:
        # One chunk without an index: "c" in v3, "0" in v2.
        yield start.rstrip("./") or "0"
        return
    yield from _products(start, counts, separator)


def _products(start: str, counts: list[int], separator: str) -> Iterator[str]:
    for index in _indices(counts[0]):
        if len(counts) == 1:
            yield start + index
        else:
            yield from _products(start + index + separator, counts[1:], separator)


def keys_of(documents: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield all keys of a zarr, in order.

    Args:
        documents: key of each metadata document (``zarr.json``, ``0/.zarray``)
            -> the document.
    """
    streams: list[Iterator[str]] = [iter(sorted(documents))]
    for key, document in documents.items():
        directory, _, name = key.rpartition("/")
        base = f"{directory}/" if directory else ""
        if name == ".zarray" or (name == "zarr.json" and document.get("node_type") == "array"):
            streams.append(map(base.__add__, chunk_keys(document)))
    last = None
    for key in heapq.merge(*streams):
        if key != last:
            yield key
        last = key


def documents_of(name: str, data: bytes) -> dict[str, Mapping[str, Any]] | None:
    """Return every node's document out of the root's consolidated metadata.

    Args:
        name: ``"zarr.json"``, ``".zmetadata"`` or ``".zarray"``, which the data is.
        data: The document's text.

    Returns:
        key -> document, the root's own among them; None when the document
        does not tell of all nodes.
    """
    try:
        root = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(root, dict):
        return None
    if name == ".zarray" or (name == "zarr.json" and root.get("node_type") == "array"):
        return {name: root}
    if name == ".zmetadata":
        nodes = root.get("metadata")
        found = nodes if isinstance(nodes, dict) else None
        return None if found is None else {name: {}, **_objects(found)}
    inline = root.get("consolidated_metadata")
    nodes = inline.get("metadata") if isinstance(inline, dict) else None
    if not isinstance(nodes, dict):
        return None
    return {name: root, **{f"{path}/{name}": node for path, node in _objects(nodes).items()}}


def _objects(nodes: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {key: node for key, node in nodes.items() if isinstance(node, dict)}


def only_prefix(keys: Iterator[str], prefix: str, after: str) -> Iterator[str]:
    """Yield the keys with a prefix that come after one; ends as soon as no more can come."""
    wanted = itertools.dropwhile(lambda key: key < prefix or key <= after, keys)
    return itertools.takewhile(lambda key: key.startswith(prefix), wanted)
