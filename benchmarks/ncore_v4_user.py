"""What a user of NCore V4 does, timed; run by ncore_v4.py with the original and with this project.

It calls only what both offer under the same names, so the same code measures
both. Prints one JSON answer to the request in its first argument.
"""

import json
import os
import sys
import time

import numpy as np
from upath import UPath

from ncore.data.v4 import (
    CameraSensorComponent,
    CuboidsComponent,
    IntrinsicsComponent,
    LidarSensorComponent,
    MasksComponent,
    PosesComponent,
    SequenceComponentGroupsReader,
    SequenceComponentGroupsWriter,
    SequenceLoaderV4,
)
from ncore.impl.common.transformations import HalfClosedInterval

T0 = 1_700_000_000_000_000
STEP = 100_000
LIDAR_ARRAYS = ("direction", "timestamp_us", "model_element")
RETURN_ARRAYS = ("distance_m", "intensity")


def write(directory, name, store_type, frames, image_size, scans, n_rays):
    """Write a sequence; returns the seconds that storing and finalizing took."""
    interval = HalfClosedInterval(T0, T0 + (max(frames, scans) + 2) * STEP + 1)
    writer = SequenceComponentGroupsWriter(UPath(directory), name, name, interval, {}, store_type)
    poses = writer.register_component_writer(PosesComponent.Writer, "default")
    times = np.linspace(interval.start, interval.end, 200).astype(np.uint64)
    trajectory = np.tile(np.eye(4), (200, 1, 1))
    trajectory[:, 0, 3] = np.arange(200)
    poses.store_dynamic_pose("rig", "world", trajectory, times)
    for sensor in ("cam", "lidar"):
        poses.store_static_pose(sensor, "rig", np.eye(4, dtype=np.float32))
    writer.register_component_writer(IntrinsicsComponent.Writer, "default")
    writer.register_component_writer(MasksComponent.Writer, "default")
    writer.register_component_writer(CuboidsComponent.Writer, "default").store_observations([])
    rng = np.random.default_rng(0)
    image = rng.bytes(image_size - 8)
    images = [b"\xff\xd8%04d" % i + image + b"\xff\xd9" for i in range(min(frames, 16))]
    camera = writer.register_component_writer(CameraSensorComponent.Writer, "cam")
    start = time.perf_counter()
    for i in range(frames):
        end = T0 + (i + 1) * STEP
        exposure = np.array([end - 30_000, end], np.uint64)
        camera.store_frame(images[i % len(images)], "jpeg", exposure, {}, {"k": i})
    seconds = time.perf_counter() - start
    if scans:
        lidar = writer.register_component_writer(LidarSensorComponent.Writer, "lidar")
        for i in range(scans):
            lidar.store_frame(**scan(rng, T0 + (i + 1) * STEP, n_rays))
    start = time.perf_counter()
    (path,) = writer.finalize()
    return {"seconds": seconds + time.perf_counter() - start, "path": str(path)}


def scan(rng, end, n_rays):
    """A turn of a 64-row lidar over a smooth scene with centimetre noise."""
    rows = 64
    azimuth = np.linspace(-np.pi, np.pi, n_rays)
    elevation = np.resize(np.linspace(-0.4, 0.2, rows), n_rays)
    direction = np.stack(
        [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ],
        axis=1,
    )
    distance = 20 + 10 * np.sin(azimuth * 5) + rng.normal(0, 0.05, n_rays)
    return {
        "direction": direction.astype(np.float32),
        "timestamp_us": np.linspace(end - 99_000, end, n_rays).astype(np.uint64),
        "model_element": np.stack([np.arange(n_rays) % rows, np.arange(n_rays) // rows], 1).astype(
            np.uint16
        ),
        "distance_m": distance[None].astype(np.float32),
        "intensity": (rng.integers(0, 256, (1, n_rays)) / 255).astype(np.float32),
        "frame_timestamps_us": np.array([end - 99_000, end], np.uint64),
        "generic_data": {},
        "generic_meta_data": {},
    }


def seconds_of(call, rounds):
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return sorted(taken)


def open_sequence(path, rounds):
    """Reader, loader and everything a loader opens."""
    paths = [UPath(path)]
    return seconds_of(lambda: SequenceLoaderV4(SequenceComponentGroupsReader(paths)), rounds)


def read_camera(path, rounds):
    """Every frame's encoded bytes; seconds a frame, and those of a bare pread of as much."""
    reader = SequenceComponentGroupsReader([UPath(path)])
    camera = reader.open_component_readers(CameraSensorComponent.Reader)["cam"]
    times = [int(end) for end in camera.frames_timestamps_us[:, 1]]

    def frames():
        for end in times:
            camera.get_frame_data(end).get_encoded_image_data()

    size = len(camera.get_frame_data(times[0]).get_encoded_image_data())
    file = os.open(path, os.O_RDONLY)
    step = os.fstat(file).st_size // len(times)
    places = [i * step for i in range(len(times))]

    def bare():
        for place in places:
            os.pread(file, size, place)

    frames()
    found = {"frames": [], "bare": []}
    for _ in range(rounds):  # in turns, so that both meet the same moments
        found["frames"] += seconds_of(frames, 1)
        found["bare"] += seconds_of(bare, 1)
    os.close(file)
    return {key: [s / len(times) for s in sorted(taken)] for key, taken in found.items()}


def read_lidar(path, rounds):
    """Every array of every frame; seconds a frame."""
    reader = SequenceComponentGroupsReader([UPath(path)])
    lidar = reader.open_component_readers(LidarSensorComponent.Reader)["lidar"]
    times = [int(end) for end in lidar.frames_timestamps_us[:, 1]]

    def frames():
        for end in times:
            for name in LIDAR_ARRAYS:
                lidar.get_frame_ray_bundle_data(end, name)
            for name in RETURN_ARRAYS:
                lidar.get_frame_ray_bundle_return_data(end, name, 0)
            lidar.get_frame_ray_bundle_return_valid_mask(end)

    frames()
    return [seconds / len(times) for seconds in seconds_of(frames, rounds)]


def reload_resources(path, rounds):
    """What a forked worker pays before it may read."""
    loader = SequenceLoaderV4(SequenceComponentGroupsReader([UPath(path)]))
    return seconds_of(loader.reload_resources, rounds)


def main():
    request = json.loads(sys.argv[1])
    call = {
        "write": write,
        "open": open_sequence,
        "camera": read_camera,
        "lidar": read_lidar,
        "reload": reload_resources,
    }[request.pop("do")]
    print(json.dumps(call(**request)))


if __name__ == "__main__":
    main()
