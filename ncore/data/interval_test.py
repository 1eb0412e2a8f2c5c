import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncore.data.errors import DataTypeError, InvalidDataError
from ncore.data.interval import HalfClosedInterval


def test_bounds_are_python_ints_in_order():
    for bounds in [(1.0, 2), (np.int64(1), 2), (2, 1)]:
        with pytest.raises(InvalidDataError):
            HalfClosedInterval(*bounds)
        with pytest.raises(AssertionError):  # what NVIDIA's ncore raises
            HalfClosedInterval(*bounds)


def test_end_length_and_membership():
    interval = HalfClosedInterval.from_start_end(10, 19)
    assert (interval.start, interval.stop, interval.end, len(interval)) == (10, 20, 19, 10)
    assert 10 in interval
    assert np.uint64(19) in interval
    assert 20 not in interval
    assert HalfClosedInterval(11, 20) in interval
    assert HalfClosedInterval(11, 21) not in interval
    with pytest.raises(TypeError):
        _ = 10.0 in interval
    with pytest.raises(DataTypeError):
        interval.overlaps(3)


def test_touching_intervals_do_not_overlap():
    interval = HalfClosedInterval(10, 20)
    assert interval.intersection(HalfClosedInterval(20, 30)) is None
    assert interval.intersection(HalfClosedInterval(19, 30)) == HalfClosedInterval(19, 20)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.uint8, np.float64])
@given(
    st.integers(-5, 260),
    st.integers(0, 20),
    st.lists(st.integers(0, 255), max_size=12).map(sorted),
)
def test_cover_range_holds_exactly_the_samples_inside(dtype, start, length, samples):
    interval = HalfClosedInterval(start, start + length)
    array = np.array(samples, dtype=dtype)
    covered = interval.cover_range(array)
    assert [samples[i] for i in covered] == [s for s in samples if s in interval]


def test_cover_range_is_exact_beyond_float_precision():
    samples = np.array([2**63, 2**63 + 1, 2**64 - 1], dtype=np.uint64)
    assert HalfClosedInterval(2**63 + 1, 2**64 - 1).cover_range(samples) == range(1, 2)
    assert HalfClosedInterval(2**63 + 1, 2**64).cover_range(samples) == range(1, 3)
