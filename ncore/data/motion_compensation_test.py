import numpy as np
import pytest

from ncore.data.motion_compensation import MotionCompensator

# A rig that drives along x with 1 m in 100 us; the sensor looks where it drives.
TIMES = np.array([0, 1000], np.uint64)
DRIVE = np.stack([np.eye(4), np.eye(4)])
DRIVE[1, 0, 3] = 10.0
ABOVE = np.eye(4, dtype=np.float32)
ABOVE[2, 3] = 2.0
POINTS = np.array([[5, 0, 0], [5, 1, 0], [5, 2, 0]], np.float32)
POINT_TIMES = np.array([100, 200, 300], np.uint64)


@pytest.fixture
def compensator():
    return MotionCompensator.from_sensor_rig("lidar", ABOVE, DRIVE, TIMES)


def test_to_the_end_of_the_frame(compensator):
    result = compensator.motion_compensate_points("lidar", POINTS, POINT_TIMES, 100, 300)
    np.testing.assert_allclose(result.xyz_e_reftime, [[3, 0, 0], [4, 1, 0], [5, 2, 0]], atol=1e-6)
    np.testing.assert_allclose(result.xyz_s_reftime, [[-2, 0, 0], [-1, 0, 0], [0, 0, 0]], atol=1e-6)
    assert result.xyz_e_reftime.dtype == np.float32
    assert (result.reference_frame_id, result.reference_timestamp_us) == ("lidar", 300)
    assert result.anchor_frame_id == "world"


def test_to_another_time_or_anchor(compensator):
    arguments = ("lidar", POINTS, POINT_TIMES, 100, 300)
    start = compensator.motion_compensate_points(*arguments, reference_timestamp_us=100)
    np.testing.assert_allclose(start.xyz_e_reftime[:, 0], [5, 6, 7], atol=1e-6)
    # The rig carries the sensor along, so relative to it nothing moves.
    rigid = compensator.motion_compensate_points(*arguments, anchor_frame_id="rig")
    np.testing.assert_allclose(rigid.xyz_e_reftime, POINTS, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"reference_timestamp_us": 150}])
def test_decompensation_is_the_inverse(compensator, options):
    frame = (POINT_TIMES, 100, 300)
    moved = compensator.motion_compensate_points("lidar", POINTS, *frame, **options)
    back = compensator.motion_decompensate_points("lidar", moved.xyz_e_reftime, *frame, **options)
    np.testing.assert_allclose(back, POINTS, atol=1e-5)


def test_no_points(compensator):
    none = np.zeros((0, 3), np.float32)
    result = compensator.motion_compensate_points("lidar", none, np.zeros(0, np.uint64), 100, 300)
    assert result.xyz_s_reftime.shape == (0, 3)
    assert result.xyz_e_reftime.shape == (0, 3)


def test_absent_returns_stay_absent(compensator):
    points = POINTS.copy()
    points[1] = np.nan
    result = compensator.motion_compensate_points("lidar", points, POINT_TIMES, 100, 300)
    assert np.isnan(result.xyz_e_reftime).all(axis=1).tolist() == [False, True, False]
    assert np.isfinite(result.xyz_s_reftime).all()


@pytest.mark.parametrize(
    ("points", "times", "frame", "options", "message"),
    [
        (POINTS, POINT_TIMES, (150, 300), {}, "100 to 300 not in frame time bounds 150 to 300"),
        (POINTS, POINT_TIMES, (100, 299), {}, "not in frame time bounds"),
        (POINTS, POINT_TIMES, (100, 300), {"reference_timestamp_us": 301}, "Reference timestamp"),
        (POINTS, POINT_TIMES[:2], (100, 300), {}, "timestamps of shape"),
        (POINTS, POINT_TIMES.astype(float), (100, 300), {}, "integer"),
        (POINTS[:, :2], POINT_TIMES, (100, 300), {}, r"\(N, 3\)"),
        (POINTS, POINT_TIMES + np.uint64(900), (1000, 1200), {}, "outside of the trajectory"),
    ],
)
def test_refused_arguments(compensator, points, times, frame, options, message):
    for move in (compensator.motion_compensate_points, compensator.motion_decompensate_points):
        with pytest.raises(ValueError, match=message):
            move("lidar", points, times, *frame, **options)


def test_unknown_sensor(compensator):
    with pytest.raises(KeyError, match="radar"):
        compensator.motion_compensate_points("radar", POINTS, POINT_TIMES, 100, 300)
