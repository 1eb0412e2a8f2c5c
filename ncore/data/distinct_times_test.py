import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncore.data.distinct_times import distinct_times


@pytest.mark.parametrize("dtype", [np.uint64, np.int64, np.int8])
@given(
    st.lists(st.integers(-120, 120), max_size=40),
    st.sampled_from([0, 1_700_000_000_000_000, 2**63 - 200]),
)
def test_same_as_unique(dtype, offsets, start):
    if dtype is np.int8:
        start = 0
    if dtype is np.uint64:
        start += 120
    times = np.array([start + offset for offset in offsets], dtype=dtype)
    values, inverse = distinct_times(times)
    expected, expected_inverse = np.unique(times, return_inverse=True)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(inverse, expected_inverse)
    assert values.dtype == times.dtype


def test_times_far_apart():
    times = np.array([2**63, 5, 2**63], np.uint64)
    values, inverse = distinct_times(times)
    assert values.tolist() == [5, 2**63]
    assert inverse.tolist() == [1, 0, 1]
