"""In which order samples are visited: shuffled the same way everywhere, shared out, resumable."""

import operator
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from ncore.loaders.errors import LoaderArgumentError, StateError


def permutation(size: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return a shuffled ``arange(size)``.

    It depends on nothing but its arguments. numpy may change
    ``Generator.permutation`` between releases (NEP 19) but not the bits of
    Philox nor ``SeedSequence``, and a run must resume under another release.
    """
    bits = np.random.Philox(np.random.SeedSequence([seed, epoch])).random_raw(size)
    return np.argsort(np.atleast_1d(bits), kind="stable")


class EpochSampler:
    """Indices of one rank's samples of one epoch, in order.

    A ``sampler`` for PyTorch's ``DataLoader`` and for
    :class:`~ncore.loaders.prefetch.PrefetchLoader`. All ranks of one epoch together visit
    each sample once (and a few twice, unless ``drop_last``, so that they all have
    equally many).

    Example::

        sampler = EpochSampler(len(source), seed=7, rank=0, world_size=1)
        for epoch in range(10):
            sampler.set_epoch(epoch)
            for index in sampler:
                ...
    """

    def __init__(
        self,
        size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
    ) -> None:
        """Make a sampler that begins with epoch 0.

        Args:
            size: number of samples; ``len(source)``.
            shuffle: whether each epoch has an order of its own; else the order is 0, 1, ….
            seed: not negative; of equal seeds and epochs the order is equal.
            rank: which of the processes this is.
            world_size: how many processes share the samples.
            drop_last: leave out what cannot be shared out evenly, instead of visiting the
                first samples of the order once more.

        Raises:
            LoaderArgumentError: an argument is out of its range (a ``ValueError``).
        """
        numbers = {"size": size, "seed": seed, "rank": rank, "world_size": world_size}
        for name, value in numbers.items():
            if not is_count(value):
                raise LoaderArgumentError(f"{name} must be an integer from 0 on, not {value!r}")
        if rank >= world_size:
            raise LoaderArgumentError(f"rank {rank} is not one of {world_size} (0 is the first)")
        # Python's integers, since a state is to be JSON.
        self._size = size = int(size)
        self._shuffle = bool(shuffle)
        self._seed = int(seed)
        self._rank = int(rank)
        self._world_size = world_size = int(world_size)
        self._drop_last = bool(drop_last)
        self._count = size // world_size if drop_last else -(-size // world_size)
        self._epoch = 0
        self._start = 0

    @property
    def epoch(self) -> int:
        """Which epoch the next iteration goes over."""
        return self._epoch

    @property
    def start(self) -> int:
        """How many of this rank's samples the next iteration leaves out; not 0 after a resume."""
        return self._start

    def set_epoch(self, epoch: int) -> None:
        """Go over another epoch, from its beginning; over the resumed one from where it was.

        So a training loop calls it at the begin of every epoch, resumed or not.

        Raises:
            LoaderArgumentError: it is no number from 0 on (a ``ValueError``).
        """
        if not is_count(epoch):
            raise LoaderArgumentError(f"epoch must be an integer from 0 on, not {epoch!r}")
        if epoch != self._epoch:
            self._epoch = int(epoch)
            self._start = 0

    def indices(self) -> npt.NDArray[np.int64]:
        """Return the indices of this rank in this epoch from its beginning, in order."""
        if self._shuffle:
            order = permutation(self._size, self._seed, self._epoch)
        else:
            order = np.arange(self._size)
        total = self._count * self._world_size
        if total > self._size:
            order = np.resize(order, total)
        return order[self._rank : total : self._world_size]

    def __len__(self) -> int:
        """Return how many indices the next iteration yields."""
        return self._count - self._start

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices()[self._start :].tolist())

    def state_dict(self, samples_done: int | None = None) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` continues from, as JSON values.

        Args:
            samples_done: how many samples of the epoch this rank has dealt with. Loaders
                read ahead, so the sampler cannot know;
                :class:`~ncore.loaders.resume.ResumableLoader` counts. By default the
                start of the iteration.
        """
        done = self._start if samples_done is None else samples_done
        if not 0 <= done <= self._count:
            raise LoaderArgumentError(f"{done} samples done of {self._count}")
        epoch = self._epoch
        if done == self._count:
            epoch, done = epoch + 1, 0
        return {"epoch": epoch, "samples_done": done, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state.

        Raises:
            StateError: it was saved of other data, with another seed, order or sharding (a
                ``ValueError``); nothing has changed then.
        """
        if not isinstance(state, Mapping):
            raise StateError(f"no saved state: {state!r:.100}")
        for name, own in self._identity().items():
            if state.get(name) != own:
                raise StateError(
                    f"the saved state is of {name} {state.get(name)!r}, this sampler of {own!r}; "
                    "make the sampler as it was made when the state was saved"
                )
        epoch, done = state.get("epoch"), state.get("samples_done")
        if not is_count(epoch) or not is_count(done) or done > self._count:
            raise StateError(f"no saved state: epoch {epoch!r}, samples_done {done!r}")
        self._epoch, self._start = int(epoch), int(done)

    def _identity(self) -> dict[str, Any]:
        # Not the rank: one rank's state serves all, which have done equally many.
        return {
            "size": self._size,
            "shuffle": self._shuffle,
            "seed": self._seed,
            "world_size": self._world_size,
            "drop_last": self._drop_last,
        }

    def __repr__(self) -> str:
        named = ", ".join(f"{name}={value!r}" for name, value in self._identity().items())
        return f"EpochSampler({named}, rank={self._rank}, epoch={self._epoch})"


def is_count(value: Any) -> TypeGuard[int]:
    """Return whether something is an integer (NumPy's count too) from 0 on."""
    try:
        return not isinstance(value, bool) and operator.index(value) >= 0
    except TypeError:
        return False
