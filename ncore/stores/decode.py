"""Does every chunk of an archive decode?"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import zarr

from ncore.itar.verify import Problem
from ncore.stores.archive import read_hierarchy
from ncore.stores.hierarchy import Hierarchy, Node, is_metadata
from ncore.stores.indexed_tar import IndexedTarStore

_NUMBERS = re.compile(r"\d+")
_LARGEST = 4 << 30


def check_chunks(
    store: IndexedTarStore,
    *,
    largest: int = _LARGEST,
    progress: Callable[[int], None] = lambda size: None,
) -> tuple[int, list[Problem]]:
    """Decode every chunk (or shard) that the archive stores, through zarr.

    Args:
        store: open for reading.
        largest: chunks that claim to decode to more bytes than this are refused.
        progress: told the stored bytes of each chunk that was looked at.

    Returns:
        The number of chunks decoded, and a :class:`Problem` of kind ``metadata``,
        ``chunk`` or ``decode`` for all that could not be.
    """
    hierarchy = read_hierarchy(store)
    problems = [
        Problem(node.path, "metadata", node.problem)
        for node in hierarchy.nodes.values()
        if node.problem
    ]
    decoded = 0
    for node, keys in _chunk_keys(store, hierarchy):
        try:
            array = zarr.open_array(store, path=node.path, mode="r", zarr_format=_format(node))
        except Exception as error:  # zarr and the codecs raise all kinds
            problems.append(Problem(node.path, "decode", f"zarr cannot open it: {_said(error)}"))
            continue
        for key in keys:
            problem = _check_chunk(array, node, key, largest)
            if problem is None:
                decoded += 1
            else:
                problems.append(problem)
            progress(store.reader.entry(key).size)
    return decoded, problems


def _chunk_keys(store: IndexedTarStore, hierarchy: Hierarchy) -> Iterator[tuple[Node, list[str]]]:
    """Yield each array with the keys of its chunks, in file order."""
    index = store.reader.index
    found: dict[str, list[str]] = {}
    for i in index.offsets.argsort(kind="stable").tolist():
        key = index.key(i)
        node = hierarchy.owner(key)
        if node is not None and node.kind == "array" and not node.problem and not is_metadata(key):
            found.setdefault(node.path, []).append(key)
    for path, keys in found.items():
        yield hierarchy.nodes[path], keys


def _check_chunk(array: Any, node: Node, key: str, largest: int) -> Problem | None:
    grid, shape = node.shards or node.chunks, node.shape
    assert grid is not None
    assert shape is not None
    own = key[len(node.path) :].lstrip("/")
    coordinates = tuple(map(int, _NUMBERS.findall(own)))
    if not shape and array.metadata.encode_chunk_key(()) == own:
        coordinates = ()  # that of format 2 is "0"
    if (
        len(coordinates) != len(shape)
        or array.metadata.encode_chunk_key(coordinates) != own
        or any(c * g >= n for c, g, n in zip(coordinates, grid, shape, strict=True))
    ):
        return Problem(key, "chunk", "is no chunk of its array")
    size = node.itemsize or 1
    region = []
    for c, g, n in zip(coordinates, grid, shape, strict=True):
        region.append(slice(c * g, min((c + 1) * g, n)))
        size *= g
    if size > largest:
        return Problem(key, "decode", f"claims to decode to {size} bytes; not tried")
    try:
        array[tuple(region)]
    except Exception as error:
        return Problem(key, "decode", f"does not decode: {_said(error)}")
    return None


def _format(node: Node) -> Any:
    return node.zarr_format


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
