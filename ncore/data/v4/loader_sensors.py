"""Sensors of a loaded sequence: frames by index instead of by timestamp."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ncore.data.errors import IndexRangeError, InvalidDataError
from ncore.data.motion_compensation import MotionCompensator
from ncore.data.pose_graph import PoseGraphInterpolator
from ncore.data.protocols import (
    CameraSensorProtocol,
    LidarSensorProtocol,
    RadarSensorProtocol,
    RayBundleSensorProtocol,
    SensorProtocol,
)
from ncore.data.v4.cameras import CameraSensorComponent
from ncore.data.v4.errors import ComponentNotFoundError
from ncore.data.v4.lidars import LidarSensorComponent
from ncore.data.v4.masks import MasksComponent
from ncore.data.v4.radars import RadarSensorComponent
from ncore.data.v4.sensor import BaseSensorComponentReader

if TYPE_CHECKING:
    from PIL import Image as PILImage

    from ncore.data.camera_parameters import CameraModelParameters
    from ncore.data.lidar_parameters import LidarModelParameters
    from ncore.data.v4.ray_bundle import BaseRayBundleSensorComponentReader

ReaderT = TypeVar("ReaderT", bound=BaseSensorComponentReader)
RayReaderT = TypeVar("RayReaderT", bound=LidarSensorComponent.Reader | RadarSensorComponent.Reader)
PoseGraph = PoseGraphInterpolator | Callable[[], PoseGraphInterpolator]


class Sensor(SensorProtocol, Generic[ReaderT]):
    """A sensor of a sequence.

    Frames have indices from 0, ordered by time; negative ones count from the end. Methods
    raise :class:`~ncore.data.errors.IndexRangeError` (an ``IndexError``) for a frame or a
    return that there is not.

    Args:
        sensor_reader: reader of the sensor's frames.
        pose_graph: poses of the sequence, or what makes them when they are needed.
    """

    def __init__(self, sensor_reader: ReaderT, pose_graph: PoseGraph) -> None:
        self._reader = sensor_reader
        self._pose_graph_source = pose_graph

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.sensor_id!r}, {self.frames_count} frames)"

    @property
    def sensor_id(self) -> str:
        """Id of the sensor, which is also its frame of reference."""
        return self._reader.instance_name

    @property
    def frames_count(self) -> int:
        """Number of frames, possibly 0."""
        return self._reader.frames_count

    @property
    def frames_timestamps_us(self) -> npt.NDArray[np.uint64]:
        """(N, 2) uint64 start and end of each frame in microseconds, sorted."""
        return self._reader.frames_timestamps_us

    @cached_property
    def _frame_ends(self) -> list[int]:
        ends: list[int] = self._reader.frames_timestamps_us[:, 1].tolist()
        return ends

    def _frame_id(self, frame_index: int) -> int:
        try:
            return self._frame_ends[frame_index]
        except IndexError:
            raise IndexRangeError(
                f"sensor {self.sensor_id!r} has no frame {frame_index}, only {self.frames_count}"
            ) from None

    @property
    def pose_graph(self) -> PoseGraphInterpolator:
        """Poses between the frames of reference of the sequence."""
        if not isinstance(self._pose_graph_source, PoseGraphInterpolator):
            self._pose_graph_source = self._pose_graph_source()
        return self._pose_graph_source

    def set_pose_graph(self, pose_graph: PoseGraphInterpolator) -> None:
        """Use other poses, for this sensor object only."""
        self._pose_graph_source = pose_graph

    def get_frame_generic_data_names(self, frame_index: int) -> list[str]:
        """Names of the frame's generic data, sorted.

        Raises:
            IndexRangeError: there is no such frame (an ``IndexError``).
        """
        return self._reader.get_frame_generic_data_names(self._frame_id(frame_index))

    def has_frame_generic_data(self, frame_index: int, name: str) -> bool:
        """Whether the frame has generic data ``name``.

        Raises:
            IndexRangeError: there is no such frame (an ``IndexError``).
        """
        return self._reader.has_frame_generic_data(self._frame_id(frame_index), name)

    def get_frame_generic_data(self, frame_index: int, name: str) -> npt.NDArray[Any]:
        """The frame's generic data ``name``, in its stored shape and dtype.

        Raises:
            IndexRangeError: there is no such frame (an ``IndexError``).
            ComponentNotFoundError: there is none (a ``KeyError``).
        """
        return self._reader.get_frame_generic_data(self._frame_id(frame_index), name)

    def get_frame_generic_meta_data(self, frame_index: int) -> dict[str, Any]:
        """The frame's JSON metadata; a copy.

        Raises:
            IndexRangeError: there is no such frame (an ``IndexError``).
        """
        return self._reader.get_frame_generic_meta_data(self._frame_id(frame_index))


class CameraSensor(Sensor[CameraSensorComponent.Reader], CameraSensorProtocol):
    """A camera of a sequence.

    Args:
        reader: reader of the camera's frames.
        mask_reader: reader of masks, if there are any.
        model_parameters: the camera's model, or what reads it when it is needed.
        pose_graph: poses of the sequence, or what makes them when they are needed.
    """

    def __init__(
        self,
        reader: CameraSensorComponent.Reader,
        mask_reader: MasksComponent.Reader | None,
        model_parameters: "CameraModelParameters | Callable[[], CameraModelParameters]",
        pose_graph: PoseGraph,
    ) -> None:
        super().__init__(reader, pose_graph)
        self._mask_reader = mask_reader
        self._model_parameters = model_parameters

    @property
    def camera_reader(self) -> CameraSensorComponent.Reader:
        """Reader of the camera's frames, by timestamp."""
        return self._reader

    @property
    def model_parameters(self) -> "CameraModelParameters":
        """The camera's model.

        Raises:
            ComponentNotFoundError: the sequence holds none for it (a ``KeyError``).
            UnknownModelTypeError: its type has no registered class (a ``ValueError``).
        """
        if callable(self._model_parameters):
            self._model_parameters = self._model_parameters()
        return self._model_parameters

    def get_mask_images(self) -> "dict[str, PILImage.Image]":
        """The camera's masks by name; empty if there are none."""
        if self._mask_reader is None:
            return {}
        try:
            return dict(self._mask_reader.get_camera_mask_images(self.sensor_id))
        except ComponentNotFoundError:
            return {}

    def get_frame_handle(
        self, frame_index: int
    ) -> CameraSensorProtocol.EncodedImageDataHandleProtocol:
        """A handle to the frame's image, which is read when it is asked for.

        Raises:
            IndexRangeError: there is no such frame (an ``IndexError``).
        """
        return self._reader.get_frame_handle(self._frame_id(frame_index))


