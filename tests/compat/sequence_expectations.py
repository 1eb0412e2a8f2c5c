"""Asserts every value of ``sequence.api.expected.*`` and ``labels.api.expected.*``.

The functions take a loader, so that the same sequence can be checked in every
form it is stored in: legacy archives, converted ones, ones that were written anew.
"""

import copy
import hashlib
import io
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image

from ncore.data import (
    CameraModelParameters,
    FrameTimepoint,
    HalfClosedInterval,
    IdealPinholeCameraModelParameters,
    LabelCategory,
    LabelType,
)
from ncore.data.camera_codec import (
    decode_camera_model_parameters,
    encode_camera_model_parameters,
)
from ncore.data.motion_compensation import MotionCompensator
from ncore.data.v4 import (
    CameraLabelsComponent,
    CameraSensorComponent,
    CuboidsComponent,
    IntrinsicsComponent,
    LidarSensorComponent,
    MasksComponent,
    PointCloudsComponent,
    PosesComponent,
    RadarSensorComponent,
    SequenceComponentGroupsReader,
    SequenceLoaderV4,
)
from tests.compat.archives import Expected

# Poses and what is moved by them are computed; float32 coordinates reach a few
# hundred metres, so one unit in the last place is about 3e-5 there.
_POSE_TOLERANCE = {"float32": 1e-6, "float64": 1e-9}
_POINT_TOLERANCE = 1e-4
_ANGLE_TOLERANCE = 5e-7  # radians; arctangents of float32 differ between numpy builds


def check_sequence(reader: SequenceComponentGroupsReader, expected: Expected) -> None:
    """Assert every value of ``sequence.api.expected``."""
    loader = SequenceLoaderV4(reader)
    assert loader.sequence_id == expected["sequence_id"]
    assert loader.generic_meta_data == expected["generic_meta_data"]
    interval = loader.sequence_timestamp_interval_us
    assert [interval.start, interval.stop] == expected["interval"]
    assert loader.camera_ids == sorted(expected["camera_ids"])
    assert loader.lidar_ids == sorted(expected["lidar_ids"])
    assert loader.radar_ids == sorted(expected["radar_ids"])
    assert loader.point_clouds_ids == sorted(expected["point_clouds_ids"])
    _check_poses(reader, expected)
    _check_intrinsics(reader, expected)
    _check_masks(loader, reader, expected)
    _check_pose_graph(loader, expected)
    for camera_id, camera in expected["cameras"].items():
        _check_camera(loader, reader, camera_id, camera, expected)
    for sensor_id, sensor in expected["ray_sensors"].items():
        _check_ray_sensor(loader, sensor_id, sensor, expected)
    for source_id, source in expected["point_clouds"].items():
        _check_point_clouds(loader, source_id, source, expected)
    _check_cuboids(loader, expected)


def _check_poses(reader: SequenceComponentGroupsReader, expected: Expected) -> None:
    poses = reader.open_component_readers(PosesComponent.Reader)["default"]
    static = dict(poses.get_static_poses())
    assert len(static) == len(expected["static_poses"])
    for pose in expected["static_poses"]:
        pair = (pose["source"], pose["target"])
        expected.check(static[pair], pose["pose"])
        # The stored dtype, as in 19.8; 19.0 converted to get_static_pose_dtype_is_always.
        expected.check(poses.get_static_pose(*pair), pose["pose"])
    dynamic = dict(poses.get_dynamic_poses())
    assert len(dynamic) == len(expected["dynamic_poses"])
    for pose in expected["dynamic_poses"]:
        pair = (pose["source"], pose["target"])
        for transforms, timestamps in (dynamic[pair], poses.get_dynamic_pose(*pair)):
            expected.check(transforms, pose["poses"])
            expected.check(timestamps, pose["timestamps_us"])


