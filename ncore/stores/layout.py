"""Where everything lies in an archive: which node owns which bytes, and in what order."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.itar.remote import RemoteTuning
from ncore.itar.tar_header import BLOCK
from ncore.itar.trailer import end_of_tar
from ncore.stores.archive import read_hierarchy
from ncore.stores.hierarchy import Hierarchy, Node, is_metadata
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.key_order import access_order

_REGIONS = 14
"""As many parts of the hierarchy are told apart."""

_SMALL = 0.02
"""Parts with a smaller share of the bytes are not told apart further."""
_NEAR = RemoteTuning.coalesce_gap

Int64 = npt.NDArray[np.int64]


@dataclass
class Region:
    """A part of the file that is shown in a colour of its own."""

    path: str
    """Of the node on top; for the special ones a name that no path is."""
    kind: str
    """``array``, ``group``, ``rest`` (smaller nodes of a group together), ``metadata``,
    ``stray`` (keys of no node), ``dead``, ``end`` or ``index``."""
    note: str = ""
    nodes: int = 0
    members: int = 0
    payload: int = 0
    bytes: int = 0
    """Headers and padding included."""
    in_order: float | None = None
    """Share of its values that lie right behind the value read before them, or at most
    64 KiB further on, where reading ahead has them."""


@dataclass
class Layout:
    """The file as spans, in order; all arrays have shape (n,)."""

    name: str
    size: int
    regions: list[Region]
    starts: Int64
    stops: Int64
    owners: Int64
    """Number of the region that each span belongs to."""
    keys: list[str]
    """Of each span; "" for what is no member."""
    reading: Int64
    """Numbers of the spans that hold values, in the order in which a reader of the whole
    zarr wants them."""
    in_order: float | None
    """As of a region, for all of them."""

    def to_json(self) -> dict[str, Any]:
        """The regions and figures; spans are left to ``ls -lR``."""
        return {
            "archive": self.name,
            "file_bytes": self.size,
            "in_order": self.in_order,
            "regions": [vars(region) for region in self.regions],
        }


def read_layout(store: IndexedTarStore, regions: int = _REGIONS) -> Layout:
    """Return the layout of an archive that is open for reading. Only the index is read of it.

    Args:
        store: the archive.
        regions: parts of the hierarchy to tell apart at most; small ones are joined.
    """
    reader = store.reader
    index = reader.index
    hierarchy = read_hierarchy(store)
    order = np.argsort(index.offsets, kind="stable")
    keys = [index.key(i) for i in order.tolist()]
    payloads = index.offsets[order].astype(np.int64)
    sizes = index.sizes[order].astype(np.int64)
    starts = payloads - index.header_sizes()[order]
    stops = payloads + -(-sizes // BLOCK) * BLOCK

    parts, owners = _part(hierarchy, keys, stops - starts, regions)
    for i, size in zip(owners.tolist(), sizes.tolist(), strict=True):
        parts[i].members += 1
        parts[i].payload += size
    reading = _reading_order(keys, owners, parts)
    in_order = _in_order(reading, starts, stops, owners, parts)
    layout = Layout(
        reader.name, reader.source.size, parts, starts, stops, owners, keys, reading, in_order
    )
    _add_rest(layout, reader.trailer.index_offset)
    for i, region in enumerate(layout.regions):
        mine = layout.owners == i
        region.bytes = int((layout.stops[mine] - layout.starts[mine]).sum())
    return layout


def _part(
    hierarchy: Hierarchy, keys: Sequence[str], spans: Int64, most: int
) -> tuple[list[Region], Int64]:
    """Return the regions, and the number of the region of each key.

    From the root on, the largest region that is a group is replaced by its children,
    as long as they are not too many.
    """
    weights: dict[str, int] = {}
    for key, span in zip(keys, spans.tolist(), strict=True):
        node = None if is_metadata(key) else hierarchy.owner(key)
        if node is not None:
            weights[node.path] = weights.get(node.path, 0) + span
    for path in sorted(hierarchy.nodes, key=lambda path: -path.count("/")):
        if path:
            above = hierarchy.owner(path)
            if above is not None:
                weights[above.path] = weights.get(above.path, 0) + weights.get(path, 0)
    chosen = _expand(hierarchy, weights, most)
    regions = [_region(hierarchy, path, rest) for path, rest in chosen]
    numbers = {path: i for i, (path, _) in enumerate(chosen)}
    special = {
        kind: Region(name, kind)
        for kind, name in (("metadata", "(metadata)"), ("stray", "(keys of no node)"))
    }
    found = np.zeros(len(keys), np.int64)
    known: dict[str, int] = {}
    for i, key in enumerate(keys):
        if is_metadata(key):
            region = special["metadata"]
        else:
            directory = key.rpartition("/")[0]
            if directory not in known:
                known[directory] = _number(hierarchy.owner(key), numbers)
            if known[directory] >= 0:
                found[i] = known[directory]
                continue
            region = special["stray"]
        if region not in regions:
            regions.append(region)
        found[i] = next(n for n, other in enumerate(regions) if other is region)
    return regions, found


def _expand(hierarchy: Hierarchy, weights: dict[str, int], most: int) -> list[tuple[str, bool]]:
    """Return (path, whether it is what is left of a group) of the regions, largest first."""
    if "" not in hierarchy.nodes:
        tops = sorted(hierarchy.children(""), key=lambda node: -weights.get(node.path, 0))
        return [(node.path, False) for node in tops[:most]]
    heap = [(-weights.get("", 0), "")]
    done: list[tuple[str, bool]] = []
    while heap:
        weight, path = heapq.heappop(heap)
        children = [n for n in hierarchy.children(path) if weights.get(n.path, 0)]
        room = most - len(done) - len(heap)
        if -weight < _SMALL * weights.get("", 0):
            room = 0
        # Many alike, such as the frames of a camera, say more together.
        alike = all(n.path.rpartition("/")[2].isdecimal() for n in children)
        if not children or room < 2 or not weight or alike:
            done.append((path, False))
            continue
        children.sort(key=lambda node: -weights.get(node.path, 0))
        own = -weight - sum(weights.get(n.path, 0) for n in children)
        left_out = len(children) > room
        if left_out:
            if weights.get(children[room - 1].path, 0) * 2 > weights.get(children[0].path, 0):
                done.append((path, False))
                continue
            children = children[: room - 1]
        if left_out or own:
            done.append((path, True))
        for child in children:
            heapq.heappush(heap, (-weights.get(child.path, 0), child.path))
    return sorted(done, key=lambda item: (item[1], -weights.get(item[0], 0)))


def _number(node: Node | None, numbers: dict[str, int]) -> int:
    if node is None:
        return -1
    path = node.path
    while path not in numbers:
        if not path:
            return -1
        path = path.rpartition("/")[0]
    return numbers[path]


def _region(hierarchy: Hierarchy, path: str, rest: bool) -> Region:
    node = hierarchy.nodes[path]
    if node.kind == "array":
        shape = "x".join(map(str, node.shape or ())) or "()"
        return Region(path, "array", f"{shape} {node.dtype or ''}".strip(), 1)
    below = hierarchy.below(path)
    arrays = sum(other.kind == "array" for other in below)
    return Region(path, "rest" if rest else "group", f"{arrays:,} arrays", len(below))


def _reading_order(keys: Sequence[str], owners: Int64, regions: Sequence[Region]) -> Int64:
    values = [i for i, n in enumerate(owners.tolist()) if regions[n].kind != "metadata"]
    values.sort(key=lambda i: access_order(keys[i]))
    return np.array(values, np.int64)


def _in_order(
    reading: Int64, starts: Int64, stops: Int64, owners: Int64, regions: Sequence[Region]
) -> float | None:
    """Fill in ``in_order`` of the regions; return that of all together."""
    if len(reading) < 2:
        return None
    gaps = starts[reading[1:]] - stops[reading[:-1]]
    follows = (gaps >= 0) & (gaps <= _NEAR)
    same = owners[reading[1:]] == owners[reading[:-1]]
    for i, region in enumerate(regions):
        mine = same & (owners[reading[1:]] == i)
        if mine.any():
            region.in_order = float(follows[mine].mean())
    return float(follows.mean())


def _add_rest(layout: Layout, tar_end: int) -> None:
    """Add the spans that belong to no member."""
    members_end = int(layout.stops.max()) if len(layout.stops) else 0
    before = np.maximum.accumulate(np.concatenate(([0], layout.stops)))[:-1]
    gaps = np.flatnonzero(layout.starts > before)
    spans = [
        ("dead", "(dead space)", start, stop)
        for start, stop in zip(before[gaps].tolist(), layout.starts[gaps].tolist(), strict=True)
    ]
    zeros = min(tar_end, end_of_tar(members_end))
    spans += [
        ("end", "(end of the tar part)", members_end, zeros),
        ("dead", "(dead space)", zeros, tar_end),
        ("index", "(index)", tar_end, layout.size),
    ]
    numbers: dict[str, int] = {}
    starts, stops, owners = [], [], []
    for kind, name, start, stop in spans:
        if stop <= start:
            continue
        if kind not in numbers:
            numbers[kind] = len(layout.regions)
            layout.regions.append(Region(name, kind))
        starts.append(start)
        stops.append(stop)
        owners.append(numbers[kind])
    layout.starts = np.concatenate((layout.starts, np.array(starts, np.int64)))
    layout.stops = np.concatenate((layout.stops, np.array(stops, np.int64)))
    layout.owners = np.concatenate((layout.owners, np.array(owners, np.int64)))
    layout.keys = [*layout.keys, *[""] * len(starts)]
    order = np.argsort(layout.starts, kind="stable")
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    layout.starts, layout.stops = layout.starts[order], layout.stops[order]
    layout.owners = layout.owners[order]
    layout.keys = [layout.keys[i] for i in order.tolist()]
    layout.reading = places[layout.reading]
