"""What callers give as a location -> the text of a path or URL, and its options."""

import os
from collections.abc import Mapping
from typing import Any


def plain_location(
    location: str | os.PathLike[str], storage_options: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return (path or URL, options), a ``UPath``'s own options included.

    Args:
        location: text, any path object, or a ``UPath``.
        storage_options: override those that a ``UPath`` carries.
    """
    options = dict(storage_options)
    if isinstance(location, str):
        return location, options
    protocol = getattr(location, "protocol", "")
    if protocol in ("", "file", "local"):
        return os.fspath(location), options
    return str(location), {**getattr(location, "storage_options", {}), **options}