def _check_intrinsics(reader: SequenceComponentGroupsReader, expected: Expected) -> None:
    intrinsics = reader.open_component_readers(IntrinsicsComponent.Reader)["default"]
    for camera_id, camera in expected["camera_intrinsics"].items():
        parameters = intrinsics.get_camera_model_parameters(camera_id)
        assert type(parameters).__name__ == camera["class"]
        encoded = parameters.to_dict()
        distortion = encoded["external_distortion_parameters"]
        if distortion is not None:  # the tag that 19.8 added
            assert distortion.pop("external_distortion_type") == "bivariate-windshield"
        assert encoded == camera["dict"]
        expected.check(parameters.resolution, camera["resolution"])
        expected.check(parameters.principal_point, camera["principal_point"])
    for lidar_id, lidar in expected["lidar_intrinsics"].items():
        found = intrinsics.get_lidar_model_parameters(lidar_id)
        if lidar is None:
            assert found is None
        else:
            assert found is not None
            assert type(found).__name__ == lidar["class"]
            assert found.to_dict() == lidar["dict"]


def _check_masks(
    loader: SequenceLoaderV4, reader: SequenceComponentGroupsReader, expected: Expected
) -> None:
    masks = reader.open_component_readers(MasksComponent.Reader)["default"]
    for camera_id, camera in expected["masks"].items():
        assert masks.get_camera_mask_names(camera_id) == camera["names"]
        images = dict(masks.get_camera_mask_images(camera_id))
        assert list(images) == camera["names"]
        of_sensor = loader.get_camera_sensor(camera_id).get_mask_images()
        assert list(of_sensor) == camera["names"]
        for name, image in camera["images"].items():
            for found in (images[name], of_sensor[name]):
                assert found.mode == image["mode"]
                expected.check(np.asarray(found), image["array"])


def _check_pose_graph(loader: SequenceLoaderV4, expected: Expected) -> None:
    graph = expected["pose_graph"]
    assert sorted(loader.pose_graph.nodes) == graph["nodes"]
    times = expected.array(graph["timestamps_us"])
    for case in graph["evaluate"]:
        found = loader.pose_graph.evaluate_poses(case["source"], case["target"], times)
        expected.check_computed(found, case["T"], _POSE_TOLERANCE[case["T"]["dtype"]])


def _check_camera(
    loader: SequenceLoaderV4,
    reader: SequenceComponentGroupsReader,
    camera_id: str,
    camera: dict[str, Any],
    expected: Expected,
) -> None:
    sensor = loader.get_camera_sensor(camera_id)
    component = reader.open_component_readers(CameraSensorComponent.Reader)[camera_id]
    assert sensor.sensor_id == component.instance_name == camera_id
    assert sensor.frames_count == component.frames_count == camera["frames_count"]
    expected.check(sensor.frames_timestamps_us, camera["frames_timestamps_us"])
    expected.check(component.frames_timestamps_us, camera["frames_timestamps_us"])
    assert sensor.T_sensor_rig is not None
    expected.check_computed(sensor.T_sensor_rig, camera["T_sensor_rig"], _POSE_TOLERANCE["float32"])
    assert component.component_version == camera["component_version"]
    assert component.generic_meta_data == camera["generic_meta_data"]
    indices = np.arange(camera["frames_count"])
    expected.check_computed(
        sensor.get_frames_T_sensor_target("world", indices),
        camera["T_sensor_world_end"],
        _POSE_TOLERANCE["float64"],
    )
    expected.check_computed(
        sensor.get_frames_T_source_sensor("world", indices, None),
        camera["T_world_sensor_both"],
        _POSE_TOLERANCE["float64"],
    )
    for timestamp, relative_time, index in camera["closest"]:
        assert sensor.get_closest_frame_index(timestamp, relative_time) == index
    times = expected.array(camera["frames_timestamps_us"])
    assert len(camera["frames"]) == camera["frames_count"]
    for index, frame in enumerate(camera["frames"]):
        frame_id = int(times[index, 1])
        assert sensor.get_frame_timestamp_us(index, FrameTimepoint.START) == times[index, 0]
        np.testing.assert_array_equal(component.get_frame_timestamps_us(frame_id), times[index])
        for data in (
            sensor.get_frame_handle(index).get_data(),
            sensor.get_frame_data(index),
            component.get_frame_handle(frame_id).get_data(),
            component.get_frame_data(frame_id),
        ):
            encoded = data.get_encoded_image_data()
            assert data.get_encoded_image_format() == frame["format"]
            assert len(encoded) == frame["encoded_len"]
            assert hashlib.sha256(encoded).hexdigest() == frame["encoded_sha256"]
        _check_decoded(sensor.get_frame_image_array(index), frame, expected)
        _check_decoded(np.asarray(component.get_frame_image(frame_id)), frame, expected)
        _check_frame_generic(sensor, index, frame, expected)


