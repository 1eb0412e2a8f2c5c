import asyncio
from bisect import bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.transfer.backend import Entry
from ncore.transfer.dandi_listing import RangeLister
from ncore.transfer.errors import TransferError


class Server:
    """Lists as the archive does: string prefix, slashes at the ends cut off."""

    def __init__(self, keys):
        self.keys = sorted(keys)
        self.asked = []
        self.at_once = self.most_at_once = 0

    async def fetch(self, prefix, after, limit):
        self.asked.append((prefix, after, limit))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        prefix, after = prefix.rstrip("/"), after.rstrip("/")
        assert ".." not in prefix.split("/")
        assert ".." not in after.split("/")
        start = bisect_right(self.keys, after) if after else 0
        found = [key for key in self.keys[start:] if key.startswith(prefix)]
        return [Entry(key, 0) for key in found[:limit]], len(found) > limit

    def list(self, prefix="", after="", page=1000):
        async def run():
            lister = RangeLister(self.fetch, page)
            pages = [page async for page in lister.pages(prefix, after)]
            assert all(pages)
            return [entry.key for page in pages for entry in page]

        return asyncio.run(run())


names = st.sampled_from(
    ["0", "1", "9", "10", "11", "57", "99", "a", "a.b", "a-b", "c", ".zarray", "é", "-", "~"]
)
keys = st.lists(names, min_size=1, max_size=4).map("/".join)
hostile = st.sampled_from(
    ["../x", "a/../b", "0/", "0//1", "/abs", "0/\t", "0/ ", "a/..", "..", "0."]
)


@settings(max_examples=200, deadline=None)
@given(
    st.sets(keys | hostile, max_size=80),
    st.sampled_from(["", "0", "0/", "1/0", "1/0/", "a", "a/", "a/../", "é/", "0//"]),
    keys | st.just(""),
    st.integers(4, 9),
)
def test_lists_exactly_what_was_asked_for_in_order(present, prefix, after, page):
    server = Server(present)
    wanted = [key for key in sorted(present) if key.startswith(prefix) and key > after]
    try:
        assert server.list(prefix, after, page) == wanted
    except TransferError:
        # A server that refuses ".." cannot be asked beyond it; nothing is lost unseen.
        assert any(".." in key.split("/") for key in present)


@pytest.mark.parametrize("layout", ["{}/{}/{}", "0/c/{}/{}/{}", "{}.{}.{}", "sub/{}.{}.{}"])
def test_long_listings_are_split(layout):
    everything = [layout.format(a, b, c) for a in range(12) for b in range(30) for c in range(10)]
    server = Server([*everything, ".zattrs", "zarr.json"])
    assert server.list(page=50) == server.keys
    assert server.most_at_once == 8
    # 73 pages; the rest are overlaps of neighbouring ranges.
    pages = sum(1 for _, _, limit in server.asked if limit > 1)
    assert pages < 110
    assert len(server.asked) < 2 * 73


def test_short_listings_cost_their_pages():
    server = Server([f"0/{i:02}" for i in range(20)] + [f"01/{i}" for i in range(9)])
    assert server.list("0/", page=30) == [f"0/{i:02}" for i in range(20)]
    assert len(server.asked) == 1


def test_prefix_seeks_past_siblings_that_only_look_like_it():
    server = Server([f"0.{i}" for i in range(500)] + ["0/a", "0/b", "01"])
    assert server.list("0/", page=10) == ["0/a", "0/b"]
    assert len(server.asked) == 1


def test_first_is_one_request():
    server = Server([f"0/{i}" for i in range(5000)])

    async def run():
        lister = RangeLister(server.fetch)
        assert (await lister.first("0/77")).key == "0/77"
        assert await lister.first("1") is None

    asyncio.run(run())
    assert [limit for _, _, limit in server.asked] == [1, 1]


def test_a_listing_that_does_not_go_on_is_refused():
    class Stuck(Server):
        async def fetch(self, prefix, after, limit):
            return [Entry(key, 0) for key in self.keys[:limit]], True

    with pytest.raises(TransferError, match="does not go on after 'b'"):
        Stuck(["a", "b"]).list(page=2)


class Held(str):
    """A key that is counted while somebody holds it."""

    count = 0

    def __new__(cls, key):
        cls.count += 1
        return super().__new__(cls, key)

    def __del__(self):
        Held.count -= 1


def most_held(keys, page):
    """Return how many pages are held at most besides the one that is yielded."""

    async def fetch(prefix, after, limit):
        await asyncio.sleep(0)
        start = bisect_right(keys, after) if after else 0
        found = [Entry(Held(key), 0) for key in keys[start : start + limit]]
        return found, start + limit < len(keys)

    async def run():
        most = count = 0
        async for entries in RangeLister(fetch, page).pages():
            count += len(entries)
            most = max(most, Held.count)
            await asyncio.sleep(0)
        assert count == len(keys)
        return most / page

    return asyncio.run(run())


def test_what_is_held_does_not_grow_with_the_listing():
    """Ranges that wait for their turn hold pages; ranges within ranges hold fewer."""
    # 110 pages of 500; 600 of 40,000 if each depth holds as many as the one above.
    assert most_held([f"{i:06}" for i in range(160_000)], 4) < 250
