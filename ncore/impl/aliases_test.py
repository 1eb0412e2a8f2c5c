"""Module paths that exist inside NVIDIA's ncore 19.8 lead to our classes."""

# bazel: deps = ["ncore.impl.common.transformations", "ncore.impl.data.compat", "ncore.impl.data.stores", "ncore.impl.data.types", "ncore.impl.data.util", "ncore.impl.data.v4.compat", "ncore.impl.data.v4.components", "ncore.impl.data.v4.types", "ncore.impl.data_converter.base", "ncore.data", "ncore.data.v4", "ncore.data_converter", "ncore.stores"]  # noqa: E501

import importlib

import pytest

MODULES = {
    "common.transformations": "HalfClosedInterval MotionCompensator PoseGraphInterpolator "
    "PoseInterpolator se3_inverse transform_bbox transform_point_cloud",
    "data.compat": "CameraLabelsProtocol RayBundleSensorProtocol SensorProtocol",
    "data.stores": "IndexedTarStore ConsolidatedCompressedMetadataStore "
    "consolidate_compressed_metadata open_compressed_consolidated",
    "data.types": "BBox3 CameraModelParameters PinholeCameraModelParameters JsonLike "
    "decode_camera_model_parameters encode_lidar_model_parameters",
    "data.util": "DecodedValueCache FOV closest_index_sorted relative_angle "
    "compute_max_angle_with_monotonicity numpy_array_field enum_field dtype_field",
    "data.v4.compat": "SequenceLoaderV4",
    "data.v4.components": "PosesComponent SequenceComponentGroupsReader ComponentWriter "
    "BaseSensorComponentReader BaseRayBundleSensorComponentWriter",
    "data.v4.types": "ComponentGroupAssignments",
    "data_converter.base": "BaseDataConverter FileBasedDataConverterConfig",
}


@pytest.mark.parametrize("module", MODULES)
def test_names_of_the_peer(module):
    aliases = importlib.import_module(f"ncore.impl.{module}")
    for name in MODULES[module].split():
        assert name in aliases.__all__
    for name in aliases.__all__:
        assert getattr(aliases, name) is not None


@pytest.mark.parametrize(
    ("public", "alias"),
    [
        ("ncore.data", "ncore.impl.data.types"),
        ("ncore.data", "ncore.impl.data.compat"),
        ("ncore.data.v4", "ncore.impl.data.v4.components"),
        ("ncore.data_converter", "ncore.impl.data_converter.base"),
        ("ncore.stores", "ncore.impl.data.stores"),
    ],
)
def test_both_names_mean_the_same_class(public, alias):
    public_module, alias_module = map(importlib.import_module, (public, alias))
    shared = set(public_module.__all__) & set(alias_module.__all__)
    assert shared
    for name in shared:
        assert getattr(public_module, name) is getattr(alias_module, name)
