"""Attributes as JSON documents hold them."""

import json
from typing import Any

import numpy as np

from ncore.data.errors import InvalidDataError


def encode_json(document: Any, where: str) -> bytes:
    """Encode a metadata document.

    NumPy scalars become numbers, tuples lists, and keys that are numbers their
    decimal text, as zarr 2 encodes them. NaN and infinities are written as zarr
    writes them.

    Raises:
        InvalidDataError: a value has no JSON form.
    """
    try:
        return _ENCODER.encode(document).encode()
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{where}: not representable as JSON: {error}") from None


def json_attributes(attributes: Any, where: str) -> dict[str, Any]:
    """Return a deep copy of ``attributes`` made of what JSON can hold, nothing else.

    Raises:
        InvalidDataError: it is no mapping, or a value has no JSON form.
    """
    if not isinstance(attributes, dict):
        raise InvalidDataError(f"{where}: {type(attributes).__name__} is no dict of JSON values")
    if not attributes:
        return {}
    copy: dict[str, Any] = json.loads(encode_json(attributes, where))
    return copy


def _plain(value: Any) -> Any:
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        return value.item()
    raise TypeError(f"{type(value).__name__} {value!r:.60}")


_ENCODER = json.JSONEncoder(default=_plain)
