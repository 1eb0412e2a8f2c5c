"""v2 fill values → v3 fill values.

v2: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html#fill-value-encoding,
read as zarr-python 2 read it (through numpy's casts). A null fill value leaves
missing chunks undefined there; v3 has no null, so the type's default stands in.
"""

import base64
import binascii
import math
from typing import Any

import numpy as np

from ncore.convert.translation import Form

_LONG = 4 << 10
_NAT = -(2**63)
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def decode_v2_fill(fill: Any, dtype: np.dtype[Any]) -> Any:
    """The scalar that zarr-python 2 returns for a missing chunk.

    Args:
        fill: the ``fill_value`` member of ``.zarray``.
        dtype: of the array, without Python objects.

    Returns:
        A numpy scalar; the dtype's default (zero, empty, NaT) where ``fill`` is null.

    Raises:
        ValueError: the value does not belong to the dtype.
    """
    if dtype.kind in "SU":
        # numpy makes room for all of an element, though trailing NULs are no part of the value.
        length = dtype.itemsize // (4 if dtype.kind == "U" else 1)
        enough = min(length, max(_LONG, len(fill) if isinstance(fill, str) else 0))
        dtype = np.dtype(f"{dtype.str[:2]}{enough}")
    try:
        if fill is None:
            if dtype.kind in "mM":
                return np.array(_NAT, dtype="i8").view(dtype.newbyteorder("="))[()]
            return np.zeros((), dtype=dtype)[()]
        if dtype.kind == "f":
            value = _NON_FINITE.get(fill, fill) if isinstance(fill, str) else fill
            return np.array(value, dtype=dtype)[()]
        if dtype.kind == "c":
            if not isinstance(fill, list):
                return np.array(fill, dtype)[()]
            real, imag = (_part(x) for x in fill)
            return np.array(complex(real, imag), dtype=dtype)[()]
        if dtype.kind == "V":
            if fill == 0:
                return np.zeros((), dtype=dtype)[()]
            raw = base64.b64decode(fill, validate=True)
            if len(raw) != dtype.itemsize:
                raise ValueError(f"{len(raw)} bytes for a dtype of {dtype.itemsize}")
            return np.frombuffer(raw, dtype=dtype)[0]
        if dtype.kind == "S":
            if isinstance(fill, str):
                try:
                    return np.array(base64.b64decode(fill, validate=True), dtype=dtype)[()]
                except binascii.Error:
                    pass  # values older than the rule of base64, as zarr 2 takes them
            return np.array(fill, dtype=dtype)[()]
        if dtype.kind in "mM" and isinstance(fill, int):
            return np.array(fill, dtype="i8").view(dtype.newbyteorder("="))[()]
        if dtype.kind in "iu":
            value = int(fill)
            if value != fill:
                raise ValueError("not a whole number")
            return np.array(value, dtype=dtype)[()]
        return np.array(fill, dtype=dtype)[()]
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"fill_value {fill!r} does not belong to {dtype}: {error}") from None


def encode_v3_fill(scalar: Any, form: Form, stored: np.dtype[Any]) -> Any:
    """A scalar of the v2 dtype as the ``fill_value`` member of ``zarr.json``.

    Args:
        scalar: of the v2 dtype.
        form: what the values become.
        stored: the element's dtype through the v3 data type (see `DTypeTranslation`).
    """
    if form is Form.BLOB:
        return 0
    kind = stored.kind
    if kind == "V":
        value = np.array(scalar)
        if form is not Form.RAW_BYTES and stored.fields is not None:
            flat = np.frombuffer(value.tobytes(), dtype=stored)
            return _b64(flat.astype(stored.newbyteorder("<")).tobytes())
        return _b64(value.tobytes())
    if kind == "b":
        return bool(scalar)
    if kind in "iu":
        return int(scalar)
    if kind == "f":
        return _float(scalar)
    if kind == "c":
        return [_float(scalar.real), _float(scalar.imag)]
    if kind in "mM":
        return int(np.array(scalar).astype(stored).astype("i8"))
    if kind == "S":
        return _b64(bytes(scalar))
    return str(scalar)


def object_fill(fill: Any, codec: str) -> str:
    """The v3 fill value of an array of Python objects that becomes strings or bytes.

    zarr 2 hands out the JSON value itself (by default the integer 0) for missing
    elements of such arrays; only text has a v3 form, anything else becomes empty.
    """
    if not isinstance(fill, str):
        return ""
    return _b64(fill.encode()) if codec == "vlen-bytes" else fill


def _part(value: Any) -> float:
    return _NON_FINITE[value] if isinstance(value, str) else float(value)


def _float(value: Any) -> float | str:
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
