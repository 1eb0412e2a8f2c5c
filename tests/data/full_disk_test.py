"""A disk that is full for a moment: what failed can be written again, or be left out."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncore.data.errors import InvalidDataError
from ncore.data.interval import HalfClosedInterval
from ncore.data.v4 import (
    CameraSensorComponent,
    LidarSensorComponent,
    PosesComponent,
    SequenceComponentGroupsReader,
    SequenceComponentGroupsWriter,
)
from ncore.itar.errors import ItarClosedError
from ncore.itar.files import OsFile

STOP = 1_000_000
ENDS = (200_000, 300_000, 400_000)
# Larger than what an archive's writer buffers, so that each of them meets the disk.
IMAGES = {end: bytes([number + 1]) * 70_000 for number, end in enumerate(ENDS)}


class Disk:
    """Counts what is written to it, and fails with one of the writes, which arrives in part."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes = 0
        self.fails_at = -1
        pwrite = OsFile.pwrite

        def counted(file: OsFile, buffers: Any, offset: int) -> None:
            if self._full():
                pwrite(file, [b"".join(buffers)[: sum(map(len, buffers)) // 2]], offset)
                raise OSError(errno.ENOSPC, "No space left on device")
            pwrite(file, buffers, offset)

        disk = self

        class Half:
            def __init__(self, path: str, mode: str, **options: Any) -> None:
                self._file = open(path, mode, **options)  # noqa: SIM115 (closed as a context)

            def __enter__(self) -> "Half":
                return self

            def __exit__(self, *_: object) -> None:
                self._file.close()

            def write(self, data: memoryview) -> int:
                if disk._full():
                    self._file.write(data[: len(data) // 2])
                    raise OSError(errno.ENOSPC, "No space left on device")
                return self._file.write(data)

        monkeypatch.setattr(OsFile, "pwrite", counted)
        monkeypatch.setattr("ncore.data.v4.store_writers.open", Half, raising=False)

    def _full(self) -> bool:
        self.writes += 1
        return self.writes - 1 == self.fails_at


Attempt = Callable[..., Any]
"""Calls a function with arguments."""


def write_sequence(folder: Path, store_type: Any, attempt: Attempt) -> list[Any]:
    sequence = SequenceComponentGroupsWriter(
        folder, "s", "s", HalfClosedInterval(0, STOP), {"drive": 1}, store_type
    )
    register = sequence.register_component_writer
    poses = attempt(register, PosesComponent.Writer, "default")
    poses.store_static_pose("front", "rig", np.eye(4, dtype=np.float32))
    camera = attempt(register, CameraSensorComponent.Writer, "front", "cameras")
    lidar = attempt(register, LidarSensorComponent.Writer, "top")
    rays = np.tile(np.array([1, 0, 0], np.float32), (100, 1))
    returned = np.ones((1, len(rays)), np.float32)
    for end, image in IMAGES.items():
        times = np.array([end - 50_000, end], np.uint64)
        generic = {"noise": np.frombuffer(image, np.uint8)}
        attempt(camera.store_frame, image, "png", times, generic, {"end": end})
        stamps = np.full(len(rays), end, np.uint64)
        attempt(lidar.store_frame, rays, stamps, None, returned, returned, times, generic, {})
    paths: list[Any] = attempt(sequence.finalize)
    return paths


def check(paths: list[Any]) -> None:
    reader = SequenceComponentGroupsReader(paths)
    assert reader.generic_meta_data == {"drive": 1}
    camera = reader.open_component_readers(CameraSensorComponent.Reader)["front"]
    lidar = reader.open_component_readers(LidarSensorComponent.Reader)["top"]
    for component in (camera, lidar):
        assert component.frames_timestamps_us[:, 1].tolist() == list(ENDS)
        assert component._node.group("frames").group_names() == [str(end) for end in ENDS]
        for end, image in IMAGES.items():
            assert component.get_frame_generic_data(end, "noise").tobytes() == image
    for end, image in IMAGES.items():
        assert camera.get_frame_data(end).get_encoded_image_data() == image
        assert camera.get_frame_generic_meta_data(end) == {"end": end}
        assert (lidar.get_frame_ray_bundle_data(end, "timestamp_us") == end).all()
    poses = reader.open_component_readers(PosesComponent.Reader)["default"]
    assert [key for key, _ in poses.get_static_poses()] == [("front", "rig")]


class Twice:
    """Calls a second time what failed for want of space."""

    def __init__(self) -> None:
        self.failures = 0

    def __call__(self, do: Callable[..., Any], *args: Any) -> Any:
        try:
            return do(*args)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self.failures += 1
            return do(*args)


def once(do: Callable[..., Any], *args: Any) -> Any:
    return do(*args)


@pytest.mark.filterwarnings("ignore::ncore.itar.errors.UnclosedArchiveWarning")
@pytest.mark.parametrize("store_type", ["itar", "directory"])
def test_what_failed_can_be_done_again(
    tmp_path: Path, store_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    check(write_sequence(tmp_path / "whole", store_type, once))
    total = disk.writes
    assert total > 15
    for fails_at in range(total):
        disk.writes, disk.fails_at = 0, fails_at
        folder, attempt = tmp_path / f"{fails_at}", Twice()
        try:
            paths = write_sequence(folder, store_type, attempt)
        except ItarClosedError as error:  # an archive is not closed twice; it says what to do
            if store_type != "itar" or "ncore itar recover" not in str(error):
                raise
            continue
        assert attempt.failures <= 1
        check(paths)
        assert sorted(folder.iterdir()) == sorted(Path(str(path)) for path in paths)


def test_a_frame_of_a_dtype_that_zarr_cannot_store_is_none(tmp_path: Path) -> None:
    """It was listed, without an image, and could not be written again."""
    paths = []
    for store_type in ("itar", "directory"):
        sequence = SequenceComponentGroupsWriter(
            tmp_path / store_type, "s", "s", HalfClosedInterval(0, STOP), {}, store_type
        )
        camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
        times = np.array([1, 2], np.uint64)
        with pytest.raises(InvalidDataError, match="cannot"):
            camera.store_frame(b"image", "png", times, {"x": np.zeros(2, "V0")}, {})
        camera.store_frame(b"image", "png", times, {"x": np.zeros(2)}, {})
        paths.append(sequence.finalize())
    for found in paths:
        reader = SequenceComponentGroupsReader(found)
        camera = reader.open_component_readers(CameraSensorComponent.Reader)["front"]
        assert camera.frames_timestamps_us.tolist() == [[1, 2]]
        assert camera.get_frame_data(2).get_encoded_image_data() == b"image"
