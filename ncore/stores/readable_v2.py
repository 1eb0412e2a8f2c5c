"""Which v2 arrays zarr-python 3 can open.

One array that it cannot makes a group with consolidated metadata unreadable as
a whole, so they must be found before zarr sees them.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from zarr.core.metadata.v2 import ArrayV2Metadata

_PLAIN_DTYPE = re.compile(r"[<>|]([biufc]\d|[SU][1-9]\d*)\d*")
_PLAIN_COMPRESSORS = frozenset({"blosc", "zstd", "zlib", "gzip", "lz4", "bz2", "lzma"})


def first_unreadable(documents: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the key of the first ``.zarray`` that zarr-python refuses, ``None`` if there is none.

    Args:
        documents: key -> v2 metadata document.
    """
    known: dict[str, bool] = {}
    for key, document in documents.items():
        if not key.endswith(".zarray") or _is_plain(document):
            continue
        shapeless = {**document, "shape": [], "chunks": []}
        kind = json.dumps(shapeless, sort_keys=True, default=str)
        if kind not in known:
            known[kind] = _parses(document)
        if not known[kind]:
            return key
    return None


def _is_plain(document: Mapping[str, Any]) -> bool:
    """Return whether an array is of the kind that every version reads (most are)."""
    dtype, compressor, fill = (
        document.get("dtype"),
        document.get("compressor"),
        document.get("fill_value"),
    )
    if not isinstance(dtype, str) or not _PLAIN_DTYPE.fullmatch(dtype) or document.get("filters"):
        return False
    if compressor is not None and (
        not isinstance(compressor, dict) or compressor.get("id") not in _PLAIN_COMPRESSORS
    ):
        return False
    return fill is None or (isinstance(fill, int | float) and dtype[1] in "iuf") or fill == ""


def _parses(document: Mapping[str, Any]) -> bool:
    try:
        ArrayV2Metadata.from_dict(dict(document))
    except Exception:  # zarr and numcodecs raise all kinds
        return False
    return True
