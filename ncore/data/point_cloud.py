"""Point clouds with attributes, moved lazily between frames of reference."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ncore.data.errors import InvalidDataError, UnknownNameError
from ncore.data.rigid import relative_transform, transform_point_cloud

if TYPE_CHECKING:
    from ncore.data.pose_graph import PoseGraphInterpolator

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class PointCloud:
    """Points and their attributes in a frame of reference, immutable.

    Attributes are loaded, and points transformed, each time they are asked for.

    Args:
        _xyz: points in the original frame, floating, shape ``(N, 3)``.
        reference_frame_id: frame of reference of :attr:`xyz`.
        reference_frame_timestamp_us: time at which that frame is meant, microseconds.
        coordinate_unit: unit of the coordinates.
        _attributes: name -> attribute.
        _T_raw_reference: from the original frame to the frame of reference, ``(4, 4)``;
            ``None`` if they are the same.
    """

    class AttributeTransformType(IntEnum):
        """How an attribute behaves when its point cloud moves to another frame."""

        INVARIANT = 0
        """Stays as it is."""
        DIRECTION = 1
        """Vectors ``(N, 3)`` that are rotated."""
        POINT = 2
        """Points ``(N, 3)`` that are rotated and translated."""

    class CoordinateUnit(IntEnum):
        """Unit of a point cloud's coordinates."""

        UNITLESS = 0
        METERS = 1

    @dataclass(frozen=True, slots=True)
    class Attribute:
        """An attribute of a point cloud.

        Args:
            loader: returns the values in the cloud's original frame, shape ``(N, ...)``.
            transform_type: how they behave in another frame.
        """

        loader: Callable[[], Array]
        transform_type: "PointCloud.AttributeTransformType"

    _xyz: Array
    reference_frame_id: str
    reference_frame_timestamp_us: int
    coordinate_unit: CoordinateUnit
    _attributes: dict[str, Attribute]
    _T_raw_reference: Array | None = None

    @property
    def points_count(self) -> int:
        """Number of points."""
        return len(self._xyz)

    @property
    def xyz(self) -> Array:
        """Points in the frame of reference, shape ``(N, 3)``.

        Untransformed clouds keep their dtype; transformed ones have the common dtype of
        points and poses.
        """
        if self._T_raw_reference is None:
            return self._xyz
        return transform_point_cloud(self._xyz, self._T_raw_reference)

    @property
    def attribute_names(self) -> list[str]:
        """Names of all attributes."""
        return list(self._attributes)

    def has_attribute(self, name: str) -> bool:
        """Whether there is an attribute of this name."""
        return name in self._attributes

    def get_attribute(self, name: str) -> Array:
        """Return an attribute's values in the frame of reference, shape ``(N, ...)``.

        In the dtype they were stored in; what was rotated, in the common dtype of values and
        poses.

        Raises:
            UnknownNameError: no such attribute (a KeyError).
            InvalidDataError: a direction or point attribute has not shape ``(N, 3)``.
        """
        attribute = self._attribute(name)
        values = attribute.loader()
        kind = attribute.transform_type
        T = self._T_raw_reference  # noqa: N806
        if T is None or kind == self.AttributeTransformType.INVARIANT:
            return values
        if values.ndim != 2 or values.shape[1] != 3:
            raise InvalidDataError(
                f"attribute {name!r} of shape {values.shape} cannot be transformed as {kind.name}"
            )
        if kind == self.AttributeTransformType.DIRECTION:
            rotated: Array = values @ T[:3, :3].T
            return rotated
        return transform_point_cloud(values, T)

    def get_attribute_transform_type(self, name: str) -> AttributeTransformType:
        """Return how an attribute behaves in another frame.

        Raises:
            UnknownNameError: no such attribute (a KeyError).
        """
        return self._attribute(name).transform_type

    def transform(
        self,
        target_frame_id: str,
        target_frame_timestamp_us: int,
        pose_graph: "PoseGraphInterpolator",
        anchor_frame_id: str = "world",
    ) -> "PointCloud":
        """Return the point cloud in another frame of reference.

        Points move from their frame (at ``reference_frame_timestamp_us``) to the anchor
        and from there to the target frame (at ``target_frame_timestamp_us``).

        Args:
            target_frame_id: frame of reference of the result.
            target_frame_timestamp_us: time at which that frame is meant, microseconds.
            pose_graph: knows the poses of all three frames.
            anchor_frame_id: frame that does not move between the two times.

        Raises:
            UnknownNameError: a frame is not in the pose graph (a KeyError).
            InvalidDataError: the pose graph does not cover one of the times.
        """
        source = (self.reference_frame_id, self.reference_frame_timestamp_us)
        target = (target_frame_id, int(target_frame_timestamp_us))
        if source == target:
            return self
        T = relative_transform(pose_graph, source, target, anchor_frame_id)  # noqa: N806
        if self._T_raw_reference is not None:
            T = T @ self._T_raw_reference  # noqa: N806
        return replace(
            self,
            reference_frame_id=target[0],
            reference_frame_timestamp_us=target[1],
            _T_raw_reference=T,
        )

    def _attribute(self, name: str) -> Attribute:
        try:
            return self._attributes[name]
        except KeyError:
            raise UnknownNameError(
                f"Unknown attribute: {name} (there are: {', '.join(self._attributes) or 'none'})"
            ) from None
