"""Alias of this module's contents under the name that NVIDIA's ncore has for it."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.data.camera_codec import (
        decode_camera_model_parameters as decode_camera_model_parameters,
    )
    from ncore.data.camera_codec import (
        encode_camera_model_parameters as encode_camera_model_parameters,
    )
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
        EXTERNAL_DISTORTION_TYPE_KEY as EXTERNAL_DISTORTION_TYPE_KEY,
    )
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
        external_distortion_parameters_field as external_distortion_parameters_field,
    )
    from ncore.data.external_distortion import (
        register_external_distortion_parameters as register_external_distortion_parameters,
    )
    from ncore.data.images import EncodedImageData as EncodedImageData
    from ncore.data.images import EncodedImageHandle as EncodedImageHandle
    from ncore.data.json_codec import JsonLike as JsonLike
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
        decode_lidar_model_parameters as decode_lidar_model_parameters,
    )
    from ncore.data.lidar_parameters import (
        encode_lidar_model_parameters as encode_lidar_model_parameters,
    )
    from ncore.data.lidar_parameters import (
        register_lidar_model_parameters as register_lidar_model_parameters,
    )
    from ncore.data.point_cloud import PointCloud as PointCloud

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
        "EXTERNAL_DISTORTION_TYPE_KEY": "ncore.data.external_distortion",
        "EncodedImageData": "ncore.data.images",
        "EncodedImageHandle": "ncore.data.images",
        "ExternalDistortionParameters": "ncore.data.external_distortion",
        "FThetaCameraModelParameters": "ncore.data.camera_ftheta",
        "FrameTimepoint": "ncore.data.enums",
        "IdealPinholeCameraModelParameters": "ncore.data.camera_pinhole",
        "JsonLike": "ncore.data.json_codec",
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
        "decode_camera_model_parameters": "ncore.data.camera_codec",
        "decode_lidar_model_parameters": "ncore.data.lidar_parameters",
        "encode_camera_model_parameters": "ncore.data.camera_codec",
        "encode_lidar_model_parameters": "ncore.data.lidar_parameters",
        "external_distortion_parameters_field": "ncore.data.external_distortion",
        "register_camera_model_parameters": "ncore.data.camera_parameters",
        "register_external_distortion_parameters": "ncore.data.external_distortion",
        "register_lidar_model_parameters": "ncore.data.lidar_parameters",
    },
)
