"""v3 consolidated metadata, as zarr-python 3 writes it inline in the root's ``zarr.json``."""

from collections.abc import Mapping
from typing import Any


def consolidate(documents: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The root group's document with the documents of all nodes below it.

    Args:
        documents: node path → ``zarr.json`` document, the root's included.
    """
    metadata = {path: document for path, document in sorted(documents.items()) if path}
    for path, document in metadata.items():
        if document["node_type"] == "group":
            # zarr marks a group whose members stand in the same map like this.
            empty = {"kind": "inline", "must_understand": False, "metadata": {}}
            metadata[path] = {**document, "consolidated_metadata": empty}
    return {
        **documents[""],
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": metadata,
        },
    }
