"""Sensors, point clouds and label layers alike: frames by index, many at a time."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ncore.data.protocols import (
    CameraLabelsProtocol,
    CameraSensorProtocol,
    PointCloudsSourceProtocol,
    SequenceLoaderProtocol,
)
from ncore.loaders.errors import LoaderArgumentError, UnknownFieldError
from ncore.loaders.fields import (
    CAMERA,
    IMAGE,
    LIDAR,
    RADAR,
    Kind,
    ReadField,
    field_reader,
    times_of,
)
from ncore.loaders.images import encoded_images

Decode = Callable[[Any], Any]
ReadFrame = Callable[[Any, int], Any]
Wanted = Sequence[str] | ReadFrame | None
"""Names of fields; or what reads a frame, given the sensor and the frame's index; or None."""

Frame = dict[str, Any]


class Stream(Protocol):
    """One sensor of one sequence."""

    frames_timestamps_us: npt.NDArray[np.uint64]
    """(N, 2) start and end of each frame, microseconds."""

    def read(self, index: int) -> Any:
        """Return what is wanted of one frame."""
        ...

    def read_many(self, indices: Sequence[int], pool: Executor | None) -> list[Any]:
        """Return what is wanted of many frames; with a pool, read concurrently."""
        ...


class FieldStream:
    """Frames as dicts of the wanted fields, with their times."""

    def __init__(self, times: npt.NDArray[np.uint64], fields: Mapping[str, ReadField]) -> None:
        self.frames_timestamps_us = times
        self._fields = dict(fields)

    def read(self, index: int) -> Frame:
        frame: Frame = {"timestamps_us": self.frames_timestamps_us[index]}
        for name, read in self._fields.items():
            frame[name] = read(index)
        return frame

    def read_many(self, indices: Sequence[int], pool: Executor | None) -> list[Frame]:
        if pool is None or len(indices) == 1:
            return [self.read(index) for index in indices]
        return list(pool.map(self.read, indices))


class ImageStream(FieldStream):
    """Camera frames: the images of a batch are read together."""

    def __init__(
        self,
        camera: CameraSensorProtocol,
        fields: Mapping[str, ReadField],
        decode: Decode | None,
        sequence_id: str,
    ) -> None:
        super().__init__(camera.frames_timestamps_us, fields)
        self._sequence_id = sequence_id
        self._images = encoded_images(camera)
        self._decode = decode
        self._sensor_id = camera.sensor_id

    def read(self, index: int) -> Frame:
        if self._decode is None:
            image: Any = self._images.read(index)
        else:
            image = self._decoded(self._images.view_many((index,))[0], index)
        frame: Frame = {"timestamps_us": self.frames_timestamps_us[index], IMAGE: image}
        for name, read in self._fields.items():
            frame[name] = read(index)
        return frame

    def read_many(self, indices: Sequence[int], pool: Executor | None) -> list[Frame]:
        if self._decode is None:
            images: list[Any] = list(self._images.read_many(indices))
        else:
            views = self._images.view_many(indices)
            images = [self._decoded(v, i) for v, i in zip(views, indices, strict=True)]
        others = super().read_many(indices, pool if self._fields else None)
        return [{**other, IMAGE: image} for other, image in zip(others, images, strict=True)]

    def _decoded(self, data: bytes | memoryview, index: int) -> Any:
        assert self._decode is not None
        try:
            return self._decode(data)
        except Exception as error:
            error.add_note(
                f"while decoding frame {index} of camera {self._sensor_id!r} of sequence "
                f"{self._sequence_id!r} ({len(data)} bytes)"
            )
            raise


class CallableStream(FieldStream):
    """Frames as the user's own callable reads them."""

    def __init__(
        self,
        times: npt.NDArray[np.uint64],
        source: Any,
        read: Callable[[Any, int], Any],
        what: str,
    ) -> None:
        super().__init__(times, {})
        self._source = source
        self._read = read
        self._what = what

    def read(self, index: int) -> Any:
        try:
            return self._read(self._source, index)
        except Exception as error:
            error.add_note(f"while reading frame {index} of {self._what}")
            raise


