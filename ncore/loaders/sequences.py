"""Sequences as a source names them, opened when they are needed and few at a time."""

import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from ncore.data.protocols import SequenceLoaderProtocol
from ncore.data.v4.loader import SequenceLoaderV4
from ncore.data.v4.sequence_reader import SequenceComponentGroupsReader
from ncore.itar.place import absolute_path
from ncore.loaders.errors import LoaderArgumentError
from ncore.loaders.streams import Decode, Stream, Wanted, open_stream

Place = str | os.PathLike[str]
SequenceLike = Place | Sequence[Place] | SequenceLoaderProtocol
"""A sequence meta file or a component store; several component stores; or what is open."""


class OpenSequence:
    """A sequence with the streams that are read of it."""

    __slots__ = ("is_local", "sequence", "streams")

    def __init__(
        self, sequence: SequenceLoaderProtocol, wanted: dict[str, Wanted], decode: Decode | None
    ) -> None:
        self.sequence = sequence
        self.streams: list[Stream] = [
            open_stream(sequence, name, fields, decode) for name, fields in wanted.items()
        ]
        if isinstance(sequence, SequenceLoaderV4):
            self.is_local = sequence.is_local
        else:
            self.is_local = all("://" not in str(path) for path in sequence.sequence_paths)


class Sequences:
    """Opens sequences by number and keeps the last few open; picklable if the places are.

    Each process has its own: what a forked child inherits works there as it is, as
    reading keeps no position and takes no lock.
    """

    def __init__(
        self,
        places: Sequence[SequenceLike],
        wanted: dict[str, Wanted],
        decode: Decode | None,
        most_open: int,
    ) -> None:
        # Workers, and the same source later, may have another current directory.
        self._places = [_settled(place) for place in places]
        self._wanted = wanted
        self._decode = decode
        self._most_open = max(1, most_open)
        self._forget()

    def _forget(self) -> None:
        # Least lately used first. No OrderedDict: threads that change one at once break it.
        self._open: dict[int, OpenSequence] = {}
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def __len__(self) -> int:
        return len(self._places)

    def get(self, number: int) -> OpenSequence:
        """Return a sequence, opened now or lately."""
        # Two threads may open the same one at once; that costs time, nothing else.
        found = self._open.get(number)
        if found is None:
            found = self._open_place(self._places[number])
        elif len(self._open) <= self._most_open // 2:
            return found
        self._open.pop(number, None)
        self._open[number] = found
        while len(self._open) > self._most_open:
            # Another thread may do the same; each step by itself is whole.
            with contextlib.suppress(RuntimeError, StopIteration):
                # The readers of what is let go of close their files when freed.
                self._open.pop(next(iter(self._open)), None)
        return found

    def pool(self, sequence: OpenSequence) -> ThreadPoolExecutor | None:
        """Return threads to read a remote sequence with; a local one needs none."""
        if sequence.is_local:
            return None
        if self._pool is None or self._pool[0] != os.getpid():  # a fork takes no threads along
            self._pool = os.getpid(), ThreadPoolExecutor(16, "ncore-frames")
        return self._pool[1]

    def map(self, function: Callable[[OpenSequence], Any]) -> list[Any]:
        """Call a function with each sequence, remote ones several at a time."""
        numbers = range(len(self._places))
        if any("://" in str(place) for place in self._places):
            with ThreadPoolExecutor(16) as pool:
                return list(pool.map(lambda number: function(self.get(number)), numbers))
        return [function(self.get(number)) for number in numbers]

    def _open_place(self, place: SequenceLike) -> OpenSequence:
        if isinstance(place, str | os.PathLike):
            sequence: Any = SequenceLoaderV4(SequenceComponentGroupsReader([_path(place)]))
        elif isinstance(place, Sequence):
            paths = [_path(store) for store in place]
            sequence = SequenceLoaderV4(SequenceComponentGroupsReader(paths))
        elif hasattr(place, "get_camera_sensor"):
            sequence = place
        else:
            raise LoaderArgumentError(
                f"{place!r:.100} is no sequence: give the path of a sequence meta file (.json) "
                "or component store, a list of component stores, or a loader such as "
                "SequenceLoaderV4"
            )
        return OpenSequence(sequence, self._wanted, self._decode)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("_open", "_pool")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()


def _settled(place: SequenceLike) -> SequenceLike:
    if isinstance(place, str):
        return place if "://" in place else absolute_path(place)
    if isinstance(place, Path):
        return Path(absolute_path(place))
    if isinstance(place, Sequence):
        return [cast(Place, _settled(store)) for store in place]
    return place


def _path(place: Place) -> Any:
    # A UPath is no Path everywhere, but has what one has.
    return place if isinstance(place, str | Path) or hasattr(place, "suffix") else Path(place)
