"""v2 attributes → v3 attributes and dimension names.

Attributes stay as they are, order included. Two things change because v3 says
so: numbers that JSON has no word for take zarr's string form (zarr 2 wrote bare
``NaN``, which v3 readers outside Python reject), and xarray's
``_ARRAY_DIMENSIONS`` becomes the member that v3 has for it.
"""

import math
from collections.abc import Mapping
from typing import Any

ARRAY_DIMENSIONS = "_ARRAY_DIMENSIONS"


def translate_attributes(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """A deep copy of attributes that any JSON parser reads.

    Returns:
        The attributes, and whether a NaN or an infinity became its string form.
    """
    changed = False

    def walk(value: Any) -> Any:
        nonlocal changed
        if isinstance(value, float) and not math.isfinite(value):
            changed = True
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        return value

    return {str(key): walk(item) for key, item in attributes.items()}, changed


def split_dimension_names(
    attributes: Mapping[str, Any], ndim: int
) -> tuple[dict[str, Any], list[str] | None]:
    """Take xarray's dimension names out of an array's attributes.

    Returns:
        The other attributes, and the names; None (and all attributes) where
        there are none or they do not fit the number of dimensions.
    """
    names = attributes.get(ARRAY_DIMENSIONS)
    if (
        not isinstance(names, list)
        or len(names) != ndim
        or not all(isinstance(name, str) for name in names)
    ):
        return dict(attributes), None
    return {k: v for k, v in attributes.items() if k != ARRAY_DIMENSIONS}, names