def open_stream(
    sequence: SequenceLoaderProtocol, name: str, wanted: Wanted, decode: Decode | None
) -> Stream:
    """Open what a sequence has under a name: a sensor, point clouds, or a label layer.

    Raises:
        LoaderArgumentError: it has nothing of that name (a ``ValueError``).
        UnknownFieldError: one of the fields wanted does not exist there (a ``ValueError``).
    """
    kind: Kind
    sensor: Any
    what = f"{name!r} of sequence {sequence.sequence_id!r}"
    if name in sequence.camera_ids:
        kind, sensor = CAMERA, sequence.get_camera_sensor(name)
    elif name in sequence.lidar_ids:
        kind, sensor = LIDAR, sequence.get_lidar_sensor(name)
    elif name in sequence.radar_ids:
        kind, sensor = RADAR, sequence.get_radar_sensor(name)
    elif name in sequence.point_clouds_ids:
        clouds = sequence.get_point_clouds_source(name)
        times = times_of(clouds.pc_timestamps_us)
        if callable(wanted):
            return CallableStream(times, clouds, wanted, what)
        return FieldStream(times, _point_cloud_fields(clouds, wanted))
    elif name in sequence.camera_labels_ids:
        labels = sequence.get_camera_labels(name)
        times = times_of(labels.label_timestamps_us)
        if callable(wanted):
            return CallableStream(times, labels, wanted, what)
        return FieldStream(times, _label_fields(labels, times, wanted))
    else:
        raise _unknown(sequence, name)
    if callable(wanted):
        return CallableStream(sensor.frames_timestamps_us, sensor, wanted, what)
    names = kind.default if wanted is None else tuple(wanted)
    together = kind is CAMERA and IMAGE in names
    fields = {n: field_reader(kind, sensor, n) for n in names if not (together and n == IMAGE)}
    if together:
        return ImageStream(sensor, fields, decode, sequence.sequence_id)
    return FieldStream(sensor.frames_timestamps_us, fields)


def _unknown(sequence: SequenceLoaderProtocol, name: str) -> LoaderArgumentError:
    known = [
        *sequence.camera_ids,
        *sequence.lidar_ids,
        *sequence.radar_ids,
        *sequence.point_clouds_ids,
        *sequence.camera_labels_ids,
    ]
    return LoaderArgumentError(
        f"sequence {sequence.sequence_id!r} has no sensor, point clouds or camera labels "
        f"{name!r}, only {', '.join(known) or 'none at all'}. If "
        "its component stores are several, give them as a list within the list of sequences"
    )


def _label_fields(
    labels: CameraLabelsProtocol, times: npt.NDArray[np.uint64], wanted: Sequence[str] | None
) -> dict[str, ReadField]:
    def label(index: int) -> Any:
        return labels.get_label(int(times[index, 1]))

    known: dict[str, ReadField] = {
        "label": lambda index: label(index).get_data(),
        "encoded": lambda index: label(index).get_encoded_data(),
        "generic_meta_data": lambda index: label(index).generic_meta_data,
    }
    return _chosen(known, ["label"] if wanted is None else wanted, "a label layer")


def _point_cloud_fields(
    clouds: PointCloudsSourceProtocol, wanted: Sequence[str] | None
) -> dict[str, ReadField]:
    def attribute(name: str) -> ReadField:
        return lambda index: clouds.get_pc(index).get_attribute(name)

    names = ["xyz"] if wanted is None else wanted
    known: dict[str, ReadField] = {
        "xyz": lambda index: clouds.get_pc(index).xyz,
        "generic_meta_data": clouds.get_pc_generic_meta_data,
    }
    offered = clouds.get_pc(0).attribute_names if clouds.pcs_count else names
    known.update({name: attribute(name) for name in offered})
    return _chosen(known, names, f"point clouds {clouds.point_clouds_source_id!r}")


def _chosen(
    known: Mapping[str, ReadField], names: Sequence[str], what: str
) -> dict[str, ReadField]:
    for name in names:
        if name not in known:
            raise UnknownFieldError(f"{what}: no field {name!r}, only {', '.join(known)}")
    return {name: known[name] for name in names}
