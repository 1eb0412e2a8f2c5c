"""What the original got or gets wrong, and is right here.

docs/ncore-v4.md lists these behaviours by the names of their tests.
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from PIL import Image
from upath import UPath

from ncore.data import (
    CameraLabelDescriptor,
    LabelCategory,
    LabelEncoding,
    LabelSchema,
    LabelSource,
    LabelType,
    PointCloud,
    QuantizationParams,
)
from ncore.data.errors import InvalidDataError
from ncore.data.v4 import (
    CameraLabelsComponent,
    CameraSensorComponent,
    ComponentReader,
    ComponentWriter,
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
from ncore.data.v4.errors import SequenceFormatError
from tests.data import small_sequence as small

END = small.FRAME_ENDS[0]


def edit_json(path: Path, change: Any) -> None:
    """Change a metadata document of a zarr directory, in the root's copy as well."""
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    root_file = next(parent for parent in path.parents if parent.suffix == ".zarr") / "zarr.json"
    root = json.loads(root_file.read_bytes())
    name = str(path.parent.relative_to(root_file.parent))
    change(root["consolidated_metadata"]["metadata"][name])
    root_file.write_text(json.dumps(root))


def directory_sequence(tmp_path: Path) -> tuple[list[UPath], Path]:
    """A sequence as directories, and the directory of its default component group."""
    paths = small.write_everything(small.writer(tmp_path, store_type="directory"))
    return paths, tmp_path / "s.ncore4.zarr"


# Poses


@pytest.mark.parametrize(
    "name",
    [
        "__import__('pathlib').Path('evaluated').touch()",
        "('rig', open('evaluated', 'w').name)",
        "('rig',)",
        "('rig', 1)",
        "['rig', 'world']",
        "rig",
        "('rig', 'world'",
        "(" * 500,
    ],
)
def test_pose_names_are_never_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    small.write_everything(small.writer(tmp_path, store_type="directory"))
    calibration = tmp_path / "s.ncore4-calibration.zarr"

    def add(document: Any) -> None:
        attributes = document["attributes"]
        attributes[name] = {"dtype": "float32", "pose": np.eye(4).tolist()}

    edit_json(calibration / "poses" / "default" / "static_poses" / "zarr.json", add)
    reader = SequenceComponentGroupsReader([calibration])
    poses = reader.open_component_readers(PosesComponent.Reader)["default"]
    with pytest.raises(SequenceFormatError, match="not the repr of two frame names") as caught:
        list(poses.get_static_poses())
    assert isinstance(caught.value, ValueError)
    assert not Path("evaluated").exists()


def test_pose_names_survive_any_quoting(tmp_path: Path) -> None:
    pairs = [("it's", 'a "b"'), ("é\\x", "日本"), ("a\nb", "', '"), ("{}", "\U0001f697")]
    with small.writer(tmp_path) as sequence:
        poses = sequence.register_component_writer(PosesComponent.Writer, "default")
        for pair in pairs:
            poses.store_static_pose(*pair, np.eye(4, dtype=np.float16))
    reader = SequenceComponentGroupsReader(list(tmp_path.glob("*.itar")))
    found = reader.open_component_readers(PosesComponent.Reader)["default"]
    assert {pair for pair, _ in found.get_static_poses()} == set(pairs)
    assert found.get_static_pose(*pairs[0]).dtype == np.float16


@pytest.mark.parametrize("second", [("rig", "world"), ("world", "rig")])
@pytest.mark.parametrize("dynamic_first", [True, False])
def test_duplicate_and_inverse_poses_are_refused(
    tmp_path: Path, second: tuple[str, str], dynamic_first: bool
) -> None:
    sequence = small.writer(tmp_path)
    poses = sequence.register_component_writer(PosesComponent.Writer, "default")
    if dynamic_first:
        poses.store_dynamic_pose("rig", "world", *small.trajectory())
    else:
        poses.store_static_pose("rig", "world", np.eye(4))
    with pytest.raises(InvalidDataError, match="already a pose"):
        poses.store_static_pose(*second, np.eye(4))
    with pytest.raises(InvalidDataError, match="already a pose"):
        poses.store_dynamic_pose(*second, *small.trajectory())
    loader = small.read(sequence.finalize())
    assert loader.pose_graph.nodes == {"rig", "world"}


@pytest.mark.parametrize("order", [[0, 2, 1, 3, 4], [4, 3, 2, 1, 0], [0, 1, 1, 2, 4]])
def test_pose_timestamps_must_increase(tmp_path: Path, order: list[int]) -> None:
    sequence = small.writer(tmp_path)
    poses = sequence.register_component_writer(PosesComponent.Writer, "default")
    transforms, times = small.trajectory()
    with pytest.raises(InvalidDataError, match="increase strictly"):
        poses.store_dynamic_pose("rig", "world", transforms, times[order], False)


