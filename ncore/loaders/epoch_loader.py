"""Where a loader is in the epochs of its sampler: what all loaders here count alike."""

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from ncore.loaders.epochs import EpochSampler

BatchT = TypeVar("BatchT", covariant=True)


class EpochLoader(Generic[BatchT]):
    """Counts what it hands out of an epoch, so that its state can be saved at any batch."""

    def __init__(self, sampler: EpochSampler) -> None:
        self.sampler = sampler
        # The epoch under way, and how many of its samples were handed out.
        self._done: tuple[int, int] | None = None

    @property
    def epoch(self) -> int:
        """The epoch under way, or the next."""
        return self.sampler.epoch

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader is, as JSON values; a batch counts when it is handed out."""
        done = None
        # An iteration that was left says nothing of an epoch that was set since.
        if self._done is not None and self._done[0] == self.sampler.epoch:
            done = self._done[1]
        return self.sampler.state_dict(done)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind the last batch that was handed out before ``state`` was saved.

        Raises:
            StateError: it was saved of other data, with another seed, order or sharding.
        """
        self.sampler.load_state_dict(state)
        self._done = None

    def _hand_out(self, batches: Iterable[tuple[int, BatchT]]) -> Iterator[BatchT]:
        """Yield the batches of what is left of the epoch, then turn to the next.

        Args:
            batches: how many samples each holds at most, and the batch.
        """
        epoch, done = self.sampler.epoch, self.sampler.start
        count = done + len(self.sampler)
        self._done = epoch, done
        for size, batch in batches:
            done = min(done + size, count)
            self._done = epoch, done
            yield batch
        # What a loader leaves out at the end is not done, yet the epoch is over.
        self._done = None
        if self.sampler.epoch == epoch:
            self.sampler.set_epoch(epoch + 1)
