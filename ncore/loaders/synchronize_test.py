import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncore.data.frame_times import closest_index_sorted
from ncore.loaders.synchronize import MISSING, closest_frames, frame_times, synchronize

times = st.lists(st.integers(0, 2**53), max_size=30, unique=True)


@given(own=times, wanted=times, tolerance=st.integers(0, 2**53))
def test_the_closest_frame_is_that_of_the_data_layer(own, wanted, tolerance):
    own_array = np.array(sorted(own), np.int64)
    found = closest_frames(own_array, np.array(wanted, np.int64), tolerance)
    for want, index in zip(wanted, found.tolist(), strict=True):
        if not own:
            assert index == MISSING
            continue
        closest = closest_index_sorted(own_array, want)
        near = abs(int(own_array[closest]) - want) <= tolerance
        assert index == (closest if near else MISSING)


@given(own=times, wanted=times)
def test_the_order_of_the_frames_does_not_matter(own, wanted):
    shuffled, want = np.array(own, np.int64), np.array(wanted, np.int64)
    order = np.sort(shuffled)
    found, expected = (closest_frames(array, want, 2**60) for array in (shuffled, order))
    if own:
        assert shuffled[found].tolist() == order[expected].tolist()


def test_the_later_of_two_equally_close_frames_is_taken():
    assert closest_frames(np.array([0, 10]), np.array([5]), 5).tolist() == [1]
    assert closest_frames(np.array([0, 10]), np.array([5]), 4).tolist() == [MISSING]


@pytest.mark.parametrize(("relative", "expected"), [(0.0, 10), (0.5, 15), (1.0, 20)])
def test_any_point_of_a_frame_can_count(relative, expected):
    assert frame_times(np.array([[10, 20]], np.uint64), relative).tolist() == [expected]


def test_rows_follow_the_reference():
    rows = synchronize(
        {"a": np.array([0, 10, 20, 30]), "b": np.array([9, 31])}, "a", {"a": 0, "b": 2}, stride=1
    )
    assert rows.tolist() == [[0, MISSING], [1, 0], [2, MISSING], [3, 1]]
    rows = synchronize({"a": np.arange(4), "b": np.arange(4)}, "b", {"a": 0, "b": 0}, stride=2)
    assert rows.tolist() == [[0, 0], [2, 2]]
