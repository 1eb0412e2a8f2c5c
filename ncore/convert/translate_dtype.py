"""v2 dtypes → v3 data types.

Core types: https://zarr-specs.readthedocs.io/en/latest/v3/data-types/. The
rest has the names that zarr-python 3 registers (``numpy.datetime64``,
``fixed_length_utf32``, …); of a struct's two spellings the older one,
``structured``, is written, since zarr 3.1 reads no other and later ones read
both.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ncore.convert.translation import Form

# A struct that flattens to more fields than this is clearer as raw bytes.
_MAX_FLAT_FIELDS = 256
# Structs and raw bytes carry a fill value of their own size in zarr.json.
_MAX_VOID = 4 << 20

_EXTENSIONS = {
    "fixed_length_utf32",
    "null_terminated_bytes",
    "numpy.datetime64",
    "numpy.timedelta64",
    "raw_bytes",
    "string",
    "structured",
    "variable_length_bytes",
}


class NoV3TypeError(Exception):
    """No v3 data type describes this dtype; the message is the reason, for a report."""


@dataclass(frozen=True)
class DTypeTranslation:
    """A v2 dtype in v3's terms.

    Attributes:
        data_type: the ``data_type`` member of ``zarr.json``.
        stored: the dtype of a chunk's elements as the v2 bytes hold them, seen
            through ``data_type`` (fields flattened, or raw bytes).
        form: how the values stand to those of v2.
        reencode: why the bytes cannot stay as they are; empty if they can.
        warnings: for the report.
    """

    data_type: str | dict[str, Any]
    stored: np.dtype[Any]
    form: Form = Form.SAME
    reencode: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def native(self) -> np.dtype[Any]:
        """The dtype with which zarr 3 reads the array: little-endian."""
        return self.stored.newbyteorder("<")


def translate_dtype(
    dtype: np.dtype[Any], *, structs: Literal["flatten", "raw"] = "flatten"
) -> DTypeTranslation:
    """Translate a dtype without Python objects in it.

    Args:
        dtype: of the v2 array.
        structs: what becomes of structs with nested or sub-array fields, which
            no v3 type describes.

    Raises:
        NoV3TypeError: there is no v3 form.
    """
    if dtype.kind == "V" and dtype.itemsize > _MAX_VOID:
        raise NoV3TypeError(
            f"an element of {dtype.itemsize} bytes would have a fill value as long in its "
            "metadata, which no reader takes"
        )
    if dtype.fields is None:
        data_type = _scalar(dtype)
        return DTypeTranslation(data_type, dtype, warnings=extension_note(data_type))
    form = Form.SAME
    warnings: tuple[str, ...] = ()
    fields = flat_fields(dtype)
    if any(base.fields is not None or base.subdtype for base, *_ in dtype.fields.values()):
        names = [name for name, _ in fields]
        if structs == "flatten" and len(fields) <= _MAX_FLAT_FIELDS and len({*names}) == len(names):
            form = Form.FLAT_STRUCT
            warnings = ("nested and sub-array fields became fields of their own",)
        else:
            if any(base.hasobject for _, base in fields):
                raise NoV3TypeError("a struct with a field of Python objects has no v3 form")
            raw: dict[str, Any] = {
                "name": "raw_bytes",
                "configuration": {"length_bytes": dtype.itemsize},
            }
            return DTypeTranslation(
                raw,
                np.dtype((np.void, dtype.itemsize)),
                Form.RAW_BYTES,
                warnings=(f"view the values as {dtype.descr}", *extension_note(raw)),
            )
    stored = np.dtype(fields)
    data_type = {
        "name": "structured",
        "configuration": {"fields": [[name, _scalar(base)] for name, base in fields]},
    }
    reencode = ""
    if stored != stored.newbyteorder("<"):
        # zarr 3.1 takes no byte order for a struct and would read these bytes swapped.
        reencode = "a struct with a big-endian field"
    return DTypeTranslation(
        data_type, stored, form, reencode, (*warnings, *extension_note(data_type))
    )


def flat_fields(dtype: np.dtype[Any], prefix: str = "") -> list[tuple[str, np.dtype[Any]]]:
    """The scalar fields of a struct in the order of their bytes, names joined by dots.

    An element of a sub-array field is named by its index: ``xyz.0``, ``m.1.2``.
    """
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        out = []
        for index in np.ndindex(shape):
            out += flat_fields(base, ".".join([prefix, *map(str, index)]))
            if len(out) > _MAX_FLAT_FIELDS:
                break
        return out
    if dtype.fields is None:
        return [(prefix, dtype)]
    out = []
    for name in dtype.names or ():
        out += flat_fields(dtype.fields[name][0], f"{prefix}.{name}" if prefix else name)
        if len(out) > _MAX_FLAT_FIELDS:
            break
    return out


def _scalar(dtype: np.dtype[Any]) -> str | dict[str, Any]:
    size = dtype.itemsize
    match dtype.kind:
        case "b":
            return "bool"
        case "i" | "u" if size <= 8:
            return f"{'u' if dtype.kind == 'u' else ''}int{8 * size}"
        case "f" if size <= 8:
            return f"float{8 * size}"
        case "c" if size <= 16:
            return f"complex{8 * size}"
        case "m" | "M":
            unit, scale = np.datetime_data(dtype)
            name = "numpy.timedelta64" if dtype.kind == "m" else "numpy.datetime64"
            return {"name": name, "configuration": {"unit": unit, "scale_factor": scale}}
        case "S" | "U" | "V" if dtype.fields is None and size:
            name = {
                "S": "null_terminated_bytes",
                "U": "fixed_length_utf32",
                "V": "raw_bytes",
            }[dtype.kind]
            return {"name": name, "configuration": {"length_bytes": size}}
        case "O":
            raise NoV3TypeError("a struct with a field of Python objects has no v3 form")
    raise NoV3TypeError(f"no v3 data type describes dtype {dtype.str!r}")


def extension_note(data_type: str | dict[str, Any]) -> tuple[str, ...]:
    """What the report says of a data type outside the core of the v3 specification."""
    name = data_type if isinstance(data_type, str) else data_type["name"]
    if name not in _EXTENSIONS:
        return ()
    return (f"data type {name} is not in the core v3 specification: not every reader knows it",)
