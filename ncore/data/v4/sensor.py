"""What camera, lidar and radar components share: frames, by their end timestamp."""

import contextlib
import copy
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ncore.data.errors import InvalidDataError
from ncore.data.interval import HalfClosedInterval
from ncore.data.v4.component import (
    GENERIC_DATA,
    ComponentReader,
    ComponentWriter,
    check_generic_data,
    store_generic_data,
)
from ncore.data.v4.errors import ComponentNotFoundError
from ncore.data.v4.json_attributes import json_attributes
from ncore.data.v4.node_writer import NodeWriter
from ncore.data.v4.stored_form import stored_form

if TYPE_CHECKING:
    import zarr

_TIMESTAMPS = "frames_timestamps_us"


class BaseSensorComponentWriter(ComponentWriter):
    """Writes the frames of one sensor, in any order."""

    def __init__(
        self,
        component_group: "zarr.Group",
        sequence_timestamp_interval_us: HalfClosedInterval,
    ) -> None:
        super().__init__(component_group, sequence_timestamp_interval_us)
        self._frames = self._node.create_group("frames", {_TIMESTAMPS: []})
        self._starts: list[int] = []
        self._ends: list[int] = []

    def _check_frame_times(self, frame_timestamps_us: npt.NDArray[np.uint64]) -> tuple[int, int]:
        """Check a frame's times against the sequence and the frames there are.

        Raises:
            InvalidDataError: see ``store_frame``.
        """
        times = frame_timestamps_us
        path = self._node.path
        if not isinstance(times, np.ndarray) or times.shape != (2,) or times.dtype != np.uint64:
            raise InvalidDataError(
                f"{path}: a frame's timestamps must be a uint64 array of start and end, "
                f"not {times!r:.80}"
            )
        start, end = int(times[0]), int(times[1])
        if end < start:
            raise InvalidDataError(f"{path}: frame ends at {end} us before it starts at {start} us")
        self._check_in_sequence(start, "frame start")
        self._check_in_sequence(end, "frame end")
        at = bisect_left(self._ends, end)
        if at < len(self._ends) and self._ends[at] == end:
            raise InvalidDataError(f"{path}: there is already a frame that ends at {end} us")
        if (at > 0 and self._starts[at - 1] >= start) or (
            at < len(self._starts) and self._starts[at] <= start
        ):
            raise InvalidDataError(
                f"{path}: frame [{start}, {end}] us does not start and end later than the "
                "frames before it and earlier than those after it"
            )
        return start, end

    def _check_generic(
        self, generic_data: Any, generic_meta_data: Any
    ) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
        where = f"{self._node.path} frame"
        meta = {} if generic_meta_data is None else json_attributes(generic_meta_data, where)
        return check_generic_data(generic_data, where), meta

    @contextlib.contextmanager
    def _new_frame(
        self,
        start: int,
        end: int,
        generic_data: dict[str, npt.NDArray[Any]],
        generic_meta_data: dict[str, Any],
    ) -> Iterator[NodeWriter]:
        """Make the frame's group and its generic data, everything having been checked.

        The rest is written in the ``with`` block; a frame of which that fails is none.
        """
        with self._frames.new_group(str(end)) as frame:
            store_generic_data(frame.create_group(GENERIC_DATA, generic_meta_data), generic_data)
            yield frame
        at = bisect_left(self._ends, end)
        self._starts.insert(at, start)
        self._ends.insert(at, end)

    def finalize(self) -> None:
        # docstring inherited
        times = [list(pair) for pair in zip(self._starts, self._ends, strict=True)]
        self._frames.set_attributes({_TIMESTAMPS: times})


class BaseSensorComponentReader(ComponentReader):
    """Reads the frames of one sensor; a frame's id is its end timestamp in microseconds."""

    @cached_property
    def _frames_timestamps(self) -> npt.NDArray[np.uint64]:
        frames = self._node.group("frames")
        with stored_form(frames, _TIMESTAMPS):
            times = np.array(frames.attributes.get(_TIMESTAMPS, []), dtype=np.uint64)
            return times.reshape(-1, 2)

    @cached_property
    def _frame_starts(self) -> dict[int, int]:
        return {end: start for start, end in self._frames_timestamps.tolist()}

    @property
    def frames_timestamps_us(self) -> npt.NDArray[np.uint64]:
        """(N, 2) uint64 start and end of each frame in microseconds, sorted; a copy."""
        return self._frames_timestamps.copy()

    @property
    def frames_count(self) -> int:
        """Number of frames, possibly 0."""
        return len(self._frames_timestamps)

    def get_frame_timestamps_us(self, timestamp_us: int) -> npt.NDArray[np.uint64]:
        """(2,) uint64 start and end of the frame that ends at ``timestamp_us``.

        Raises:
            ComponentNotFoundError: there is no such frame (a ``KeyError``).
        """
        try:
            start = self._frame_starts[index(timestamp_us)]
        except KeyError:
            raise self._no_frame(timestamp_us) from None
        return np.array([start, timestamp_us], dtype=np.uint64)

    def _no_frame(self, timestamp_us: int) -> ComponentNotFoundError:
        return ComponentNotFoundError(f"{self._node!r} has no frame that ends at {timestamp_us} us")

    def _require_frame(self, timestamp_us: int) -> str:
        """Path of the frame below the instance's group."""
        path = f"frames/{index(timestamp_us)}"
        if not self._node.has_group(path):
            raise self._no_frame(timestamp_us)
        return path

    def get_frame_generic_data_names(self, timestamp_us: int) -> list[str]:
        """Names of the frame's generic data, sorted.

        Raises:
            ComponentNotFoundError: there is no such frame (a ``KeyError``).
        """
        return self._node.group(f"{self._require_frame(timestamp_us)}/{GENERIC_DATA}").array_names()

    def has_frame_generic_data(self, timestamp_us: int, name: str) -> bool:
        """Whether the frame has generic data ``name``.

        Raises:
            ComponentNotFoundError: there is no such frame (a ``KeyError``).
        """
        return self._node.has_array(f"{self._require_frame(timestamp_us)}/{GENERIC_DATA}/{name}")

    def get_frame_generic_data(self, timestamp_us: int, name: str) -> npt.NDArray[Any]:
        """The frame's generic data ``name``, in its stored shape and dtype.

        Raises:
            ComponentNotFoundError: there is no such frame, or no such data (a ``KeyError``).
        """
        return self._node.read_array(f"frames/{index(timestamp_us)}/{GENERIC_DATA}/{name}")

    def get_frame_generic_meta_data(self, timestamp_us: int) -> dict[str, Any]:
        """The frame's JSON metadata; a copy.

        Raises:
            ComponentNotFoundError: there is no such frame (a ``KeyError``).
        """
        group = self._node.group(f"{self._require_frame(timestamp_us)}/{GENERIC_DATA}")
        return copy.deepcopy(group.attributes)
