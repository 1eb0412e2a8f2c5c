"""A local place to write to: apart from the source, and holding nothing but what may go."""

from collections.abc import Callable
from pathlib import Path

from ncore.convert.errors import SourceError, TargetExistsError
from ncore.convert.source import Source
from ncore.convert.target import REPLACES
from ncore.stores.errors import StoreExistsError
from ncore.stores.replaceable import overlap


def check_apart(source: Source, path: Path, name: str) -> None:
    """Refuse a target that is the source, contains it or lies inside it.

    Raises:
        SourceError: it does.
    """
    read = source.local_path
    how = "" if read is None else overlap(read, path)
    if how == "is":
        raise SourceError(f"{name} is the source itself; --in-place converts it where it is")
    if how:
        raise SourceError(
            f"{name} {how} the source {source.name}; choose a target beside it"
            + (f", such as {Path(name, _renamed(read.name))}" if how == "contains" and read else "")
        )


def zarr_name(source: Source) -> str:
    """How a directory that holds the source's conversion could be called."""
    name = source.name.rstrip("/").rpartition("/")[2]
    for suffix in (".itar", ".zip", ".ozx", ".zarr"):
        name = name.removesuffix(suffix)
    return f"{name or 'NAME'}.zarr"


def _renamed(name: str) -> str:
    stem, dot, suffixes = name.partition(".")
    return f"{stem}-v3{dot}{suffixes}"


def check_urls_apart(source: Source, url: str) -> None:
    """Refuse a URL that is the source's, or above or below it.

    Raises:
        SourceError: it is.
    """
    read, written = (f"{name.rstrip('/')}/" for name in (source.name, url))
    if read.startswith(written) or written.startswith(read):
        raise SourceError(
            f"{url} is the source {source.name}, contains it or lies inside it; choose a target "
            "apart from it"
        )


def check_replaceable(
    path: Path, name: str, overwrite: bool, look: Callable[[Path, str], str]
) -> str:
    """Look at what lies at a target.

    Args:
        path: where the target goes.
        name: what the user called it.
        overwrite: whether a zarr that lies there may be replaced.
        look: says what lies there, or raises StoreExistsError.

    Returns:
        What would be replaced; empty where there is nothing.

    Raises:
        TargetExistsError: it may not be replaced.
    """
    if not path.exists():
        return ""
    try:
        found = look(path, name)
    except StoreExistsError as error:
        raise TargetExistsError(str(error)) from None
    if not overwrite:
        raise TargetExistsError(f"{name} exists ({found}); {REPLACES}")
    return found
