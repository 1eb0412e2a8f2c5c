"""Directories as dictionaries: what tests lay out, and what they find."""

from collections.abc import Mapping
from pathlib import Path


def fill(root: Path, entries: Mapping[str, bytes]) -> Path:
    """Write a file for each entry below a directory; return the directory."""
    for key, data in entries.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def tree(root: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a directory by its key."""
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
