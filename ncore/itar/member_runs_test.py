"""Runs of neighbours in an archive."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ncore.itar.member_runs import member_runs
from ncore.itar.reader import ItarReader
from ncore.itar.writer import ItarWriter

MEBIBYTE = 1 << 20


def index_of(path: Path, *sizes: int):
    with ItarWriter(path) as writer:
        for number, size in enumerate(sizes):
            writer.set(str(number), bytes(size))
    return ItarReader(path).index


def test_neighbours_are_one_run(tmp_path: Path) -> None:
    index = index_of(tmp_path / "f.itar", *[100] * 50)
    assert list(member_runs(index, range(50))) == [(0, 50)]
    assert list(member_runs(index, [])) == []


def test_what_goes_back_or_leaves_much_out_begins_a_run(tmp_path: Path) -> None:
    index = index_of(tmp_path / "f.itar", *[100] * 50)
    assert list(member_runs(index, [3, 4, 2, 3, 40, 41])) == [(0, 2), (2, 4), (4, 6)]
    assert list(member_runs(index, [7, 7])) == [(0, 1), (1, 2)]


def test_runs_are_bounded(tmp_path: Path) -> None:
    half = MEBIBYTE // 2
    index = index_of(tmp_path / "f.itar", half, half, 100, 3 * MEBIBYTE, 100)
    assert list(member_runs(index, range(5))) == [(0, 1), (1, 3), (3, 4), (4, 5)]


@given(st.lists(st.integers(0, 30)))
def test_every_entry_is_in_one_run(tmp_path_factory, numbers) -> None:
    path = tmp_path_factory.getbasetemp() / "runs.itar"
    index = ItarReader(path).index if path.exists() else index_of(path, *range(0, 3100, 100))
    runs = list(member_runs(index, numbers))
    assert [at for first, stop in runs for at in range(first, stop)] == list(range(len(numbers)))
    for first, stop in runs:
        offsets = [index.span(number)[0] for number in numbers[first:stop]]
        assert offsets == sorted(offsets)
