"""What a sequence offers, whatever it is stored in."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ncore.data.sensor_protocols import CameraSensorProtocol as CameraSensorProtocol
from ncore.data.sensor_protocols import LidarSensorProtocol as LidarSensorProtocol
from ncore.data.sensor_protocols import RadarSensorProtocol as RadarSensorProtocol
from ncore.data.sensor_protocols import RayBundleSensorProtocol as RayBundleSensorProtocol
from ncore.data.sensor_protocols import SensorProtocol as SensorProtocol
from ncore.data.sensor_protocols import slice_range

if TYPE_CHECKING:
    from upath import UPath

    from ncore.data.cuboids import CuboidTrackObservation
    from ncore.data.enums import LabelCategory
    from ncore.data.interval import HalfClosedInterval
    from ncore.data.json_codec import JsonLike
    from ncore.data.labels import CameraLabelDescriptor, LabelType
    from ncore.data.point_cloud import PointCloud
    from ncore.data.pose_graph import PoseGraphInterpolator


@runtime_checkable
class PointCloudsSourceProtocol(Protocol):
    """A series of point clouds, ordered by time."""

    @property
    def point_clouds_source_id(self) -> str:
        """Name of the source."""
        ...

    @property
    def pcs_count(self) -> int:
        """Number of point clouds ``M``."""
        ...

    @property
    def pc_timestamps_us(self) -> npt.NDArray[np.uint64]:
        """Times of the point clouds, uint64 ``(M,)``, microseconds."""
        ...

    def get_pc(self, pc_index: int) -> "PointCloud":
        """Return a point cloud.

        Raises:
            IndexError: there is no such point cloud.
        """
        ...

    def get_pc_generic_data_names(self, pc_index: int) -> list[str]:
        """Return the names of a point cloud's additional arrays.

        Raises:
            IndexError: there is no such point cloud.
        """
        ...

    def has_pc_generic_data(self, pc_index: int, name: str) -> bool:
        """Whether a point cloud has an additional array of this name.

        Raises:
            IndexError: there is no such point cloud.
        """
        ...

    def get_pc_generic_data(self, pc_index: int, name: str) -> npt.NDArray[Any]:
        """Return an additional array of a point cloud, of any shape and dtype.

        Raises:
            IndexError: there is no such point cloud.
            KeyError: the point cloud has no such array.
        """
        ...

    def get_pc_generic_meta_data(self, pc_index: int) -> dict[str, "JsonLike"]:
        """Return a point cloud's additional metadata.

        Raises:
            IndexError: there is no such point cloud.
        """
        ...

    def get_pc_index_range(
        self, start: int | None = None, stop: int | None = None, step: int | None = None
    ) -> range:
        """Return the indices of a slice of the point clouds, as ``range``."""
        return slice_range(slice(start, stop, step), self.pcs_count)


@runtime_checkable
class CameraLabelsProtocol(Protocol):
    """One layer of labels of a camera's images."""

    @runtime_checkable
    class CameraLabelHandleProtocol(Protocol):
        """One label, whose data are read when they are asked for."""

        @property
        def timestamp_us(self) -> int:
            """Time of the label, microseconds."""
            ...

        @property
        def generic_meta_data(self) -> dict[str, "JsonLike"]:
            """The label's additional metadata."""
            ...

        def get_data(self) -> npt.NDArray[Any]:
            """Read and decode the label, ``(H, W) + shape_suffix`` in the schema's dtype."""
            ...

        def get_encoded_data(self) -> bytes | None:
            """Read and return the label's image file, ``None`` if it is no encoded image."""
            ...

    @property
    def label_descriptor(self) -> "CameraLabelDescriptor":
        """What the labels of this layer are."""
        ...

    @property
    def labels_count(self) -> int:
        """Number of labels ``M``."""
        ...

    @property
    def label_timestamps_us(self) -> npt.NDArray[np.uint64]:
        """Times of the labels, uint64 ``(M,)``, ascending, microseconds."""
        ...

    @property
    def labels_generic_meta_data(self) -> dict[str, "JsonLike"]:
        """The layer's additional metadata."""
        ...

    def get_label(self, timestamp_us: int) -> CameraLabelHandleProtocol:
        """Return the label of a time.

        Args:
            timestamp_us: microseconds; exactly the time of a label.

        Raises:
            KeyError: there is no label of that time.
        """
        ...


@runtime_checkable
class SequenceLoaderProtocol(Protocol):
    """A sequence: sensors, poses and labels recorded together."""

    @property
    def sequence_id(self) -> str:
        """Name of the sequence."""
        ...

    @property
    def generic_meta_data(self) -> dict[str, "JsonLike"]:
        """The sequence's additional metadata."""
        ...

    @property
    def sequence_timestamp_interval_us(self) -> "HalfClosedInterval":
        """Time span of the sequence, microseconds."""
        ...

    @property
    def sequence_paths(self) -> list["UPath"]:
        """Where the sequence is stored."""
        ...

    def reload_resources(self) -> None:
        """Open files anew, in a process that was forked off."""
        ...

    def get_sequence_meta(self) -> dict[str, "JsonLike"]:
        """Return a description of the sequence and its stores."""
        ...

    @property
    def camera_ids(self) -> list[str]:
        """Names of all cameras."""
        ...

    @property
    def lidar_ids(self) -> list[str]:
        """Names of all lidars."""
        ...

    @property
    def radar_ids(self) -> list[str]:
        """Names of all radars."""
        ...

    @property
    def pose_graph(self) -> "PoseGraphInterpolator":
        """The poses between frames of reference."""
        ...

    def get_camera_sensor(self, sensor_id: str) -> CameraSensorProtocol:
        """Return a camera.

        Raises:
            ValueError: the sequence has no camera of that name.
        """
        ...

    def get_lidar_sensor(self, sensor_id: str) -> LidarSensorProtocol:
        """Return a lidar.

        Raises:
            ValueError: the sequence has no lidar of that name.
        """
        ...

    def get_radar_sensor(self, sensor_id: str) -> RadarSensorProtocol:
        """Return a radar.

        Raises:
            ValueError: the sequence has no radar of that name.
        """
        ...

    def get_cuboid_track_observations(
        self, timestamp_interval_us: "HalfClosedInterval | None" = None
    ) -> Generator["CuboidTrackObservation", None, None]:
        """Yield the observed cuboids.

        Args:
            timestamp_interval_us: only those whose time lies inside, microseconds; ``None``
                for all.
        """
        ...

    @property
    def point_clouds_ids(self) -> list[str]:
        """Names of all sources of point clouds that are no sensors."""
        ...

    def get_point_clouds_source(
        self, source_id: str, *, return_index: int = 0
    ) -> PointCloudsSourceProtocol:
        """Return a source of point clouds: stored ones, or those of a lidar or radar.

        Args:
            source_id: name of the source or sensor.
            return_index: which return of a sensor's rays.

        Raises:
            KeyError: the sequence has no such source.
        """
        ...

    @property
    def camera_labels_ids(self) -> list[str]:
        """Names of all label layers."""
        ...

    def get_camera_labels(self, camera_label_id: str) -> CameraLabelsProtocol:
        """Return a label layer.

        Raises:
            KeyError: the sequence has no such layer.
        """
        ...

    def query_camera_labels(
        self,
        camera_id: str,
        label_type: "LabelType | None" = None,
        label_category: "LabelCategory | None" = None,
    ) -> list[CameraLabelsProtocol]:
        """Return a camera's label layers, of one type and one category if given."""
        ...
