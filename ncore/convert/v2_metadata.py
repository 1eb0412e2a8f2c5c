"""Zarr v2 metadata documents, parsed and checked.

Specification: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html. What
zarr-python 2 wrote beyond it (``dimension_separator``, struct padding, object
arrays with a filter that encodes them) is accepted too.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ncore.convert.errors import V2MetadataError

Json = Any
"""A decoded JSON value."""

# numpy type strings, and nothing else that np.dtype() would accept.
_TYPESTR = re.compile(r"[<>|=]?(?:[biufcSUV]\d+|[mM]8(?:\[\d*[A-Za-zμ]+\])?|[SUV]|O\d*)")
_MAX_FIELD_DEPTH = 16
# Whatever walks a document by recursion must be able to.
_MAX_NESTING = 256
_MAX_DIMENSIONS = 64
"""As many as numpy's arrays have."""

# The zarr v2 codecs that turn Python objects into bytes; the first filter of a |O array.
OBJECT_CODECS = frozenset(
    {
        "vlen-utf8",
        "vlen-bytes",
        "vlen-array",
        "json",
        "json2",
        "msgpack",
        "msgpack2",
        "pickle",
        "categorize",
    }
)


@dataclass(frozen=True)
class V2Array:
    """One array as its ``.zarray`` and ``.zattrs`` describe it.

    Attributes:
        path: node path inside the hierarchy; ``""`` for the root.
        shape: length of each dimension, in elements.
        chunks: length of each dimension of a chunk, in elements.
        dtype: what numpy makes of the ``dtype`` field.
        compressor: numcodecs configuration (with ``id``), or None.
        filters: numcodecs configurations in the order in which a writer applies them.
        fill_value: as in the JSON document, undecoded; None where it is null.
        order: memory order of the elements inside a chunk.
        separator: between the indices in a chunk's key.
        attributes: the ``.zattrs`` document (``{}`` where there is none).
        document: the ``.zarray`` document as it was.
    """

    path: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    compressor: Mapping[str, Json] | None
    filters: tuple[Mapping[str, Json], ...]
    fill_value: Json
    order: Literal["C", "F"]
    separator: Literal[".", "/"]
    attributes: Mapping[str, Json]
    document: Mapping[str, Json]

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along each dimension (0 for a dimension of no elements)."""
        return tuple(
            math.ceil(n / c) if n else 0 for n, c in zip(self.shape, self.chunks, strict=True)
        )

    @property
    def nbytes(self) -> int:
        """Size of all values, decoded, in bytes (8 an element for Python objects)."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def object_codec(self) -> str | None:
        """Id of the filter that encodes Python objects, for a ``|O`` array that has one."""
        if self.dtype.hasobject and self.filters and self.filters[0]["id"] in OBJECT_CODECS:
            return str(self.filters[0]["id"])
        return None

    def chunk_key(self, coords: tuple[int, ...]) -> str:
        """Key of a chunk relative to the array: ``0.1`` or ``0/1``; ``0`` when 0-dimensional."""
        return self.separator.join(map(str, coords)) if coords else "0"


def load_json(raw: bytes, key: str) -> Json:
    """Decode a v2 metadata document; NaN and infinities may stand in it as bare words.

    Raises:
        V2MetadataError: it is no JSON object.
    """
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise V2MetadataError(f"{key!r} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise V2MetadataError(f"{key!r} must hold a JSON object, not {type(value).__name__}")
    if raw.count(b"[") + raw.count(b"{") > _MAX_NESTING and _depth(value) > _MAX_NESTING:
        raise V2MetadataError(f"{key!r} is nested deeper than {_MAX_NESTING} levels")
    return value


def _depth(value: Json) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [
            inner for item in level for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return depth


def parse_v2_array(
    path: str, document: Mapping[str, Json], attributes: Mapping[str, Json] | None = None
) -> V2Array:
    """Check a ``.zarray`` document and give it types.

    Args:
        path: node path, for messages.
        document: the decoded ``.zarray``.
        attributes: the decoded ``.zattrs``, if there is one.

    Raises:
        V2MetadataError: a member is missing or means nothing in zarr v2.
    """

    def fail(what: str) -> V2MetadataError:
        return V2MetadataError(f"array {path or '/'!r}: {what} in its .zarray")

    if document.get("zarr_format") != 2:
        raise fail(f"zarr_format is {document.get('zarr_format')!r}, not 2,")
    shape = _lengths(document.get("shape"))
    chunks = _lengths(document.get("chunks"))
    if shape is None:
        raise fail(f"shape {document.get('shape')!r} is no list of lengths")
    if chunks is None or len(chunks) != len(shape):
        raise fail(f"chunks {document.get('chunks')!r} do not fit shape {list(shape)}")
    if len(shape) > _MAX_DIMENSIONS:
        raise fail(f"{len(shape)} dimensions are more than the {_MAX_DIMENSIONS} of numpy")
    if any(c == 0 and n > 0 for n, c in zip(shape, chunks, strict=True)):
        raise fail(f"chunks {list(chunks)} hold a 0 in a dimension that has elements,")
    order = document.get("order", "C")
    if order not in ("C", "F"):
        raise fail(f"order {order!r} is neither 'C' nor 'F'")
    separator: Any = document.get("dimension_separator") or "."
    if separator not in (".", "/"):
        raise fail(f"dimension_separator {separator!r} is neither '.' nor '/'")
    compressor = document.get("compressor")
    filters = document.get("filters") or []
    if not isinstance(filters, list):
        raise fail(f"filters {filters!r} are no list")
    for codec in [*filters, *([compressor] if compressor is not None else [])]:
        if not isinstance(codec, dict) or not isinstance(codec.get("id"), str):
            raise fail(f"codec {codec!r} has no id")
    try:
        dtype = parse_v2_dtype(document.get("dtype"))
    except (ValueError, TypeError) as error:
        raise fail(f"dtype {document.get('dtype')!r} is unknown ({error})") from None
    return V2Array(
        path=path,
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        compressor=compressor,
        filters=tuple(filters),
        fill_value=document.get("fill_value"),
        order=order,
        separator=separator,
        attributes=attributes or {},
        document=document,
    )


def parse_v2_dtype(spec: Json, *, _depth: int = 0) -> np.dtype[Any]:
    """numpy's dtype for a v2 ``dtype`` member: a type string, or a list of fields.

    Raises:
        ValueError: it is neither, or nests too deep.
    """
    if isinstance(spec, str):
        if not _TYPESTR.fullmatch(spec):
            raise ValueError("not a numpy type string")
        return np.dtype(spec)
    if not isinstance(spec, list) or not spec or _depth > _MAX_FIELD_DEPTH:
        raise ValueError("neither a type string nor a list of fields")
    fields: list[Any] = []
    for field in spec:
        if not isinstance(field, list) or len(field) not in (2, 3) or not isinstance(field[0], str):
            raise ValueError(f"field {field!r} is not [name, type] or [name, type, shape]")
        inner = parse_v2_dtype(field[1], _depth=_depth + 1)
        if len(field) == 2:
            fields.append((field[0], inner))
            continue
        shape = _lengths(field[2] if isinstance(field[2], list) else [field[2]])
        if shape is None:
            raise ValueError(f"field {field!r} has no valid shape")
        fields.append((field[0], inner, shape))
    return np.dtype(fields)


def _lengths(value: Json) -> tuple[int, ...] | None:
    if not isinstance(value, list):
        return None
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value):
        return None
    return tuple(value)
