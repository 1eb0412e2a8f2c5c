"""NCore's data types, independent of how they are stored."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.data.camera_fisheye import (
        OpenCVFisheyeCameraModelParameters as OpenCVFisheyeCameraModelParameters,
    )
    from ncore.data.camera_ftheta import FThetaCameraModelParameters as FThetaCameraModelParameters
    from ncore.data.camera_models import (
        ConcreteCameraModelParametersUnion as ConcreteCameraModelParametersUnion,
    )
    from ncore.data.camera_parameters import CameraModelParameters as CameraModelParameters
    from ncore.data.camera_parameters import ParaxialPinholeGeometry as ParaxialPinholeGeometry
    from ncore.data.camera_parameters import (
        register_camera_model_parameters as register_camera_model_parameters,
    )
    from ncore.data.camera_pinhole import (
        IdealPinholeCameraModelParameters as IdealPinholeCameraModelParameters,
    )
    from ncore.data.camera_pinhole import (
        OpenCVPinholeCameraModelParameters as OpenCVPinholeCameraModelParameters,
    )
    from ncore.data.camera_pinhole import (
        PinholeCameraModelParameters as PinholeCameraModelParameters,
    )
    from ncore.data.cuboids import BBox3 as BBox3
    from ncore.data.cuboids import CuboidTrackObservation as CuboidTrackObservation
    from ncore.data.enums import FrameTimepoint as FrameTimepoint
    from ncore.data.enums import LabelCategory as LabelCategory
    from ncore.data.enums import LabelEncoding as LabelEncoding
    from ncore.data.enums import LabelSource as LabelSource
    from ncore.data.enums import LabelUnit as LabelUnit
    from ncore.data.enums import ReferencePolynomial as ReferencePolynomial
    from ncore.data.enums import ShutterType as ShutterType
    from ncore.data.external_distortion import (
        BivariateWindshieldModelParameters as BivariateWindshieldModelParameters,
    )
    from ncore.data.external_distortion import (
        ConcreteExternalDistortionParametersUnion as ConcreteExternalDistortionParametersUnion,
    )
    from ncore.data.external_distortion import (
        ExternalDistortionParameters as ExternalDistortionParameters,
    )
    from ncore.data.external_distortion import (
        register_external_distortion_parameters as register_external_distortion_parameters,
    )
    from ncore.data.images import EncodedImageData as EncodedImageData
    from ncore.data.images import EncodedImageHandle as EncodedImageHandle
    from ncore.data.interval import HalfClosedInterval as HalfClosedInterval
    from ncore.data.labels import CameraLabelDescriptor as CameraLabelDescriptor
    from ncore.data.labels import LabelSchema as LabelSchema
    from ncore.data.labels import LabelType as LabelType
    from ncore.data.labels import QuantizationParams as QuantizationParams
    from ncore.data.lidar_parameters import (
        ConcreteLidarModelParametersUnion as ConcreteLidarModelParametersUnion,
    )
    from ncore.data.lidar_parameters import LidarModelParameters as LidarModelParameters
    from ncore.data.lidar_parameters import (
        RowOffsetStructuredSpinningLidarModelParameters as RowOffsetStructuredSpinningLidarModelParameters,  # noqa: E501
    )
    from ncore.data.lidar_parameters import (
        SpinningLidarModelParameters as SpinningLidarModelParameters,
    )
    from ncore.data.lidar_parameters import (
        StructuredSpinningLidarModelParameters as StructuredSpinningLidarModelParameters,
    )
    from ncore.data.lidar_parameters import (
        register_lidar_model_parameters as register_lidar_model_parameters,
    )
    from ncore.data.motion_compensation import MotionCompensator as MotionCompensator
    from ncore.data.point_cloud import PointCloud as PointCloud
    from ncore.data.pose_graph import PoseGraphInterpolator as PoseGraphInterpolator
    from ncore.data.pose_interpolator import PoseInterpolator as PoseInterpolator
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
        "BBox3": "ncore.data.cuboids",
        "BivariateWindshieldModelParameters": "ncore.data.external_distortion",
        "CameraLabelDescriptor": "ncore.data.labels",
        "CameraModelParameters": "ncore.data.camera_parameters",
        "ConcreteCameraModelParametersUnion": "ncore.data.camera_models",
        "ConcreteExternalDistortionParametersUnion": "ncore.data.external_distortion",
        "ConcreteLidarModelParametersUnion": "ncore.data.lidar_parameters",
        "CuboidTrackObservation": "ncore.data.cuboids",
        "EncodedImageData": "ncore.data.images",
        "EncodedImageHandle": "ncore.data.images",
        "ExternalDistortionParameters": "ncore.data.external_distortion",
        "FThetaCameraModelParameters": "ncore.data.camera_ftheta",
        "FrameTimepoint": "ncore.data.enums",
        "HalfClosedInterval": "ncore.data.interval",
        "IdealPinholeCameraModelParameters": "ncore.data.camera_pinhole",
        "LabelCategory": "ncore.data.enums",
        "LabelEncoding": "ncore.data.enums",
        "LabelSchema": "ncore.data.labels",
        "LabelSource": "ncore.data.enums",
        "LabelType": "ncore.data.labels",
        "LabelUnit": "ncore.data.enums",
        "LidarModelParameters": "ncore.data.lidar_parameters",
        "OpenCVFisheyeCameraModelParameters": "ncore.data.camera_fisheye",
        "OpenCVPinholeCameraModelParameters": "ncore.data.camera_pinhole",
        "ParaxialPinholeGeometry": "ncore.data.camera_parameters",
        "PinholeCameraModelParameters": "ncore.data.camera_pinhole",
        "PointCloud": "ncore.data.point_cloud",
        "QuantizationParams": "ncore.data.labels",
        "ReferencePolynomial": "ncore.data.enums",
        "RowOffsetStructuredSpinningLidarModelParameters": "ncore.data.lidar_parameters",
        "ShutterType": "ncore.data.enums",
        "SpinningLidarModelParameters": "ncore.data.lidar_parameters",
        "StructuredSpinningLidarModelParameters": "ncore.data.lidar_parameters",
        "register_camera_model_parameters": "ncore.data.camera_parameters",
        "register_external_distortion_parameters": "ncore.data.external_distortion",
        "register_lidar_model_parameters": "ncore.data.lidar_parameters",
        "CameraLabelsProtocol": "ncore.data.protocols",
        "PointCloudsSourceProtocol": "ncore.data.protocols",
        "SequenceLoaderProtocol": "ncore.data.protocols",
        "CameraSensorProtocol": "ncore.data.sensor_protocols",
        "LidarSensorProtocol": "ncore.data.sensor_protocols",
        "RadarSensorProtocol": "ncore.data.sensor_protocols",
        "RayBundleSensorProtocol": "ncore.data.sensor_protocols",
        "SensorProtocol": "ncore.data.sensor_protocols",
        "RayBundleSensorPointCloudsSourceAdapter": "ncore.data.ray_bundle_point_clouds",
        "PoseGraphInterpolator": "ncore.data.pose_graph",
        "PoseInterpolator": "ncore.data.pose_interpolator",
        "MotionCompensator": "ncore.data.motion_compensation",
    },
)
