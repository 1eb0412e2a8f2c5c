"""Exact resume for loaders that read ahead of what they hand out."""

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from ncore.loaders.epochs import EpochSampler

BatchT = TypeVar("BatchT", covariant=True)


class ResumableLoader(Generic[BatchT]):
    """Counts what a loader has handed out, so that its state can be saved at any batch.

    Example::

        sampler = EpochSampler(len(source), seed=7)
        loader = ResumableLoader(
            DataLoader(source, batch_size=32, sampler=sampler, num_workers=4), sampler, 32
        )
        if checkpoint:
            loader.load_state_dict(checkpoint["loader"])
        while loader.epoch < 10:
            for batch in loader:
                ...
                save({"loader": loader.state_dict()})

    The state counts a batch as done when it was handed out. At an epoch's end the next
    begins with the next iteration.
    """

    def __init__(
        self, loader: Iterable[BatchT], sampler: EpochSampler, batch_size: int | None = None
    ) -> None:
        """Wrap a loader.

        Args:
            loader: hands out the samples of ``sampler`` in its order.
            sampler: the one that the loader was given.
            batch_size: of the loader; ``None`` if it hands out single samples.
        """
        self.loader = loader
        self.sampler = sampler
        self._batch_size = batch_size or 1
        self._done: int | None = None

    @property
    def epoch(self) -> int:
        """The epoch under way, or the next."""
        return self.sampler.epoch

    def __iter__(self) -> Iterator[BatchT]:
        sampler = self.sampler
        epoch, start = sampler.epoch, sampler.start
        count = start + len(sampler)
        self._done = start
        for batch in self.loader:
            self._done = min(self._done + self._batch_size, count)
            yield batch
        # What a loader with drop_last leaves out is not done, yet the epoch is over.
        self._done = None
        if sampler.epoch == epoch:
            sampler.set_epoch(epoch + 1)

    def __len__(self) -> int:
        return -(-len(self.sampler) // self._batch_size)

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader is, as JSON values."""
        return self.sampler.state_dict(self._done)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind the last batch that was handed out before ``state`` was saved.

        Raises:
            StateError: it was saved of other data, with another seed, order or sharding.
        """
        self.sampler.load_state_dict(state)
        self._done = None
