"""Computations on pseudo-random input, by this project and by nvidia-ncore alike.

``expected.npz`` holds what nvidia-ncore 19.8.3 (Python 3.11, NumPy 1.26.4, SciPy
1.17.1) computes. To make it anew, run this file with a Python that has that package,
from a directory that has no ``ncore``::

    python .../tests/peer_values/cases.py .../tests/peer_values/expected.npz

Input comes from ``random.Random``, whose sequences do not depend on any version.
"""

import json
import random
import sys

import numpy as np

import ncore.data as data
from ncore.impl.common.transformations import (
    MotionCompensator,
    PoseGraphInterpolator,
    PoseInterpolator,
    is_within_3d_bboxes,
    transform_bbox,
)
from ncore.impl.data.types import encode_camera_model_parameters, encode_lidar_model_parameters
from ncore.impl.data.util import closest_index_sorted, compute_max_angle_with_monotonicity

F32 = np.float32
START = 1_700_000_000_000_000


def uniform(rng, low, high, *shape):
    count = int(np.prod(shape))
    return np.array([rng.uniform(low, high) for _ in range(count)]).reshape(shape)


def as_array(value):
    if hasattr(value, "to_dict"):
        return np.array(json.dumps(value.to_dict(), sort_keys=True))
    if isinstance(value, dict):
        return np.array(json.dumps(value, sort_keys=True))
    return np.asarray(value)


def cameras(rng):
    fisheye = data.OpenCVFisheyeCameraModelParameters
    ftheta = data.FThetaCameraModelParameters
    for index in range(16):
        resolution = np.array([rng.randrange(2, 200) * 16, rng.randrange(2, 99) * 16], np.uint64)
        common = {
            "resolution": resolution,
            "shutter_type": data.ShutterType(rng.randrange(1, 6)),
            "principal_point": (resolution * uniform(rng, 0.3, 0.7, 2)).astype(F32),
        }
        if index % 2:
            common["external_distortion_parameters"] = data.BivariateWindshieldModelParameters(
                data.ReferencePolynomial(rng.randrange(1, 3)),
                *(uniform(rng, -1, 1, n).astype(F32) for n in (3, 6, 10, 1)),
            )
        focal_length = uniform(rng, 100, 2000, 2).astype(F32)
        if index % 4 == 0:
            yield data.IdealPinholeCameraModelParameters(**common, focal_length=focal_length)
        elif index % 4 == 1:
            yield data.OpenCVPinholeCameraModelParameters(
                **common,
                focal_length=focal_length,
                radial_coeffs=uniform(rng, -1, 1, 6).astype(F32),
                tangential_coeffs=uniform(rng, -1, 1, 2).astype(F32),
                thin_prism_coeffs=uniform(rng, -1, 1, 4).astype(F32),
            )
        elif index % 4 == 2:
            yield fisheye(
                **common,
                focal_length=focal_length,
                radial_coeffs=uniform(rng, -0.1, 0.1, 4).astype(F32),
                max_angle=rng.uniform(0.1, 2),
            )
        else:
            yield ftheta(
                **common,
                reference_poly=ftheta.PolynomialType(rng.randrange(1, 3)),
                pixeldist_to_angle_poly=uniform(rng, -1, 1, rng.randrange(1, 7)).astype(F32),
                angle_to_pixeldist_poly=uniform(rng, 1, 900, rng.randrange(2, 7)).astype(F32),
                max_angle=rng.uniform(0.1, 2),
                linear_cde=uniform(rng, 0.5, 2, 3).astype(F32),
            )


def camera_values(rng):
    ideal = data.IdealPinholeCameraModelParameters
    fisheye = data.OpenCVFisheyeCameraModelParameters
    for camera in cameras(rng):
        yield "camera", encode_camera_model_parameters(camera)
        offset = (rng.uniform(0, 50), rng.uniform(0, 50))
        size = (rng.randrange(1, 999), rng.randrange(1, 999))
        yield "scaled", camera.transform(rng.uniform(0.1, 3), offset, size)
        factors = (rng.uniform(0.1, 3), rng.uniform(0.1, 3))
        yield "stretched", camera.transform(factors, offset, size)
        yield "halved", camera.transform(0.5)
        yield "natural fov", ideal.natural_fov(camera)
        yield "ideal", ideal.from_source(camera)
        yield "ideal of a fov", ideal.from_source(camera, rng.uniform(0.1, 3.1))
        yield "ideal of two fovs", ideal.from_source(camera, uniform(rng, 0.1, 3.1, 2))
        yield (
            "max angle",
            fisheye.compute_max_angle(
                camera.resolution,
                uniform(rng, 50, 2000, 2).astype(F32),
                camera.principal_point,
                (uniform(rng, -1, 1, 4) * rng.choice([0.01, 0.1, 1])).astype(F32),
            ),
        )
        polynomial = uniform(rng, -1, 1, rng.randrange(2, 7))
        polynomial[:2] = 0, rng.uniform(0.1, 1)
        radius = rng.uniform(0.1, 4)
        yield "monotonous angle", compute_max_angle_with_monotonicity(polynomial, radius)


def lidar_values(rng):
    for index in range(8):
        direction = ("cw", "ccw")[index % 2]
        columns = rng.randrange(2, 40)
        steps = np.cumsum(uniform(rng, 0.01, 6.2 / columns, columns))
        azimuths = rng.uniform(-4, 4) + (steps if direction == "ccw" else -steps)
        azimuths = np.mod(azimuths + np.pi, 2 * np.pi) - np.pi
        rows = rng.randrange(1, 12)
        lidar = data.RowOffsetStructuredSpinningLidarModelParameters(
            10.0,
            direction,
            rows,
            columns,
            np.sort(uniform(rng, -1, 1, rows))[::-1].astype(F32),
            azimuths.astype(F32),
            uniform(rng, -0.05, 0.05, rows).astype(F32),
        )
        yield "lidar", encode_lidar_model_parameters(lidar)
        for dtype in (np.float32, np.float64):
            for fov in (lidar.get_vertical_fov(dtype), lidar.get_horizontal_fov(dtype)):
                yield "lidar fov", np.array([fov.start_rad, fov.span_rad])


