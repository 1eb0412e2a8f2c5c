"""Listing what a selection may match, and no more of the server than that.

The planner walks two listings side by side, so every listing here comes in key
order and in pages, and a next page is fetched while the last is worked on.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from operator import attrgetter, lt
from typing import NamedTuple, Protocol

from ncore.select.key_cover import KeyCover
from ncore.select.selection import ZarrSelection
from ncore.transfer.backend import Entry, Source
from ncore.transfer.errors import TransferError
from ncore.transfer.keys import show_key

_key_of = attrgetter("key")
_PREFIXES_AT_ONCE = 8
_PAGES_AHEAD = 2


class Selection(Protocol):
    """What the planner needs of :class:`ncore.select.selection.ZarrSelection`."""

    def matches(self, entry_path: str, /) -> bool:
        """Return whether the entry is selected."""
        ...

    def cover(self) -> KeyCover:
        """Return keys and string prefixes that together hold every match."""
        ...


class Scope(NamedTuple):
    """One part of what is listed: a single key, or all keys with a prefix."""

    text: str
    is_key: bool

    def holds(self, key: str) -> bool:
        """Return whether the key is listed as a part of this."""
        return key == self.text if self.is_key else key.startswith(self.text)


def scopes(cover: KeyCover) -> list[Scope]:
    """Return what to list, in key order."""
    return sorted(
        [*(Scope(key, True) for key in cover.keys), *(Scope(p, False) for p in cover.prefixes)]
    )


_METADATA_NAME = re.compile(r"(?:^|[:/])(?:\.z[a-z.*]*|zarr\.json|zarr\.cbor\.xz)$")


def only_metadata(selection: ZarrSelection) -> bool:
    """Return whether the filters can only match metadata documents.

    True for the alias ``metadata`` and for ``glob:`` and ``path:`` filters
    that end in the name of a metadata document; then a listing may pass over
    chunks (:func:`list_outside_chunks`).
    """

    def is_metadata(spec: str) -> bool:
        kind, _, pattern = spec.partition(":")
        return spec == "metadata" or (
            kind in ("glob", "path") and _METADATA_NAME.search(pattern) is not None
        )

    return any(map(is_metadata, selection.zarr_and)) or (
        bool(selection.zarr) and all(map(is_metadata, selection.zarr))
    )


async def _in_order(
    pages: AsyncIterator[Sequence[Entry]], where: str
) -> AsyncIterator[Sequence[Entry]]:
    """Pass pages on; refuse a listing that is out of order (a merge would lose entries)."""
    last = ""
    async for page in pages:
        keys = list(map(_key_of, page))
        if not keys:
            continue
        if (last and keys[0] <= last) or not all(map(lt, keys, keys[1:])):
            raise TransferError(
                f"{where} lists its entries out of order (near {show_key(keys[0])!r}): "
                "nothing was transferred, since entries could be missed"
            )
        last = keys[-1]
        yield page


async def read_ahead(
    make: Sequence[Callable[[], AsyncIterator[Sequence[Entry]]]],
    at_once: int = _PREFIXES_AT_ONCE,
    pages_ahead: int = _PAGES_AHEAD,
) -> AsyncIterator[Sequence[Entry]]:
    """Run several listings at once and yield their pages one listing after the other."""
    queues = [asyncio.Queue[Sequence[Entry] | BaseException | None](pages_ahead) for _ in make]

    async def produce(i: int) -> None:
        try:
            async for page in make[i]():
                await queues[i].put(page)
            await queues[i].put(None)
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            await queues[i].put(e)

    tasks: list[asyncio.Task[None]] = []
    try:
        for i, queue in enumerate(queues):
            while len(tasks) < min(len(make), i + at_once):
                tasks.append(asyncio.create_task(produce(len(tasks))))
            while (item := await queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def list_scopes(
    source: Source, parts: Sequence[Scope], *, skip_chunks: bool = False
) -> AsyncIterator[Sequence[Entry]]:
    """List every entry of the scopes, in key order.

    Args:
        source: Where to list.
        parts: As :func:`scopes` gives them.
        skip_chunks: Only metadata is wanted: pass over the chunks of arrays
            where the backend can seek (see :func:`list_outside_chunks`).
    """

    def make(scope: Scope) -> Callable[[], AsyncIterator[Sequence[Entry]]]:
        def listing() -> AsyncIterator[Sequence[Entry]]:
            if scope.is_key:
                return _list_key(source, scope.text)
            if skip_chunks and source.capabilities.list_ranges:
                pages = list_outside_chunks(source, scope.text)
            else:
                pages = source.list(scope.text)
            return _in_order(pages, source.url)

        return listing

    return read_ahead([make(scope) for scope in parts])


async def _list_key(source: Source, key: str) -> AsyncIterator[Sequence[Entry]]:
    entry = await source.stat(key)
    if entry is not None:
        yield [entry]


async def list_outside_chunks(source: Source, prefix: str) -> AsyncIterator[Sequence[Entry]]:
    """List a zarr but seek past the chunks of its arrays.

    A page that ends among an array's chunks is followed by one that begins
    behind them. What is passed over are only keys that zarr reserves for
    chunks: names that begin with a digit directly in a v2 array
    (``.zarray`` seen), and ``c/`` or ``c.`` followed by a digit in a v3 array
    (its ``zarr.json`` says so). So the list of a zarr of any number of chunks
    costs a few requests for each array, and never more than the plain listing.
    """
    is_array: dict[str, bool] = {}
    v2_arrays: list[str] = []  # those whose chunks may still follow
    after = ""
    while True:
        skip_to = None
        async for page in source.list(prefix, after=after):
            yield page
            for entry in page:
                if entry.key.endswith(".zarray"):
                    v2_arrays.append(entry.key[: -len(".zarray")])
            last = page[-1].key
            v2_arrays = [a for a in v2_arrays if last.startswith(a)]
            skip_to = await _end_of_chunks(source, last, v2_arrays, is_array)
            if skip_to is not None:
                break
        if skip_to is None:
            return
        after = skip_to


async def _end_of_chunks(
    source: Source, key: str, v2_arrays: Sequence[str], is_array: dict[str, bool]
) -> str | None:
    """Return the last possible key of the chunks that ``key`` lies among, else None."""
    for array in v2_arrays:
        if key[len(array) : len(array) + 1].isdecimal():
            return array + ":"  # the character after "9"
    start = 0
    while (at := ("/" + key).find("/c", start)) >= 0:
        start = at + 1
        array, rest = key[:at], key[at + 1 :]
        if rest[:1] in ("/", ".") and rest[1:2].isdecimal():
            if array not in is_array:
                is_array[array] = await _is_v3_array(source, array + "zarr.json")
            if is_array[array]:
                return f"{array}c{rest[0]}:"
    return None


async def _is_v3_array(source: Source, key: str) -> bool:
    entry = await source.stat(key)
    if entry is None or not 0 < entry.size < 1 << 20:
        return False
    try:
        document = json.loads(await source.read(entry))
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("node_type") == "array"


async def list_level(source: Source, directory: str) -> AsyncIterator[Entry | str]:
    """List what lies directly in a directory of a root, in key order.

    A subdirectory costs at most one request, whatever lies in it, where the
    backend can seek.

    Args:
        source: Where to list.
        directory: Path with a slash at its end, ``""`` for the root.

    Yields:
        An entry for each file, the path with a slash for each subdirectory.
    """
    after = ""
    last = ""
    while True:
        inside = ""
        async for page in source.list(directory, after=after):
            for entry in page:
                name, slash, _ = entry.key[len(directory) :].partition("/")
                if not slash:
                    yield entry
                elif (inside := f"{directory}{name}/") != last:
                    last = inside
                    yield inside
            if inside and source.capabilities.list_ranges and page[-1].key.startswith(inside):
                break
        else:
            return
        after = inside + "\U0010ffff"
