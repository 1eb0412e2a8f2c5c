"""Point clouds and camera labels of a loaded sequence."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.data.labels import CameraLabelDescriptor
from ncore.data.point_cloud import PointCloud
from ncore.data.protocols import CameraLabelsProtocol, PointCloudsSourceProtocol
from ncore.data.v4.camera_labels import CameraLabelsComponent
from ncore.data.v4.point_clouds import PointCloudsComponent


class CameraLabels(CameraLabelsProtocol):
    """A label layer of a sequence.

    Args:
        reader: reader of the layer.
    """

    def __init__(self, reader: CameraLabelsComponent.Reader) -> None:
        self._reader = reader

    def __repr__(self) -> str:
        return f"CameraLabels({self._reader.instance_name!r}, {self.labels_count} labels)"

    @property
    def label_descriptor(self) -> CameraLabelDescriptor:
        """What the labels are and how they are stored."""
        return self._reader.label_descriptor

    @property
    def labels_count(self) -> int:
        """Number of labels, possibly 0."""
        return self._reader.labels_count

    @property
    def label_timestamps_us(self) -> npt.NDArray[np.uint64]:
        """(M,) uint64 times of the labels in microseconds, sorted."""
        return self._reader.timestamps_us

    @property
    def labels_generic_meta_data(self) -> dict[str, Any]:
        """JSON metadata of the layer."""
        return self._reader.generic_meta_data

    def get_label(self, timestamp_us: int) -> CameraLabelsComponent.Reader.CameraLabelHandle:
        """The label of exactly this time, in microseconds.

        Raises:
            ComponentNotFoundError: there is none (a ``KeyError``).
        """
        return self._reader.get_label(timestamp_us)


class PointCloudsSource(PointCloudsSourceProtocol):
    """Point clouds that are stored as such.

    Args:
        reader: reader of the point clouds.
    """

    def __init__(self, reader: PointCloudsComponent.Reader) -> None:
        self._reader = reader

    def __repr__(self) -> str:
        return f"PointCloudsSource({self.point_clouds_source_id!r}, {self.pcs_count} clouds)"

    @property
    def point_clouds_source_id(self) -> str:
        """Id of the source."""
        return self._reader.instance_name

    @property
    def pcs_count(self) -> int:
        """Number of point clouds, possibly 0."""
        return self._reader.pcs_count

    @property
    def pc_timestamps_us(self) -> npt.NDArray[np.uint64]:
        """(M,) uint64 reference timestamp of each cloud in microseconds."""
        return self._reader.pc_timestamps_us

    def get_pc(self, pc_index: int) -> PointCloud:
        """A point cloud, whose attributes are read when they are asked for.

        Raises:
            PointCloudIndexError: there is no such cloud (a ``KeyError`` and ``IndexError``).
        """
        reader = self._reader
        attributes = {
            name: PointCloud.Attribute(
                partial(reader.get_pc_attribute, pc_index, name),
                reader.get_attribute_schema(name).transform_type,
            )
            for name in reader.attribute_names
        }
        return PointCloud(
            reader.get_pc_xyz(pc_index),
            reader.get_pc_reference_frame_id(pc_index),
            reader.get_pc_reference_frame_timestamp_us(pc_index),
            reader.coordinate_unit,
            attributes,
        )

    def get_pc_generic_data_names(self, pc_index: int) -> list[str]:
        """Names of a cloud's generic data, sorted."""
        return self._reader.get_pc_generic_data_names(pc_index)

    def has_pc_generic_data(self, pc_index: int, name: str) -> bool:
        """Whether a cloud has generic data ``name``."""
        return self._reader.has_pc_generic_data(pc_index, name)

    def get_pc_generic_data(self, pc_index: int, name: str) -> npt.NDArray[Any]:
        """A cloud's generic data ``name``, in its stored shape and dtype."""
        return self._reader.get_pc_generic_data(pc_index, name)

    def get_pc_generic_meta_data(self, pc_index: int) -> dict[str, Any]:
        """A cloud's JSON metadata; a copy."""
        return self._reader.get_pc_generic_meta_data(pc_index)
