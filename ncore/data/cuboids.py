"""Three-dimensional boxes around objects, and their observation over time."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from ncore.data.checks import check
from ncore.data.enums import LabelSource
from ncore.data.errors import InvalidDataError
from ncore.data.json_codec import DataClassJsonMixin, enum_field

if TYPE_CHECKING:
    from ncore.data.pose_graph import PoseGraphInterpolator

Triple = tuple[float, float, float]


def _check_triple(name: str, value: Any) -> None:
    check(
        isinstance(value, tuple) and len(value) == 3 and all(isinstance(v, float) for v in value),
        f"{name} must be a tuple of three floats, not {value!r}",
    )


@dataclass
class BBox3(DataClassJsonMixin):
    """An oriented box in some frame of reference.

    Args:
        centroid: centre ``(x, y, z)``, metres.
        dim: full extents along the box's own axes, metres.
        rot: orientation as angles about the fixed x, y, z axes, applied in this
            order (SciPy's ``"xyz"``), radians.

    Raises:
        InvalidDataError: not tuples of three Python floats.
    """

    centroid: Triple
    dim: Triple
    rot: Triple

    def __post_init__(self) -> None:
        _check_triple("centroid", self.centroid)
        _check_triple("dim", self.dim)
        _check_triple("rot", self.rot)

    def to_array(self) -> npt.NDArray[np.float32]:
        """Return centroid, dim, rot as float32 array of shape ``(9,)``."""
        return np.array([*self.centroid, *self.dim, *self.rot], dtype=np.float32)

    @classmethod
    def from_array(cls, array: npt.NDArray[Any]) -> Self:
        """Return the box of an array of shape ``(9,)`` and any dtype: centroid, dim, rot.

        Raises:
            InvalidDataError: the array has another shape.
        """
        if np.shape(array) != (9,):
            raise InvalidDataError(f"a box is an array of shape (9,), not {np.shape(array)}")
        v = [float(value) for value in array]
        return cls((v[0], v[1], v[2]), (v[3], v[4], v[5]), (v[6], v[7], v[8]))


@dataclass
class CuboidTrackObservation(DataClassJsonMixin):
    """One observation of a tracked object.

    Args:
        track_id: the same for all observations of an object.
        class_id: class of the object, e.g. ``"automobile"``.
        timestamp_us: time of the observation, microseconds.
        reference_frame_id: frame of reference of the box.
        reference_frame_timestamp_us: time at which that frame is meant, microseconds.
        bbox3: the box.
        source: where the label comes from.
        source_version: version of the source, if known.

    Raises:
        InvalidDataError: an argument has the wrong type.
    """

    track_id: str
    class_id: str
    timestamp_us: int
    reference_frame_id: str
    reference_frame_timestamp_us: int
    bbox3: BBox3
    source: LabelSource = enum_field(LabelSource)
    source_version: str | None = None

    def __post_init__(self) -> None:
        for name in ("track_id", "class_id", "reference_frame_id"):
            value = getattr(self, name)
            check(isinstance(value, str), f"{name} must be a string, not {value!r}")
        for name in ("timestamp_us", "reference_frame_timestamp_us"):
            value = getattr(self, name)
            check(isinstance(value, int), f"{name} must be a Python int, not {value!r}")
        check(isinstance(self.bbox3, BBox3), f"bbox3 must be a BBox3, not {self.bbox3!r}")
        if not isinstance(self.source, LabelSource):
            try:
                self.source = LabelSource(self.source)
            except ValueError:
                raise InvalidDataError(
                    f"source must be a LabelSource, not {self.source!r}"
                ) from None
        check(
            self.source_version is None or isinstance(self.source_version, str),
            f"source_version must be a string or None, not {self.source_version!r}",
        )

    def transform(
        self,
        target_frame_id: str,
        target_frame_timestamp_us: int,
        pose_graph: "PoseGraphInterpolator",
        anchor_frame_id: str = "world",
    ) -> Self:
        """Return the observation with its box in another frame of reference.

        The box moves from its frame (at ``reference_frame_timestamp_us``) to the
        anchor and from there to the target frame (at ``target_frame_timestamp_us``).

        Args:
            target_frame_id: frame of reference of the result.
            target_frame_timestamp_us: time at which that frame is meant, microseconds.
            pose_graph: knows the poses of all three frames.
            anchor_frame_id: frame that does not move between the two times.

        Raises:
            UnknownNameError: a frame is not in the pose graph (a KeyError).
            InvalidDataError: the pose graph does not cover one of the times.
        """
        from ncore.data.boxes import transform_bbox
        from ncore.data.rigid import relative_transform

        if (target_frame_id, target_frame_timestamp_us) == (
            self.reference_frame_id,
            self.reference_frame_timestamp_us,
        ):
            return self
        pose = relative_transform(
            pose_graph,
            (self.reference_frame_id, self.reference_frame_timestamp_us),
            (target_frame_id, target_frame_timestamp_us),
            anchor_frame_id,
        )
        return replace(
            self,
            reference_frame_id=target_frame_id,
            reference_frame_timestamp_us=int(target_frame_timestamp_us),
            bbox3=BBox3.from_array(transform_bbox(self.bbox3.to_array(), pose)),
        )
