"""Alias of this module's contents under the name that NVIDIA's ncore has for it."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.data.v4.camera_labels import CameraLabelsComponent as CameraLabelsComponent
    from ncore.data.v4.cameras import CameraSensorComponent as CameraSensorComponent
    from ncore.data.v4.component import ComponentReader as ComponentReader
    from ncore.data.v4.component import ComponentWriter as ComponentWriter
    from ncore.data.v4.cuboids import CuboidsComponent as CuboidsComponent
    from ncore.data.v4.intrinsics import IntrinsicsComponent as IntrinsicsComponent
    from ncore.data.v4.lidars import LidarSensorComponent as LidarSensorComponent
    from ncore.data.v4.masks import MasksComponent as MasksComponent
    from ncore.data.v4.point_clouds import PointCloudsComponent as PointCloudsComponent
    from ncore.data.v4.poses import PosesComponent as PosesComponent
    from ncore.data.v4.radars import RadarSensorComponent as RadarSensorComponent
    from ncore.data.v4.ray_bundle import (
        BaseRayBundleSensorComponentReader as BaseRayBundleSensorComponentReader,
    )
    from ncore.data.v4.ray_bundle import (
        BaseRayBundleSensorComponentWriter as BaseRayBundleSensorComponentWriter,
    )
    from ncore.data.v4.sensor import BaseSensorComponentReader as BaseSensorComponentReader
    from ncore.data.v4.sensor import BaseSensorComponentWriter as BaseSensorComponentWriter
    from ncore.data.v4.sequence_meta import SequenceMeta as SequenceMeta
    from ncore.data.v4.sequence_reader import (
        SequenceComponentGroupsReader as SequenceComponentGroupsReader,
    )
    from ncore.data.v4.sequence_writer import (
        SequenceComponentGroupsWriter as SequenceComponentGroupsWriter,
    )

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "BaseRayBundleSensorComponentReader": "ncore.data.v4.ray_bundle",
        "BaseRayBundleSensorComponentWriter": "ncore.data.v4.ray_bundle",
        "BaseSensorComponentReader": "ncore.data.v4.sensor",
        "BaseSensorComponentWriter": "ncore.data.v4.sensor",
        "CameraLabelsComponent": "ncore.data.v4.camera_labels",
        "CameraSensorComponent": "ncore.data.v4.cameras",
        "ComponentReader": "ncore.data.v4.component",
        "ComponentWriter": "ncore.data.v4.component",
        "CuboidsComponent": "ncore.data.v4.cuboids",
        "IntrinsicsComponent": "ncore.data.v4.intrinsics",
        "LidarSensorComponent": "ncore.data.v4.lidars",
        "MasksComponent": "ncore.data.v4.masks",
        "PointCloudsComponent": "ncore.data.v4.point_clouds",
        "PosesComponent": "ncore.data.v4.poses",
        "RadarSensorComponent": "ncore.data.v4.radars",
        "SequenceComponentGroupsReader": "ncore.data.v4.sequence_reader",
        "SequenceComponentGroupsWriter": "ncore.data.v4.sequence_writer",
        "SequenceMeta": "ncore.data.v4.sequence_meta",
    },
)