def poses(rng, count, dtype):
    """Rigid poses from random quaternions (without SciPy, whose versions differ)."""
    w, x, y, z = uniform(rng, -1, 1, 4, count)
    norm = np.sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w / norm, x / norm, y / norm, z / norm
    result = np.zeros((count, 4, 4))
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    for i, row in enumerate(rows):
        for j, column in enumerate(row):
            result[:, i, j] = column
    result[:, :3, 3] = uniform(rng, -100, 100, count, 3)
    result[:, 3, 3] = 1
    return result.astype(dtype)


def pose_values(rng):
    edge = PoseGraphInterpolator.Edge
    cloud = data.PointCloud
    for _ in range(4):
        times = sorted(
            {START, START + 1_000_000, *(START + rng.randrange(10**6) for _ in range(9))}
        )
        times = np.array(times, np.uint64)
        ends = times[[0, -1]]
        dtypes = [rng.choice([np.float32, np.float64]) for _ in range(6)]
        graph = PoseGraphInterpolator(
            [
                edge("camera", "rig", poses(rng, 1, dtypes[0])[0], None),
                edge("rig", "lidar", poses(rng, 1, dtypes[1])[0], None),
                edge("rig", "world", poses(rng, len(times), dtypes[2]), times),
                edge("world", "map", poses(rng, 1, dtypes[3])[0], None),
                edge("object", "map", poses(rng, 2, dtypes[4]), ends),
                edge("trailer", "rig", poses(rng, len(times), dtypes[5]), times),
            ]
        )
        at = [START, START + 10**6, int(times[3]), START + rng.randrange(10**6)]
        at = np.array(at, np.uint64)
        for source in sorted(graph.nodes):
            for target in sorted(graph.nodes):
                yield "pose", graph.evaluate_poses(source, target, at)

        first, last = START + 400_000, START + 500_000
        points = uniform(rng, -50, 50, 40, 3).astype(F32)
        point_times = [rng.randrange(first, last + 1) for _ in range(40)]
        point_times = np.array(point_times, np.uint64)
        compensator = MotionCompensator(graph)
        for options in (
            {},
            {"reference_timestamp_us": first},
            {"reference_timestamp_us": first + 555, "anchor_frame_id": "map"},
        ):
            arguments = ("lidar", points, point_times, first, last)
            result = compensator.motion_compensate_points(*arguments, **options)
            yield "compensated starts", result.xyz_s_reftime
            yield "compensated ends", result.xyz_e_reftime
            yield "decompensated", compensator.motion_decompensate_points(*arguments, **options)
        rigged = MotionCompensator.from_sensor_rig(
            "sensor", poses(rng, 1, F32)[0], poses(rng, len(times), np.float64), times
        )
        result = rigged.motion_compensate_points("sensor", points, point_times, first, last)
        yield "compensated on a rig", result.xyz_e_reftime

        interpolator = PoseInterpolator(poses(rng, len(times), np.float64), times)
        yield "interpolated", interpolator.interpolate_to_timestamps(at)
        yield "interpolated in float64", interpolator.interpolate_to_timestamps(at, np.float64)
        beyond = np.array([START - 500, START - 3, START, START + 5, START + 1_005_000])
        yield "extrapolated", interpolator.extrapolate_to_timestamps(beyond, dtype=np.float64)

        array = np.concatenate(
            [uniform(rng, -9, 9, 3), uniform(rng, 1, 5, 3), uniform(rng, -1, 1, 3)]
        ).astype(F32)
        yield "box", transform_bbox(array, poses(rng, 1, np.float64)[0])
        yield "points in boxes", is_within_3d_bboxes(points * 0.1, np.stack([array, array * 2]))
        cuboid = data.CuboidTrackObservation(
            track_id="track",
            class_id="automobile",
            timestamp_us=5,
            reference_frame_id="lidar",
            reference_frame_timestamp_us=int(point_times[0]),
            bbox3=data.BBox3.from_array(array),
            source=data.LabelSource.EXTERNAL,
        )
        yield "cuboid", cuboid.transform("world", int(point_times[1]), graph).bbox3.to_array()
        kinds = cloud.AttributeTransformType
        pc = cloud(
            points,
            "lidar",
            int(point_times[0]),
            cloud.CoordinateUnit.METERS,
            {"normal": cloud.Attribute(lambda points=points: points, kinds.DIRECTION)},
        )
        moved = pc.transform("camera", int(point_times[1]), graph, "map")
        moved = moved.transform("world", int(point_times[2]), graph)
        yield "point cloud", moved.xyz
        yield "normals", moved.get_attribute("normal")


def search_values(rng):
    for _ in range(40):
        times = np.array(sorted(rng.randrange(20) for _ in range(rng.randrange(1, 9))), np.uint64)
        value = rng.randrange(-2, 24)
        yield "closest index", closest_index_sorted(times, value)


def values():
    """Return all computed values by a name that tells what they are."""
    result = {}
    for make in (camera_values, lidar_values, pose_values, search_values):
        rng = random.Random(make.__name__)
        for index, (name, value) in enumerate(make(rng)):
            result[f"{name} {index}"] = as_array(value)
    return result


if __name__ == "__main__":
    np.savez_compressed(sys.argv[1], **values())