class RayBundleSensor(Sensor[RayReaderT], RayBundleSensorProtocol):
    """A sensor that measures along rays.

    Args:
        reader: reader of the sensor's frames.
        pose_graph: poses of the sequence, or what makes them when they are needed.
    """

    def __init__(self, reader: RayReaderT, pose_graph: PoseGraph) -> None:
        super().__init__(reader, pose_graph)

    @property
    def ray_bundle_reader(self) -> "BaseRayBundleSensorComponentReader":
        """Reader of the sensor's frames, by timestamp."""
        return self._reader

    def get_frame_ray_bundle_count(self, frame_index: int) -> int:
        """N, the frame's number of rays, possibly 0.

        Raises:
            IndexRangeError: there is no such frame (an ``IndexError``).
        """
        return self._reader.get_frame_ray_bundle_count(self._frame_id(frame_index))

    def get_frame_ray_bundle_return_count(self, frame_index: int) -> int:
        """R, the number of returns a ray can have, possibly 0.

        Raises:
            IndexRangeError: there is no such frame (an ``IndexError``).
        """
        return self._reader.get_frame_ray_bundle_return_count(self._frame_id(frame_index))

    def get_frame_ray_bundle_direction(self, frame_index: int) -> npt.NDArray[np.float32]:
        """(N, 3) float32 unit vectors in the sensor's frame at the time of each ray.

        Raises:
            IndexRangeError: there is no such frame (an ``IndexError``).
        """
        return self._reader.get_frame_ray_bundle_data(self._frame_id(frame_index), "direction")

    def get_frame_ray_bundle_timestamp_us(self, frame_index: int) -> npt.NDArray[np.uint64]:
        """(N,) uint64 time of each ray in microseconds.

        Raises:
            IndexRangeError: there is no such frame (an ``IndexError``).
        """
        return self._reader.get_frame_ray_bundle_data(self._frame_id(frame_index), "timestamp_us")

    def get_frame_ray_bundle_return_distance_m(
        self, frame_index: int, return_index: int = 0
    ) -> npt.NDArray[np.float32]:
        """(N,) float32 metres to one return of each ray, NaN where it is absent.

        Raises:
            IndexRangeError: there is no such frame or return (an ``IndexError``).
        """
        return self._reader.get_frame_ray_bundle_return_data(
            self._frame_id(frame_index), "distance_m", return_index
        )

    def get_frame_ray_bundle_return_valid_mask(
        self, frame_index: int, return_index: int = 0
    ) -> npt.NDArray[np.bool_]:
        """(N,) bool, whether one return of each ray is there.

        Raises:
            IndexRangeError: there is no such frame or return (an ``IndexError``).
        """
        mask = self._reader.get_frame_ray_bundle_return_valid_mask(self._frame_id(frame_index))
        if not -len(mask) <= return_index < len(mask):
            raise IndexRangeError(
                f"frame {frame_index} of sensor {self.sensor_id!r} has {len(mask)} returns a ray, "
                f"so none of index {return_index}"
            )
        row: npt.NDArray[np.bool_] = mask[return_index].copy()
        return row

    def get_frame_point_cloud(
        self,
        frame_index: int,
        motion_compensation: bool,
        with_start_points: bool,
        return_index: int = 0,
    ) -> RayBundleSensorProtocol.FramePointCloud:
        """The end points of a frame's rays, and where the rays began.

        Args:
            frame_index: which frame.
            motion_compensation: True for coordinates in the sensor's frame at the end
                of the frame, as if all rays had been measured then; False for
                coordinates in the sensor's frame at the time of each ray.
            with_start_points: whether start points are wanted.
            return_index: which return of each ray.

        Returns:
            ``motion_compensation`` as given, ``xyz_m_start`` ((N, 3) float32 metres, or
            None) and ``xyz_m_end`` ((N, 3) float32 metres, NaN where the return is absent).

        Raises:
            IndexRangeError: there is no such frame or return (an ``IndexError``).
            InvalidDataError: the poses do not cover the frame's time.
            UnknownNameError: the pose graph does not know the sensor, or no ``"world"``.
        """
        frame_id = self._frame_id(frame_index)
        direction = self._reader.get_frame_ray_bundle_data(frame_id, "direction")
        distance = self._reader.get_frame_ray_bundle_return_data(
            frame_id, "distance_m", return_index
        )
        if distance.shape != direction.shape[:1]:
            raise InvalidDataError(
                f"frame {frame_index} of sensor {self.sensor_id!r}: {len(direction)} rays with "
                f"distances of shape {distance.shape}"
            )
        ends = direction * distance[:, np.newaxis]
        starts = np.zeros_like(ends) if with_start_points else None
        if motion_compensation and len(ends):
            start_us, end_us = (int(t) for t in self._reader.get_frame_timestamps_us(frame_id))
            moved = MotionCompensator(self.pose_graph).motion_compensate_points(
                self.sensor_id,
                ends,
                self._reader.get_frame_ray_bundle_data(frame_id, "timestamp_us"),
                start_us,
                end_us,
            )
            ends = moved.xyz_e_reftime
            if with_start_points:
                starts = moved.xyz_s_reftime
        return RayBundleSensorProtocol.FramePointCloud(motion_compensation, starts, ends)


