"""v2 group documents → v3."""

from collections.abc import Mapping
from typing import Any

from ncore.convert.translate_attributes import translate_attributes


def translate_group(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The ``zarr.json`` of a group with these v2 attributes."""
    translated, _ = translate_attributes(attributes)
    return {"zarr_format": 3, "node_type": "group", "attributes": translated}
