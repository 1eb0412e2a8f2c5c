"""Find the zarr stores below a directory or prefix, or those that a pattern or a list names."""

import glob
import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore

from ncore.convert.errors import SourceError
from ncore.convert.hierarchy import ZARRAY, ZGROUP
from ncore.convert.target_object import JOURNAL
from ncore.itar.errors import ItarError
from ncore.itar.location import is_remote, local_path
from ncore.itar.object_options import reason_of
from ncore.itar.object_url import open_prefix, redact
from ncore.select.glob import Glob
from ncore.stores.documents import ROOT_V3

ARCHIVES = (".itar", ".zip", ".ozx")
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Found:
    """One store.

    Attributes:
        location: its path or URL.
        name: its path relative to where it was looked for; the target's name.
        size: bytes of an archive or prefix; 0 for a directory, which was not walked.
        problem: why nothing can be converted; empty for a store.
    """

    location: str
    name: str
    size: int = 0
    problem: str = ""


def discover(
    places: Iterable[str | os.PathLike[str]],
    *,
    recursive: bool,
    storage_options: dict[str, Any] | None = None,
    target: str | None = None,
) -> list[Found]:
    """Find stores.

    A place that does not exist or holds none comes along with its problem, so that the
    others can be converted.

    Args:
        places: paths, URLs, or patterns of them (``*``, ``?``, ``[…]``, and ``**``
            for any number of folders).
        recursive: look for stores below directories and prefixes that are none
            themselves.
        storage_options: for remote places.
        target: where stores will be written; where it lies below a place, nothing is
            looked for in it.

    Returns:
        Each store once, in order of name.

    Raises:
        SourceError: two stores would get one name.
    """
    found: dict[str, Found] = {}
    problems: list[Found] = []
    skip = target
    if target is not None:
        skip = target.rstrip("/") if is_remote(target) else os.path.realpath(local_path(target))
    for given in places:
        place = os.fspath(given)
        try:
            here = list(_at(place, recursive, storage_options or {}, skip))
            if not here:
                raise SourceError(f"{redact(place)}: no zarr found there")
        except SourceError as error:
            problems.append(Found(redact(place), "", problem=str(error)))
            continue
        for store in here:
            other = found.setdefault(store.name, store)
            if other.location != store.location:
                raise SourceError(
                    f"{redact(other.location)} and {redact(store.location)} would both become "
                    f"{store.name!r}: convert them separately"
                )
    return [*problems, *(found[name] for name in sorted(found))]


def _at(place: str, recursive: bool, options: dict[str, Any], skip: str | None) -> Iterator[Found]:
    if is_remote(place):
        yield from _remote(place, recursive, options, skip)
        return
    path = local_path(place)
    if _MAGIC.search(path) and not Path(path).exists():
        base = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0] or "."
        for match in sorted(glob.glob(path, recursive=True)):  # noqa: PTH207  # any depth
            if _is_store(match):
                yield _found(match, os.path.relpath(match, base))
        return
    if not Path(path).exists():
        raise SourceError(f"{path}: no such file or directory")
    if _is_store(path):
        yield _found(path, Path(path).absolute().name)
    elif recursive:
        for folder, folders, files in os.walk(path):
            folders.sort()
            inside = []
            for name in folders:
                at = os.path.join(folder, name)  # noqa: PTH118
                if name.startswith(".") or (skip and os.path.realpath(at) == skip):
                    continue
                if _is_store(at):
                    yield _found(at, os.path.relpath(at, path))
                else:
                    inside.append(name)
            folders[:] = inside  # nothing is looked for inside a store
            for name in sorted(files):
                if name.endswith(ARCHIVES) and not name.startswith("."):
                    at = os.path.join(folder, name)  # noqa: PTH118
                    yield _found(at, os.path.relpath(at, path))
    else:
        raise SourceError(f"{path}: no zarr; to convert all that lie below, say --recursive")


def _is_store(path: str) -> bool:
    at = Path(path)
    if at.is_dir():
        # One of v3 counts: it is reported as converted already, not walked into.
        return any((at / name).exists() for name in (ZGROUP, ZARRAY, ROOT_V3))
    return path.endswith(ARCHIVES)


def _found(path: str, name: str) -> Found:
    path = os.path.normpath(path)
    return Found(path, name, Path(path).stat().st_size if Path(path).is_file() else 0)


def _remote(
    url: str, recursive: bool, options: dict[str, Any], skip: str | None
) -> Iterator[Found]:
    pattern = None
    base = url
    if found := _MAGIC.search(url):
        base = url[: found.start()].rpartition("/")[0]
        pattern = re.compile(Glob.parse(url[len(base) + 1 :].split("/")).regex(), re.DOTALL)
    elif not recursive or url.endswith(ARCHIVES):
        yield Found(url, url.rstrip("/").rpartition("/")[2])
        return
    base = base.rstrip("/")
    try:
        listed = obstore.list(open_prefix(base, options, whole_bucket=True))
        keys = {item["path"]: item["size"] for batch in listed for item in batch}
    except ItarError as error:
        raise SourceError(str(error)) from error
    except Exception as error:
        raise SourceError(f"{redact(base)}: cannot be listed: {reason_of(error, base)}") from None
    if skip is not None and f"{skip}/".startswith(f"{base}/"):
        below = f"{skip[len(base) + 1 :]}/"
        keys = {key: size for key, size in keys.items() if not key.startswith(below)}
    for name, size in _stores(keys).items():
        if not name and pattern is None:
            yield Found(base, base.rpartition("/")[2], size)
        elif name and (pattern is None or pattern.fullmatch(name)):
            yield Found(f"{base}/{name}", name, size)


def _stores(keys: Mapping[str, int]) -> dict[str, int]:
    """Stores among the keys below a prefix: path → size; the empty path is the prefix itself."""
    roots, unfinished = set(), set()
    for key in keys:
        folder, _, name = key.rpartition("/")
        if name in (ZGROUP, ZARRAY, ROOT_V3):
            roots.add(folder)
        elif name == JOURNAL:
            unfinished.add(folder)  # its root's zarr.json is not there yet
    taken = roots | unfinished
    ordered = sorted(keys)
    found: dict[str, int] = {}
    for root in roots - unfinished:
        # Nothing is looked for inside a store, nor in what is hidden.
        if not _hidden(root) and not any(above in taken for above in _above(root)):
            first = bisect_left(ordered, f"{root}/") if root else 0
            stop = bisect_left(ordered, f"{root}0") if root else len(ordered)  # 0 comes after /
            found[root] = sum(keys[key] for key in ordered[first:stop])
    for key, size in keys.items():
        inside = key.endswith(ARCHIVES) and any(above in taken for above in _above(key))
        if key.endswith(ARCHIVES) and not inside and not _hidden(key):
            found[key] = size
    return dict(sorted(found.items()))


def _above(path: str) -> Iterator[str]:
    """Every folder that a path lies in, up to the empty one."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
