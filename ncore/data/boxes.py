"""Boxes as arrays ``(..., 9)``: centroid, dimensions, angles about the x, y, z axes."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.data.rigid import so3_trans_2_se3

Array = npt.NDArray[Any]


def bbox_pose(bbox: Array) -> npt.NDArray[np.float64]:
    """Return the pose of a box (from the box's own frame), float64 ``(4, 4)``."""
    from scipy.spatial.transform import Rotation

    return so3_trans_2_se3(
        Rotation.from_euler("xyz", bbox[6:9]).as_matrix(), np.asarray(bbox[:3], dtype=np.float64)
    )


def pose_bbox(pose: Array, dimensions: Array) -> npt.NDArray[np.float64]:
    """Return the box, float64 ``(9,)``, of a pose ``(4, 4)`` and dimensions ``(3,)``, metres."""
    from scipy.spatial.transform import Rotation

    angles = Rotation.from_matrix(pose[:3, :3]).as_euler("xyz")
    return np.concatenate([pose[:3, 3], np.asarray(dimensions), angles]).astype(np.float64)


def transform_bbox(bbox_source: Array, T_source_target: Array) -> npt.NDArray[np.float32]:  # noqa: N803
    """Return a box ``(9,)`` in another frame, float32.

    Args:
        bbox_source: the box in the source frame, ``(9,)``.
        T_source_target: from source to target coordinates, ``(4, 4)``.
    """
    pose = T_source_target @ bbox_pose(bbox_source)
    return pose_bbox(pose, bbox_source[3:6]).astype(np.float32)


def is_within_3d_bboxes(pc: Array, bboxes: Array) -> npt.NDArray[np.bool_]:
    """Return which points lie in which boxes.

    Args:
        pc: points, floating ``(N, 3)``, metres.
        bboxes: boxes, floating ``(M, 9)``, in the same frame.

    Returns:
        bool ``(N, M)``; points on a face lie inside.
    """
    from scipy.spatial.transform import Rotation

    rotations = Rotation.from_euler("xyz", bboxes[:, 6:9].reshape(-1, 3)).as_matrix()
    offsets = pc[:, None, :] - bboxes[None, :, :3]
    local = np.einsum("nmi,mij->nmj", offsets, rotations)
    inside: npt.NDArray[np.bool_] = (np.abs(local) <= bboxes[None, :, 3:6] / 2).all(axis=-1)
    return inside
