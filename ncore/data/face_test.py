"""The public face: what is in it, and that importing it costs little."""

# bazel: deps = ["ncore.data", "ncore.data_converter"]

import os
import subprocess
import sys

import pytest

import ncore.data

# All names of ncore.data in nvidia-ncore 19.8.3.
PEER_NAMES = [
    "BBox3",
    "BivariateWindshieldModelParameters",
    "CameraLabelDescriptor",
    "CameraLabelsProtocol",
    "CameraModelParameters",
    "CameraSensorProtocol",
    "ConcreteCameraModelParametersUnion",
    "ConcreteExternalDistortionParametersUnion",
    "ConcreteLidarModelParametersUnion",
    "CuboidTrackObservation",
    "EncodedImageData",
    "EncodedImageHandle",
    "ExternalDistortionParameters",
    "FThetaCameraModelParameters",
    "FrameTimepoint",
    "IdealPinholeCameraModelParameters",
    "LabelCategory",
    "LabelEncoding",
    "LabelSchema",
    "LabelSource",
    "LabelType",
    "LabelUnit",
    "LidarModelParameters",
    "LidarSensorProtocol",
    "OpenCVFisheyeCameraModelParameters",
    "OpenCVPinholeCameraModelParameters",
    "ParaxialPinholeGeometry",
    "PointCloud",
    "PointCloudsSourceProtocol",
    "QuantizationParams",
    "RadarSensorProtocol",
    "RayBundleSensorPointCloudsSourceAdapter",
    "ReferencePolynomial",
    "RowOffsetStructuredSpinningLidarModelParameters",
    "SensorProtocol",
    "SequenceLoaderProtocol",
    "ShutterType",
    "SpinningLidarModelParameters",
    "StructuredSpinningLidarModelParameters",
    "register_camera_model_parameters",
    "register_external_distortion_parameters",
    "register_lidar_model_parameters",
]


@pytest.mark.parametrize("name", PEER_NAMES)
def test_names_of_the_peer(name):
    assert name in ncore.data.__all__
    if not name.startswith("Concrete"):  # unions, some of a single class
        assert getattr(ncore.data, name).__name__ == name


def test_all_names_exist():
    for name in ncore.data.__all__:
        assert getattr(ncore.data, name) is not None


def test_importing_everything_loads_neither_scipy_nor_pillow():
    program = (
        "import sys, ncore.data\n"
        "for name in ncore.data.__all__: getattr(ncore.data, name)\n"
        "print(sorted({'scipy', 'PIL', 'zarr', 'upath'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert run.stdout.strip() == "[]", run.stderr