def test_mirrored_poses_are_refused(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path, store_type="directory")
    poses = sequence.register_component_writer(PosesComponent.Writer, "default")
    transforms, times = small.trajectory()
    mirrored = transforms.copy()
    mirrored[1, 0, 0] = -1
    with pytest.raises(InvalidDataError, match=r"'rig' -> 'world': pose 1 .* determinant"):
        poses.store_dynamic_pose("rig", "world", mirrored, times)
    poses.store_dynamic_pose("rig", "world", transforms, times)
    (path,) = sequence.finalize()

    def mirror(document: Any) -> None:
        document["attributes"]["('rig', 'world')"]["poses"][1] = mirrored[1].tolist()

    edit_json(Path(path) / "poses/default/dynamic_poses/zarr.json", mirror)
    reader = SequenceComponentGroupsReader([path])
    found = reader.open_component_readers(PosesComponent.Reader)["default"]
    np.testing.assert_array_equal(found.get_dynamic_pose("rig", "world")[0], mirrored)
    message = r"s\.ncore4\.zarr: .*'poses/default'.*'rig' in 'world': pose 1 .* is -0.9"
    with pytest.raises(InvalidDataError, match=message):
        _ = SequenceLoaderV4(reader).pose_graph


@pytest.mark.parametrize(
    ("rotation", "message"),
    [
        (np.diag([-1.0, 1, 1]), r"the determinant .* is -1"),
        (np.zeros((3, 3)), r"the determinant .* is 0"),
        (np.diag([1.0, 1, 0]), r"the determinant .* is 0"),
        (np.eye(3) * 1.1, "no rigid transformation"),
        (np.array([[1.0, 0.1, 0], [0, 1, 0], [0, 0, 1]]), "no rigid transformation"),
    ],
    ids=["mirrored", "zero", "singular", "scaled", "sheared"],
)
def test_poses_that_are_not_rigid_are_refused(
    tmp_path: Path, rotation: np.ndarray[Any, Any], message: str
) -> None:
    sequence = small.writer(tmp_path)
    poses = sequence.register_component_writer(PosesComponent.Writer, "default")
    pose = np.eye(4)
    pose[:3, :3] = rotation
    with pytest.raises(InvalidDataError, match=f"'front' -> 'rig': the pose .*{message}"):
        poses.store_static_pose("front", "rig", pose)
    transforms, times = small.trajectory()
    transforms[3] = pose
    with pytest.raises(InvalidDataError, match=f"'rig' -> 'world': pose 3 .*{message}"):
        poses.store_dynamic_pose("rig", "world", transforms, times)
    for dtype in (np.float16, np.float32):  # what rounding does to a rotation is no matter
        rounded = small.trajectory()[0][4].astype(dtype)
        poses.store_static_pose(np.dtype(dtype).name, "rig", rounded)
    reader = SequenceComponentGroupsReader(sequence.finalize())
    found = reader.open_component_readers(PosesComponent.Reader)["default"]
    assert {pair for pair, _ in found.get_static_poses()} == {
        ("float16", "rig"),
        ("float32", "rig"),
    }
    assert list(found.get_dynamic_poses()) == []


