import pytest

from ncore.loaders.epochs import EpochSampler
from ncore.loaders.errors import LoaderArgumentError
from ncore.loaders.resume import ResumableLoader


class ReadingAhead:
    """A loader that takes all of the sampler's indices before it hands out a batch."""

    def __init__(self, sampler, batch_size, drop_last=False):
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        indices = list(self.sampler)
        for at in range(0, len(indices), self.batch_size):
            if len(indices) - at >= self.batch_size or not self.drop_last:
                yield indices[at : at + self.batch_size]


def make(drop_last=False):
    sampler = EpochSampler(22, seed=5, world_size=2)
    return ResumableLoader(ReadingAhead(sampler, 4, drop_last), sampler, 4)


@pytest.mark.parametrize("stop", range(1, 7))
@pytest.mark.parametrize("drop_last", [False, True])
def test_a_state_saved_after_any_batch_continues_exactly(stop, drop_last):
    loader, expected = make(drop_last), []
    while loader.epoch < 3:
        expected += list(loader)

    loader, seen = make(drop_last), []
    while len(seen) < stop:
        for batch in loader:
            seen.append(batch)
            if len(seen) == stop:
                break
    resumed = make(drop_last)
    resumed.load_state_dict(loader.state_dict())
    while resumed.epoch < 3:
        seen += list(resumed)
    assert seen == expected


def test_between_epochs_the_state_is_that_of_the_next():
    loader = make()
    assert len(list(loader)) == len(loader) == 3
    assert loader.epoch == 1
    assert loader.state_dict()["epoch"] == 1
    assert loader.state_dict()["samples_done"] == 0


def test_an_epoch_that_was_left_leaves_nothing_in_the_state_of_another():
    loader = make()
    for _ in loader:
        break
    loader.sampler.set_epoch(1)
    assert loader.state_dict()["epoch"] == 1
    assert loader.state_dict()["samples_done"] == 0


def test_a_loader_that_drops_the_last_batch_announces_none():
    class Announcing(ReadingAhead):
        def __len__(self):
            return len(self.sampler) // self.batch_size

    sampler = EpochSampler(11)
    loader = ResumableLoader(Announcing(sampler, 4, drop_last=True), sampler)
    assert len(loader) == len(list(loader)) == 2


def test_the_size_of_batches_is_that_of_the_loader():
    sampler = EpochSampler(11)
    loader = ResumableLoader(ReadingAhead(sampler, 4), sampler)
    next(iter(loader))
    assert loader.state_dict()["samples_done"] == 4
    with pytest.raises(LoaderArgumentError, match=r"batch_size 3 is not .* which is 4"):
        ResumableLoader(ReadingAhead(sampler, 4), sampler, 3)
    with pytest.raises(LoaderArgumentError, match="at least 1, not 0"):
        ResumableLoader(iter(()), sampler, 0)


def test_loaders_of_another_order_are_refused():
    sampler = EpochSampler(11)
    with pytest.raises(LoaderArgumentError, match="goes by a EpochSampler and not by"):
        ResumableLoader(ReadingAhead(EpochSampler(11), 4), sampler)
    unordered = ReadingAhead(sampler, 4)
    unordered.in_order = False
    with pytest.raises(LoaderArgumentError, match="in_order=False"):
        ResumableLoader(unordered, sampler)
