"""The nodes of a v2 hierarchy and the keys that belong to each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ncore.convert.errors import (
    AlreadyV3Error,
    MixedMetadataError,
    SourceError,
    V2MetadataError,
)
from ncore.convert.source import Source
from ncore.convert.v2_metadata import V2Array, load_json, parse_v2_array

ZARRAY, ZGROUP, ZATTRS = ".zarray", ".zgroup", ".zattrs"
V2_METADATA = frozenset({ZARRAY, ZGROUP, ZATTRS})
CONSOLIDATED = frozenset({".zmetadata", ".zmetadata.cbor.xz"})
V3_METADATA = frozenset({"zarr.json", "zarr.cbor.xz"})


@dataclass
class V2Node:
    """An array of a hierarchy with its chunks.

    Attributes:
        array: its metadata; None where that is damaged.
        problem: what is wrong with the metadata; empty where nothing is.
        keys: relative key → size in bytes of everything below the array but metadata.
    """

    array: V2Array | None
    problem: str = ""
    keys: dict[str, int] = field(default_factory=dict)


@dataclass
class V2Hierarchy:
    """What a v2 store holds.

    Attributes:
        groups: node path → attributes, also of groups that only their members imply.
        arrays: node path → array.
        others: key → size of entries that belong to no array (documents, images …).
        consolidated: whether the store carries consolidated metadata.
        warnings: oddities worth a line in the report.
        converted: paths of nodes that have v3 metadata already; they are in neither of
            the above.
    """

    groups: dict[str, Mapping[str, Any]]
    arrays: dict[str, V2Node]
    others: dict[str, int]
    consolidated: bool
    warnings: list[str]
    converted: frozenset[str] = frozenset()


def read_hierarchy(
    source: Source,
    selected: Callable[[str], bool] | None = None,
    root: str = "",
    *,
    beside_v3: bool = False,
) -> V2Hierarchy:
    """Read all v2 metadata of a store and sort its keys by node.

    Args:
        source: the store.
        selected: which node paths and keys to take; None takes all. Groups above
            a selected node come along.
        root: the node inside the store that becomes the root; keys and paths of
            the result are relative to it.
        beside_v3: v3 metadata may be there too; its nodes count as converted.

    Raises:
        AlreadyV3Error: it holds v3 metadata and no v2 node.
        MixedMetadataError: it holds both, without ``beside_v3``.
        SourceError: there is no v2 node in it.
        V2MetadataError: a group's document is damaged.
    """
    prefix = f"{root}/" if root else ""
    entries = {
        key.removeprefix(prefix): size
        for key, size in source.entries().items()
        if key.startswith(prefix)
    }
    documents: dict[str, dict[str, str]] = {}
    consolidated = False
    payload: list[str] = []
    v3: set[str] = set()
    for key in entries:
        path, _, name = key.rpartition("/")
        if name in V2_METADATA:
            documents.setdefault(path, {})[name] = prefix + key
        elif name in V3_METADATA:
            v3.add(path)
        elif name in CONSOLIDATED:
            consolidated = consolidated or not path
        else:
            payload.append(key)
    if not any(ZARRAY in names or ZGROUP in names for names in documents.values()):
        at = f"{source.name}/{root}" if root else source.name
        if v3:
            first = min(v3, key=lambda path: (path.count("/") + bool(path), path))
            where = "" if not first else f" (node {first!r})"
            raise AlreadyV3Error(f"{at} is zarr v3 already{where}: there is nothing to convert")
        raise SourceError(f"{at} holds no zarr v2 hierarchy: there is no .zgroup and no .zarray")
    if v3 and not beside_v3:
        _refuse_mixed(source.name, {*documents} - v3)
    for path in v3:
        documents.pop(path, None)
    hierarchy = V2Hierarchy({}, {}, {}, consolidated, [], frozenset(v3))
    for path, names in documents.items():
        if ZARRAY in names:
            hierarchy.arrays[path] = _read_array(source, path, names)
            if ZGROUP in names:
                hierarchy.warnings.append(f"{path or '/'} is an array and a group: taken as array")
        elif ZGROUP in names:
            group = load_json(bytes(source.read(names[ZGROUP])), names[ZGROUP])
            if group.get("zarr_format") != 2:
                raise V2MetadataError(f"{names[ZGROUP]!r}: zarr_format is not 2")
            hierarchy.groups[path] = _attributes(source, names)
    for key in payload:
        owner = _owner(key, hierarchy.arrays)
        if owner is None:
            # Beside v3 metadata it may be the chunk of a converted array; all stay in place.
            if not v3:
                hierarchy.others[key] = entries[key]
        else:
            relative = key[len(owner) + 1 :] if owner else key
            hierarchy.arrays[owner].keys[relative] = entries[key]
    if selected is not None:
        _restrict(hierarchy, selected)
        if not hierarchy.arrays and not hierarchy.groups:
            raise SourceError(f"{source.name}: the selection matches no node")
    for path in [*hierarchy.arrays, *hierarchy.groups]:
        for ancestor in _ancestors(path):
            if ancestor in hierarchy.arrays:
                raise SourceError(
                    f"{source.name}: node {path!r} lies inside the array {ancestor or '/'!r}"
                )
            names = documents.get(ancestor, {})
            if ancestor not in hierarchy.groups and ancestor not in v3:
                hierarchy.groups[ancestor] = _attributes(source, names)
    return hierarchy


def _refuse_mixed(name: str, v2_only: set[str]) -> None:
    """Say what can be done with a store that holds both formats.

    Raises:
        MixedMetadataError: always.
    """
    if v2_only:
        some = ", ".join(repr(path or "/") for path in sorted(v2_only)[:3])
        raise MixedMetadataError(
            f"{name} holds v2 and v3 metadata side by side; only v2 are {len(v2_only)} nodes "
            f"({some}{', …' if len(v2_only) > 3 else ''}): --in-place converts these where they are"
        )
    raise MixedMetadataError(
        f"{name} was converted in place already: each node has v3 metadata beside its v2 metadata, "
        "and zarr reads the v3. What has been written since is in the v3 only, so nothing is "
        "converted from the v2 again; for another container copy it (`ncore itar pack`, `ncore "
        "transfer`), for another layout write it anew with zarr, or remove all zarr.json first if "
        "the v2 is what you want"
    )


def _read_array(source: Source, path: str, names: Mapping[str, str]) -> V2Node:
    try:
        document = load_json(bytes(source.read(names[ZARRAY])), names[ZARRAY])
        return V2Node(parse_v2_array(path, document, _attributes(source, names)))
    except V2MetadataError as error:
        return V2Node(None, str(error))


def _attributes(source: Source, names: Mapping[str, str]) -> Mapping[str, Any]:
    if ZATTRS not in names:
        return {}
    attributes: Mapping[str, Any] = load_json(bytes(source.read(names[ZATTRS])), names[ZATTRS])
    return attributes


def _ancestors(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path


def _owner(key: str, arrays: Mapping[str, V2Node]) -> str | None:
    for ancestor in _ancestors(key):
        if ancestor in arrays:
            return ancestor
    return None


def _restrict(hierarchy: V2Hierarchy, selected: Callable[[str], bool]) -> None:
    """Keep what is selected: a node itself, or (of an array) any of its chunks."""
    for path, node in list(hierarchy.arrays.items()):
        if path and selected(path):
            continue
        at = f"{path}/" if path else ""
        node.keys = {key: size for key, size in node.keys.items() if selected(at + key)}
        if not node.keys and not selected(at + ZARRAY):
            del hierarchy.arrays[path]
    for path in list(hierarchy.groups):
        at = f"{path}/" if path else ""
        if not (path and selected(path)) and not selected(at + ZGROUP):
            del hierarchy.groups[path]
    hierarchy.others = {key: size for key, size in hierarchy.others.items() if selected(key)}
