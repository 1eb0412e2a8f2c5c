"""Exact resume for loaders that read ahead of what they hand out."""

from collections.abc import Iterable, Iterator, Sized
from typing import Any

from ncore.loaders.epoch_loader import BatchT, EpochLoader
from ncore.loaders.epochs import EpochSampler
from ncore.loaders.errors import LoaderArgumentError


class ResumableLoader(EpochLoader[BatchT]):
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
        super().__init__(sampler)
        self.loader = loader

    def __iter__(self) -> Iterator[BatchT]:
        yield from self._hand_out((self._batch_size, batch) for batch in self.loader)

    def __len__(self) -> int:
        """Return how many batches the next iteration hands out."""
        if isinstance(self.loader, Sized):  # it knows whether it drops the last one
            return len(self.loader)
        return -(-len(self.sampler) // self._batch_size)


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
