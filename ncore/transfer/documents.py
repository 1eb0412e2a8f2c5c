"""Metadata documents that an archive keeps by their meaning.

An archive holds the root's ``zarr.json`` as CBOR, with the documents of all
nodes below it consolidated (docs/format.md). What it gives back is that
document in other words, so its bytes and digests tell nothing about a
directory's, and the documents themselves are compared.
"""

import json
from typing import Any, Protocol, runtime_checkable

from ncore.transfer.backend import Bytes, Source

_CONSOLIDATED = "consolidated_metadata"


@runtime_checkable
class Rewriting(Protocol):
    """A backend that keeps some documents by their meaning."""

    def rewrites(self, key: str) -> bool:
        """Return whether this entry is given back in other words than it was written in."""
        ...


def rewrites(backend: Source | None, key: str) -> bool:
    """Return whether a backend gives an entry back in other words than it was written in."""
    return isinstance(backend, Rewriting) and backend.rewrites(key)


def say_the_same(plain: Bytes, rewritten: Bytes, *, ignore_consolidated: bool) -> bool:
    """Return whether two forms of a metadata document say the same.

    Args:
        plain: The document as it stands in a file.
        rewritten: The same, perhaps, as an archive gives it back.
        ignore_consolidated: What the plain one repeats of the nodes below it does
            not count, since the archive finds that out by itself. Otherwise it
            must be right or absent: it would mislead who reads the plain one.
    """
    a, b = _parsed(plain), _parsed(rewritten)
    if a is None or b is None:
        return plain == rewritten
    ours, theirs = a.pop(_CONSOLIDATED, None), b.pop(_CONSOLIDATED, None)
    if a != b:
        return False
    return ignore_consolidated or ours is None or _nodes(ours) == _nodes(theirs)


def _parsed(data: Bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _nodes(consolidated: object) -> object:
    """Return what is consolidated of each node, without what zarr repeats within it."""
    nodes = consolidated.get("metadata") if isinstance(consolidated, dict) else None
    if not isinstance(nodes, dict):
        return consolidated
    return {
        path: {k: v for k, v in node.items() if k != _CONSOLIDATED}
        if isinstance(node, dict)
        else node
        for path, node in nodes.items()
    }