def _check_decoded(actual: Any, frame: dict[str, Any], expected: Expected) -> None:
    if frame.get("format") == "jpeg":
        _check_jpeg(actual, expected.array(frame["decoded"]))
    else:
        expected.check(np.asarray(actual), frame["decoded"])


def _check_jpeg(actual: Any, decoded: Any) -> None:
    # Decoders of different builds round differently.
    assert actual.dtype == decoded.dtype
    assert actual.shape == decoded.shape
    assert np.abs(actual.astype(int) - decoded.astype(int)).max(initial=0) <= 3


def _check_frame_generic(
    sensor: Any, index: int, frame: dict[str, Any], expected: Expected
) -> None:
    assert sensor.get_frame_generic_data_names(index) == sorted(frame["generic_data"])
    assert not sensor.has_frame_generic_data(index, "no such data")
    for name, data in frame["generic_data"].items():
        assert sensor.has_frame_generic_data(index, name)
        expected.check(sensor.get_frame_generic_data(index, name), data)
    assert sensor.get_frame_generic_meta_data(index) == frame["generic_meta_data"]


def _ray_sensor(loader: SequenceLoaderV4, sensor_id: str) -> Any:
    if sensor_id in loader.lidar_ids:
        return loader.get_lidar_sensor(sensor_id)
    return loader.get_radar_sensor(sensor_id)


def _check_ray_sensor(
    loader: SequenceLoaderV4, sensor_id: str, sensor: dict[str, Any], expected: Expected
) -> None:
    found = _ray_sensor(loader, sensor_id)
    expected.check(found.frames_timestamps_us, sensor["frames_timestamps_us"])
    if "T_sensor_rig" in sensor:
        reference = sensor["T_sensor_rig"]
        expected.check_computed(found.T_sensor_rig, reference, _POSE_TOLERANCE["float32"])
    for index, frame in enumerate(sensor["frames"]):
        _check_ray_frame(found, index, frame, expected)


def _check_ray_frame(sensor: Any, index: int, frame: dict[str, Any], expected: Expected) -> None:
    assert sensor.get_frame_ray_bundle_count(index) == frame["n_rays"]
    assert sensor.get_frame_ray_bundle_return_count(index) == frame["n_returns"]
    expected.check(sensor.get_frame_ray_bundle_direction(index), frame["direction"])
    expected.check(sensor.get_frame_ray_bundle_timestamp_us(index), frame["timestamp_us"])
    if "model_element" in frame:
        element = sensor.get_frame_ray_bundle_model_element(index)
        if frame["model_element"] is None:
            assert element is None
        else:
            expected.check(element, frame["model_element"])
    component = sensor.ray_bundle_reader
    frame_id = sensor.get_frame_timestamp_us(index)
    all_distances = component.get_frame_ray_bundle_return_data(frame_id, "distance_m", None)
    all_valid = component.get_frame_ray_bundle_return_valid_mask(frame_id)
    assert all_valid.shape == all_distances.shape == (frame["n_returns"], frame["n_rays"])
    for i in range(frame["n_returns"]):
        distance = sensor.get_frame_ray_bundle_return_distance_m(index, i)
        expected.check(distance, frame["distance_m"][i])
        np.testing.assert_array_equal(all_distances[i], distance)
        valid = sensor.get_frame_ray_bundle_return_valid_mask(index, i)
        expected.check(valid, frame["valid_mask"][i])
        np.testing.assert_array_equal(all_valid[i], valid)
        if "intensity" in frame:
            intensity = sensor.get_frame_ray_bundle_return_intensity(index, i)
            expected.check(intensity, frame["intensity"][i])
        _check_frame_points(sensor, index, i, frame, expected)
    _check_frame_generic(sensor, index, frame, expected)


