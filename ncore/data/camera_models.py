"""All camera models of this package: importing this module registers them."""

from typing import Union

from ncore.data.camera_fisheye import OpenCVFisheyeCameraModelParameters
from ncore.data.camera_ftheta import FThetaCameraModelParameters
from ncore.data.camera_pinhole import (
    IdealPinholeCameraModelParameters,
    OpenCVPinholeCameraModelParameters,
)

ConcreteCameraModelParametersUnion = Union[  # noqa: UP007  (compared by users as typing.Union)
    FThetaCameraModelParameters,
    IdealPinholeCameraModelParameters,
    OpenCVPinholeCameraModelParameters,
    OpenCVFisheyeCameraModelParameters,
]
