import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncore.data.frame_times import closest_index_sorted

TIMES = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=9).map(sorted)


@given(TIMES, st.integers(-(2**65), 2**65))
def test_no_value_is_closer(times, value):
    index = closest_index_sorted(np.array(times, np.uint64), value)
    assert abs(times[index] - value) == min(abs(time - value) for time in times)


@pytest.mark.parametrize(
    ("times", "value", "index"),
    [
        ([1, 2, 4], 3, 2),  # equally close: the later one
        ([1, 5, 5, 5, 9], 5, 1),
        ([1, 5, 5, 5, 9], 4, 1),
        ([1, 5, 5, 5, 9], 6, 3),
        ([5, 5, 5], 9, 2),
        ([1, 2, 4], 2.9, 1),
        ([2**63, 2**63 + 1], 2**63 + 1, 1),  # float64 would not tell them apart
    ],
)
def test_ties_and_large_values(times, value, index):
    assert closest_index_sorted(np.array(times, np.uint64), value) == index


def test_floats():
    assert closest_index_sorted(np.array([1.0, 2.0]), 1.6) == 1


def test_empty():
    with pytest.raises(ValueError, match="empty"):
        closest_index_sorted(np.zeros(0, np.uint64), 1)