def _check_frame_points(
    sensor: Any, index: int, i: int, frame: dict[str, Any], expected: Expected
) -> None:
    # The two files of expected values name the same arrays differently.
    if "pc_raw" in frame:
        raw, moved = frame["pc_raw"][i], frame["pc_mc"][i]
        references = {
            (False, "start"): raw["start"],
            (False, "end"): raw["end"],
            (True, "start"): moved["start"],
            (True, "end"): moved["end"],
        }
    else:
        references = {
            (False, "end"): frame["pc_raw_end"][i],
            (True, "start"): frame["pc_mc_start"][i],
            (True, "end"): frame["pc_mc_end"][i],
        }
    for compensate in (False, True):
        cloud = sensor.get_frame_point_cloud(index, compensate, True, i)
        assert cloud.motion_compensation == compensate
        for kind, points in (("start", cloud.xyz_m_start), ("end", cloud.xyz_m_end)):
            reference = references.get((compensate, kind))
            if reference is None:
                continue
            if compensate:
                expected.check_computed(points, reference, _POINT_TOLERANCE)
            else:
                expected.check_computed(points, reference, 0.0)
        without = sensor.get_frame_point_cloud(index, compensate, False, i)
        assert without.xyz_m_start is None
        np.testing.assert_array_equal(without.xyz_m_end, cloud.xyz_m_end)


def _check_point_clouds(
    loader: SequenceLoaderV4, source_id: str, source: dict[str, Any], expected: Expected
) -> None:
    found = loader.get_point_clouds_source(source_id, return_index=source["return_index"])
    assert found.point_clouds_source_id == source_id
    expected.check(found.pc_timestamps_us, source["pc_timestamps_us"])
    assert found.pcs_count == len(source["pcs"]) == source.get("pcs_count", len(source["pcs"]))
    assert found.get_pc_index_range() == range(found.pcs_count)
    for index, cloud in enumerate(source["pcs"]):
        _check_point_cloud(loader, found, index, cloud, expected)


def _check_point_cloud(
    loader: SequenceLoaderV4, source: Any, index: int, cloud: dict[str, Any], expected: Expected
) -> None:
    found = source.get_pc(index)
    computed = source.point_clouds_source_id not in loader.point_clouds_ids
    tolerance = _POINT_TOLERANCE if computed else 0.0
    expected.check_computed(found.xyz, cloud["xyz"], tolerance)
    assert found.points_count == len(found.xyz)
    assert sorted(found.attribute_names) == sorted(cloud["attributes"])
    for name, attribute in cloud["attributes"].items():
        assert found.has_attribute(name)
        if "npz" in attribute:
            expected.check(found.get_attribute(name), attribute)
        else:
            assert found.get_attribute_transform_type(name).name == attribute["type"]
            expected.check(found.get_attribute(name), attribute["value"])
    if "reference_frame_id" not in cloud:
        return
    assert found.reference_frame_id == cloud["reference_frame_id"]
    assert found.reference_frame_timestamp_us == cloud["reference_frame_timestamp_us"]
    assert found.coordinate_unit.name == cloud["unit"]
    assert source.get_pc_generic_data_names(index) == sorted(cloud["generic_data"])
    for name, data in cloud["generic_data"].items():
        assert source.has_pc_generic_data(index, name)
        expected.check(source.get_pc_generic_data(index, name), data)
    assert source.get_pc_generic_meta_data(index) == cloud["generic_meta_data"]
    moved = cloud["transformed_world_T0+700000"]
    time = loader.sequence_timestamp_interval_us.start + 700000
    transformed = found.transform("world", time, loader.pose_graph)
    expected.check_computed(transformed.xyz, moved["xyz"], _POINT_TOLERANCE)
    for name, data in moved["attributes"].items():
        expected.check_computed(transformed.get_attribute(name), data, _POINT_TOLERANCE)


