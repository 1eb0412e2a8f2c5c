"""NCore V4 sequences: component writers and readers, and the sequence loader."""

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
    from ncore.data.v4.loader import SequenceLoaderV4 as SequenceLoaderV4
    from ncore.data.v4.masks import MasksComponent as MasksComponent
    from ncore.data.v4.point_clouds import PointCloudsComponent as PointCloudsComponent
    from ncore.data.v4.poses import PosesComponent as PosesComponent
    from ncore.data.v4.radars import RadarSensorComponent as RadarSensorComponent
    from ncore.data.v4.sequence_meta import SequenceMeta as SequenceMeta
    from ncore.data.v4.sequence_reader import (
        SequenceComponentGroupsReader as SequenceComponentGroupsReader,
    )
    from ncore.data.v4.sequence_writer import (
        SequenceComponentGroupsWriter as SequenceComponentGroupsWriter,
    )
    from ncore.data.v4.types import ComponentGroupAssignments as ComponentGroupAssignments

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "CameraLabelsComponent": "ncore.data.v4.camera_labels",
        "CameraSensorComponent": "ncore.data.v4.cameras",
        "ComponentGroupAssignments": "ncore.data.v4.types",
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
        "SequenceLoaderV4": "ncore.data.v4.loader",
        "SequenceMeta": "ncore.data.v4.sequence_meta",
    },
)
