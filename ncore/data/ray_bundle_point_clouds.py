"""The frames of a lidar or radar as point clouds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from ncore.data.enums import FrameTimepoint
from ncore.data.errors import InvalidDataError
from ncore.data.point_cloud import PointCloud
from ncore.data.sensor_protocols import LidarSensorProtocol, RayBundleSensorProtocol, slice_range

if TYPE_CHECKING:
    from ncore.data.json_codec import JsonLike

Array = npt.NDArray[Any]
Invariant = PointCloud.AttributeTransformType.INVARIANT


class RayBundleSensorPointCloudsSourceAdapter:
    """Offers a ray sensor's frames as a source of point clouds.

    Points are motion-compensated to the end of their frame and lie in the sensor's frame
    of reference at that time; they are NaN for rays without return. Attributes:
    ``timestamp_us``, ``valid_mask``; of lidars also ``intensity`` and, if known,
    ``model_element``; and additional arrays of the frame that hold a value per ray.
    """

    @dataclass(frozen=True)
    class GenericDataPromotion:
        """How an additional array of a frame becomes an attribute.

        Args:
            shape_suffix: shape of the value of one ray.
            transform_type: how the attribute behaves in another frame of reference.
        """

        shape_suffix: tuple[int, ...]
        transform_type: PointCloud.AttributeTransformType = Invariant

    DEFAULT_GENERIC_DATA_PROMOTIONS: ClassVar[dict[str, GenericDataPromotion]] = {
        "rgb": GenericDataPromotion(shape_suffix=(3,))
    }

    def __init__(
        self,
        sensor: RayBundleSensorProtocol,
        return_index: int = 0,
        promote_generic_data: Mapping[str, GenericDataPromotion] = DEFAULT_GENERIC_DATA_PROMOTIONS,
    ) -> None:
        """Wrap a sensor.

        Args:
            sensor: lidar or radar.
            return_index: which return of the rays.
            promote_generic_data: which additional arrays become attributes, by name
                regardless of case; the attributes have lower-case names.
        """
        self._sensor = sensor
        # Not by isinstance: for a radar that would evaluate the protocol's properties.
        is_lidar = all(
            hasattr(sensor, name)
            for name in (
                "get_frame_ray_bundle_model_element",
                "get_frame_ray_bundle_return_intensity",
            )
        )
        self._lidar = cast(LidarSensorProtocol, sensor) if is_lidar else None
        self._return_index = return_index
        self._promotions = dict(promote_generic_data)

    @property
    def point_clouds_source_id(self) -> str:
        """Name of the sensor."""
        return self._sensor.sensor_id

    @property
    def pcs_count(self) -> int:
        """Number of frames ``M``."""
        return self._sensor.frames_count

    @property
    def pc_timestamps_us(self) -> npt.NDArray[np.uint64]:
        """End times of the frames, uint64 ``(M,)``, microseconds."""
        return self._sensor.frames_timestamps_us[:, FrameTimepoint.END]

    def get_pc(self, pc_index: int) -> PointCloud:
        """Return the point cloud of a frame; attributes are read when they are asked for.

        Raises:
            IndexError: there is no such frame.
        """
        sensor, index = self._sensor, self._return_index
        timestamp_us = sensor.get_frame_timestamp_us(pc_index)
        points = sensor.get_frame_point_cloud(
            pc_index, motion_compensation=True, with_start_points=False, return_index=index
        )
        loaders: dict[str, Callable[[], Array]] = {
            "timestamp_us": lambda: sensor.get_frame_ray_bundle_timestamp_us(pc_index),
            "valid_mask": lambda: sensor.get_frame_ray_bundle_return_valid_mask(pc_index, index),
        }
        lidar = self._lidar
        if lidar is not None:
            loaders["intensity"] = lambda: lidar.get_frame_ray_bundle_return_intensity(
                pc_index, index
            )
            model_element = lidar.get_frame_ray_bundle_model_element(pc_index)
            if model_element is not None:
                loaders["model_element"] = lambda: model_element
        attributes = {
            name: PointCloud.Attribute(loader, Invariant) for name, loader in loaders.items()
        }
        self._promote(attributes, pc_index, len(points.xyz_m_end))
        return PointCloud(
            _xyz=points.xyz_m_end,
            reference_frame_id=sensor.sensor_id,
            reference_frame_timestamp_us=timestamp_us,
            coordinate_unit=PointCloud.CoordinateUnit.METERS,
            _attributes=attributes,
        )

    def get_pc_generic_data_names(self, pc_index: int) -> list[str]:
        """Return the names of a frame's additional arrays."""
        return self._sensor.get_frame_generic_data_names(pc_index)

    def has_pc_generic_data(self, pc_index: int, name: str) -> bool:
        """Whether a frame has an additional array of this name."""
        return self._sensor.has_frame_generic_data(pc_index, name)

    def get_pc_generic_data(self, pc_index: int, name: str) -> Array:
        """Return an additional array of a frame, of any shape and dtype."""
        return self._sensor.get_frame_generic_data(pc_index, name)

    def get_pc_generic_meta_data(self, pc_index: int) -> dict[str, "JsonLike"]:
        """Return a frame's additional metadata."""
        return self._sensor.get_frame_generic_meta_data(pc_index)

    def get_pc_index_range(
        self, start: int | None = None, stop: int | None = None, step: int | None = None
    ) -> range:
        """Return the indices of a slice of the point clouds, as ``range``."""
        return slice_range(slice(start, stop, step), self.pcs_count)

    def _promote(
        self, attributes: dict[str, PointCloud.Attribute], pc_index: int, count: int
    ) -> None:
        """Add the attributes that additional arrays of the frame become."""
        names = self._sensor.get_frame_generic_data_names(pc_index) if self._promotions else []
        by_lower_case = {name.lower(): name for name in reversed(names)}
        for wanted, promotion in self._promotions.items():
            attribute = wanted.lower()
            name = wanted if wanted in names else by_lower_case.get(attribute)
            if name is not None and attribute not in attributes:
                attributes[attribute] = PointCloud.Attribute(
                    self._promoted_loader(pc_index, name, (count, *promotion.shape_suffix)),
                    promotion.transform_type,
                )

    def _promoted_loader(
        self, pc_index: int, name: str, shape: tuple[int, ...]
    ) -> Callable[[], Array]:
        def load() -> Array:
            values = self._sensor.get_frame_generic_data(pc_index, name)
            if values.shape != shape:
                raise InvalidDataError(
                    f"generic data {name!r} of {self._sensor.sensor_id!r} has shape "
                    f"{values.shape}; as attribute of the points it must have shape {shape}"
                )
            return values

        return load
