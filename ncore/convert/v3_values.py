"""v2 values in the form in which the v3 array holds them."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ncore.convert.errors import ChunkDecodeError
from ncore.convert.translate_attributes import translate_attributes
from ncore.convert.translate_dtype import translate_dtype
from ncore.convert.translation import Form


def to_v3_values(
    values: np.ndarray[Any, Any], form: Form, *, missing: object = ""
) -> np.ndarray[Any, Any]:
    """Turn values of the v2 dtype into what zarr 3 must read from the converted array.

    Args:
        values: decoded by numcodecs, of any shape, filled where chunks are missing.
        form: what the array becomes.
        missing: what stands for elements never written, in place of zarr 2's number 0.

    Returns:
        Native-endian values; str and bytes objects (dtype object) for strings.
    """
    if form is Form.BLOB:
        return np.frombuffer(values.tobytes(), np.uint8)
    if values.dtype.hasobject:
        out = np.empty(values.shape, dtype=object)
        as_json = form is Form.JSON_STRINGS
        for index, value in enumerate(values.flat):
            out.flat[index] = json_text(value) if as_json else _plain(value, form, missing)
        return out
    if form in (Form.FLAT_STRUCT, Form.RAW_BYTES):
        structs = "flatten" if form is Form.FLAT_STRUCT else "raw"
        stored = translate_dtype(values.dtype, structs=structs).stored  # type: ignore[arg-type]
        values = np.frombuffer(values.tobytes(), dtype=stored).reshape(values.shape)
        if form is Form.RAW_BYTES:
            return values
    return values.astype(values.dtype.newbyteorder("<"), copy=False)


def json_text(value: object) -> str:
    """The JSON text of one object of an object array.

    Raises:
        ChunkDecodeError: JSON has no form for it.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    translated, _ = translate_attributes({"": value})
    try:
        return json.dumps(translated[""], ensure_ascii=False, default=_json_default)
    except (TypeError, ValueError, RecursionError) as error:
        raise ChunkDecodeError(f"an object has no JSON form: {error}") from None


def _json_default(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    raise TypeError(f"object of type {type(value).__name__}")


def _plain(value: object, form: Form, missing: object) -> object:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes) and form is Form.SAME:
        return bytes(value)
    if value in (None, 0):  # what zarr 2 gives for an element that was never written
        return missing
    raise ChunkDecodeError(f"an object of type {type(value).__name__} where strings were expected")
