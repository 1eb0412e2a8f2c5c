"""OME-Zarr 0.4 metadata → 0.5.

0.5 (https://ngff.openmicroscopy.org/0.5/) is 0.4 over zarr v3: what stood at the
top of a group's attributes moves under ``ome``, which alone carries the version,
and the dimension names of image arrays are the names of the axes.
"""

from collections.abc import Mapping
from typing import Any

VERSION = "0.5"

OME_KEYS = (
    "bioformats2raw.layout",
    "image-label",
    "labels",
    "multiscales",
    "omero",
    "plate",
    "series",
    "well",
)
_OF_04 = ("0.4", None)
_LISTS = {"labels": "labels", "OME": "series"}


def is_ome(attributes: Mapping[str, Any]) -> bool:
    """Whether a group carries OME-Zarr metadata in the way of 0.4."""
    if isinstance(attributes.get("multiscales"), list):
        return any(
            isinstance(scale, dict) and isinstance(scale.get("datasets"), list)
            for scale in attributes["multiscales"]
        )
    if isinstance(attributes.get("plate"), dict) or isinstance(attributes.get("well"), dict):
        return True
    return "bioformats2raw.layout" in attributes or "image-label" in attributes


def is_ome_list(name: str, attributes: Mapping[str, Any]) -> bool:
    """Whether a group lists others: ``labels`` its label images, ``OME`` the images beside it.

    Args:
        name: last part of its path.
        attributes: of the group.
    """
    key = _LISTS.get(name)
    listed = None if key is None else attributes.get(key)
    return isinstance(listed, list) and all(isinstance(name, str) for name in listed)


def upgrade(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Move 0.4 metadata of a group under ``ome``.

    Args:
        attributes: of the group, as v3 holds them.

    Returns:
        The attributes of 0.5, and what could not be brought to it as it should.
    """
    problems: list[str] = []
    ome: dict[str, Any] = {"version": VERSION}
    rest: dict[str, Any] = {}
    for key, value in attributes.items():
        if key not in OME_KEYS:
            rest[key] = value
        elif key == "multiscales":
            ome[key] = [_without_version(scale, key, problems) for scale in value]
            for scale in ome[key]:
                problems += _missing(scale)
        else:
            ome[key] = _without_version(value, key, problems)
    return {"ome": ome, **rest}, problems


def axis_names(attributes: Mapping[str, Any]) -> dict[str, list[str]]:
    """Path of each image array of a multiscale group → names of its axes."""
    found: dict[str, list[str]] = {}
    scales = attributes.get("multiscales")
    for scale in scales if isinstance(scales, list) else []:
        if not isinstance(scale, dict):
            continue
        names = [_name(axis) for axis in scale.get("axes") or []]
        if not names or not all(names):
            continue
        for dataset in scale.get("datasets") or []:
            if isinstance(dataset, dict) and isinstance(dataset.get("path"), str):
                found[dataset["path"].strip("/")] = [str(name) for name in names]
    return found


def _name(axis: object) -> str | None:
    if isinstance(axis, str):  # 0.3
        return axis
    name = axis.get("name") if isinstance(axis, dict) else None
    return name if isinstance(name, str) else None


def _without_version(value: Any, key: str, problems: list[str]) -> Any:
    if not isinstance(value, dict):
        return value
    if value.get("version") not in _OF_04:
        problems.append(f"{key} is of OME-Zarr {value['version']}, not 0.4")
    return {name: item for name, item in value.items() if name != "version"}


def _missing(scale: Any) -> list[str]:
    if not isinstance(scale, dict):
        return ["multiscales holds something that is no object"]
    missing = [name for name in ("axes", "datasets") if not scale.get(name)]
    for dataset in scale.get("datasets") or []:
        if isinstance(dataset, dict) and not dataset.get("coordinateTransformations"):
            missing.append("coordinateTransformations")
            break
    return [f"multiscales lacks {name}, which OME-Zarr 0.5 requires" for name in missing]
