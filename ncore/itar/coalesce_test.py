from hypothesis import given
from hypothesis import strategies as st

from ncore.itar.coalesce import coalesce, cut

RANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 60)), max_size=30)


@given(RANGES, st.integers(0, 50), st.integers(1, 200))
def test_every_range_comes_back_with_its_bytes(ranges, gap, most):
    data = bytes(i % 251 for i in range(400))
    requests = coalesce(ranges, gap, most)
    answers = [data[r.start : r.stop] for r in requests]
    assert cut(requests, answers, ranges) == [data[o : o + s] for o, s in ranges]


@given(RANGES, st.integers(0, 50), st.integers(1, 200))
def test_a_joined_request_keeps_to_its_limits(ranges, gap, most):
    for request in coalesce(ranges, gap, most):
        longest = max(ranges[i][1] for i in request.parts)
        assert request.stop - request.start <= max(most, longest)
        wanted = set()
        for i in request.parts:
            wanted.update(range(ranges[i][0], sum(ranges[i])))
        unwanted, run = 0, 0
        for byte in range(request.start, request.stop):
            run = 0 if byte in wanted else run + 1
            unwanted = max(unwanted, run)
        assert unwanted <= gap


def test_neighbours_share_a_request():
    assert len(coalesce([(0, 10), (512, 10), (1024, 10)], 600, 1 << 20)) == 1
    assert len(coalesce([(0, 10), (512, 10), (1024, 10)], 100, 1 << 20)) == 3
    assert coalesce([(5, 0)], 100, 100) == []
