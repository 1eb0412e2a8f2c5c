"""The layout of an archive as one HTML page that needs nothing else.

All that comes from the archive is escaped; and the page's policy lets no
script run but its own, whose hash it names.
"""

import base64
import hashlib
import json
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ncore.itar.safe_path import show_key
from ncore.itar.sizes import human_size
from ncore.stores.layout import Layout, Region

# bazel: data = ["layout_page.html", "layout_page.js"]

_COLUMNS, _ROWS = 220, 36
_LEAST_ROW = 32 << 10
_WIDTH, _ROW_HEIGHT, _ROW_GAP = 1100.0, 9.0, 2.0
_ORDER_COLUMNS, _ORDER_ROWS = 220, 110
_ORDER_LEFT, _ORDER_HEIGHT = 64.0, 330.0
_SPANS_LISTED = 8000
"""Archives with no more members than this say exactly what lies under the pointer."""
_DEAD_SHOWN = 0.1
"""A cell shows as dead space from this share on; dead space is what one looks for."""
_PALETTE = (
    *("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#3fa7a0", "#edc948", "#ff9da7", "#9c755f"),
    *("#7b8fd4", "#d37295", "#86c5da", "#8cd17d", "#b6992d", "#c46a4b", "#5f9ea0", "#a58bd6"),
)
_SPECIAL = {
    "metadata": "var(--metadata)",
    "index": "var(--index)",
    "end": "var(--end)",
    "dead": "var(--dead)",
    "stray": "var(--stray)",
}


def layout_page(layout: Layout) -> str:
    """Return the page.

    Args:
        layout: what to show.
    """
    here = Path(__file__)
    template = here.with_suffix(".html").read_text()
    script = here.with_suffix(".js").read_text()
    runs, row_bytes = _runs(layout)
    listed = len(layout.starts) <= _SPANS_LISTED
    labels = [_label(region) for region in layout.regions]
    data = {
        "regions": labels,
        "runs": runs,
        "spans": [
            [start, stop, owner, show_key(key)]
            for start, stop, owner, key in zip(
                layout.starts.tolist(),
                layout.stops.tolist(),
                layout.owners.tolist(),
                layout.keys,
                strict=True,
            )
        ]
        if listed
        else [],
    }
    name = show_key(layout.name)
    parts = {
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "title": escape(f"{_basename(name)} · layout"),
        "heading": escape(_basename(name)),
        "where": escape(name),
        "colours": "\n".join(
            f".r{i} {{ fill: {colour}; --c: {colour}; }}"
            for i, colour in enumerate(_colours(layout))
        ),
        "facts": _facts(layout),
        "row_bytes": escape(human_size(row_bytes)),
        "strip": _strip(layout, runs, row_bytes),
        "rows": "".join(_row(layout, i) for i in range(len(layout.regions))),
        "order": _order(layout),
        # In a script element only "<" could end it or begin a comment.
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "script": script,
    }
    # One pass: what one part holds must not be taken for the name of another.
    pieces = template.split("{{")
    page = [pieces[0]]
    for piece in pieces[1:]:
        field, _, text = piece.partition("}}")
        page += [parts[field], text]
    return "".join(page)


