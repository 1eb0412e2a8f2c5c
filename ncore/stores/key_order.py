"""The order in which keys are written where it is ours to choose."""

import re

_DIGITS = re.compile(r"(\d+)")


def access_order(key: str) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Sort key for the order in which readers go through a zarr.

    Node by node, and the chunks of an array as their coordinates count (C order:
    ``c/0/2`` before ``c/0/10``), so that a reader in order reads the file in order.
    """
    return tuple(
        tuple(
            (0, int(part), "") if part.isdecimal() and len(part) < 19 else (1, 0, part)
            for part in _DIGITS.split(component)
            if part
        )
        for component in key.split("/")
    )
