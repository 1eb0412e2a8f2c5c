"""What can be asked for of a frame, by name, and how it is read."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ncore.data.protocols import CameraSensorProtocol, RayBundleSensorProtocol, SensorProtocol
from ncore.loaders.errors import UnknownFieldError

ReadField = Callable[[int], Any]
"""Frame index -> value."""

IMAGE = "image"
_POSE, _GENERIC = "T_sensor_", "generic/"


def _image(camera: CameraSensorProtocol, index: int) -> bytes:
    return camera.get_frame_data(index).get_encoded_image_data()


def _image_format(camera: CameraSensorProtocol, index: int) -> str:
    return camera.get_frame_data(index).get_encoded_image_format()


def _points(sensor: RayBundleSensorProtocol, index: int) -> Any:
    return sensor.get_frame_point_cloud(index, True, False).xyz_m_end


def _raw_points(sensor: RayBundleSensorProtocol, index: int) -> Any:
    return sensor.get_frame_point_cloud(index, False, False).xyz_m_end


_Reads = dict[str, Callable[[Any, int], Any]]

_RAYS: _Reads = {
    "xyz_m": _points,
    "raw_xyz_m": _raw_points,
    "direction": lambda sensor, i: sensor.get_frame_ray_bundle_direction(i),
    "distance_m": lambda sensor, i: sensor.get_frame_ray_bundle_return_distance_m(i),
    "ray_timestamp_us": lambda sensor, i: sensor.get_frame_ray_bundle_timestamp_us(i),
    "valid_mask": lambda sensor, i: sensor.get_frame_ray_bundle_return_valid_mask(i),
}
_LIDAR: _Reads = {
    **_RAYS,
    "intensity": lambda sensor, i: sensor.get_frame_ray_bundle_return_intensity(i),
    "model_element": lambda sensor, i: sensor.get_frame_ray_bundle_model_element(i),
}


class Kind(NamedTuple):
    """A kind of sensor."""

    fields: _Reads
    default: tuple[str, ...]
    """What is read if no field is named."""


# By the list of a sequence that names the sensor: asking a sensor for its type would,
# on Python 3.11, evaluate every property of the protocol, poses and models included.
CAMERA = Kind({IMAGE: _image, "image_format": _image_format}, (IMAGE,))
LIDAR = Kind(_LIDAR, ("xyz_m", "intensity"))
RADAR = Kind(_RAYS, ("xyz_m",))


def field_reader(kind: Kind, sensor: SensorProtocol, name: str) -> ReadField:
    """Return what reads a field of a sensor's frames.

    Args:
        kind: what the sensor is.
        sensor: any sensor.
        name: of the field; see :class:`~ncore.loaders.frame_source.FrameSource`.

    Raises:
        UnknownFieldError: sensors of this kind have no such field (a ``ValueError``).
    """
    if name.startswith(_POSE) and len(name) > len(_POSE):
        target = name[len(_POSE) :]
        return lambda index: sensor.get_frames_T_sensor_target(target, index)
    if name.startswith(_GENERIC) and len(name) > len(_GENERIC):
        key = name[len(_GENERIC) :]
        return lambda index: sensor.get_frame_generic_data(index, key)
    if name == "generic_meta_data":
        return sensor.get_frame_generic_meta_data
    if name in kind.fields:
        read = kind.fields[name]
        return lambda index: read(sensor, index)
    raise UnknownFieldError(
        f"sensor {sensor.sensor_id!r} has no field {name!r}, only {', '.join(kind.fields)}, "
        f"generic_meta_data, {_POSE}<frame of reference> and {_GENERIC}<name>"
    )


def times_of(timestamps: np.ndarray[Any, Any]) -> Any:
    """Return (N, 2) frame times of what has (N,) times or (N, 2) already."""
    return np.stack([timestamps, timestamps], axis=1) if timestamps.ndim == 1 else timestamps
