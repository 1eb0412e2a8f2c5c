"""Rigid transformations as 4x4 matrices: ``p_target = T_source_target @ p_source``."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ncore.data.checks import check
from ncore.data.errors import InvalidDataError

if TYPE_CHECKING:
    from ncore.data.pose_graph import PoseGraphInterpolator

Array = npt.NDArray[Any]
_LEAST_VOLUME = 1e-6
"""Below it a rotation part is next to singular, and its closest rotation arbitrary."""
_MOST_DISTORTION = 0.01
"""Of the columns of a rotation part; rounding to float16 or to three decimals leaves less."""


def se3_inverse(T: Array, unbatch: bool = True) -> Array:  # noqa: N803
    """Return the inverse of rigid transformations.

    Args:
        T: floating, shape ``(4, 4)`` or ``(N, 4, 4)``; the result has its dtype.
        unbatch: return shape ``(4, 4)`` rather than ``(1, 4, 4)`` for a single one.
    """
    transforms = T if T.ndim > 2 else T[None]
    inverse = np.zeros_like(transforms)
    rotation = np.swapaxes(transforms[..., :3, :3], -1, -2)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3] = -(rotation @ transforms[..., :3, 3:])[..., 0]
    inverse[..., 3, 3] = 1
    return inverse[0] if unbatch and len(inverse) == 1 else inverse


def so3_trans_2_se3(so3: Array, trans: Array) -> Array:
    """Return transformations of rotations ``(..., 3, 3)`` and translations ``(..., 3)``.

    They have shape ``(..., 4, 4)`` and the common dtype of both.
    """
    T = np.zeros((*np.shape(so3)[:-2], 4, 4), dtype=np.result_type(so3, trans))  # noqa: N806
    T[..., :3, :3] = so3
    T[..., :3, 3] = trans
    T[..., 3, 3] = 1
    return T


def transform_point_cloud(pc: Array, T: Array) -> Array:  # noqa: N803
    """Return points after a rigid transformation.

    Args:
        pc: points, shape ``(..., N, 3)``.
        T: shape ``(..., 4, 4)``.

    Returns:
        Shape ``(..., N, 3)``, in the common dtype of both.
    """
    return pc @ np.swapaxes(T[..., :3, :3], -1, -2) + T[..., None, :3, 3]


def relative_transform(
    pose_graph: "PoseGraphInterpolator",
    source: tuple[str, int],
    target: tuple[str, int],
    anchor_frame_id: str,
) -> Array:
    """Return the transformation between two frames at two times, shape ``(4, 4)``.

    Args:
        pose_graph: knows all three frames.
        source: frame id and time (microseconds).
        target: frame id and time (microseconds).
        anchor_frame_id: frame that does not move between the two times.

    Raises:
        UnknownNameError: a frame is not in the pose graph (a KeyError).
        InvalidDataError: the pose graph does not cover one of the times.
    """
    from_source = pose_graph.evaluate_poses(source[0], anchor_frame_id, as_timestamp(source[1]))
    to_target = pose_graph.evaluate_poses(anchor_frame_id, target[0], as_timestamp(target[1]))
    product: Array = to_target @ from_source
    return product


def as_timestamp(timestamp_us: Any) -> Array:
    """Return a time as 0-d integer array that :meth:`evaluate_poses` takes."""
    value = int(timestamp_us)
    return np.array(value, dtype=np.uint64 if value >= 0 else np.int64)


def check_rotations(poses: Array, exact: bool = False) -> None:
    """Check that the rotation parts of poses are rotations, or have a closest one.

    Args:
        poses: shape ``(N, 4, 4)``.
        exact: whether the rotation parts must be rotations as they are, up to rounding.

    Raises:
        InvalidDataError: a pose is not finite, a mirror image or singular; or, if
            ``exact``, its rotation part scales or shears.
    """
    which = "pose {}" if len(poses) > 1 else "the pose"
    finite = np.isfinite(poses).all(axis=(1, 2))
    if not finite.all():
        first = int(np.argmin(finite))
        raise InvalidDataError(f"{which.format(first)} holds values that are not finite")
    rotations = poses[:, :3, :3].astype(np.float64)
    # The volume beside that of a cube of the same size: 1 for rotations of any scale.
    size = np.linalg.norm(rotations, axis=(1, 2)) / np.sqrt(3)
    volume = np.linalg.det(rotations)
    proper = volume > _LEAST_VOLUME * size**3
    if not proper.all():
        first = int(np.argmin(proper))
        raise InvalidDataError(
            f"{which.format(first)} has no rotation: the determinant of its rotation part is "
            f"{volume[first]:.3g}, that of a rotation is 1"
        )
    rigid = _distortions(rotations) <= _MOST_DISTORTION
    if exact and not rigid.all():
        first = int(np.argmin(rigid))
        raise InvalidDataError(
            f"{which.format(first)} is no rigid transformation: the columns of its rotation part "
            "must be of unit length and at right angles"
        )


def pose_inverse(T: Array) -> Array:  # noqa: N803
    """Return the inverse of a stored pose ``(4, 4)``, even if that scales, shears or mirrors.

    Raises:
        InvalidDataError: the pose is singular.
    """
    rotation = T[None, :3, :3].astype(np.float64)
    if _distortions(rotation)[0] <= _MOST_DISTORTION:
        return se3_inverse(T)
    size = np.linalg.norm(rotation) / np.sqrt(3)
    volume = float(np.linalg.det(rotation)[0])
    check(
        abs(volume) > _LEAST_VOLUME * size**3,
        f"the pose is singular and has no inverse: the determinant of its rotation part is "
        f"{volume:.3g}",
    )
    inverse: Array = np.linalg.inv(T.astype(np.float64)).astype(T.dtype)
    return inverse


def _distortions(rotations: Array) -> Array:
    """Return how far each of ``(N, 3, 3)`` is from being orthonormal."""
    products = np.swapaxes(rotations, -1, -2) @ rotations
    distortions: Array = np.abs(products - np.eye(3)).max(axis=(1, 2))
    return distortions
