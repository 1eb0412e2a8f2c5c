"""Which frames of several sensors belong together, by their timestamps alone."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

MISSING = -1
"""Stands for a frame that no sensor has near enough."""

Times = npt.NDArray[np.int64]


def frame_times(frames_timestamps_us: npt.NDArray[np.uint64], relative_frame_time: float) -> Times:
    """Return the time of each frame that counts.

    Args:
        frames_timestamps_us: (N, 2) start and end of each frame in microseconds, sorted.
        relative_frame_time: which point within a frame: 0 its start, 1 its end.

    Returns:
        (N,) int64 microseconds.
    """
    starts: Times = frames_timestamps_us[:, 0].astype(np.int64)
    ends: Times = frames_timestamps_us[:, 1].astype(np.int64)
    if relative_frame_time in (0.0, 1.0):
        return ends if relative_frame_time else starts
    moved: Times = starts + ((ends - starts) * relative_frame_time).astype(np.int64)
    return moved


def closest_frames(times: Times, wanted: Times, tolerance_us: int) -> npt.NDArray[np.int32]:
    """Return the frame closest to each wanted time, the later of two equally close.

    Args:
        times: (N,) times of the frames, possibly none.
        wanted: (M,) times to look for, microseconds.
        tolerance_us: how far a frame may be away.

    Returns:
        (M,) int32 frame indices, :data:`MISSING` where no frame is near enough.
    """
    if len(times) == 0:
        return np.full(len(wanted), MISSING, np.int32)
    order = None
    if np.any(times[1:] < times[:-1]):  # point clouds have no order of their own
        order = np.argsort(times, kind="stable")
        times = times[order]
    above = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    below = np.maximum(above - 1, 0)
    nearer_below = np.abs(wanted - times[below]) < np.abs(times[above] - wanted)
    found = np.where(nearer_below, below, above)
    far = np.abs(times[found] - wanted) > tolerance_us
    if order is not None:
        found = order[found]
    found[far] = MISSING
    return found.astype(np.int32)


def synchronize(
    times: Mapping[str, Times],
    reference: str,
    tolerances_us: Mapping[str, int],
    stride: int = 1,
) -> npt.NDArray[np.int32]:
    """Match the frames of all sensors with those of one.

    Args:
        times: per sensor (N,) int64 frame times in microseconds.
        reference: the sensor each of whose frames makes a row.
        tolerances_us: per sensor, how far its frame may be away from the reference's.
        stride: take every ``stride``-th frame of the reference.

    Returns:
        (M, S) int32 frame indices, :data:`MISSING` where there is none; the columns in
        the order of ``times``.
    """
    rows = np.arange(0, len(times[reference]), stride, dtype=np.int32)
    wanted = times[reference][rows]
    columns = [
        rows if name == reference else closest_frames(own, wanted, tolerances_us[name])
        for name, own in times.items()
    ]
    return np.stack(columns, axis=1)
