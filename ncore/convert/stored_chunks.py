"""Which chunks of an array are there. An array may have more places for chunks than atoms."""

import itertools
import math
from collections.abc import Iterable, Iterator

from ncore.convert.v2_metadata import V2Array

Coords = tuple[int, ...]
Region = tuple[slice, ...]


def stored_chunks(array: V2Array, keys: Iterable[str]) -> list[Coords]:
    """Grid coordinates of the chunks that are stored, in order.

    Args:
        array: its metadata.
        keys: relative keys below the array; those that are no chunk's are left out.
    """
    grid = array.grid
    if not grid:
        return [()] if "0" in keys else []
    found = []
    for key in keys:
        parts = key.split(array.separator)
        if len(parts) != len(grid) or not all(p.isascii() and p.isdecimal() for p in parts):
            continue
        coords = tuple(map(int, parts))
        inside = all(i < n for i, n in zip(coords, grid, strict=True))
        if inside and array.chunk_key(coords) == key:
            found.append(coords)
    found.sort()
    return found


def first_missing(array: V2Array, stored: list[Coords]) -> Coords | None:
    """The first place of the grid that holds no chunk; None if all do."""
    if len(stored) >= math.prod(array.grid):
        return None
    known = set(stored)
    return next(coords for coords in _places(array.grid) if coords not in known)


def touched_blocks(array: V2Array, stored: list[Coords], block: Coords) -> list[Coords]:
    """Coordinates of the blocks (of another shape) that stored chunks reach into, in order."""
    if block == array.chunks:
        return stored
    touched: set[Coords] = set()
    for coords in stored:
        touched.update(
            itertools.product(
                *(
                    range(i * c // b, -(-min((i + 1) * c, n) // b))
                    for i, c, n, b in zip(coords, array.chunks, array.shape, block, strict=True)
                )
            )
        )
    return sorted(touched)


def block_region(shape: Coords, block: Coords, coords: Coords) -> Region:
    """The part of a shape that a block covers."""
    return tuple(
        slice(i * b, min((i + 1) * b, n)) for i, b, n in zip(coords, block, shape, strict=True)
    )


def _places(grid: Coords) -> Iterator[Coords]:
    """Like `numpy.ndindex`, without its limit of 2**63 and without making the ranges lists."""
    if not grid:
        yield ()
        return
    for first in range(grid[0]):
        for rest in _places(grid[1:]):
            yield (first, *rest)
