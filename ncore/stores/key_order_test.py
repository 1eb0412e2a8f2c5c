from hypothesis import given
from hypothesis import strategies as st

from ncore.stores.key_order import access_order


def test_chunks_in_the_order_of_their_coordinates():
    keys = ["a/c/0/0", "a/c/0/2", "a/c/0/10", "a/c/1/0", "a/zarr.json", "b/0.0", "b/0.10", "b/1.2"]
    assert sorted(keys, key=access_order) == keys


@given(st.lists(st.text(), max_size=8))
def test_any_keys_can_be_ordered(keys):
    assert sorted(sorted(keys, key=access_order)) == sorted(keys)