def _runs(layout: Layout) -> tuple[list[list[Any]], int]:
    """Return ([start, stop, region, members, first key, last key] of each run, bytes of a row)."""
    rows = min(_ROWS, max(1, layout.size // _LEAST_ROW))
    row_bytes = -(-layout.size // rows)
    edges = np.unique(
        np.concatenate(
            [
                np.linspace(row * row_bytes, (row + 1) * row_bytes, _COLUMNS + 1)
                for row in range(rows)
            ]
        ).round()
    )
    edges = edges[edges < layout.size].astype(np.int64)
    edges = np.append(edges, layout.size)
    shares = np.zeros((len(layout.regions), len(edges) - 1))
    for i, region in enumerate(layout.regions):
        mine = layout.owners == i
        if not mine.any():
            continue
        starts, stops = layout.starts[mine], layout.stops[mine]
        corners = np.stack((starts, stops), axis=1).ravel()
        covered = np.stack(
            (np.cumsum(stops - starts) - (stops - starts), np.cumsum(stops - starts))
        )
        shares[i] = np.diff(np.interp(edges, corners, covered.T.ravel()))
        if region.kind == "dead":
            shares[i][shares[i] >= _DEAD_SHOWN * np.diff(edges)] = np.inf
    shown = shares.argmax(axis=0)
    # A run ends where the region changes and at the end of a row.
    breaks = np.flatnonzero((np.diff(shown) != 0) | (edges[1:-1] % row_bytes == 0)) + 1
    firsts = np.concatenate(([0], breaks))
    lasts = np.concatenate((breaks, [len(shown)]))
    low = np.searchsorted(layout.starts, edges[firsts])
    high = np.searchsorted(layout.starts, edges[lasts])
    runs: list[list[Any]] = []
    for first, last, a, b in zip(
        firsts.tolist(), lasts.tolist(), low.tolist(), high.tolist(), strict=True
    ):
        number = int(shown[first])
        near = (*range(a, min(b, a + 8)), *range(max(a, b - 8), b))
        own = [j for j in near if layout.owners[j] == number and layout.keys[j]]
        members = int((layout.owners[a:b] == number).sum()) if own else 0
        ends = (show_key(layout.keys[own[0]]), show_key(layout.keys[own[-1]])) if own else ("", "")
        runs.append([int(edges[first]), int(edges[last]), number, members, *ends])
    return runs, row_bytes


def _strip(layout: Layout, runs: list[list[Any]], row_bytes: int) -> str:
    rows = -(-layout.size // row_bytes) if layout.size else 1
    height = rows * (_ROW_HEIGHT + _ROW_GAP) + _ROW_GAP
    scale = _WIDTH / row_bytes
    parts = [
        f'<svg class="strip" viewBox="0 0 {_WIDTH:g} {height:g}" role="img" '
        f'aria-label="Which part of the zarr owns which bytes of the file">'
    ]
    for i, (start, stop, number, *_) in enumerate(runs):
        row = start // row_bytes
        x = (start - row * row_bytes) * scale
        y = _ROW_GAP + row * (_ROW_HEIGHT + _ROW_GAP)
        width = (stop - start) * scale
        parts.append(
            f'<rect class="s r{number}" data-i="{i}" x="{x:.2f}" y="{y:g}" '
            f'width="{width:.2f}" height="{_ROW_HEIGHT:g}"/>'
        )
    return "".join([*parts, "</svg>"])


def _order(layout: Layout) -> str:
    """The picture of the order in which a reader jumps through the file."""
    count = len(layout.reading)
    if count < 2:
        return ""
    ranks = np.arange(count) * _ORDER_ROWS // count
    columns = layout.starts[layout.reading] * _ORDER_COLUMNS // max(1, layout.size)
    owners = layout.owners[layout.reading]
    cells = np.unique(np.stack((owners, ranks, columns), axis=1), axis=0)
    width = (_WIDTH - _ORDER_LEFT) / _ORDER_COLUMNS
    height = _ORDER_HEIGHT / _ORDER_ROWS
    # Few values get visible marks, many a smooth picture.
    tall = max(height, min(6.0, _ORDER_HEIGHT / count))
    paths: dict[int, list[str]] = {}
    for owner, rank, column in cells.tolist():
        x, y = _ORDER_LEFT + column * width, rank * height
        paths.setdefault(owner, []).append(f"M{x:.1f} {y:.1f}h{width:.1f}v{tall:.1f}h-{width:.1f}z")
    drawn = "".join(
        f'<path class="s r{owner}" d="{"".join(path)}"/>' for owner, path in paths.items()
    )
    ticks = []
    for quarter in range(5):
        x = _ORDER_LEFT + (_WIDTH - _ORDER_LEFT) * quarter / 4
        anchor = "end" if quarter == 4 else "middle" if quarter else "start"
        ticks.append(
            f'<line class="grid" x1="{x:g}" x2="{x:g}" y1="0" y2="{_ORDER_HEIGHT:g}"/>'
            f'<text class="axis" x="{x:g}" y="{_ORDER_HEIGHT + 17:g}" text-anchor="{anchor}">'
            f"{escape(human_size(layout.size * quarter / 4))}</text>"
        )
    words = (("first", 10.0), ("read", _ORDER_HEIGHT / 2), ("last", _ORDER_HEIGHT - 2))
    for text, y in words:
        ticks.append(
            f'<text class="axis" x="{_ORDER_LEFT - 10:g}" y="{y:g}" text-anchor="end">{text}</text>'
        )
    share = "" if layout.in_order is None else f" Here {layout.in_order:.1%} do."
    return (
        "<section><h2>Access order</h2>"
        '<p class="hint">Every value in the order in which a reader goes through the zarr (node by '
        "node, chunks in C order), from top to bottom, at its place in the file. Straight slopes "
        "are read from a disk or a server at full speed: the next value lies right behind, or at "
        f"most 64 KiB further on.{share}</p>"
        f'<svg class="order" viewBox="0 0 {_WIDTH:g} {_ORDER_HEIGHT + 24:g}" role="img" '
        f'aria-label="Reading order against place in the file">{"".join(ticks)}{drawn}</svg>'
        "</section>"
    )


def _row(layout: Layout, i: int) -> str:
    region = layout.regions[i]
    share = region.bytes / layout.size if layout.size else 0
    note = f'<span class="note">{escape(show_key(region.note))}</span>' if region.note else ""
    in_order = "" if region.in_order is None else f"{region.in_order:.0%}"
    members = f"{region.members:,}" if region.members else ""
    payload = human_size(region.payload) if region.members else ""
    return (
        f'<tr tabindex="0" data-r="{i}"><td><span class="swatch r{i}" '
        f'style="background: var(--c)"></span>{escape(_label(region))}{note}</td>'
        f"<td>{members}</td><td>{payload}</td><td>{human_size(region.bytes)} · {share:.1%}</td>"
        f'<td class="wide"><span class="bar r{i}"><i style="width: {share * 100:.2f}%; '
        f'background: var(--c)"></i></span></td><td>{in_order}</td></tr>'
    )


def _facts(layout: Layout) -> str:
    kinds = {region.kind: region.bytes for region in layout.regions}
    members = sum(region.members for region in layout.regions)
    payload = sum(region.payload for region in layout.regions)
    dead = kinds.get("dead", 0)
    overhead = layout.size - payload - kinds.get("index", 0) - dead
    facts = [
        (human_size(layout.size), f"{layout.size:,} bytes in the file", False),
        (f"{members:,}", "members", False),
        (human_size(payload), "payload", False),
        (human_size(overhead), "tar headers and padding", False),
        (human_size(kinds.get("index", 0)), "index", False),
        (human_size(dead) if dead else "none", "dead space", bool(dead)),
    ]
    if layout.in_order is not None:
        facts.append((f"{layout.in_order:.0%}", "read in order", False))
    return "".join(
        f'<div class="fact{" bad" if bad else ""}"><b>{escape(value)}</b>'
        f"<span>{escape(name)}</span></div>"
        for value, name, bad in facts
    )


def _colours(layout: Layout) -> list[str]:
    found, used = [], 0
    for region in layout.regions:
        if region.kind in _SPECIAL:
            found.append(_SPECIAL[region.kind])
        else:
            found.append(_PALETTE[used % len(_PALETTE)])
            used += 1
    return found


def _label(region: Region) -> str:
    if region.kind in _SPECIAL:
        return region.path.strip("()")
    path = show_key(region.path) or "/"
    return f"{path} (the rest)" if region.kind == "rest" else path


def _basename(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2] or name
