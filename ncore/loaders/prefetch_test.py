import itertools
import threading

import pytest

from ncore.loaders.epochs import EpochSampler
from ncore.loaders.errors import LoaderArgumentError
from ncore.loaders.prefetch import PrefetchLoader


class Numbers:
    """Samples are their own indices."""

    def __init__(self, size, fails_at=None):
        self.size = size
        self.fails_at = fails_at
        self.asked = []
        self.lock = threading.Lock()

    def __len__(self):
        return self.size

    def __getitems__(self, indices):
        with self.lock:
            self.asked.append(list(indices))
        if self.fails_at in indices:
            raise KeyError(self.fails_at)
        return list(indices)


@pytest.mark.parametrize("prefetch", [0, 1, 5])
@pytest.mark.parametrize("threads", [1, 3])
def test_batches_come_in_order(prefetch, threads):
    loader = PrefetchLoader(Numbers(10), batch_size=4, prefetch=prefetch, threads=threads)
    assert list(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3
    loader = PrefetchLoader(Numbers(10), batch_size=4, drop_last=True, collate=tuple)
    assert list(loader) == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert list(PrefetchLoader(Numbers(3), prefetch=prefetch, threads=threads)) == [0, 1, 2]


def test_each_epoch_is_shuffled_anew_and_none_reads_twice():
    source = Numbers(20)
    loader = PrefetchLoader(source, EpochSampler(20, seed=3), batch_size=6)
    first, second = (list(itertools.chain.from_iterable(loader)) for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert loader.epoch == 2
    assert len(source.asked) == 8


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_state_saved_in_the_middle_continues_exactly(stop):
    loader = PrefetchLoader(Numbers(11), EpochSampler(11, seed=3), batch_size=3)
    expected = list(loader) + list(loader)

    loader = PrefetchLoader(Numbers(11), EpochSampler(11, seed=3), batch_size=3)
    seen = []
    for batch in loader:
        seen.append(batch)
        if len(seen) == stop:
            state = loader.state_dict()
            break
    resumed = PrefetchLoader(Numbers(11), EpochSampler(11, seed=3), batch_size=3)
    resumed.load_state_dict(state)
    while resumed.epoch < 2:
        seen += list(resumed)
    assert seen == expected


def test_an_error_comes_where_its_batch_would_have_come():
    batches = iter(PrefetchLoader(Numbers(10, fails_at=5), batch_size=2, prefetch=4))
    assert [next(batches), next(batches)] == [[0, 1], [2, 3]]
    with pytest.raises(KeyError, match="5"):
        next(batches)


def test_reading_ahead_is_bounded_and_ends_with_the_iteration():
    source = Numbers(100)
    batches = iter(PrefetchLoader(source, batch_size=1, prefetch=3, threads=2))
    next(batches)
    assert len(source.asked) <= 4
    batches.close()
    asked = len(source.asked)
    assert asked <= 4
    assert not [t for t in threading.enumerate() if t.name.startswith("ncore-prefetch")]


@pytest.mark.parametrize("arguments", [{"batch_size": 0}, {"prefetch": -1}, {"threads": 0}])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(LoaderArgumentError):
        PrefetchLoader(Numbers(3), **arguments)


@pytest.mark.parametrize(
    ("source", "sampler", "says"),
    [
        (Numbers(3), range(3), "sampler is a range.*EpochSampler"),
        (Numbers(3), [2, 1], "sampler is a list"),
        ([1, 2, 3], None, "source is a list without __getitems__"),
        (iter(()), None, "without __len__"),
    ],
)
def test_arguments_of_another_kind_are_refused(source, sampler, says):
    with pytest.raises(LoaderArgumentError, match=says):
        PrefetchLoader(source, sampler, batch_size=4)


def test_repr_says_what_is_loaded():
    class Named(Numbers):
        def __repr__(self):
            return "Named"

    loader = PrefetchLoader(Named(10), EpochSampler(10), batch_size=4)
    assert repr(loader) == (
        "PrefetchLoader(Named, batches of 4, 3 an epoch, epoch 0, prefetch 4, 2 threads)"
    )


def test_an_epoch_that_was_left_leaves_nothing_in_the_state_of_another():
    loader = PrefetchLoader(Numbers(10), EpochSampler(10), batch_size=4)
    for _ in loader:
        break
    assert loader.state_dict()["samples_done"] == 4
    loader.sampler.set_epoch(1)
    assert loader.state_dict()["samples_done"] == 0
