"""Points measured by a moving sensor, as if it had measured them all at one time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.data.checks import check
from ncore.data.distinct_times import distinct_times
from ncore.data.pose_graph import PoseGraphInterpolator
from ncore.data.rigid import as_timestamp

Array = npt.NDArray[Any]


class MotionCompensator:
    """Moves points between the sensor at their own times and the sensor at one time."""

    @dataclass
    class MotionCompensationResult:
        """Motion-compensated rays.

        Args:
            xyz_s_reftime: where the sensor was at each ray's time, float32 ``(N, 3)``, metres.
            xyz_e_reftime: the points, ``(N, 3)``, metres, in the common dtype of float32 and
                the points given.
            reference_frame_id: frame of both: the sensor's.
            reference_timestamp_us: time at which that frame is meant, microseconds.
            anchor_frame_id: frame in which the scene was assumed not to move.
        """

        xyz_s_reftime: Array
        xyz_e_reftime: Array
        reference_frame_id: str
        reference_timestamp_us: int
        anchor_frame_id: str

    @staticmethod
    def from_sensor_rig(
        sensor_id: str,
        T_sensor_rig: Array,  # noqa: N803
        T_rig_worlds: Array,  # noqa: N803
        T_rig_worlds_timestamps_us: Array,  # noqa: N803
        anchor_frame_id: str = "world",
        rig_frame_id: str = "rig",
    ) -> "MotionCompensator":
        """Return the compensator of a sensor fixed to a moving rig.

        Args:
            sensor_id: frame id of the sensor.
            T_sensor_rig: from sensor to rig, floating ``(4, 4)``, metres.
            T_rig_worlds: from rig to anchor, floating ``(M, 4, 4)``, metres, ``M >= 2``.
            T_rig_worlds_timestamps_us: times of the latter, integers ``(M,)``, microseconds.
            anchor_frame_id: frame id of the anchor.
            rig_frame_id: frame id of the rig.

        Raises:
            InvalidDataError: wrong shapes, times that do not increase, or poses that are
                no rigid transformations.
        """
        edge = PoseGraphInterpolator.Edge
        return MotionCompensator(
            PoseGraphInterpolator(
                [
                    edge(sensor_id, rig_frame_id, T_sensor_rig, None),
                    edge(rig_frame_id, anchor_frame_id, T_rig_worlds, T_rig_worlds_timestamps_us),
                ]
            )
        )

    def __init__(self, pose_graph: PoseGraphInterpolator) -> None:
        """Create a compensator for the sensors of a pose graph."""
        self._pose_graph = pose_graph

    def motion_compensate_points(
        self,
        sensor_id: str,
        xyz_pointtime: Array,
        timestamp_us: Array,
        frame_start_timestamp_us: int,
        frame_end_timestamp_us: int,
        reference_timestamp_us: int | None = None,
        anchor_frame_id: str = "world",
    ) -> "MotionCompensator.MotionCompensationResult":
        """Return points in the sensor frame of one time.

        Args:
            sensor_id: frame id of the sensor.
            xyz_pointtime: points in the sensor frame at their own times, floating ``(N, 3)``,
                metres.
            timestamp_us: the points' times, integers ``(N,)``, microseconds, within the frame.
            frame_start_timestamp_us: start of the frame, microseconds.
            frame_end_timestamp_us: end of the frame, microseconds.
            reference_timestamp_us: time within the frame to which to compensate; default:
                its end.
            anchor_frame_id: frame in which the scene is assumed not to move.

        Raises:
            InvalidDataError: wrong shapes, times outside the frame or the known poses.
            UnknownNameError: a frame is not in the pose graph (a KeyError).
        """
        reference = self._check(
            xyz_pointtime,
            timestamp_us,
            (frame_start_timestamp_us, frame_end_timestamp_us),
            reference_timestamp_us,
        )
        times, inverse = distinct_times(timestamp_us)
        to_reference = self._pose_graph.evaluate_poses(
            anchor_frame_id, sensor_id, as_timestamp(reference)
        )
        to_anchor = self._pose_graph.evaluate_poses(sensor_id, anchor_frame_id, times)
        rows = _pose_rows(to_reference @ to_anchor, inverse)
        return MotionCompensator.MotionCompensationResult(
            xyz_s_reftime=rows[:, :, 3].copy(),
            xyz_e_reftime=_apply(rows, xyz_pointtime),
            reference_frame_id=sensor_id,
            reference_timestamp_us=reference,
            anchor_frame_id=anchor_frame_id,
        )

    def motion_decompensate_points(
        self,
        sensor_id: str,
        xyz_reftime: Array,
        timestamp_us: Array,
        frame_start_timestamp_us: int,
        frame_end_timestamp_us: int,
        reference_timestamp_us: int | None = None,
        anchor_frame_id: str = "world",
    ) -> Array:
        """Return points in the sensor frame at their own times: the inverse.

        Args:
            sensor_id: frame id of the sensor.
            xyz_reftime: points in the sensor frame of one time, floating ``(N, 3)``, metres.
            timestamp_us: the points' times, integers ``(N,)``, microseconds, within the frame.
            frame_start_timestamp_us: start of the frame, microseconds.
            frame_end_timestamp_us: end of the frame, microseconds.
            reference_timestamp_us: the one time; default: end of the frame.
            anchor_frame_id: frame in which the scene is assumed not to move.

        Returns:
            ``(N, 3)``, dtype of the points.

        Raises:
            InvalidDataError: wrong shapes, times outside the frame or the known poses.
            UnknownNameError: a frame is not in the pose graph (a KeyError).
        """
        reference = self._check(
            xyz_reftime,
            timestamp_us,
            (frame_start_timestamp_us, frame_end_timestamp_us),
            reference_timestamp_us,
        )
        times, inverse = distinct_times(timestamp_us)
        to_anchor = self._pose_graph.evaluate_poses(
            sensor_id, anchor_frame_id, as_timestamp(reference)
        )
        to_sensor = self._pose_graph.evaluate_poses(anchor_frame_id, sensor_id, times)
        return _apply(_pose_rows(to_sensor @ to_anchor, inverse), xyz_reftime)

    def _check(
        self, xyz: Any, times: Any, frame: tuple[int, int], reference_timestamp_us: int | None
    ) -> int:
        """Check the arguments and return the reference time."""
        check(
            isinstance(xyz, np.ndarray) and xyz.ndim == 2 and xyz.shape[1] == 3,
            f"points must be an array of shape (N, 3), not {np.shape(xyz)}",
        )
        check(
            isinstance(times, np.ndarray) and times.shape == xyz.shape[:1],
            f"{len(xyz)} points need timestamps of shape ({len(xyz)},), not {np.shape(times)}",
        )
        check(
            times.dtype.kind in "iu" or not times.size,
            f"Timestamps must be of integer type (microseconds), not {times.dtype}",
        )
        start, end = int(frame[0]), int(frame[1])
        if times.size:
            first, last = int(times.min()), int(times.max())
            check(
                start <= first and last <= end,
                f"Point timestamps {first} to {last} not in frame time bounds {start} to {end}",
            )
        reference = end if reference_timestamp_us is None else int(reference_timestamp_us)
        check(
            start <= reference <= end,
            f"Reference timestamp {reference} not in frame time bounds {start} to {end}",
        )
        return reference


def _pose_rows(poses: Array, inverse: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Return the upper three rows of each point's pose, float32 ``(N, 3, 4)``."""
    rows = poses[:, :3].astype(np.float32).reshape(-1, 12)
    return rows.take(inverse, axis=0).reshape(-1, 3, 4)


def _apply(rows: Array, xyz: Array) -> Array:
    """Apply a pose ``(N, 3, 4)`` to each point ``(N, 3)``."""
    moved = np.empty(xyz.shape, dtype=np.result_type(rows, xyz))
    x, y, z = xyz.T
    # Written out: matmul of many small matrices is slower.
    for axis in range(3):
        a, b, c, d = rows[:, axis].T
        moved[:, axis] = a * x + b * y + c * z + d
    return moved