class LidarSensor(RayBundleSensor[LidarSensorComponent.Reader], LidarSensorProtocol):
    """A lidar of a sequence.

    Args:
        reader: reader of the lidar's frames.
        pose_graph: poses of the sequence, or what makes them when they are needed.
        model_parameters: the lidar's model if there is one, or what reads it.
    """

    def __init__(
        self,
        reader: LidarSensorComponent.Reader,
        pose_graph: PoseGraph,
        model_parameters: "LidarModelParameters | Callable[[], LidarModelParameters | None] | None",
    ) -> None:
        super().__init__(reader, pose_graph)
        self._model_parameters = model_parameters

    @property
    def lidar_reader(self) -> LidarSensorComponent.Reader:
        """Reader of the lidar's frames, by timestamp."""
        return self._reader

    @property
    def model_parameters(self) -> "LidarModelParameters | None":
        """The lidar's model, or None if the sequence holds none for it.

        Raises:
            UnknownModelTypeError: its type has no registered class (a ``ValueError``).
        """
        if callable(self._model_parameters):
            self._model_parameters = self._model_parameters()
        return self._model_parameters

    def get_frame_ray_bundle_model_element(self, frame_index: int) -> npt.NDArray[np.uint16] | None:
        """(N, 2) uint16 row and column of each ray in the lidar's model, if stored.

        Raises:
            IndexRangeError: there is no such frame (an ``IndexError``).
        """
        frame_id = self._frame_id(frame_index)
        if not self._reader.has_frame_ray_bundle_data(frame_id, "model_element"):
            return None
        return self._reader.get_frame_ray_bundle_data(frame_id, "model_element")

    def get_frame_ray_bundle_return_intensity(
        self, frame_index: int, return_index: int = 0
    ) -> npt.NDArray[np.float32]:
        """(N,) float32 in [0, 1] of one return of each ray, NaN where it is absent.

        Raises:
            IndexRangeError: there is no such frame or return (an ``IndexError``).
        """
        return self._reader.get_frame_ray_bundle_return_data(
            self._frame_id(frame_index), "intensity", return_index
        )


class RadarSensor(RayBundleSensor[RadarSensorComponent.Reader], RadarSensorProtocol):
    """A radar of a sequence."""

    def __init__(self, reader: RadarSensorComponent.Reader, pose_graph: PoseGraph) -> None:
        super().__init__(reader, pose_graph)

    @property
    def radar_reader(self) -> RadarSensorComponent.Reader:
        """Reader of the radar's frames, by timestamp."""
        return self._reader
