"""Samples of recorded sequences by index: what every framework's loader can work with."""

import operator
import os
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ncore.loaders.epochs import is_count
from ncore.loaders.errors import LoaderArgumentError, SampleIndexError, SequenceChangedError
from ncore.loaders.sequences import OpenSequence, SequenceLike, Sequences
from ncore.loaders.streams import Decode, Wanted
from ncore.loaders.synchronize import MISSING, frame_times, synchronize

Sample = dict[str, Any]
# A sequence's id, its rows, by sensor how many of its frames are missing, and of how many.
_Index = tuple[str, npt.NDArray[np.int32], npt.NDArray[np.int64], int]


class FrameSource:
    """Frames of one or many sequences, of several sensors at the same time, by index.

    A map-style data set: PyTorch's ``DataLoader`` takes it as it is (``__getitems__``
    reads a whole batch), so does Grain (it is a ``RandomAccessDataSource``), and
    :class:`~ncore.loaders.prefetch.PrefetchLoader` needs no framework at all. It may be
    used by threads and in forked workers as it is, and pickles to the places of its
    sequences and a table of frames, which is what spawned workers get.

    A sample is a dict::

        {
            "sequence_id": "clip-17",
            "timestamp_us": 1700000000123456,
            "camera_front": {"timestamps_us": ..., "image": b"..."},
            "lidar_top": {"timestamps_us": ..., "xyz_m": ..., "intensity": ...},
        }

    with one entry a sensor: the start and end of its frame (uint64, shape (2,),
    microseconds) and the fields wanted of it:

    * cameras: ``image`` (what ``decode`` makes of the encoded bytes; without it the
      bytes), ``image_format``;
    * lidars and radars, N rays: ``xyz_m`` (end points, motion compensated to the end of
      the frame, (N, 3) float32 metres in the sensor's frame, NaN without return),
      ``raw_xyz_m`` (the same, not compensated), ``direction``, ``distance_m``,
      ``ray_timestamp_us``, ``valid_mask``; of lidars also ``intensity`` and
      ``model_element``; all of the first return;
    * all sensors: ``T_sensor_<frame of reference>`` ((4, 4) pose at the end of the frame),
      ``generic/<name>``, ``generic_meta_data``;
    * point clouds that are stored as such: ``xyz`` and their attributes;
    * camera labels: ``label`` (decoded), ``encoded``.
    """

    def __init__(
        self,
        sequences: SequenceLike | Sequence[SequenceLike],
        sensors: Sequence[str] | Mapping[str, Wanted],
        *,
        reference: str | None = None,
        tolerance_us: int | Mapping[str, int] = 50_000,
        relative_frame_time: float = 1.0,
        stride: int = 1,
        missing: Literal["skip", "none"] = "skip",
        decode: Decode | None = None,
        transform: Callable[[Sample], Any] | None = None,
        max_open_sequences: int = 64,
    ) -> None:
        """Open every sequence once and match its frames by their timestamps.

        Args:
            sequences: one, or a list. Each is the path or URL of a sequence meta file
                (``.json``) or of its only component store, a list of the paths of its
                component stores, or a loader such as ``SequenceLoaderV4``.
            sensors: ids of sensors, point clouds and camera label layers; or by id the
                fields wanted, or a callable that gets the sensor and a frame's index and
                returns what the sample shall hold.
            reference: whose frames make the samples; by default the first sensor's.
            tolerance_us: how far the frame of another sensor may be away from the
                reference's, microseconds; also by sensor.
            relative_frame_time: which point of a frame counts for that, 0 its start, 1 its
                end.
            stride: take every ``stride``-th frame of the reference.
            missing: what becomes of samples for which a sensor has no frame near enough:
                ``skip`` leaves them out (:attr:`dropped` counts them), ``none`` has
                ``None`` in its place.
            decode: gets the encoded bytes of each image. Of local archives it gets a
                read-only ``memoryview`` of the file itself, without a copy.
            transform: gets each complete sample and returns what is handed out.
            max_open_sequences: how many sequences a process keeps open; the one used
                longest ago is closed first.

        Raises:
            LoaderArgumentError: a sensor does not exist in a sequence, an argument is out of
                its range, or every sample would be left out (a ``ValueError``).
            UnknownFieldError: a sensor of this kind has no such field (a ``ValueError``).
            NcoreError: a sequence cannot be opened; the message names it.
        """
        wanted = _wanted(sensors)
        self._sensors = list(wanted)
        self._reference = self._sensors[0] if reference is None else reference
        if self._reference not in wanted:
            raise LoaderArgumentError(
                f"reference {reference!r} is none of the sensors {', '.join(wanted)}"
            )
        if not is_count(stride) or stride < 1 or not 0.0 <= relative_frame_time <= 1.0:
            raise LoaderArgumentError(
                f"stride {stride!r} must be an integer from 1 on, relative_frame_time "
                f"{relative_frame_time} within [0, 1]"
            )
        if missing not in ("skip", "none"):
            raise LoaderArgumentError(f"missing must be 'skip' or 'none', not {missing!r}")
        tolerances = _tolerances(tolerance_us, self._sensors)
        self._transform = transform
        self._sequences = Sequences(_listed(sequences), wanted, decode, max_open_sequences)

        def index(opened: OpenSequence) -> _Index:
            times = {
                name: frame_times(stream.frames_timestamps_us, relative_frame_time)
                for name, stream in zip(self._sensors, opened.streams, strict=True)
            }
            rows = synchronize(times, self._reference, tolerances, stride)
            absent = rows == MISSING
            if missing == "skip":
                rows = rows[~absent.any(axis=1)]
            return opened.sequence.sequence_id, rows, absent.sum(axis=0), len(absent)

        found = self._sequences.map(index)
        self._ids: list[str] = [sequence_id for sequence_id, *_ in found]
        self._rows: list[npt.NDArray[np.int32]] = [rows for _, rows, *_ in found]
        self._missing: list[int] = sum(absent for *_, absent, _ in found).tolist()
        moments: int = sum(count for *_, count in found)
        self._dropped = moments - sum(map(len, self._rows))
        if moments and self._dropped == moments:
            raise LoaderArgumentError(
                f"none of the {moments} frames of {self._reference!r} has a frame of every other "
                f"sensor near enough: {self._lacks(tolerances)}. A larger tolerance_us takes "
                "frames farther away, missing='none' has None in their place"
            )
        self._starts: list[int] = np.cumsum([0, *map(len, self._rows)]).tolist()
        self._column = self._sensors.index(self._reference)

    @property
    def sensors(self) -> list[str]:
        """What a sample has of each moment, in order."""
        return list(self._sensors)

    @property
    def dropped(self) -> int:
        """How many frames of the reference make no sample, as another sensor has none near."""
        return self._dropped

    @property
    def missing_frames(self) -> dict[str, int]:
        """By sensor, for how many frames of the reference it has none near enough."""
        return dict(zip(self._sensors, self._missing, strict=True))

    def _lacks(self, tolerances: Mapping[str, int]) -> str:
        return ", ".join(
            f"{name!r} lacks {count} within {tolerances[name]} us"
            for name, count in self.missing_frames.items()
            if count
        )

    @property
    def sequence_ids(self) -> list[str]:
        """Ids of the sequences, in order."""
        return list(self._ids)

    @property
    def sequence_starts(self) -> list[int]:
        """Index of each sequence's first sample, and behind the last the number of samples."""
        return list(self._starts)

    def frame_indices(self, index: int) -> tuple[int, dict[str, int | None]]:
        """Return which frames make a sample, without reading it.

        Returns:
            Number of the sequence, and by sensor the index of the frame, or ``None``.

        Raises:
            SampleIndexError: there is no such sample (an ``IndexError``).
        """
        number, row = self._locate(index)
        frames = zip(self._sensors, self._rows[number][row].tolist(), strict=True)
        return number, {name: None if frame == MISSING else frame for name, frame in frames}

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> Any:
        """Return one sample.

        Raises:
            SampleIndexError: there is no such sample (an ``IndexError``).
            SequenceChangedError: the sequence was replaced by a shorter one since.
        """
        number, row = self._locate(index)
        opened = self._sequences.get(number)
        frames = self._rows[number][row].tolist()
        sample: Sample = {"sequence_id": self._ids[number], "timestamp_us": 0}
        try:
            for name, stream, frame in zip(self._sensors, opened.streams, frames, strict=True):
                sample[name] = None if frame == MISSING else stream.read(frame)
            reference = opened.streams[self._column].frames_timestamps_us
            sample["timestamp_us"] = int(reference[frames[self._column], 1])
        except IndexError as error:
            self._check_unchanged(number, opened, error)
            raise
        return sample if self._transform is None else self._transformed(sample)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return many samples, read together; remote ones concurrently."""
        samples: list[Any] = [None] * len(indices)
        by_sequence: dict[int, list[tuple[int, int]]] = {}
        for at, index in enumerate(indices):
            number, row = self._locate(index)
            by_sequence.setdefault(number, []).append((at, row))
        for number, places in by_sequence.items():
            self._read_into(samples, number, places)
        if self._transform is None:
            return samples
        return [self._transformed(sample) for sample in samples]

    def _transformed(self, sample: Sample) -> Any:
        assert self._transform is not None
        sequence_id, time = sample["sequence_id"], sample["timestamp_us"]  # it may change them
        try:
            return self._transform(sample)
        except Exception as error:
            error.add_note(
                f"while transforming the sample of sequence {sequence_id!r} at {time} us"
            )
            raise

    def _read_into(
        self, samples: list[Any], number: int, places: Sequence[tuple[int, int]]
    ) -> None:
        opened = self._sequences.get(number)
        rows = self._rows[number][[row for _, row in places]]
        pool = self._sequences.pool(opened)
        try:
            times = opened.streams[self._column].frames_timestamps_us[rows[:, self._column], 1]
            for (at, _), time in zip(places, times.tolist(), strict=True):
                samples[at] = {"sequence_id": self._ids[number], "timestamp_us": time}
            for column, name in enumerate(self._sensors):
                frames = rows[:, column].tolist()
                there = [frame for frame in frames if frame != MISSING]
                read = iter(opened.streams[column].read_many(there, pool) if there else ())
                for (at, _), frame in zip(places, frames, strict=True):
                    samples[at][name] = None if frame == MISSING else next(read)
        except IndexError as error:
            self._check_unchanged(number, opened, error)
            raise

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        # Grain compares it to tell whether a checkpoint belongs to these data.
        dropped = f" ({self._dropped} left out)" if self._dropped else ""
        return (
            f"FrameSource({len(self._ids)} sequences, {len(self)} samples{dropped} of "
            f"{', '.join(self._sensors)}, frames {self._fingerprint:08x})"
        )

    @cached_property
    def _fingerprint(self) -> int:
        found = 0
        for sequence_id, rows in zip(self._ids, self._rows, strict=True):
            found = zlib.crc32(rows.tobytes(), zlib.crc32(sequence_id.encode(), found))
        return found

    def _locate(self, index: int) -> tuple[int, int]:
        at = operator.index(index)
        count = self._starts[-1]
        if at < 0:
            at += count
        if not 0 <= at < count:
            raise SampleIndexError(f"no sample {index}, there are {count}")
        number = bisect_right(self._starts, at) - 1
        return number, at - self._starts[number]

    def _check_unchanged(self, number: int, opened: OpenSequence, error: IndexError) -> None:
        if self._rows[number].size == 0:
            return
        last = self._rows[number].max(axis=0).tolist()
        for name, stream, frame in zip(self._sensors, opened.streams, last, strict=True):
            if frame >= len(stream.frames_timestamps_us):
                raise SequenceChangedError(
                    f"sequence {self._ids[number]!r}: sensor {name!r} has fewer frames than "
                    "when the source was made; make it anew"
                ) from error


def _wanted(sensors: Sequence[str] | Mapping[str, Wanted]) -> dict[str, Wanted]:
    if isinstance(sensors, str):
        sensors = [sensors]
    if isinstance(sensors, Mapping):
        wanted: dict[str, Wanted] = {
            name: [fields] if isinstance(fields, str) else fields
            for name, fields in sensors.items()
        }
    else:
        wanted = dict.fromkeys(sensors)
        if len(wanted) < len(sensors):
            raise LoaderArgumentError(f"a sensor is named twice among {', '.join(sensors)}")
    if not wanted:
        raise LoaderArgumentError("no sensors given")
    return wanted


def _tolerances(tolerance_us: int | Mapping[str, int], sensors: Sequence[str]) -> dict[str, int]:
    given = tolerance_us.values() if isinstance(tolerance_us, Mapping) else [tolerance_us]
    for value in given:
        if not isinstance(value, int | float | np.number) or not 0 <= value < 2**63:
            raise LoaderArgumentError(
                f"tolerance_us must be a number of microseconds from 0 on, not {value!r}"
            )
    if not isinstance(tolerance_us, Mapping):
        return dict.fromkeys(sensors, int(tolerance_us))
    unknown = sorted(set(tolerance_us) - set(sensors))
    if unknown:
        raise LoaderArgumentError(f"tolerance_us names {unknown[0]!r}, which is no sensor given")
    return {name: int(tolerance_us.get(name, 50_000)) for name in sensors}


def _listed(sequences: Any) -> list[SequenceLike]:
    if isinstance(sequences, str | os.PathLike) or hasattr(sequences, "get_camera_sensor"):
        return [sequences]
    listed: list[SequenceLike] = list(sequences)
    if not listed:
        raise LoaderArgumentError("no sequences given")
    return listed
