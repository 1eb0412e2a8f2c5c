"""Where in a path the zarr ends and the path inside it begins."""

import os
import re
from collections.abc import Sequence
from urllib.parse import unquote

from ncore.select.errors import LocationError

# The longest suffix decides whether a component has a stem.
ZARR_SUFFIXES = (".zarr.itar", ".zarr.zip", ".zarr", ".ngff", ".itar", ".ozx")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_UUID = re.compile(UUID)


def is_zarr_name(name: str) -> bool:
    """Whether a component names a zarr: a stem and one of `ZARR_SUFFIXES`, case-sensitively."""
    for suffix in ZARR_SUFFIXES:
        if name.endswith(suffix):
            return len(name) > len(suffix)
    return False


def boundary(names: Sequence[str]) -> int | None:
    """How many components lead up to and include the first that names a zarr."""
    return next((index + 1 for index, name in enumerate(names) if is_zarr_name(name)), None)


def boundary_in_store(names: Sequence[str]) -> int | None:
    """Like `boundary`; ``zarr/<uuid>`` counts too, where a DANDI archive keeps a zarr in S3."""
    for index, name in enumerate(names):
        if is_zarr_name(name):
            return index + 1
        if index and names[index - 1] == "zarr" and _UUID.fullmatch(name):
            return index + 1
    return None


def plain_components(path: str) -> list[str]:
    """The components of a path inside a zarr or a dandiset.

    Empty and ``.`` components are dropped, as they name nothing.

    Raises:
        LocationError: for a ``..`` component, whose meaning depends on who reads it.
    """
    names = [name for name in path.split("/") if name not in ("", ".")]
    if ".." in names:
        raise LocationError("it has a '..' component; write the path without it")
    return names


def percent_decoded(text: str, *, plus_is_space: bool = False) -> str:
    """Decode ``%XX`` once, as UTF-8; a ``%`` that begins no escape stays.

    Raises:
        LocationError: when the bytes are not UTF-8, or are control characters.
    """
    try:
        decoded = unquote(text.replace("+", " ") if plus_is_space else text, errors="strict")
    except UnicodeDecodeError:
        raise LocationError("its percent-encoding is not UTF-8") from None
    refuse_control_characters(decoded)
    return decoded


def refuse_control_characters(text: str) -> None:
    """Raise LocationError if the text holds a C0 control character, DEL or a lone surrogate."""
    for character in text:
        if character < " " or character == "\x7f" or "\ud800" <= character <= "\udfff":
            raise LocationError(f"it holds the character {character!r}")


def split_zarr_location(location: str | os.PathLike[str]) -> tuple[str, str] | None:
    """Split a path at the zarr it goes through.

    The boundary is the first component that ends in ``.zarr``, ``.ngff``,
    ``.zarr.itar``, ``.itar``, ``.zarr.zip`` or ``.ozx`` and has a stem: a component
    that is only ``.zarr`` is none. Nothing is decoded or looked up.

    Args:
        location: an asset path, a file path or a URL.

    Returns:
        ``(asset_path, zarr_subpath)``, or None when no zarr is named or nothing
        follows its name. Empty components are dropped, except that a URL's asset
        part and a leading ``/`` stay as they are.

    Raises:
        LocationError: (a ValueError) when the path inside the zarr has a ``..``.
    """
    location = os.fspath(location)
    head = ""
    if scheme := _SCHEME.match(location):
        head = scheme.group()
    elif location.startswith("/"):
        head = "/"
    names = location[len(head) :].split("/")
    if not scheme:
        names = [name for name in names if name]
    end = boundary(names)
    if end is None:
        return None
    inside = plain_components("/".join(names[end:]))
    return (head + "/".join(names[:end]), "/".join(inside)) if inside else None
