"""What writers refuse, component by component, and what they take although it looks odd."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncore.data import (
    CameraLabelDescriptor,
    LabelEncoding,
    LabelSchema,
    LabelSource,
    LabelType,
    PointCloud,
)
from ncore.data.errors import InvalidDataError
from ncore.data.v4 import (
    CameraLabelsComponent,
    CameraSensorComponent,
    ComponentReader,
    CuboidsComponent,
    IntrinsicsComponent,
    LidarSensorComponent,
    MasksComponent,
    PointCloudsComponent,
    PosesComponent,
    SequenceComponentGroupsReader,
    SequenceComponentGroupsWriter,
)
from tests.data import small_sequence as small

START, END = small.INTERVAL.start, small.INTERVAL.end
EYE = np.eye(4, dtype=np.float32)
PAIR = np.stack([EYE, EYE])
Schema = PointCloudsComponent.AttributeSchema
Kind = PointCloud.AttributeTransformType


def us(*times: int) -> np.ndarray[Any, Any]:
    return np.array(times, np.uint64)


def reopen(sequence: SequenceComponentGroupsWriter, kind: type[Any]) -> Any:
    """The one instance of a component of a sequence that is finalized with this."""
    reader = SequenceComponentGroupsReader(sequence.finalize())
    readers: dict[str, ComponentReader] = reader.open_component_readers(kind)
    (found,) = readers.values()
    return found


# Poses


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "rig", EYE), "non-empty"),
        ((" \t", "rig", EYE), "non-empty"),
        (("front", " ", EYE), "non-empty"),
        ((1, "rig", EYE), "non-empty"),
        (("front", "rig", EYE[:3]), "shape"),
        (("front", "rig", EYE[None]), "shape"),
        (("front", "rig", EYE.astype(int)), "float16"),
        (("front", "rig", EYE.tolist()), "float16"),
        (("front", "rig", EYE + np.float32(1)), "last row"),
        (("front", "rig", EYE * np.float32(np.nan)), "finite"),
    ],
)
def test_static_poses_refused(tmp_path: Path, arguments: Any, message: str) -> None:
    sequence = small.writer(tmp_path)
    poses = sequence.register_component_writer(PosesComponent.Writer, "default")
    with pytest.raises(InvalidDataError, match=message):
        poses.store_static_pose(*arguments)
    assert list(reopen(sequence, PosesComponent.Reader).get_static_poses()) == []


@pytest.mark.parametrize(
    ("poses", "times", "message"),
    [
        (PAIR[:1], us(START), "at least two"),
        (PAIR[:0], us(), "at least two"),
        (PAIR, us(START), "2 poses with timestamps"),
        (PAIR, us(START, END)[:, None], "2 poses with timestamps"),
        (PAIR, us(START, END).astype(np.int64), "uint64"),
        (PAIR, [START, END], "uint64"),
        (PAIR, us(START + 1, END), "do not cover"),
        (PAIR, us(START, END - 1), "do not cover"),
        (PAIR, us(START - 1, END), "outside the sequence"),
        (PAIR, us(START, END + 1), "outside the sequence"),
        (EYE, us(START, END), "shape"),
    ],
)
def test_dynamic_poses_refused(tmp_path: Path, poses: Any, times: Any, message: str) -> None:
    sequence = small.writer(tmp_path)
    writer = sequence.register_component_writer(PosesComponent.Writer, "default")
    with pytest.raises(InvalidDataError, match=message):
        writer.store_dynamic_pose("rig", "world", poses, times)
    stored = "cover" in message
    if stored:
        writer.store_dynamic_pose("rig", "world", poses, times, False)
    found = dict(reopen(sequence, PosesComponent.Reader).get_dynamic_poses())
    assert list(found) == [("rig", "world")] * stored
    if stored:
        np.testing.assert_array_equal(found["rig", "world"][1], times)


# Sensors


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (us(START - 1, START + 1), "outside the sequence"),
        (us(END, END + 1), "outside the sequence"),
        (us(START + 2, START + 1), "before it starts"),
        ([START, START + 1], "uint64"),
        (us(START, START + 1).astype(np.int64), "uint64"),
        (us(START, START + 1, START + 2), "start and end"),
    ],
)
def test_frame_times_refused(tmp_path: Path, times: Any, message: str) -> None:
    sequence = small.writer(tmp_path)
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    with pytest.raises(InvalidDataError, match=message):
        camera.store_frame(b"x", "png", times, {}, {})
    assert reopen(sequence, CameraSensorComponent.Reader).frames_count == 0


def test_frames_at_the_limits_and_in_any_order(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    times = [us(END, END), us(START, START), us(START + 5, START + 40), us(START + 1, START + 30)]
    for frame in times:  # the last two overlap, as frames of a rolling shutter may
        camera.store_frame(b"x", "png", frame, {}, {})
    for second in (
        us(START + 5, START + 41),
        us(START + 5, START + 39),
        us(START + 6, START + 39),
        us(START + 2, START + 30),
    ):
        with pytest.raises(InvalidDataError, match=r"already a frame|does not start and end"):
            camera.store_frame(b"x", "png", second, {}, {})
    found = reopen(sequence, CameraSensorComponent.Reader)
    expected = [times[1], times[3], times[2], times[0]]
    np.testing.assert_array_equal(found.frames_timestamps_us, expected)


@pytest.mark.parametrize(
    "image",
    [
        bytearray(b"abc\0"),
        memoryview(b"abc\0"),
        np.frombuffer(b"abc\0", np.uint8),
        np.frombuffer(b"a-b-c-\0-", np.uint8)[::2],
        np.frombuffer(b"abc\0", np.uint8)[:, None],
    ],
    ids=["bytearray", "memoryview", "array", "strided", "column"],
)
def test_images_of_any_bytes_like_type(tmp_path: Path, image: Any) -> None:
    sequence = small.writer(tmp_path)
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    camera.store_frame(image, "png", us(START, START + 1), {}, {})
    found = reopen(sequence, CameraSensorComponent.Reader).get_frame_data(START + 1)
    assert found.get_encoded_image_data() == b"abc\0"


@pytest.mark.parametrize("image", ["abc", np.zeros(4, np.uint16), None, [1, 2]])
def test_images_that_are_no_bytes(tmp_path: Path, image: Any) -> None:
    sequence = small.writer(tmp_path)
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    with pytest.raises(InvalidDataError, match="given as bytes, not"):
        camera.store_frame(image, "png", us(START, START + 1), {}, {})
    with pytest.raises(InvalidDataError, match="image_format"):
        camera.store_frame(b"x", 3, us(START, START + 1), {}, {})  # type: ignore[arg-type]
    assert reopen(sequence, CameraSensorComponent.Reader).frames_count == 0


def test_times_and_indices_that_are_no_integers(tmp_path: Path) -> None:
    """A fraction must not be cut off, nor find a frame that was not asked for."""
    sequence = small.writer(tmp_path)
    end = small.FRAME_ENDS[0]
    lidar = sequence.register_component_writer(LidarSensorComponent.Writer, "top")
    lidar.store_frame(**small.ray_frame(end), generic_data={"x": EYE}, generic_meta_data={})
    clouds = sequence.register_component_writer(
        PointCloudsComponent.Writer, "map", coordinate_unit=PointCloud.CoordinateUnit.METERS
    )
    for time in (START + 0.5, float(START), str(START)):
        with pytest.raises(TypeError, match="must be an integer"):
            clouds.store_pc(np.zeros((1, 3), np.float32), "world", time)  # type: ignore[arg-type]
    clouds.store_pc(np.zeros((1, 3), np.float32), "world", np.uint64(START))  # type: ignore[arg-type]
    reader = SequenceComponentGroupsReader(sequence.finalize())
    top = reader.open_component_readers(LidarSensorComponent.Reader)["top"]
    cloud = reader.open_component_readers(PointCloudsComponent.Reader)["map"]
    asked: list[Callable[[Any], Any]] = [
        top.get_frame_timestamps_us,
        top.get_frame_generic_data_names,
        top.get_frame_generic_meta_data,
        lambda t: top.get_frame_generic_data(t, "x"),
        lambda t: top.get_frame_ray_bundle_data(t, "direction"),
        lambda t: top.get_frame_ray_bundle_return_data(t, "distance_m"),
        lambda t: top.get_frame_ray_bundle_return_data(end, "distance_m", t - end),
        top.get_frame_ray_bundle_return_valid_mask,
        lambda t: cloud.get_pc_xyz(t - end),
    ]
    for ask in asked:
        ask(end)
        ask(np.uint64(end) if "lambda" not in ask.__qualname__ else end)
        with pytest.raises(TypeError):
            ask(end + 0.5)


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({"model_element": None}, True),
        ({"distance_m": np.zeros((2, small.N_RAYS), np.float32)}, False),  # intensity has NaN
        ({"distance_m": np.full((1, small.N_RAYS), np.inf, np.float32)}, False),  # R differs
        ({"timestamp_us": us(*[small.FRAME_ENDS[0]] * small.N_RAYS)}, True),
        ({"timestamp_us": us(*[small.FRAME_ENDS[0] + 1] * small.N_RAYS)}, False),
        ({"timestamp_us": us(*[small.FRAME_ENDS[0] - 50_001] * small.N_RAYS)}, False),
        ({"model_element": np.zeros((small.N_RAYS, 2), np.uint8)}, False),
        ({"direction": np.zeros((small.N_RAYS, 2), np.float32)}, False),
    ],
)
def test_rays(tmp_path: Path, change: dict[str, Any], accepted: bool) -> None:
    sequence = small.writer(tmp_path)
    lidar = sequence.register_component_writer(LidarSensorComponent.Writer, "top")
    frame = {**small.ray_frame(small.FRAME_ENDS[0]), **change}
    if accepted:
        lidar.store_frame(**frame, generic_data={}, generic_meta_data={})
    else:
        with pytest.raises(InvalidDataError):
            lidar.store_frame(**frame, generic_data={}, generic_meta_data={})
    assert reopen(sequence, LidarSensorComponent.Reader).frames_count == accepted


@pytest.mark.parametrize(("scale", "accepted"), [(1.00004, True), (1.0001, False), (0.9999, False)])
def test_directions_are_of_unit_length(tmp_path: Path, scale: float, accepted: bool) -> None:
    sequence = small.writer(tmp_path)
    lidar = sequence.register_component_writer(LidarSensorComponent.Writer, "top")
    frame = small.ray_frame(small.FRAME_ENDS[0])
    frame["direction"] *= np.float32(scale)
    if accepted:
        lidar.store_frame(**frame, generic_data={}, generic_meta_data={})
    else:
        with pytest.raises(InvalidDataError, match="unit length"):
            lidar.store_frame(**frame, generic_data={}, generic_meta_data={})
    assert reopen(sequence, LidarSensorComponent.Reader).frames_count == accepted


# Intrinsics, masks, cuboids


def test_what_is_stored_once_is_not_stored_twice(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    intrinsics = sequence.register_component_writer(IntrinsicsComponent.Writer, "default")
    masks = sequence.register_component_writer(MasksComponent.Writer, "default")
    cuboids = sequence.register_component_writer(CuboidsComponent.Writer, "default")
    steps: list[tuple[Any, Any]] = [
        (intrinsics.store_camera_intrinsics, ("front", small.camera_model())),
        (intrinsics.store_lidar_intrinsics, ("front", small.lidar_model())),
        (masks.store_camera_masks, ("front", {})),
        (cuboids.store_observations, ([small.observation()],)),
    ]
    for store, arguments in steps:
        store(*arguments)
        with pytest.raises(InvalidDataError, match="already"):
            store(*arguments)
    with pytest.raises(InvalidDataError, match="must be a PIL image"):
        masks.store_camera_masks("rear", {"ego": np.zeros((2, 2))})  # type: ignore[dict-item]
    loader = small.read(sequence.finalize())
    assert [o.track_id for o in loader.get_cuboid_track_observations()] == ["t"]


@pytest.mark.parametrize("offset", [-1, END + 1 - START])
def test_observations_outside_the_sequence(tmp_path: Path, offset: int) -> None:
    sequence = small.writer(tmp_path)
    cuboids = sequence.register_component_writer(CuboidsComponent.Writer, "default")
    with pytest.raises(InvalidDataError, match="observation at"):
        cuboids.store_observations([small.observation(), small.observation(offset)])
    late = small.observation()
    late.reference_frame_timestamp_us += offset
    with pytest.raises(InvalidDataError, match="reference frame at"):
        cuboids.store_observations([late])
    with pytest.raises(InvalidDataError, match="not a CuboidTrackObservation"):
        cuboids.store_observations([small.observation().to_dict()])  # type: ignore[list-item]
    cuboids.store_observations([small.observation(END - START)])
    assert len(list(reopen(sequence, CuboidsComponent.Reader).get_observations())) == 1


# Point clouds


def test_point_cloud_schemas(tmp_path: Path) -> None:
    assert Schema(Kind.POINT, "f4", [3]) == Schema(  # type: ignore[arg-type]
        Kind.POINT,
        np.dtype("float32"),
        (np.int64(3),),  # type: ignore[arg-type]
    )
    assert type(Schema(Kind.POINT, np.float32).dtype) is np.dtype("float32").__class__  # type: ignore[arg-type]
    wrong: list[Any] = [
        (None, np.dtype("f4")),
        (1, np.dtype("f4")),
        (Kind.POINT, None),
        (Kind.POINT, "no dtype"),
        (Kind.POINT, np.dtype("f4"), (-1,)),
        (Kind.POINT, np.dtype("f4"), (1.5,)),
        (Kind.POINT, np.dtype("f4"), 3),
    ]
    for arguments in wrong:
        with pytest.raises(InvalidDataError):
            Schema(*arguments)
    sequence = small.writer(tmp_path)
    good = Schema(Kind.INVARIANT, np.dtype("u1"))
    for number, name in enumerate(("xyz", "generic_data", "a/b", "")):
        with pytest.raises(InvalidDataError, match="attribute"):
            sequence.register_component_writer(
                PointCloudsComponent.Writer,
                f"map{number}",
                coordinate_unit=PointCloud.CoordinateUnit.METERS,
                attribute_schemas={name: good},
            )
    sequence.abort()


POINTS = np.zeros((4, 3), np.float32)
COLOURS = {"rgb": np.zeros((4, 3), np.uint8)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((POINTS.astype(float), "world", START, COLOURS), "dtype float32"),
        ((POINTS[:, :2], "world", START, COLOURS), "shape"),
        ((POINTS, "", START, COLOURS), "frame of reference"),
        ((POINTS, "world", START - 1, COLOURS), "outside the sequence"),
        ((POINTS, "world", END + 1, COLOURS), "outside the sequence"),
        ((POINTS, "world", START), "expected"),
        ((POINTS, "world", START, {**COLOURS, "more": POINTS}), "expected"),
        ((POINTS, "world", START, {"rgb": COLOURS["rgb"][:3]}), "shape"),
        ((POINTS, "world", START, {"rgb": COLOURS["rgb"].astype(int)}), "dtype uint8"),
    ],
)
def test_point_clouds_refused(tmp_path: Path, arguments: Any, message: str) -> None:
    sequence = small.writer(tmp_path)
    clouds = sequence.register_component_writer(
        PointCloudsComponent.Writer,
        "map",
        coordinate_unit=PointCloud.CoordinateUnit.METERS,
        attribute_schemas={"rgb": Schema(Kind.INVARIANT, np.dtype("u1"), (3,))},
    )
    with pytest.raises(InvalidDataError, match=message):
        clouds.store_pc(*arguments)
    clouds.store_pc(POINTS, "world", END, COLOURS)
    found = reopen(sequence, PointCloudsComponent.Reader)
    assert found.pcs_count == 1
    np.testing.assert_array_equal(found.pc_timestamps_us, us(END))


# Labels

LABEL = np.zeros((3, 4), np.float32)


def raw(dtype: str = "float32", suffix: tuple[int, ...] = ()) -> CameraLabelDescriptor:
    schema = LabelSchema(np.dtype(dtype), suffix, LabelEncoding.RAW)
    return CameraLabelDescriptor("front", LabelType.DEPTH_Z_M, schema, LabelSource.EXTERNAL)


@pytest.mark.parametrize(
    ("data", "time", "message"),
    [
        (LABEL, START - 1, "outside the sequence"),
        (LABEL, END + 1, "outside the sequence"),
        (LABEL, END, "already a label"),
        (LABEL.astype(">f4"), START, "dtype"),
        (LABEL.astype(float), START, "dtype"),
        (LABEL[0], START, "shape"),
        (LABEL[..., None], START, "shape"),
        (LABEL[:0], START, "H and W at least 1"),
        (LABEL[:, :0], START, "H and W at least 1"),
        (LABEL.tolist(), START, "given as an array"),
        (b"bytes", START, "given as an array"),
    ],
)
def test_labels_refused(tmp_path: Path, data: Any, time: int, message: str) -> None:
    sequence = small.writer(tmp_path)
    labels = sequence.register_component_writer(CameraLabelsComponent.Writer, "x", descriptor=raw())
    labels.store_label(LABEL, END)
    with pytest.raises(InvalidDataError, match=message):
        labels.store_label(data, time)
    with pytest.raises(TypeError):
        labels.store_label(LABEL, float(START))  # type: ignore[arg-type]
    found = reopen(sequence, CameraLabelsComponent.Reader)
    np.testing.assert_array_equal(found.timestamps_us, us(END))
    assert found._node.group("labels").group_names() == [str(END)]


@pytest.mark.parametrize("data", [bytearray(b"x"), LABEL, "x"])
def test_encoded_labels_are_bytes(tmp_path: Path, data: Any) -> None:
    sequence = small.writer(tmp_path)
    descriptor = small.mask_descriptor()
    labels = sequence.register_component_writer(
        CameraLabelsComponent.Writer, "x", descriptor=descriptor
    )
    with pytest.raises(InvalidDataError, match="given as bytes"):
        labels.store_label(data, START)
    assert reopen(sequence, CameraLabelsComponent.Reader).labels_count == 0


def test_labels_of_unusual_form(tmp_path: Path) -> None:
    """No channels, Fortran order, another byte order, times in any order."""
    sequence = small.writer(tmp_path)
    forms: dict[str, tuple[CameraLabelDescriptor, np.ndarray[Any, Any]]] = {
        "channels": (raw(suffix=(0,)), np.zeros((2, 3, 0), np.float32)),
        "fortran": (raw(), np.asfortranarray(np.arange(12, dtype="f4").reshape(3, 4))),
        "big": (raw(">f4"), np.arange(12, dtype=">f4").reshape(3, 4)),
        "bool": (raw("bool"), np.eye(3, dtype=bool)),
        "complex": (raw("complex64", (2,)), np.ones((1, 1, 2), "complex64") * 1j),
        "times": (raw("datetime64[us]"), np.arange(4).reshape(2, 2).astype("M8[us]")),
    }
    for name, (descriptor, data) in forms.items():
        labels = sequence.register_component_writer(
            CameraLabelsComponent.Writer, name, descriptor=descriptor
        )
        labels.store_label(data, START + 5)
        labels.store_label(data, np.int64(START))  # type: ignore[arg-type]
    reader = SequenceComponentGroupsReader(sequence.finalize())
    for name, found in reader.open_component_readers(CameraLabelsComponent.Reader).items():
        descriptor, data = forms[name]
        assert found.label_descriptor == descriptor
        np.testing.assert_array_equal(found.timestamps_us, us(START, START + 5))
        label = found.get_label(START).get_data()
        assert label.dtype == data.dtype
        assert label.shape == data.shape
        np.testing.assert_array_equal(label, data)


def test_no_stores() -> None:
    with pytest.raises(AssertionError, match="no component stores given"):
        SequenceComponentGroupsReader([])