def _check_cuboids(loader: SequenceLoaderV4, expected: Expected) -> None:
    found = list(loader.get_cuboid_track_observations())
    assert [observation.to_dict() for observation in found] == expected["cuboids"]
    if "cuboids_in_interval" not in expected.document:
        return
    case = expected["cuboids_in_interval"]
    inside = loader.get_cuboid_track_observations(HalfClosedInterval(*case["interval"]))
    assert [observation.timestamp_us for observation in inside] == case["timestamps"]
    time = loader.sequence_timestamp_interval_us.start + 400000
    moved = [o.transform("rig", time, loader.pose_graph).to_dict() for o in found]
    for actual, wanted in zip(moved, expected["cuboids_transformed_rig_T0+400000"], strict=True):
        box, wanted_box = actual.pop("bbox3"), copy.deepcopy(wanted)
        box_expected = wanted_box.pop("bbox3")
        assert actual == wanted_box
        for key, values in box_expected.items():
            np.testing.assert_allclose(box[key], values, rtol=0, atol=1e-5)


def check_labels(reader: SequenceComponentGroupsReader, expected: Expected) -> None:
    """Assert every value of ``labels.api.expected``."""
    loader = SequenceLoaderV4(reader)
    assert loader.sequence_id == expected["sequence_id"]
    assert loader.generic_meta_data == expected["generic_meta_data"]
    interval = loader.sequence_timestamp_interval_us
    assert [interval.start, interval.stop] == expected["interval"]
    assert {
        "camera": loader.camera_ids,
        "lidar": loader.lidar_ids,
        "radar": loader.radar_ids,
        "point_clouds": loader.point_clouds_ids,
        "camera_labels": loader.camera_labels_ids,
    } == expected["ids"]
    check_label_layers(reader, expected)
    intrinsics = reader.open_component_readers(IntrinsicsComponent.Reader)["default"]
    for camera_id, camera in expected["camera_intrinsics"].items():
        if camera_id in loader.camera_ids:
            stored = intrinsics.get_camera_model_parameters(camera_id)
            _check_camera_model(stored, camera, expected)
        _check_camera_model(decode_camera_model_parameters(camera["encoded"]), camera, expected)
    for lidar_id, lidar in expected["lidar_intrinsics"].items():
        model = intrinsics.get_lidar_model_parameters(lidar_id)
        assert model is not None
        assert model.type() == lidar["type"]
        assert model.to_dict() == lidar["dict"]
        for fov, wanted in (
            (model.get_vertical_fov(), lidar["vertical_fov"]),
            (model.get_horizontal_fov(), lidar["horizontal_fov"]),
        ):
            assert float(fov.start_rad) == wanted["start_rad"]
            assert float(fov.span_rad) == pytest.approx(wanted["span_rad"], abs=2e-7)
            assert fov.direction == wanted["direction"]
    _check_component_generic(reader, expected)
    poses = reader.open_component_readers(PosesComponent.Reader)["default"]
    for camera_id, dtype in expected["pose_dtypes"].items():
        assert poses.get_static_pose(camera_id, "rig").dtype == dtype
    transforms, times = poses.get_dynamic_pose("rig", "world")
    expected.check(transforms, expected["dynamic_pose"][0])
    expected.check(times, expected["dynamic_pose"][1])
    for camera_id, camera in expected["cameras"].items():
        _check_label_camera(loader, camera_id, camera, expected)
    for sensor_id, sensor in expected["ray_sensors"].items():
        _check_ray_sensor(loader, sensor_id, sensor, expected)
    _check_motion(loader, expected)
    for source_id, source in expected["point_clouds"].items():
        _check_point_clouds(loader, source_id, source, expected)
    _check_cuboids(loader, expected)


