"""Poses along a trajectory, between (and a little beyond) the recorded ones."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ncore.data.checks import check
from ncore.data.errors import DataTypeError, InvalidDataError
from ncore.data.rigid import check_rotations, so3_trans_2_se3

if TYPE_CHECKING:
    from scipy.spatial.transform import Slerp

Array = npt.NDArray[Any]


class PoseInterpolator:
    """Interpolates poses: translations linearly, rotations spherically (SLERP).

    SciPy is imported at the first interpolation.
    """

    def __init__(self, poses: Array, timestamps: Array) -> None:
        """Take the poses of a trajectory.

        Args:
            poses: floating, shape ``(N, 4, 4)``, ``N >= 2``, metres; rotation parts that
                are not quite orthonormal are replaced by the closest rotation.
            timestamps: integers, shape ``(N,)``, strictly increasing, microseconds.

        Raises:
            InvalidDataError: wrong shapes, values that are not finite, a rotation part
                that is left-handed or singular, or timestamps that do not strictly
                increase.
        """
        self._poses = np.asarray(poses)
        self._timestamps = np.asarray(timestamps)
        count = len(self._timestamps) if self._timestamps.ndim == 1 else -1
        check(count >= 2, "a trajectory needs at least two timestamps, in shape (N,)")
        check(
            self._poses.shape == (count, 4, 4),
            f"{count} timestamps need poses of shape ({count}, 4, 4), not {self._poses.shape}",
        )
        check_rotations(self._poses)
        # Compared, not subtracted: unsigned differences wrap around.
        increasing = self._timestamps[1:] > self._timestamps[:-1]
        if not increasing.all():
            index = int(np.argmin(increasing))
            raise InvalidDataError(
                "the timestamps of a trajectory must strictly increase, but "
                f"{self._timestamps[index]} is followed by {self._timestamps[index + 1]}"
            )

    @property
    def poses(self) -> Array:
        """The poses given, shape and dtype as they were: ``(N, 4, 4)``, floating."""
        return self._poses

    @property
    def timestamps(self) -> Array:
        """The timestamps given, integers in shape ``(N,)``, microseconds."""
        return self._timestamps

    def in_range(self, ts: Any) -> bool:
        """Whether all times (one or an array, microseconds) lie within the trajectory."""
        times = np.asarray(ts)
        return bool(((times >= self._timestamps[0]) & (times <= self._timestamps[-1])).all())

    def interpolate_to_timestamps(self, ts_target: Any, dtype: npt.DTypeLike = np.float32) -> Array:
        """Return the poses at some times.

        Args:
            ts_target: one time or shape ``(M,)``, microseconds.
            dtype: dtype of the result; the computation is in float64.

        Returns:
            Shape ``(M, 4, 4)`` (``M = 1`` for one time).

        Raises:
            InvalidDataError: a time outside the trajectory, or another shape.
        """
        times = np.asarray(ts_target, dtype=np.float64)
        if times.ndim == 0:
            times = times[None]
        check(times.ndim == 1, f"times must have shape (M,), not {times.shape}")
        if len(times) == 0:
            return np.zeros((0, 4, 4), dtype=dtype)
        knots, translations = self._knots, self._translations
        outside = (times < knots[0]) | (times > knots[-1]) | np.isnan(times)
        if outside.any():
            raise InvalidDataError(
                f"time {times[np.argmax(outside)]} lies outside of the trajectory's "
                f"{self._timestamps[0]} to {self._timestamps[-1]} us"
            )
        above = knots.searchsorted(times).clip(1, len(knots) - 1)
        below = above - 1
        start, since = translations[below], knots[below]
        slope = (translations[above] - start) / (knots[above] - since)[:, None]
        poses = np.zeros((len(times), 4, 4))
        poses[:, :3, :3] = self._slerp(times).as_matrix()
        poses[:, :3, 3] = slope * (times - since)[:, None] + start
        poses[:, 3, 3] = 1
        return poses.astype(dtype, copy=False)

    def extrapolate_to_timestamps(
        self,
        ts_target: Array,
        max_extrapolation_time_us: int = 1_000_000,
        dtype: npt.DTypeLike = np.float32,
    ) -> Array:
        """Return the poses at some times, which may lie beyond the trajectory's ends.

        Beyond an end the linear and the angular velocity of the first or last pair of
        poses are kept.

        Args:
            ts_target: integer times, one or shape ``(M,)``, microseconds.
            max_extrapolation_time_us: how far beyond an end times may lie.
            dtype: dtype of the result; the computation is in float64.

        Returns:
            Shape ``(M, 4, 4)`` (``M = 1`` for one time).

        Raises:
            DataTypeError: the times are not integers.
            InvalidDataError: a time lies too far beyond an end, or another shape.
        """
        times = np.atleast_1d(np.asarray(ts_target))
        if times.dtype.kind not in "iu" and times.size:
            raise DataTypeError(f"times must be integers (microseconds), not {times.dtype}")
        check(times.ndim == 1, f"times must have shape (M,), not {times.shape}")
        first, last = int(self._timestamps[0]), int(self._timestamps[-1])
        before, after = times < self._timestamps[0], times > self._timestamps[-1]
        inside = ~(before | after)
        poses = np.empty((len(times), 4, 4), dtype=dtype)
        poses[inside] = self.interpolate_to_timestamps(times[inside], dtype)
        for beyond, end, where in ((before, 0, "start"), (after, -1, "end")):
            if not beyond.any():
                continue
            reached = int(times[beyond].min() if end == 0 else times[beyond].max())
            distance = first - reached if end == 0 else reached - last
            check(
                distance <= max_extrapolation_time_us,
                f"extrapolation by {distance} us beyond the trajectory's {where} exceeds the "
                f"limit of {max_extrapolation_time_us} us",
            )
            poses[beyond] = self._extrapolate(times[beyond], end).astype(dtype)
        return poses

    def _extrapolate(self, times: Array, end: int) -> Array:
        """Return poses beyond the first (``end = 0``) or last (``end = -1``) one, float64."""
        from scipy.spatial.transform import Rotation

        pair = slice(0, 2) if end == 0 else slice(-2, None)
        span = np.diff(self._knots[pair])[0]
        translations = self._poses[pair, :3, 3].astype(np.float64)
        rotations = Rotation.from_matrix(self._poses[pair, :3, :3])
        velocity = (translations[1] - translations[0]) / span
        angular_velocity = (rotations[1] * rotations[0].inv()).as_rotvec() / span
        elapsed = (times.astype(np.float64) - self._knots[end])[:, None]
        turns = Rotation.from_rotvec(angular_velocity * elapsed)
        return so3_trans_2_se3(
            (turns * rotations[end]).as_matrix(), translations[end] + velocity * elapsed
        )

    @cached_property
    def _knots(self) -> npt.NDArray[np.float64]:
        return self._timestamps.astype(np.float64)

    @cached_property
    def _translations(self) -> Array:
        return np.ascontiguousarray(self._poses[:, :3, 3])

    @cached_property
    def _slerp(self) -> "Slerp":
        from scipy.spatial.transform import Rotation, Slerp

        return Slerp(self._knots, Rotation.from_matrix(self._poses[:, :3, :3]))
