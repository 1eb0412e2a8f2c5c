"""A whole sequence, opened for reading."""

import logging
from collections.abc import Generator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from ncore.data.cuboids import CuboidTrackObservation
from ncore.data.enums import LabelCategory
from ncore.data.errors import InvalidDataError
from ncore.data.interval import HalfClosedInterval
from ncore.data.labels import LabelType
from ncore.data.pose_graph import PoseGraphInterpolator
from ncore.data.protocols import (
    CameraLabelsProtocol,
    CameraSensorProtocol,
    LidarSensorProtocol,
    PointCloudsSourceProtocol,
    RadarSensorProtocol,
    SequenceLoaderProtocol,
)
from ncore.data.ray_bundle_point_clouds import RayBundleSensorPointCloudsSourceAdapter
from ncore.data.v4 import loader_sensors, loader_sources
from ncore.data.v4.camera_labels import CameraLabelsComponent
from ncore.data.v4.cameras import CameraSensorComponent
from ncore.data.v4.component import ComponentReader
from ncore.data.v4.cuboids import CuboidsComponent
from ncore.data.v4.errors import ComponentNotFoundError, SequenceError
from ncore.data.v4.intrinsics import IntrinsicsComponent
from ncore.data.v4.lidars import LidarSensorComponent
from ncore.data.v4.masks import MasksComponent
from ncore.data.v4.point_clouds import PointCloudsComponent
from ncore.data.v4.poses import PosesComponent
from ncore.data.v4.radars import RadarSensorComponent
from ncore.data.v4.sequence_reader import SequenceComponentGroupsReader

if TYPE_CHECKING:
    from upath import UPath

_logger = logging.getLogger(__name__)

CR = TypeVar("CR", bound=ComponentReader)
_DEFAULT = "default"


class UnknownSensorError(ComponentNotFoundError, ValueError):
    """The sequence has no sensor of this id (a ``ValueError``, as in the original)."""