def check_label_layers(reader: SequenceComponentGroupsReader, expected: Expected) -> None:
    """Assert the expected label layers and queries for them."""
    loader = SequenceLoaderV4(reader)
    layers = reader.open_component_readers(CameraLabelsComponent.Reader)
    assert layers.keys() == expected["camera_labels"].keys()
    for name, layer in expected["camera_labels"].items():
        _check_layer(loader, layers[name], name, layer, expected)
    _check_queries(loader, expected)


def _check_layer(
    loader: SequenceLoaderV4,
    reader: CameraLabelsComponent.Reader,
    name: str,
    layer: dict[str, Any],
    expected: Expected,
) -> None:
    found = loader.get_camera_labels(name)
    descriptor = found.label_descriptor
    assert descriptor == reader.label_descriptor
    assert descriptor.to_dict() == layer["descriptor"]
    assert descriptor.default_instance_name == layer["default_instance_name"]
    assert descriptor.label_type.category.value == layer["category_value"]
    assert str(descriptor.label_schema.dtype) == layer["dtype"]
    assert found.labels_count == layer["labels_count"] == len(layer["labels"])
    expected.check(found.label_timestamps_us, layer["label_timestamps_us"])
    assert found.labels_generic_meta_data == layer["labels_generic_meta_data"]
    assert reader.component_version == layer["component_version"]
    assert reader.get_generic_data_names() == sorted(layer["generic_data"])
    for key, data in layer["generic_data"].items():
        expected.check(reader.get_generic_data(key), data)
    for wanted in layer["labels"]:
        label = found.get_label(wanted["timestamp_us"])
        assert label.timestamp_us == wanted["timestamp_us"]
        assert label.generic_meta_data == wanted["generic_meta_data"]
        encoded = label.get_encoded_data()
        if wanted["encoded"] is None:
            assert encoded is None
        else:
            assert encoded is not None
            assert len(encoded) == wanted["encoded"]["len"]
            assert hashlib.sha256(encoded).hexdigest() == wanted["encoded"]["sha256"]
        if "error" in wanted["data"]:
            with pytest.raises(getattr(PIL, wanted["data"]["error"])):
                label.get_data()
        elif encoded is not None and Image.open(io.BytesIO(encoded)).format == "JPEG":
            _check_jpeg(label.get_data(), expected.array(wanted["data"]))
        else:
            expected.check(label.get_data(), wanted["data"])


def _check_queries(loader: SequenceLoaderV4, expected: Expected) -> None:
    names = {
        id_: loader.get_camera_labels(id_).label_descriptor for id_ in loader.camera_labels_ids
    }
    for query in expected["queries"]:
        kind = query["label_type"]
        category = query["label_category"]
        found = loader.query_camera_labels(
            query["camera_id"],
            None if kind is None else LabelType.from_dict(kind),
            None if category is None else LabelCategory[category],
        )
        wanted = [names[name] for name in query["instances"]]
        assert [labels.label_descriptor for labels in found] == wanted


def _check_camera_model(
    model: CameraModelParameters, camera: dict[str, Any], expected: Expected
) -> None:
    assert type(model).__name__ == camera["class"]
    assert model.type() == camera["type"]
    assert model.to_dict() == camera["dict"]
    assert encode_camera_model_parameters(model) == camera["encoded"]
    geometry = model.paraxial_pinhole_geometry()
    for key, reference in camera["paraxial"].items():
        expected.check(getattr(geometry, key), reference)
    ideal = IdealPinholeCameraModelParameters
    expected.check_computed(ideal.natural_fov(model), camera["natural_fov"], _ANGLE_TOLERANCE)
    assert ideal.from_source(model, 1.0).to_dict() == camera["from_source_1.0"]
    if "fov" in camera:
        assert isinstance(model, ideal)
        expected.check_computed(model.fov(), camera["fov"], _ANGLE_TOLERANCE)
    if "is_distortion_free" in camera:
        assert model.is_distortion_free == camera["is_distortion_free"]  # type: ignore[attr-defined]


