"""Listing a zarr's files on a DANDI server: exact prefixes, ranges side by side.

The server takes ``prefix`` and ``after`` as strings with the slashes at their
ends cut off, so ``0/`` finds ``01`` too, and one page is asked after another.
Here a prefix means what it says, and a listing that turns out long is split:
the digits in the last key seen tell where further keys may begin, one probe
for each finds which do, and the ranges between them are listed at once, each
of which may be split again. Pages still come in key order.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from ncore.transfer.backend import Entry
from ncore.transfer.errors import TransferError
from ncore.transfer.keys import show_key
from ncore.transfer.listing import read_ahead

Fetch = Callable[[str, str, int], Awaitable[tuple[Sequence[Entry], bool]]]
"""Asks for ``(prefix, after, limit)``; returns a page and whether more follow."""

_PAGE = 1000
_PAGES_BEFORE_SPLIT = 2
# A range that waits for its turn fetches fewer pages than make it split, so
# only the one whose turn it is does, and what is held stays bounded.
_PAGES_AHEAD = 8
_PAGES_BEFORE_SPLIT_AGAIN = 12
_MOST_RANGES = 18
_REQUESTS_AT_ONCE = 8
_DOTS = re.compile(r"(?:^|(?<=/))\.\.(?:/|\Z)")
_DIGIT = re.compile("[0-8]")


class RangeLister:
    """Lists key ranges by means of one function that asks for a page.

    Args:
        fetch: See :data:`Fetch`.
        page: Entries to ask for at once.
    """

    def __init__(self, fetch: Fetch, page: int = _PAGE) -> None:
        self._fetch = fetch
        self._page = page
        self._at_once = asyncio.Semaphore(_REQUESTS_AT_ONCE)

    async def pages(self, prefix: str = "", after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """Yield pages of the entries that start with ``prefix`` and come after ``after``."""
        if prefix.endswith("/") and not prefix.endswith("//"):
            # Seek past "0", "0-…" and "0.…", which the server takes to match "0/".
            after = max(after, prefix[:-1] + ".~")
        async for page in self._range(prefix, after, None):
            yield page

    async def first(self, prefix: str, after: str = "") -> Entry | None:
        """Return the first entry that starts with ``prefix``, None if there is none."""
        found, _ = await self._ask(prefix, after, 1)
        return found[0] if found and found[0].key.startswith(prefix) else None

    async def _range(
        self, prefix: str, low: str, high: str | None, ahead: int = _PAGES_AHEAD
    ) -> AsyncIterator[Sequence[Entry]]:
        """Yield pages of the keys in ``(low, high]`` that start with ``prefix``.

        Parts of it fetch ``ahead`` pages while they wait for their turn, parts of parts half as
        many: so what is held is bounded by twice the first, however often ranges are split.
        """
        for _ in range(_PAGES_BEFORE_SPLIT if high is None else _PAGES_BEFORE_SPLIT_AGAIN):
            page, more = await self._ask(prefix, low, self._page)
            last = page[-1].key if page else ""
            inside = [
                entry
                for entry in page
                if entry.key > low
                and entry.key.startswith(prefix)
                and (high is None or entry.key <= high)
            ]
            if inside:
                yield inside
            beyond = (high is not None and last >= high) or (
                last > prefix and not last.startswith(prefix)
            )
            if not more or beyond:
                return
            if last <= low:
                raise TransferError(f"the server's listing does not go on after {show_key(low)!r}")
            low = last
        bounds = await self._bounds(prefix, low, high)
        ranges = zip([low, *bounds], [*bounds, high], strict=True)
        deeper = max(1, ahead // 2)
        parts = [lambda a=a, b=b: self._range(prefix, a, b, deeper) for a, b in ranges]
        if len(parts) == 1:
            async for page in parts[0]():
                yield page
            return
        async for page in read_ahead(parts, _REQUESTS_AT_ONCE, ahead):
            yield page

    async def _bounds(self, prefix: str, low: str, high: str | None) -> list[str]:
        """Return keys that part ``(low, high]`` so that every part but the first holds some."""
        places = []
        for match in _DIGIT.finditer(low):
            at = match.start()
            places += [low[:at] + chr(d) for d in range(ord(low[at]) + 1, ord("9") + 1)]
        inside = [
            place for place in places if place.startswith(prefix) and (high is None or place < high)
        ]
        # The shallowest digits part the most.
        candidates = sorted(inside[:_MOST_RANGES])
        found = await asyncio.gather(*(self._first_after(prefix, c) for c in candidates))
        bounds = []
        for i, (candidate, key) in enumerate(zip(candidates, found, strict=True)):
            end = candidates[i + 1] if i + 1 < len(candidates) else high
            if key is not None and (end is None or key <= end):
                bounds.append(candidate)
        return bounds

    async def _first_after(self, prefix: str, after: str) -> str | None:
        entry = await self.first(prefix, after)
        return entry.key if entry is not None else None

    async def _ask(self, prefix: str, after: str, limit: int) -> tuple[Sequence[Entry], bool]:
        # The server refuses "..": ask for more then; it is cut down again.
        prefix, after = _DOTS.split(prefix, 1)[0], _DOTS.split(after, 1)[0]
        async with self._at_once:
            return await self._fetch(prefix, after, limit)