class SequenceLoaderV4(SequenceLoaderProtocol):
    """A sequence's sensors, poses, labels and point clouds.

    Nothing but names is read at first; poses, models and data are when they are
    asked for. A loader may be used from any number of threads and in forked
    workers as it is, and pickles to the paths of its stores.

    Args:
        reader: the component stores.
        poses_component_group_name: instance of the poses component to use.
        intrinsics_component_group_name: instance of the intrinsics component to use.
        masks_component_group_name: instance of the masks component to use, or None
            for none.
        cuboids_component_group_name: instance of the cuboids component to use, or
            None for none.

    Raises:
        ComponentNotFoundError: a component has no instance of the given name (a
            ``KeyError`` and an ``AssertionError``). A sequence that has no instance at
            all of a component opens with the name ``"default"``: it then has no poses,
            models, masks or cuboids.
    """

    Sensor = loader_sensors.Sensor
    CameraSensor = loader_sensors.CameraSensor
    RayBundleSensor = loader_sensors.RayBundleSensor
    LidarSensor = loader_sensors.LidarSensor
    RadarSensor = loader_sensors.RadarSensor
    CameraLabels = loader_sources.CameraLabels
    PointCloudsSource = loader_sources.PointCloudsSource

    def __init__(
        self,
        reader: SequenceComponentGroupsReader,
        poses_component_group_name: str = _DEFAULT,
        intrinsics_component_group_name: str = _DEFAULT,
        masks_component_group_name: str | None = _DEFAULT,
        cuboids_component_group_name: str | None = _DEFAULT,
    ) -> None:
        self._reader = reader
        self._poses = self._instance(PosesComponent.Reader, poses_component_group_name)
        self._intrinsics = self._instance(
            IntrinsicsComponent.Reader, intrinsics_component_group_name
        )
        self._masks = self._instance(MasksComponent.Reader, masks_component_group_name)
        self._cuboids = self._instance(CuboidsComponent.Reader, cuboids_component_group_name)
        self._cameras = reader.open_component_readers(CameraSensorComponent.Reader)
        self._lidars = reader.open_component_readers(LidarSensorComponent.Reader)
        self._radars = reader.open_component_readers(RadarSensorComponent.Reader)
        self._point_clouds = reader.open_component_readers(PointCloudsComponent.Reader)
        self._camera_labels = reader.open_component_readers(CameraLabelsComponent.Reader)

    def _instance(self, reader_type: type[CR], name: str | None) -> CR | None:
        if name is None:
            return None
        readers = self._reader.open_component_readers(reader_type)
        if name in readers:
            return readers[name]
        if not readers and name == _DEFAULT:
            return None
        component = reader_type.get_component_name()
        raise ComponentNotFoundError(
            f"{component} component group {name!r} not found in sequence {self.sequence_id!r}, "
            f"only {sorted(readers)}{self._why_missing(component, name)}"
        )

    def _why_missing(self, component: str, name: str) -> str:
        error = self._reader.unreadable_instances.get((component, name))
        return "" if error is None else f" ({name!r} cannot be opened: {error})"

    def __repr__(self) -> str:
        return (
            f"SequenceLoaderV4({self.sequence_id!r}, {len(self._cameras)} cameras, "
            f"{len(self._lidars)} lidars, {len(self._radars)} radars)"
        )

    @property
    def sequence_id(self) -> str:
        """Id of the sequence."""
        return self._reader.sequence_id

    @property
    def generic_meta_data(self) -> dict[str, Any]:
        """JSON values given by whoever wrote the sequence; a copy."""
        return self._reader.generic_meta_data

    @property
    def sequence_timestamp_interval_us(self) -> HalfClosedInterval:
        """Time range of the sequence, half closed, in microseconds."""
        return self._reader.sequence_timestamp_interval_us

    @property
    def sequence_paths(self) -> "list[UPath]":
        """Paths of the component stores."""
        return self._reader.component_store_paths

    @property
    def is_local(self) -> bool:
        """See :attr:`SequenceComponentGroupsReader.is_local`."""
        return self._reader.is_local

    def reload_resources(self) -> None:
        """See :meth:`SequenceComponentGroupsReader.reload_resources`; not needed after a fork."""
        self._reader.reload_resources()

    def get_sequence_meta(self) -> dict[str, Any]:
        """Describe the sequence, see :meth:`SequenceComponentGroupsReader.get_sequence_meta`."""
        return self._reader.get_sequence_meta().to_dict()

    @property
    def camera_ids(self) -> list[str]:
        """Ids of the cameras, sorted."""
        return list(self._cameras)

    @property
    def lidar_ids(self) -> list[str]:
        """Ids of the lidars, sorted."""
        return list(self._lidars)

    @property
    def radar_ids(self) -> list[str]:
        """Ids of the radars, sorted."""
        return list(self._radars)

    @property
    def point_clouds_ids(self) -> list[str]:
        """Ids of the point clouds that are stored as such, sorted."""
        return list(self._point_clouds)

    @property
    def camera_labels_ids(self) -> list[str]:
        """Instance names of the camera label layers, sorted."""
        return list(self._camera_labels)

    @cached_property
    def pose_graph(self) -> PoseGraphInterpolator:
        """All stored poses; empty if there are none.

        Raises:
            InvalidDataError: the stored poses do not form one tree, or one of them is
                no rigid transformation (a ``ValueError``).
            SequenceFormatError: a stored pose does not name two frames.
        """
        edges = []
        if self._poses is not None:
            for (source, target), pose in self._poses.get_static_poses():
                edges.append(PoseGraphInterpolator.Edge(source, target, pose, None))
            for (source, target), (poses, times) in self._poses.get_dynamic_poses():
                try:
                    edges.append(PoseGraphInterpolator.Edge(source, target, poses, times))
                except InvalidDataError as error:
                    where = f"{self._poses.component_store.location}: {self._poses!r}"
                    raise InvalidDataError(f"{where}: {error}") from None
        return PoseGraphInterpolator(edges)

    def _make_pose_graph(self) -> PoseGraphInterpolator:
        return self.pose_graph

    def _sensor_reader(self, readers: Mapping[str, CR], kind: str, sensor_id: str) -> CR:
        try:
            return readers[sensor_id]
        except KeyError:
            raise UnknownSensorError(
                f"{kind} sensor {sensor_id!r} not available in the loaded component groups, only "
                f"{list(readers)}{self._why_missing(f'{kind.lower()}s', sensor_id)}"
            ) from None

    def get_camera_sensor(self, sensor_id: str) -> CameraSensorProtocol:
        """A camera; a new object for each call.

        Raises:
            UnknownSensorError: there is no such camera (a ``ValueError``).
        """
        reader = self._sensor_reader(self._cameras, "Camera", sensor_id)

        return self.CameraSensor(
            reader,
            self._masks,
            _CameraModel(self._intrinsics, sensor_id),
            self._make_pose_graph,
        )

    def get_lidar_sensor(self, sensor_id: str) -> LidarSensorProtocol:
        """A lidar; a new object for each call.

        Raises:
            UnknownSensorError: there is no such lidar (a ``ValueError``).
        """
        reader = self._sensor_reader(self._lidars, "Lidar", sensor_id)
        return self.LidarSensor(
            reader, self._make_pose_graph, _LidarModel(self._intrinsics, sensor_id)
        )

    def get_radar_sensor(self, sensor_id: str) -> RadarSensorProtocol:
        """A radar; a new object for each call.

        Raises:
            UnknownSensorError: there is no such radar (a ``ValueError``).
        """
        reader = self._sensor_reader(self._radars, "Radar", sensor_id)
        return self.RadarSensor(reader, self._make_pose_graph)

    def get_point_clouds_source(
        self, source_id: str, *, return_index: int = 0
    ) -> PointCloudsSourceProtocol:
        """Point clouds by the id of their source: stored ones, else those of a lidar or radar.

        Args:
            source_id: id of stored point clouds, or of a lidar or radar.
            return_index: which return of each ray, for lidars and radars.

        Raises:
            ComponentNotFoundError: there is no such source (a ``KeyError``).
        """
        if source_id in self._point_clouds:
            return self.PointCloudsSource(self._point_clouds[source_id])
        if source_id in self._lidars:
            return RayBundleSensorPointCloudsSourceAdapter(
                self.get_lidar_sensor(source_id), return_index
            )
        if source_id in self._radars:
            return RayBundleSensorPointCloudsSourceAdapter(
                self.get_radar_sensor(source_id), return_index
            )
        known = [*self._point_clouds, *self._lidars, *self._radars]
        raise ComponentNotFoundError(
            f"Point-clouds source {source_id!r} not found among native sources, lidars and "
            f"radars, only {known}"
        )

    def get_camera_labels(self, camera_label_id: str) -> CameraLabelsProtocol:
        """A label layer by its instance name; a new object for each call.

        Raises:
            ComponentNotFoundError: there is no such layer (a ``KeyError``).
        """
        try:
            return self.CameraLabels(self._camera_labels[camera_label_id])
        except KeyError:
            raise ComponentNotFoundError(
                f"Camera labels {camera_label_id!r} not found, only {self.camera_labels_ids}"
                f"{self._why_missing('camera_labels', camera_label_id)}"
            ) from None

    def query_camera_labels(
        self,
        camera_id: str,
        label_type: LabelType | None = None,
        label_category: LabelCategory | None = None,
    ) -> list[CameraLabelsProtocol]:
        """The label layers of a camera, in the order of their instance names.

        A layer whose descriptor cannot be decoded matches nothing; it is named in
        the log, and :meth:`get_camera_labels` still opens it.

        Args:
            camera_id: id of the camera; of an unknown one there are no layers.
            label_type: only layers of exactly this type, unit included.
            label_category: only layers of this category.
        """
        found: list[CameraLabelsProtocol] = []
        for name, reader in self._camera_labels.items():
            try:
                descriptor = reader.label_descriptor
            except (SequenceError, KeyError, TypeError, ValueError, AssertionError) as error:
                _logger.warning("camera labels %r: descriptor cannot be decoded: %s", name, error)
                continue
            if (
                descriptor.camera_id == camera_id
                and label_type in (None, descriptor.label_type)
                and label_category in (None, descriptor.label_type.category)
            ):
                found.append(self.CameraLabels(reader))
        return found

    @cached_property
    def _observations(self) -> list[CuboidTrackObservation]:
        return [] if self._cuboids is None else list(self._cuboids.get_observations())

    def get_cuboid_track_observations(
        self, timestamp_interval_us: HalfClosedInterval | None = None
    ) -> Generator[CuboidTrackObservation, None, None]:
        """Yield the cuboid observations, decoded once and kept.

        Args:
            timestamp_interval_us: only those whose timestamp lies inside, microseconds.
        """
        for observation in self._observations:
            if timestamp_interval_us is None or observation.timestamp_us in timestamp_interval_us:
                yield observation


class _CameraModel:
    """Reads a camera's model when it is asked for; picklable."""

    def __init__(self, intrinsics: IntrinsicsComponent.Reader | None, camera_id: str) -> None:
        self._intrinsics = intrinsics
        self._camera_id = camera_id

    def __call__(self) -> Any:
        if self._intrinsics is None:
            raise ComponentNotFoundError(
                f"camera {self._camera_id!r}: the sequence has no intrinsics"
            )
        return self._intrinsics.get_camera_model_parameters(self._camera_id)


class _LidarModel:
    """Reads a lidar's model when it is asked for; picklable."""

    def __init__(self, intrinsics: IntrinsicsComponent.Reader | None, lidar_id: str) -> None:
        self._intrinsics = intrinsics
        self._lidar_id = lidar_id

    def __call__(self) -> Any:
        if self._intrinsics is None:
            return None
        return self._intrinsics.get_lidar_model_parameters(self._lidar_id)
