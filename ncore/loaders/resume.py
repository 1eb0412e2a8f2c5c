"""Exact resume for loaders that read ahead of what they hand out."""

from collections.abc import Iterable, Iterator, Sized
from typing import Any, Generic, TypeVar

from ncore.loaders.epochs import EpochSampler, done_of
from ncore.loaders.errors import LoaderArgumentError

BatchT = TypeVar("BatchT", covariant=True)


class ResumableLoader(Generic[BatchT]):
    """Counts what a loader has handed out, so that its state can be saved at any batch.

    Example::

        sampler = EpochSampler(len(source), seed=7)
        loader = DataLoader(source, batch_size=32, sampler=sampler, num_workers=4)
        loader = ResumableLoader(loader, sampler)
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
            batch_size: of the loader; by default what its attribute of that name says, and
                single samples if it has none.

        Raises:
            LoaderArgumentError: the loader has another sampler or batch size, or hands out
                batches in any order: none of its positions could be told (a ``ValueError``).
        """
        by = getattr(loader, "batch_sampler", None) or loader  # what PyTorch's goes by
        _check_order(loader, by, sampler)
        self._batch_size = _size_of_batches(by, batch_size)
        self.loader = loader
        self.sampler = sampler
        # The epoch under way, and how many of its samples were handed out.
        self._done: tuple[int, int] | None = None

    @property
    def epoch(self) -> int:
        """The epoch under way, or the next."""
        return self.sampler.epoch

    def __iter__(self) -> Iterator[BatchT]:
        sampler = self.sampler
        epoch, start = sampler.epoch, sampler.start
        count = start + len(sampler)
        done = start
        self._done = epoch, done
        for batch in self.loader:
            done = min(done + self._batch_size, count)
            self._done = epoch, done
            yield batch
        # What a loader with drop_last leaves out is not done, yet the epoch is over.
        self._done = None
        if sampler.epoch == epoch:
            sampler.set_epoch(epoch + 1)

    def __len__(self) -> int:
        """Return how many batches the next iteration hands out."""
        if isinstance(self.loader, Sized):  # it knows whether it drops the last one
            return len(self.loader)
        return -(-len(self.sampler) // self._batch_size)

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader is, as JSON values."""
        return self.sampler.state_dict(done_of(self.sampler, self._done))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind the last batch that was handed out before ``state`` was saved.

        Raises:
            StateError: it was saved of other data, with another seed, order or sharding.
        """
        self.sampler.load_state_dict(state)
        self._done = None


def _check_order(loader: Iterable[Any], by: object, sampler: EpochSampler) -> None:
    own = getattr(by, "sampler", sampler)
    if own is not sampler:
        raise LoaderArgumentError(
            f"the loader goes by a {type(own).__name__} and not by the sampler given: make it "
            "with sampler=sampler and without shuffle"
        )
    if not getattr(loader, "in_order", True):
        raise LoaderArgumentError(
            "the loader has in_order=False, so nobody can tell which samples it has handed out"
        )


def _size_of_batches(by: object, given: int | None) -> int:
    own = getattr(by, "batch_size", None)
    size = own if given is None else given
    if own is not None and own != size:
        raise LoaderArgumentError(
            f"batch_size {size} is not that of the loader, which is {own}: leave it out"
        )
    if size is not None and size < 1:
        raise LoaderArgumentError(f"batch_size must be at least 1, not {size}")
    return size or 1
