"""What callers give as a location -> the text of a path or URL, and its options."""

import os
from collections.abc import Mapping
from typing import Any

from ncore.itar.errors import ItarOptionError


def plain_location(
    location: str | os.PathLike[str], storage_options: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return (path or URL, options), a ``UPath``'s own options included.

    Args:
        location: text, any path object, or a ``UPath``.
        storage_options: override those that a ``UPath`` carries.

    Raises:
        ItarOptionError: the location is neither.
    """
    options = dict(storage_options)
    if isinstance(location, str):
        return location, options
    protocol = getattr(location, "protocol", "")
    if protocol in ("", "file", "local"):
        path: object = os.fspath(location) if isinstance(location, os.PathLike) else location
        if not isinstance(path, str):
            raise ItarOptionError(f"{path!r}: give the location as text or as a path object")
        return path, options
    return str(location), {**getattr(location, "storage_options", {}), **options}
