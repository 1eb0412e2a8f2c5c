import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.itar.index import Index
from ncore.itar.packed_texts import pack
from ncore.stores.listing import ChangingKeys, IndexKeys, children, prefix_range

KEYS = st.lists(st.text("ab/0.\U0010ffff", min_size=1, max_size=8), unique=True, max_size=40)
PREFIX = st.text("ab/0.\U0010ffff", max_size=4)


@given(KEYS, PREFIX)
@settings(max_examples=200)
def test_prefix_range_is_a_scan(keys: list[str], prefix: str) -> None:
    keys.sort()
    low, high = prefix_range(keys, prefix)
    assert keys[low:high] == [key for key in keys if key.startswith(prefix)]


@given(KEYS, st.sampled_from(["", "a/", "b/", "a/b/", "./"]))
@settings(max_examples=200)
def test_children_are_a_scan(keys: list[str], prefix: str) -> None:
    keys.sort()
    expected = {
        key.removeprefix(prefix).split("/")[0] for key in keys if key.startswith(prefix)
    } - {""}
    found = list(children(keys, prefix))
    assert len(found) == len(set(found))
    assert set(found) == expected


@given(KEYS)
@settings(max_examples=50)
def test_index_keys(keys: list[str]) -> None:
    sizes = np.arange(len(keys), dtype=np.uint64)
    listed = IndexKeys(Index(pack([key.encode() for key in keys]), sizes, sizes))
    assert list(listed) == sorted(keys)
    assert listed[1:3] == sorted(keys)[1:3]
    assert listed.size(0, len(keys)) == sum(range(len(keys)))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.booleans()), max_size=80))
@settings(max_examples=100)
def test_changing_keys(steps: list[tuple[bool, int, bool]]) -> None:
    keys, model = ChangingKeys(["k1", "k0"]), {"k1", "k0"}
    for adding, number, look in steps:
        key = f"k{number}"
        if adding and key not in model:
            keys.add(key)
            model.add(key)
        elif not adding and key in model:
            keys.remove(key)
            model.remove(key)
        if look:
            assert keys.sorted() == sorted(model)
    assert keys.sorted() == sorted(model)


class Counted(list[str]):
    """Counts how often a key is looked at."""

    looks = 0

    def __getitem__(self, i):  # type: ignore[no-untyped-def]
        self.looks += 1
        return super().__getitem__(i)


def test_a_directory_costs_its_size_not_the_archives() -> None:
    keys = Counted(sorted(f"g/a{i}/c/{j}" for i in range(10) for j in range(10_000)))
    assert list(children(keys, "g/")) == [f"a{i}" for i in range(10)]
    assert keys.looks < 1000
