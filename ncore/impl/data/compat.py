"""Alias of this module's contents under the name that NVIDIA's ncore has for it."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.data.protocols import CameraLabelsProtocol as CameraLabelsProtocol
    from ncore.data.protocols import PointCloudsSourceProtocol as PointCloudsSourceProtocol
    from ncore.data.protocols import SequenceLoaderProtocol as SequenceLoaderProtocol
    from ncore.data.ray_bundle_point_clouds import (
        RayBundleSensorPointCloudsSourceAdapter as RayBundleSensorPointCloudsSourceAdapter,
    )
    from ncore.data.sensor_protocols import CameraSensorProtocol as CameraSensorProtocol
    from ncore.data.sensor_protocols import LidarSensorProtocol as LidarSensorProtocol
    from ncore.data.sensor_protocols import RadarSensorProtocol as RadarSensorProtocol
    from ncore.data.sensor_protocols import RayBundleSensorProtocol as RayBundleSensorProtocol
    from ncore.data.sensor_protocols import SensorProtocol as SensorProtocol

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "CameraLabelsProtocol": "ncore.data.protocols",
        "PointCloudsSourceProtocol": "ncore.data.protocols",
        "SequenceLoaderProtocol": "ncore.data.protocols",
        "CameraSensorProtocol": "ncore.data.sensor_protocols",
        "LidarSensorProtocol": "ncore.data.sensor_protocols",
        "RadarSensorProtocol": "ncore.data.sensor_protocols",
        "RayBundleSensorProtocol": "ncore.data.sensor_protocols",
        "SensorProtocol": "ncore.data.sensor_protocols",
        "RayBundleSensorPointCloudsSourceAdapter": "ncore.data.ray_bundle_point_clouds",
    },
)
