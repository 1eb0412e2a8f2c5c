"""A loader without a framework: batches in order, read ahead by threads."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from ncore.loaders.epoch_loader import EpochLoader
from ncore.loaders.epochs import EpochSampler
from ncore.loaders.errors import LoaderArgumentError


class MapSource(Protocol):
    """Samples by index, a batch at a time."""

    def __len__(self) -> int: ...

    def __getitems__(self, indices: Sequence[int]) -> list[Any]: ...


class PrefetchLoader(EpochLoader[Any]):
    """Iterates over an epoch of a source; iterate again for the next.

    Reading waits for disks and networks and decoders mostly release the interpreter,
    so threads serve where PyTorch takes processes. Batches come in the sampler's order
    whatever the number of threads, and an error where its batch would have come.
    """

    def __init__(
        self,
        source: MapSource,
        sampler: EpochSampler | None = None,
        *,
        batch_size: int | None = None,
        drop_last: bool = False,
        collate: Callable[[list[Any]], Any] | None = None,
        prefetch: int = 4,
        threads: int = 2,
    ) -> None:
        """Make a loader.

        Args:
            source: for instance a :class:`~ncore.loaders.frame_source.FrameSource`.
            sampler: which samples in which order; by default all, 0, 1, ….
            batch_size: samples a batch; ``None`` hands out single samples.
            drop_last: leave out a last batch that is not full.
            collate: makes the batch of the list of samples; by default it is the list.
            prefetch: batches to read ahead; 0 reads when the batch is asked for.
            threads: batches to read at the same time.

        Raises:
            LoaderArgumentError: an argument is out of its range or of another kind (a
                ``ValueError``).
        """
        _check_kinds(source, sampler)
        if (batch_size is not None and batch_size < 1) or prefetch < 0 or threads < 1:
            raise LoaderArgumentError(
                f"batch_size {batch_size} and threads {threads} must be at least 1, "
                f"prefetch {prefetch} at least 0"
            )
        super().__init__(EpochSampler(len(source), shuffle=False) if sampler is None else sampler)
        self._source = source
        self._batch_size = batch_size
        self._drop_last = drop_last
        self._collate = collate
        self._prefetch = prefetch
        self._threads = threads

    def __repr__(self) -> str:
        size = "single samples" if self._batch_size is None else f"batches of {self._batch_size}"
        return (
            f"PrefetchLoader({self._source!r}, {size}, {len(self)} an epoch, epoch {self.epoch}, "
            f"prefetch {self._prefetch}, {self._threads} threads)"
        )

    def __len__(self) -> int:
        """Return how many batches the next iteration hands out."""
        size = self._batch_size or 1
        return len(self.sampler) // size if self._drop_last else -(-len(self.sampler) // size)

    def __iter__(self) -> Iterator[Any]:
        batches = self._batches(list(self.sampler))
        found = self._read_ahead(batches) if self._prefetch else map(self._read, batches)
        yield from self._hand_out(found)

    def _batches(self, indices: list[int]) -> Iterator[list[int]]:
        size = self._batch_size or 1
        for at in range(0, len(indices), size):
            batch = indices[at : at + size]
            if len(batch) == size or not self._drop_last:
                yield batch

    def _read(self, indices: list[int]) -> tuple[int, Any]:
        samples = self._source.__getitems__(indices)
        if self._batch_size is None:
            return 1, samples[0]
        return len(indices), samples if self._collate is None else self._collate(samples)

    def _read_ahead(self, batches: Iterator[list[int]]) -> Iterator[tuple[int, Any]]:
        # Made here and not before: an iteration belongs to the process that begins it.
        with ThreadPoolExecutor(self._threads, "ncore-prefetch") as pool:
            under_way: deque[Future[tuple[int, Any]]] = deque()
            try:
                for batch in batches:
                    under_way.append(pool.submit(self._read, batch))
                    if len(under_way) > self._prefetch:
                        yield under_way.popleft().result()
                while under_way:
                    yield under_way.popleft().result()
            finally:
                for future in under_way:
                    future.cancel()


def _check_kinds(source: object, sampler: object) -> None:
    for method in ("__len__", "__getitems__"):
        if not hasattr(source, method):
            raise LoaderArgumentError(
                f"source is a {type(source).__name__} without {method}: give a FrameSource, or "
                "what returns its samples by __len__() and __getitems__(indices)"
            )
    needed = ("epoch", "start", "set_epoch", "state_dict", "load_state_dict", "__len__", "__iter__")
    if sampler is not None and not all(hasattr(sampler, name) for name in needed):
        raise LoaderArgumentError(
            f"sampler is a {type(sampler).__name__}, which knows of no epochs: give an "
            "EpochSampler(len(source), ...), or none for all samples in order"
        )
