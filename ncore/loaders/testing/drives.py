"""Small made-up drives whose every value follows from its sensor, frame and sequence number."""

from pathlib import Path

import numpy as np

from ncore.data.interval import HalfClosedInterval
from ncore.data.v4.cameras import CameraSensorComponent
from ncore.data.v4.lidars import LidarSensorComponent
from ncore.data.v4.poses import PosesComponent
from ncore.data.v4.sequence_writer import SequenceComponentGroupsWriter

FRAME_US = 100_000
CAMERAS = ("front", "rear")


def image_bytes(sequence: int, camera: str, frame: int) -> bytes:
    """Return the "image" of a frame: text, then filler whose length differs."""
    text = f"{sequence}:{camera}:{frame}:".encode()
    return text + bytes([frame % 251]) * (500 + frame)


def frame_end_us(camera: str, frame: int) -> int:
    """Return when a camera's frame ends; the rear camera lags 20 ms behind the front."""
    return 50_000 + frame * FRAME_US + (20_000 if camera == "rear" else 0)


def ray_count(frame: int) -> int:
    """Return how many rays a lidar frame has."""
    return 5 + frame % 3


def write_drive(folder: Path, sequence: int = 0, frames: int = 20) -> list[str]:
    """Write a sequence of two cameras, and of a lidar that has every second frame.

    The lidar stands in a component store of its own.

    Returns:
        Paths of the two stores.
    """
    stop = frames * FRAME_US + 200_000
    interval = HalfClosedInterval(0, stop)
    with SequenceComponentGroupsWriter(
        folder, f"drive{sequence}", f"drive-{sequence}", interval, {}
    ) as writer:
        poses = np.stack([np.eye(4, dtype=np.float32)] * 2)
        poses[1, 0, 3] = 10.0
        writer.register_component_writer(PosesComponent.Writer, "default").store_dynamic_pose(
            "rig", "world", poses, np.array([0, stop - 1], np.uint64)
        ).store_static_pose("lidar", "rig", np.eye(4, dtype=np.float32)).store_static_pose(
            "front", "rig", np.eye(4, dtype=np.float32)
        )
        for camera in CAMERAS:
            frames_of = writer.register_component_writer(CameraSensorComponent.Writer, camera)
            for frame in range(frames):
                end = frame_end_us(camera, frame)
                frames_of.store_frame(
                    image_bytes(sequence, camera, frame),
                    "jpeg",
                    np.array([end - 10_000, end], np.uint64),
                    {"gain": np.array(frame, np.int16)},
                    {},
                )
        lidar = writer.register_component_writer(LidarSensorComponent.Writer, "lidar", "lidar")
        for frame in range(0, frames, 2):
            end = frame_end_us("front", frame) + 5_000
            count = ray_count(frame)
            lidar.store_frame(
                np.tile(np.array([1, 0, 0], np.float32), (count, 1)),
                np.full(count, end, np.uint64),
                None,
                np.full((1, count), frame + 1, np.float32),
                np.full((1, count), 0.5, np.float32),
                np.array([end - 20_000, end], np.uint64),
                {},
                {},
            )
        paths = [str(path) for path in writer.finalize()]
    return paths
