"""Alias of this module's contents under the name that NVIDIA's ncore has for it."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.data.boxes import bbox_pose as bbox_pose
    from ncore.data.boxes import is_within_3d_bboxes as is_within_3d_bboxes
    from ncore.data.boxes import pose_bbox as pose_bbox
    from ncore.data.boxes import transform_bbox as transform_bbox
    from ncore.data.interval import HalfClosedInterval as HalfClosedInterval
    from ncore.data.motion_compensation import MotionCompensator as MotionCompensator
    from ncore.data.pose_graph import PoseGraphInterpolator as PoseGraphInterpolator
    from ncore.data.pose_interpolator import PoseInterpolator as PoseInterpolator
    from ncore.data.rigid import se3_inverse as se3_inverse
    from ncore.data.rigid import so3_trans_2_se3 as so3_trans_2_se3
    from ncore.data.rigid import transform_point_cloud as transform_point_cloud

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "HalfClosedInterval": "ncore.data.interval",
        "MotionCompensator": "ncore.data.motion_compensation",
        "PoseGraphInterpolator": "ncore.data.pose_graph",
        "PoseInterpolator": "ncore.data.pose_interpolator",
        "bbox_pose": "ncore.data.boxes",
        "is_within_3d_bboxes": "ncore.data.boxes",
        "pose_bbox": "ncore.data.boxes",
        "se3_inverse": "ncore.data.rigid",
        "so3_trans_2_se3": "ncore.data.rigid",
        "transform_bbox": "ncore.data.boxes",
        "transform_point_cloud": "ncore.data.rigid",
    },
)