def _check_component_generic(reader: SequenceComponentGroupsReader, expected: Expected) -> None:
    kinds = {
        kind.get_component_name(): kind
        for kind in (
            PosesComponent.Reader,
            IntrinsicsComponent.Reader,
            MasksComponent.Reader,
            CameraSensorComponent.Reader,
            LidarSensorComponent.Reader,
            RadarSensorComponent.Reader,
            CuboidsComponent.Reader,
            PointCloudsComponent.Reader,
            CameraLabelsComponent.Reader,
        )
    }
    for path, wanted in expected["component_generic"].items():
        component, _, name = path.partition("/")
        instance: Any = reader.open_component_readers(kinds[component])[name]  # type: ignore[type-abstract]
        assert instance.generic_meta_data == wanted["generic_meta_data"]
        assert instance.get_generic_data_names() == sorted(wanted["generic_data"])
        assert instance.has_generic_data("x") == wanted["has_x"]
        assert instance.component_version == wanted["version"]
        for key, data in wanted["generic_data"].items():
            assert instance.has_generic_data(key)
            expected.check(instance.get_generic_data(key), data)


def _check_label_camera(
    loader: SequenceLoaderV4, camera_id: str, camera: dict[str, Any], expected: Expected
) -> None:
    sensor = loader.get_camera_sensor(camera_id)
    expected.check(sensor.frames_timestamps_us, camera["frames_timestamps_us"])
    assert type(sensor.model_parameters).__name__ == camera["model"]
    indices = np.arange(len(camera["frames"]))
    expected.check_computed(
        sensor.get_frames_T_sensor_target("world", indices),
        camera["T_sensor_world_end"],
        _POSE_TOLERANCE["float64"],
    )
    for index, frame in enumerate(camera["frames"]):
        data = sensor.get_frame_data(index)
        digest = hashlib.sha256(data.get_encoded_image_data()).hexdigest()
        assert digest == frame["encoded_sha256"]
        decoded = {"format": data.get_encoded_image_format(), **frame}
        _check_decoded(sensor.get_frame_image_array(index), decoded, expected)
        _check_frame_generic(sensor, index, frame, expected)


def _check_motion(loader: SequenceLoaderV4, expected: Expected) -> None:
    motion = expected["motion"]
    sensor = loader.get_lidar_sensor("lidar_top")
    index = motion["frame"]
    start, end = (int(time) for time in sensor.frames_timestamps_us[index])
    points = sensor.get_frame_point_cloud(index, False, False).xyz_m_end
    times = sensor.get_frame_ray_bundle_timestamp_us(index)
    compensator = MotionCompensator(loader.pose_graph)
    for case in motion["variants"]:
        options = {
            "reference_timestamp_us": case["reference_timestamp_us"],
            "anchor_frame_id": case["anchor_frame_id"],
        }
        result = compensator.motion_compensate_points(
            "lidar_top", points, times, start, end, **options
        )
        assert [
            result.reference_frame_id,
            result.reference_timestamp_us,
            result.anchor_frame_id,
        ] == case["result_reference"]
        expected.check_computed(result.xyz_s_reftime, case["start"], _POINT_TOLERANCE)
        expected.check_computed(result.xyz_e_reftime, case["end"], _POINT_TOLERANCE)
        back = compensator.motion_decompensate_points(
            "lidar_top", result.xyz_e_reftime, times, start, end, **options
        )
        expected.check_computed(back, case["decompensated"], _POINT_TOLERANCE)
