"""A small sequence with every component, for tests: writes it and says what is in it."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from upath import UPath

from ncore.data import (
    BBox3,
    CameraLabelDescriptor,
    CuboidTrackObservation,
    HalfClosedInterval,
    LabelEncoding,
    LabelSchema,
    LabelSource,
    LabelType,
    OpenCVPinholeCameraModelParameters,
    PointCloud,
    QuantizationParams,
    RowOffsetStructuredSpinningLidarModelParameters,
    ShutterType,
)
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
    SequenceComponentGroupsWriter,
    SequenceLoaderV4,
)

START = 1_600_000_000_000_000
INTERVAL = HalfClosedInterval(START, START + 1_000_001)
FRAME_ENDS = [START + 100_000, START + 500_000, START + 900_000]
N_RAYS = 24


def frame_times(end: int) -> npt.NDArray[np.uint64]:
    """Start and end of the frame that ends at ``end``."""
    return np.array([end - 50_000, end], dtype=np.uint64)


def writer(
    directory: Path, name: str = "s", store_type: Any = "itar"
) -> SequenceComponentGroupsWriter:
    """A writer of an empty sequence."""
    return SequenceComponentGroupsWriter(
        UPath(directory), name, "sequence-1", INTERVAL, {"place": "☀", "n": 1}, store_type
    )


def read(paths: list[UPath], **options: Any) -> SequenceLoaderV4:
    """A loader of what a writer wrote."""
    return SequenceLoaderV4(SequenceComponentGroupsReader(paths, **options))


def encoded_image(value: int, image_format: str = "png") -> bytes:
    """An image file."""
    buffer = BytesIO()
    Image.new("RGB", (8, 6), (value, 2, 3)).save(buffer, format=image_format)
    return buffer.getvalue()


def trajectory() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint64]]:
    """The rig drives along x and turns slowly."""
    times = np.linspace(INTERVAL.start, INTERVAL.end, 5).astype(np.uint64)
    poses = np.tile(np.eye(4), (5, 1, 1))
    for i in range(5):
        c, s = np.cos(0.02 * i), np.sin(0.02 * i)
        poses[i, :2, :2] = [[c, -s], [s, c]]
        poses[i, 0, 3] = 2.5 * i
    return poses, times


def camera_model() -> OpenCVPinholeCameraModelParameters:
    """A camera of 8 x 6 pixels."""
    return OpenCVPinholeCameraModelParameters(
        resolution=np.array([8, 6], np.uint64),
        shutter_type=ShutterType.GLOBAL,
        external_distortion_parameters=None,
        principal_point=np.array([4, 3], np.float32),
        focal_length=np.array([5, 5], np.float32),
        radial_coeffs=np.zeros(6, np.float32),
        tangential_coeffs=np.zeros(2, np.float32),
        thin_prism_coeffs=np.zeros(4, np.float32),
    )


def lidar_model() -> RowOffsetStructuredSpinningLidarModelParameters:
    """A lidar of 4 rows and 6 columns."""
    return RowOffsetStructuredSpinningLidarModelParameters(
        spinning_frequency_hz=10.0,
        spinning_direction="cw",
        n_rows=4,
        n_columns=6,
        row_elevations_rad=np.linspace(0.2, -0.4, 4).astype(np.float32),
        column_azimuths_rad=np.linspace(3.0, -2.5, 6).astype(np.float32),
        row_azimuth_offsets_rad=np.zeros(4, np.float32),
    )


def ray_frame(end: int, n_rays: int = N_RAYS, n_returns: int = 2) -> dict[str, Any]:
    """Arrays of a lidar frame; every third second return is absent."""
    angles = np.linspace(0, 6, n_rays)
    direction = np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1).astype(np.float32)
    distance = np.tile(np.linspace(1, 20, n_rays), (n_returns, 1)).astype(np.float32)
    intensity = np.tile(np.linspace(0, 1, n_rays), (n_returns, 1)).astype(np.float32)
    distance[1:, ::3] = np.nan
    intensity[1:, ::3] = np.nan
    return {
        "direction": direction,
        "timestamp_us": np.linspace(end - 50_000, end, n_rays).astype(np.uint64),
        "model_element": np.stack([np.arange(n_rays) % 4, np.arange(n_rays) // 4], 1).astype("u2"),
        "distance_m": distance,
        "intensity": intensity,
        "frame_timestamps_us": frame_times(end),
    }


def radar_frame(end: int, n_rays: int = 5) -> dict[str, Any]:
    """Arrays of a radar frame."""
    frame = ray_frame(end, n_rays, 1)
    del frame["model_element"], frame["intensity"]
    return frame


def observation(offset: int = 0, track: str = "t") -> CuboidTrackObservation:
    """A car."""
    box = BBox3((1.0, 2.0, 3.0), (4.0, 2.0, 1.5), (0.0, 0.0, 0.1))
    time = START + offset
    return CuboidTrackObservation(track, "car", time, "rig", time, box, LabelSource.EXTERNAL)


def depth_descriptor(camera_id: str = "front", quantized: str = "uint16") -> CameraLabelDescriptor:
    """Quantised depth in centimetres."""
    return CameraLabelDescriptor(
        camera_id,
        LabelType.DEPTH_Z_M,
        LabelSchema(
            np.dtype("float32"),
            (),
            LabelEncoding.RAW,
            None,
            QuantizationParams(np.dtype(quantized), 0.01, 0.0),
        ),
        LabelSource.GT_SYNTHETIC,
    )


def mask_descriptor(camera_id: str = "front") -> CameraLabelDescriptor:
    """A mask in an image file."""
    return CameraLabelDescriptor(
        camera_id,
        LabelType.MASK_DYNAMIC,
        LabelSchema(np.dtype("uint8"), (), LabelEncoding.IMAGE_ENCODED, "png"),
        LabelSource.AUTOLABEL,
    )


def write_poses(sequence: SequenceComponentGroupsWriter, **options: Any) -> None:
    """Poses of the rig and of all sensors."""
    poses = sequence.register_component_writer(PosesComponent.Writer, "default", **options)
    poses.store_dynamic_pose("rig", "world", *trajectory())
    for i, sensor in enumerate(("front", "top", "bumper")):
        pose = np.eye(4, dtype=np.float32)
        pose[2, 3] = 1 + i
        poses.store_static_pose(sensor, "rig", pose)


def write_everything(sequence: SequenceComponentGroupsWriter) -> list[UPath]:
    """Write every component, in several component groups, and finalize."""
    write_poses(sequence, group_name="calibration")
    intrinsics = sequence.register_component_writer(
        IntrinsicsComponent.Writer, "default", "calibration"
    )
    intrinsics.store_camera_intrinsics("front", camera_model())
    intrinsics.store_lidar_intrinsics("top", lidar_model())
    masks = sequence.register_component_writer(MasksComponent.Writer, "default", "calibration")
    masks.store_camera_masks(
        "front", {"sky": Image.new("L", (8, 6), 7), "ego": Image.new("1", (8, 6))}
    )

    camera = sequence.register_component_writer(
        CameraSensorComponent.Writer, "front", None, {"serial": 7}
    )
    lidar = sequence.register_component_writer(LidarSensorComponent.Writer, "top", "rays")
    radar = sequence.register_component_writer(RadarSensorComponent.Writer, "bumper", "rays")
    for i, end in enumerate(FRAME_ENDS):
        camera.store_frame(
            encoded_image(i), "png", frame_times(end), {"gain": np.array([1.5, i])}, {"index": i}
        )
        frame = ray_frame(end)
        rgb = {"rgb": np.full((N_RAYS, 3), i, np.uint8)}
        lidar.store_frame(**frame, generic_data=rgb, generic_meta_data={"k": [i, None]})
        radar.store_frame(**radar_frame(end), generic_data={}, generic_meta_data={})

    cuboids = sequence.register_component_writer(CuboidsComponent.Writer, "default")
    cuboids.store_observations([observation(10_000), observation(600_000, "u")])
    schema = PointCloudsComponent.AttributeSchema(
        PointCloud.AttributeTransformType.INVARIANT, np.dtype("uint8"), (3,)
    )
    clouds = sequence.register_component_writer(
        PointCloudsComponent.Writer,
        "map",
        None,
        None,
        PointCloud.CoordinateUnit.METERS,
        {"rgb": schema},
    )
    for i in range(2):
        clouds.store_pc(
            np.arange(3 * (i + 4), dtype=np.float32).reshape(-1, 3),
            "world",
            START + i,
            {"rgb": np.full((i + 4, 3), i, np.uint8)},
            {"cov": np.eye(3)},
            {"i": i},
        )
    depth = sequence.register_component_writer(
        CameraLabelsComponent.Writer, "depth.z@front", None, None, depth_descriptor()
    )
    mask = sequence.register_component_writer(
        CameraLabelsComponent.Writer, "mask.dynamic@front", None, None, mask_descriptor()
    )
    for end in FRAME_ENDS:
        depth.store_label(np.full((6, 8), 12.34, np.float32), end, {"end": end})
        mask.store_label(encoded_image(1), end)
    camera.set_generic_data({"vignette": np.ones((3, 4), np.float32)}, {"serial": 8, "more": "é"})
    return sequence.finalize()