def test_poses_keep_their_dtype(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    poses = sequence.register_component_writer(PosesComponent.Writer, "default")
    for dtype in ("float16", "float32", "float64"):
        poses.store_static_pose(dtype, "rig", np.eye(4, dtype=dtype))
    transforms, times = small.trajectory()
    poses.store_dynamic_pose("rig", "world", transforms.astype(np.float32), times)
    reader = SequenceComponentGroupsReader(sequence.finalize())
    found = reader.open_component_readers(PosesComponent.Reader)["default"]
    for dtype in ("float16", "float32", "float64"):
        assert found.get_static_pose(dtype, "rig").dtype == dtype
    assert found.get_dynamic_pose("rig", "world")[0].dtype == np.float32


def test_t_sensor_rig_of_a_moving_sensor_is_none(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    small.write_poses(sequence)
    poses = sequence.register_component_writer(PosesComponent.Writer, "moving")
    poses.store_dynamic_pose("front", "rig", *small.trajectory())
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    camera.store_frame(b"x", "png", small.frame_times(END), {}, {})
    paths = sequence.finalize()
    reader = SequenceComponentGroupsReader(paths)
    moving = SequenceLoaderV4(reader, poses_component_group_name="moving")
    sensor = moving.get_camera_sensor("front")
    assert sensor.T_sensor_rig is None
    assert sensor.get_frames_T_sensor_target("rig", 0).shape == (4, 4)
    fixed = SequenceLoaderV4(reader).get_camera_sensor("front").T_sensor_rig
    assert fixed is not None


# What is empty


def test_sensors_without_frames(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    small.write_poses(sequence)
    for component, name in (
        (CameraSensorComponent, "front"),
        (LidarSensorComponent, "top"),
        (RadarSensorComponent, "bumper"),
    ):
        sequence.register_component_writer(component.Writer, name)
    with_frames = sequence.register_component_writer(CameraSensorComponent.Writer, "rear")
    with_frames.store_frame(b"x", "png", small.frame_times(END), {}, {})
    loader = small.read(sequence.finalize())
    assert loader.camera_ids == ["front", "rear"]
    for sensor in (
        loader.get_camera_sensor("front"),
        loader.get_lidar_sensor("top"),
        loader.get_radar_sensor("bumper"),
    ):
        assert sensor.frames_count == 0
        assert sensor.frames_timestamps_us.shape == (0, 2)
        assert sensor.frames_timestamps_us.dtype == np.uint64
        assert sensor.T_sensor_rig is not None
        assert list(sensor.get_frame_index_range()) == []
        with pytest.raises(IndexError):
            sensor.get_frame_generic_meta_data(0)
    assert loader.get_point_clouds_source("top").pcs_count == 0
    assert loader.get_camera_sensor("rear").frames_count == 1


@pytest.mark.parametrize("store_type", ["itar", "directory"])
@pytest.mark.parametrize(("n_rays", "n_returns"), [(0, 2), (7, 0), (0, 0), (0, 1)])
def test_frames_without_rays_or_returns(
    tmp_path: Path, store_type: str, n_rays: int, n_returns: int
) -> None:
    sequence = small.writer(tmp_path, store_type=store_type)
    small.write_poses(sequence)
    frame = small.ray_frame(END, n_rays, n_returns)
    lidar = sequence.register_component_writer(LidarSensorComponent.Writer, "top")
    lidar.store_frame(
        **frame, generic_data={"rgb": np.zeros((n_rays, 3), np.uint8)}, generic_meta_data={}
    )
    radar = sequence.register_component_writer(RadarSensorComponent.Writer, "bumper")
    del frame["model_element"], frame["intensity"]
    radar.store_frame(**frame, generic_data={}, generic_meta_data={})
    loader = small.read(sequence.finalize())
    sensor = loader.get_lidar_sensor("top")
    assert sensor.get_frame_ray_bundle_count(0) == n_rays
    assert sensor.get_frame_ray_bundle_return_count(0) == n_returns
    assert sensor.get_frame_ray_bundle_direction(0).shape == (n_rays, 3)
    element = sensor.get_frame_ray_bundle_model_element(0)
    assert element is not None
    assert element.shape == (n_rays, 2)
    assert sensor.get_frame_generic_data(0, "rgb").shape == (n_rays, 3)
    component = loader.get_radar_sensor("bumper").ray_bundle_reader  # type: ignore[attr-defined]
    mask = component.get_frame_ray_bundle_return_valid_mask(END)
    assert mask.shape == (n_returns, n_rays)
    assert mask.dtype == np.bool_
    distances = component.get_frame_ray_bundle_return_data(END, "distance_m")
    assert distances.shape == (n_returns, n_rays)
    for r in range(n_returns):
        for compensate in (True, False):
            cloud = sensor.get_frame_point_cloud(0, compensate, True, r)
            assert cloud.xyz_m_end.shape == (n_rays, 3)
            assert cloud.xyz_m_start is not None
            assert cloud.xyz_m_start.shape == (n_rays, 3)
        assert loader.get_point_clouds_source("top", return_index=r).get_pc(0).points_count == 0
    with pytest.raises(IndexError):
        sensor.get_frame_ray_bundle_return_distance_m(0, n_returns)


def test_point_clouds_without_points(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    schema = PointCloudsComponent.AttributeSchema(
        PointCloud.AttributeTransformType.DIRECTION, np.dtype("float32"), (3,)
    )
    clouds = sequence.register_component_writer(
        PointCloudsComponent.Writer,
        "map",
        coordinate_unit=PointCloud.CoordinateUnit.UNITLESS,
        attribute_schemas={"normal": schema},
    )
    none = np.zeros((0, 3), np.float32)
    clouds.store_pc(none, "world", small.START, {"normal": none}, {"zero": np.zeros((2, 0))})
    sequence.register_component_writer(
        PointCloudsComponent.Writer, "nothing", coordinate_unit=PointCloud.CoordinateUnit.METERS
    )
    loader = small.read(sequence.finalize())
    cloud = loader.get_point_clouds_source("map").get_pc(0)
    assert cloud.points_count == 0
    assert cloud.get_attribute("normal").shape == (0, 3)
    assert loader.get_point_clouds_source("map").get_pc_generic_data(0, "zero").shape == (2, 0)
    assert loader.get_point_clouds_source("nothing").pcs_count == 0


@pytest.mark.parametrize(
    "value",
    [
        np.float32(2.5),
        np.str_("a name"),
        np.array(7, ">u2"),
        np.array("2026-01-01", "<M8[us]"),
        np.zeros((0, 2), ">c16"),
        np.array([["", "xyz"]]),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
    ],
)
def test_generic_data_of_any_shape(tmp_path: Path, value: Any) -> None:
    sequence = small.writer(tmp_path)
    clouds = sequence.register_component_writer(
        PointCloudsComponent.Writer, "map", coordinate_unit=PointCloud.CoordinateUnit.METERS
    )
    points = np.zeros((1, 3), np.float32)
    clouds.store_pc(points, "world", small.START, generic_data={"x": value})
    clouds.set_generic_data({"x": value})
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    times = small.frame_times(small.FRAME_ENDS[0])
    camera.store_frame(small.encoded_image(1), "png", times, {"x": value}, {})
    stores = SequenceComponentGroupsReader(sequence.finalize())
    (reader,) = stores.open_component_readers(PointCloudsComponent.Reader).values()
    camera_reader = stores.open_component_readers(CameraSensorComponent.Reader)["front"]
    for found in (
        reader.get_generic_data("x"),
        reader.get_pc_generic_data(0, "x"),
        camera_reader.get_frame_generic_data(small.FRAME_ENDS[0], "x"),
    ):
        assert found.shape == value.shape
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize("dtype", ["<U0", "|S0"])
def test_legacy_empty_strings(tmp_path: Path, dtype: str) -> None:
    """Empty strings without dimensions, as the original stores them; it cannot read them."""
    sequence = small.writer(tmp_path, store_type="directory")
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    camera.store_frame(b"x", "png", small.frame_times(END), {}, {})
    (path,) = sequence.finalize()
    document = {
        "zarr_format": 2,
        "shape": [],
        "chunks": [],
        "dtype": dtype,
        "compressor": None,
        "filters": None,
        "fill_value": "" if dtype == "<U0" else None,
        "order": "C",
    }
    v2 = tmp_path / "v2.ncore4.zarr"
    root = zarr.open_group(v2, mode="w", zarr_format=2)
    root.attrs.put(dict(zarr.open_group(path, mode="r").attrs))
    frames = root.create_group("cameras/front/frames")
    root["cameras/front"].attrs.put({"component_version": "v1"})
    frames.attrs.put({"frames_timestamps_us": [[END - 1, END]]})
    frames.create_group(f"{END}/generic_data")
    array = v2 / f"cameras/front/frames/{END}/generic_data/name"
    array.mkdir()
    (array / ".zarray").write_text(json.dumps(document))
    (array / "0").write_bytes(bytes(4))
    reader = SequenceComponentGroupsReader([v2])
    camera_reader = reader.open_component_readers(CameraSensorComponent.Reader)["front"]
    value = camera_reader.get_frame_generic_data(END, "name")
    assert value.shape == ()
    assert value.dtype.kind == dtype[1]
    assert not value[()]


def test_sequence_without_poses_or_intrinsics_opens(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    camera.store_frame(small.encoded_image(1), "png", small.frame_times(END), {}, {})
    lidar = sequence.register_component_writer(LidarSensorComponent.Writer, "top")
    lidar.store_frame(**small.ray_frame(END), generic_data={}, generic_meta_data={})
    loader = small.read(sequence.finalize())
    assert loader.pose_graph.nodes == set()
    sensor = loader.get_camera_sensor("front")
    assert sensor.get_frame_image_array(0).shape == (6, 8, 3)
    assert sensor.T_sensor_rig is None
    assert sensor.get_mask_images() == {}
    with pytest.raises(KeyError, match="no intrinsics"):
        _ = sensor.model_parameters
    with pytest.raises(KeyError):
        sensor.get_frames_T_sensor_target("rig", 0)
    assert loader.get_lidar_sensor("top").model_parameters is None
    cloud = loader.get_lidar_sensor("top").get_frame_point_cloud(0, False, False)
    assert cloud.xyz_m_end.shape == (small.N_RAYS, 3)
    assert list(loader.get_cuboid_track_observations()) == []


def test_empty_poses_component_opens(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    sequence.register_component_writer(PosesComponent.Writer, "default")
    sequence.register_component_writer(IntrinsicsComponent.Writer, "default")
    sequence.register_component_writer(MasksComponent.Writer, "default")
    loader = small.read(sequence.finalize())
    assert loader.pose_graph.nodes == set()


def test_cuboids_that_were_never_stored(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path, store_type="directory")
    sequence.register_component_writer(CuboidsComponent.Writer, "default")
    paths = sequence.finalize()
    assert list(small.read(paths).get_cuboid_track_observations()) == []
    # As the original leaves it: without the group.
    (path,) = paths
    for file in (Path(path) / "cuboids" / "default" / "cuboids").iterdir():
        file.unlink()
    (Path(path) / "cuboids" / "default" / "cuboids").rmdir()
    loader = small.read(paths, open_consolidated=False)
    assert list(loader.get_cuboid_track_observations()) == []


def test_a_wrong_component_instance_name_is_an_error(tmp_path: Path) -> None:
    reader = SequenceComponentGroupsReader(small.write_everything(small.writer(tmp_path)))
    for option in ("poses", "intrinsics", "masks", "cuboids"):
        with pytest.raises(AssertionError, match="'other' not found") as caught:
            SequenceLoaderV4(reader, **{f"{option}_component_group_name": "other"})  # type: ignore[arg-type]
        assert isinstance(caught.value, KeyError)


# Bytes


@pytest.mark.parametrize("store_type", ["itar", "directory"])
@pytest.mark.parametrize(
    "data", [b"\xff\xd8abc\0\0", b"\0\0\0", b"\0", b"", bytes(range(256)) * 3 + b"\0" * 700]
)
def test_images_keep_every_byte(tmp_path: Path, store_type: str, data: bytes) -> None:
    sequence = small.writer(tmp_path, store_type=store_type)
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    camera.store_frame(data, "jpeg", small.frame_times(END), {}, {})
    (path,) = sequence.finalize()
    sensor = small.read([path]).get_camera_sensor("front")
    assert sensor.get_frame_data(0).get_encoded_image_data() == data
    assert sensor.get_frame_handle(0).get_data().get_encoded_image_format() == "jpeg"


@pytest.mark.parametrize("value", [b"\xff\xd8abc\0\0", b"\0\0\0", b"abc"])
@pytest.mark.parametrize("compressed", [False, True])
def test_legacy_images_keep_trailing_nuls(tmp_path: Path, value: bytes, compressed: bool) -> None:
    """A 0-d ``|S<n>`` array, as the original writes images, in a v2 hierarchy."""
    from numcodecs import Blosc

    path = tmp_path / "s.ncore4.zarr"
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.attrs.put(
        {
            "version": "v4",
            "sequence_id": "s",
            "sequence_timestamp_interval_us": {"start": 0, "stop": 100},
            "generic_meta_data": {},
            "component_group_name": "",
        }
    )
    camera = root.create_group("cameras/front")
    camera.attrs.put({"component_version": "v1"})
    frames = camera.create_group("frames")
    frames.attrs.put({"frames_timestamps_us": [[1, 2]]})
    image = frames.create_group("2").create_array(
        "image",
        shape=(),
        dtype=f"S{len(value)}",
        compressors=Blosc("lz4", 5, 0) if compressed else None,
        config={"write_empty_chunks": True},
    )
    image[...] = np.bytes_(value)
    image.attrs.put({"format": "png"})
    reader = SequenceComponentGroupsReader([path])
    found = reader.open_component_readers(CameraSensorComponent.Reader)["front"].get_frame_data(2)
    assert found.get_encoded_image_data() == value
    assert found.get_encoded_image_format() == "png"


def test_masks_keep_every_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Image.Image.save

    def save_with_nuls(self: Any, file: Any, *args: Any, **options: Any) -> None:
        real(self, file, *args, **options)
        file.write(b"\0\0\0")

    monkeypatch.setattr(Image.Image, "save", save_with_nuls)
    sequence = small.writer(tmp_path)
    masks = sequence.register_component_writer(MasksComponent.Writer, "default")
    masks.store_camera_masks("front", {"ego": Image.new("1", (4, 4), 1)})
    reader = SequenceComponentGroupsReader(sequence.finalize())
    found = reader.open_component_readers(MasksComponent.Reader)["default"]
    raw = found._node.read_blob("cameras/front/ego")
    assert raw.endswith(b"IEND\xaeB`\x82\0\0\0")
    assert found.get_camera_mask_image("front", "ego").size == (4, 4)


# Names


@pytest.mark.parametrize(
    "name", ["a/b", "/a", "a/", "", "..", ".", "zarr.json", ".zgroup", "__x", 3]
)
def test_instance_names_that_break_readers_are_refused(tmp_path: Path, name: Any) -> None:
    sequence = small.writer(tmp_path)
    with pytest.raises(InvalidDataError, match="component instance name"):
        sequence.register_component_writer(CameraSensorComponent.Writer, name)
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    with pytest.raises(InvalidDataError, match="generic data name"):
        camera.store_frame(
            b"x",
            "png",
            small.frame_times(END),
            {name: np.zeros(3)},
            {},
        )
    assert small.read(sequence.finalize()).camera_ids == ["front"]


def test_names_of_all_kinds_are_checked(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    intrinsics = sequence.register_component_writer(IntrinsicsComponent.Writer, "default")
    with pytest.raises(InvalidDataError, match="camera id"):
        intrinsics.store_camera_intrinsics("a/b", small.camera_model())
    with pytest.raises(InvalidDataError, match="lidar id"):
        intrinsics.store_lidar_intrinsics("a/b", small.lidar_model())
    masks = sequence.register_component_writer(MasksComponent.Writer, "default")
    with pytest.raises(InvalidDataError, match="mask name"):
        masks.store_camera_masks("front", {"a/b": Image.new("1", (1, 1))})
    with pytest.raises(InvalidDataError, match="component group name"):
        sequence.get_base_group("../x")


# One bad apple


def test_one_unreadable_instance_leaves_its_siblings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths, root = directory_sequence(tmp_path)
    frames = root / "cameras" / "broken"
    (root / "cameras" / "front").rename(frames)
    edit = json.loads((frames / "zarr.json").read_bytes())
    del edit["attributes"]["component_version"]
    (frames / "zarr.json").write_text(json.dumps(edit))
    sequence = small.writer(tmp_path / "more")
    sequence.register_component_writer(CameraSensorComponent.Writer, "rear", "more")
    with caplog.at_level(logging.WARNING):
        loader = small.read([*paths, *sequence.finalize()], open_consolidated=False)
    assert loader.camera_ids == ["rear"]
    assert loader.lidar_ids == ["top"]
    assert "broken" in caplog.text
    with pytest.raises(ValueError, match="component_version"):
        loader.get_camera_sensor("broken")
    meta = loader.get_sequence_meta()
    assert [list(store["components"].get("cameras", {})) for store in meta["component_stores"]] == [
        [],
        [],
        [],
        ["rear"],
    ]


def test_a_constructor_that_fails_leaves_its_siblings(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    for name in ("good", "bad"):
        sequence.register_component_writer(VelocityWriter, name)

    class Picky(VelocityReader):
        def __init__(self, name: str, group: zarr.Group) -> None:
            super().__init__(name, group)
            if name == "bad":
                raise RuntimeError("no")

    reader = SequenceComponentGroupsReader(sequence.finalize())
    assert list(reader.open_component_readers(Picky)) == ["good"]
    (error,) = reader.unreadable_instances.values()
    assert str(error) == "no"


@pytest.mark.parametrize(
    "change",
    [
        {"label_source": "FROM_THE_FUTURE"},
        {"label_type": {"category": "TASTE", "qualifier": "sweet", "unit": None}},
        {"camera_id": ""},
        {"label_schema": {"dtype": "no dtype", "shape_suffix": [], "encoding": "RAW"}},
        None,
    ],
)
def test_one_undecodable_descriptor_leaves_its_siblings(
    tmp_path: Path, change: Any, caplog: pytest.LogCaptureFixture
) -> None:
    paths, root = directory_sequence(tmp_path)

    def break_descriptor(document: Any) -> None:
        if change is None:
            del document["attributes"]["descriptor"]
        else:
            document["attributes"]["descriptor"].update(change)

    edit_json(root / "camera_labels" / "depth.z@front" / "labels" / "zarr.json", break_descriptor)
    loader = small.read(paths)
    (mask,) = loader.query_camera_labels("front")
    assert mask.label_descriptor.label_type.category is LabelCategory.MASK
    assert "depth.z@front" in caplog.text
    broken = loader.get_camera_labels("depth.z@front")
    assert broken.labels_count == 3
    with pytest.raises((KeyError, ValueError, TypeError, RuntimeError)):
        _ = broken.label_descriptor


# Quantisation


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("uint8", 256),
        ("uint8", -1),
        ("uint8", 255.51),
        ("uint8", np.nan),
        ("int8", -129),
        ("uint16", 70000),
        ("int32", 2.0**31),
        ("int32", np.inf),
        ("uint32", -np.inf),
        ("int64", 2.0**63),
        ("uint64", 2.0**64),
        ("uint64", -1),
    ],
)
def test_quantisation_that_would_wrap_is_refused(tmp_path: Path, dtype: str, value: float) -> None:
    schema = LabelSchema(
        np.dtype("float64"),
        (),
        LabelEncoding.RAW,
        None,
        QuantizationParams(np.dtype(dtype), 0.5, 10.0),
    )
    descriptor = CameraLabelDescriptor(
        "front", LabelType.DEPTH_RELATIVE, schema, LabelSource.AUTOLABEL
    )
    sequence = small.writer(tmp_path)
    labels = sequence.register_component_writer(
        CameraLabelsComponent.Writer, "x", descriptor=descriptor
    )
    data = np.full((2, 3), 12.0)
    data[1, 2] = value * 0.5 + 10.0
    with pytest.raises(InvalidDataError, match=r"at \(1, 2\) lies outside"):
        labels.store_label(data, END)
    limits = np.iinfo(dtype)
    exact = [limits.min, 0, min(limits.max, 1 << 50)]
    data = np.array([exact, exact]) * 0.5 + 10.0
    labels.store_label(data, END)
    (loader_labels,) = small.read(sequence.finalize()).query_camera_labels("front")
    np.testing.assert_array_equal(loader_labels.get_label(END).get_data(), data)


# Attributes, metadata


class VelocityWriter(ComponentWriter):
    """A user-defined component as one writes it for the original, on zarr 2."""

    @staticmethod
    def get_component_name() -> str:
        return "com.myorg.velocity"

    @staticmethod
    def get_component_version() -> str:
        return "v1"

    def __init__(self, group: zarr.Group, interval: Any, unit: str = "m/s") -> None:
        super().__init__(group, interval)
        self._group.attrs["unit"] = unit

    def store(self, velocities: Any) -> None:
        self._group.attrs["count"] = np.int64(len(velocities))
        self._group.create_dataset("velocities", data=velocities)

    def finalize(self) -> None:
        self._group.attrs["closed"] = True


class VelocityReader(ComponentReader):
    @staticmethod
    def get_component_name() -> str:
        return "com.myorg.velocity"

    @staticmethod
    def supports_component_version(version: str) -> bool:
        return version == "v1"


@pytest.mark.parametrize("store_type", ["itar", "directory"])
def test_user_defined_writers_set_group_attributes_at_any_time(
    tmp_path: Path, store_type: str
) -> None:
    sequence = small.writer(tmp_path, store_type=store_type)
    writer = sequence.register_component_writer(
        VelocityWriter, "default", None, {"sensor": "imu"}, unit="km/h"
    )
    writer.store([[1.0, 2.0, 3.0]])
    writer._group.attrs.put({"only": "this"})
    writer._group.attrs["and"] = np.float32(0.5)
    writer.set_generic_data({"bias": np.ones(3)}, {"late": True})
    reader = SequenceComponentGroupsReader(sequence.finalize())
    found = reader.open_component_readers(VelocityReader)["default"]
    assert dict(found._group.attrs) == {
        "only": "this",
        "and": 0.5,
        "closed": True,
        "component_instance_name": "default",
        "component_name": "com.myorg.velocity",
        "component_version": "v1",
        "generic_meta_data": {"sensor": "imu", "late": True},
    }
    np.testing.assert_array_equal(found._group["velocities"][:], [[1, 2, 3]])
    np.testing.assert_array_equal(found.get_generic_data("bias"), np.ones(3))


def test_a_writer_that_skips_the_base_constructor_can_be_finalized(tmp_path: Path) -> None:
    class Careless(VelocityWriter):
        def __init__(self, group: zarr.Group, interval: Any) -> None:
            self._group = group

    sequence = small.writer(tmp_path)
    sequence.register_component_writer(Careless, "default")
    reader = SequenceComponentGroupsReader(sequence.finalize())
    assert list(reader.open_component_readers(VelocityReader)) == ["default"]


def test_an_array_called_generic_data_does_not_break_the_reader(tmp_path: Path) -> None:
    class Odd(VelocityWriter):
        def finalize(self) -> None:
            self._group.create_array("generic_data", data=np.arange(3))

    sequence = small.writer(tmp_path)
    sequence.register_component_writer(Odd, "default")
    reader = SequenceComponentGroupsReader(sequence.finalize())
    found = reader.open_component_readers(VelocityReader)["default"]
    assert found.get_generic_data_names() == []
    assert not found.has_generic_data("x")
    with pytest.raises(KeyError):
        found.get_generic_data("x")
    np.testing.assert_array_equal(found._group["generic_data"][:], [0, 1, 2])


def test_metadata_given_at_registration_is_not_changed(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    given = {"a": 1}
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front", None, given)
    camera.set_generic_data({}, {"b": 2})
    given["c"] = 3
    reader = SequenceComponentGroupsReader(sequence.finalize())
    found = reader.open_component_readers(CameraSensorComponent.Reader)["front"]
    assert given == {"a": 1, "c": 3}
    assert found.generic_meta_data == {"a": 1, "b": 2}


def test_a_refused_frame_leaves_no_trace(tmp_path: Path) -> None:
    """The original has already made the frame's group, and remembers its time."""
    sequence = small.writer(tmp_path)
    lidar = sequence.register_component_writer(LidarSensorComponent.Writer, "top")
    good = small.ray_frame(END)
    bad: list[dict[str, Any]] = [
        {"direction": good["direction"] * 1.01},
        {"direction": good["direction"] * np.float32(np.nan)},
        {"direction": good["direction"].astype(np.float64)},
        {"timestamp_us": good["timestamp_us"] + np.uint64(200_000)},
        {"timestamp_us": good["timestamp_us"][1:]},
        {"model_element": good["model_element"][1:]},
        {"distance_m": -good["distance_m"]},
        {"distance_m": good["distance_m"][:, 1:]},
        {"intensity": good["intensity"] + 1},
        {"intensity": -good["intensity"]},
        {"intensity": np.zeros_like(good["intensity"])},  # present where the distance is not
        {"frame_timestamps_us": good["frame_timestamps_us"][::-1]},
        {"frame_timestamps_us": good["frame_timestamps_us"].astype(np.int64)},
        {"frame_timestamps_us": good["frame_timestamps_us"] + np.uint64(10_000_000)},
        {"generic_data": {"x": [1, 2]}},
        {"generic_data": {"x": np.array([object()])}},
        {"generic_meta_data": {"x": {1, 2}}},
    ]
    for change in bad:
        arguments = {**good, "generic_data": {}, "generic_meta_data": {}, **change}
        with pytest.raises(AssertionError):
            lidar.store_frame(**arguments)
    lidar.store_frame(**good, generic_data={}, generic_meta_data={})
    with pytest.raises(InvalidDataError, match="already a frame"):
        lidar.store_frame(**good, generic_data={}, generic_meta_data={})
    overtaking = {**good, "frame_timestamps_us": small.frame_times(END)}
    overtaking["frame_timestamps_us"] = np.array([END - 60_000, END + 1], np.uint64)
    with pytest.raises(InvalidDataError, match="start and end later"):
        lidar.store_frame(**overtaking, generic_data={}, generic_meta_data={})
    reader = SequenceComponentGroupsReader(sequence.finalize())
    found = reader.open_component_readers(LidarSensorComponent.Reader)["top"]
    assert found._node.group("frames").group_names() == [str(END)]
    assert found.frames_count == 1


@pytest.mark.parametrize("store_type", ["itar", "directory"])
def test_a_refused_component_leaves_no_trace(tmp_path: Path, store_type: str) -> None:
    """The original then fails on all instances of the type, for want of a version."""

    class Eager(VelocityWriter):
        def __init__(self, group: zarr.Group, interval: Any, fails: bool) -> None:
            super().__init__(group, interval)
            self.store([1, 2, 3])
            if fails:
                raise RuntimeError("a bug")

    sequence = small.writer(tmp_path, store_type=store_type)
    register: Any = sequence.register_component_writer
    with pytest.raises(InvalidDataError, match="descriptor"):
        register(CameraLabelsComponent.Writer, "x", descriptor=None)
    with pytest.raises(InvalidDataError, match="CoordinateUnit"):
        register(PointCloudsComponent.Writer, "x", coordinate_unit="metres")
    with pytest.raises(TypeError, match="nonsense"):
        register(CameraSensorComponent.Writer, "x", nonsense=1)
    with pytest.raises(RuntimeError, match="a bug"):
        register(Eager, "x", None, None, True)
    with pytest.raises(RuntimeError, match="a bug"):
        register(Eager, "y", None, None, True)
    register(Eager, "x", None, None, False)  # under a name that was given up
    register(CameraSensorComponent.Writer, "front")
    reader = SequenceComponentGroupsReader(sequence.finalize())
    (store,) = reader.get_sequence_meta().component_stores
    assert {name: list(instances) for name, instances in store.components.items()} == {
        "cameras": ["front"],
        "com.myorg.velocity": ["x"],
    }
    found = reader.open_component_readers(VelocityReader)["x"]
    np.testing.assert_array_equal(found._group["velocities"][:], [1, 2, 3])
