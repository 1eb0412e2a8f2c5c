"""Static and time-dependent poses between named frames of reference."""

import ast
from collections.abc import Generator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from ncore.data.errors import InvalidDataError
from ncore.data.interval import HalfClosedInterval
from ncore.data.rigid import check_rotations
from ncore.data.v4.component import ComponentReader, ComponentWriter
from ncore.data.v4.errors import ComponentNotFoundError, SequenceFormatError
from ncore.data.v4.stored_form import stored_form

if TYPE_CHECKING:
    import zarr

_STATIC, _DYNAMIC = "static_poses", "dynamic_poses"
_LAST_ROW = np.array([0.0, 0.0, 0.0, 1.0])
_DTYPES = ("float16", "float32", "float64")


def encode_pose_name(source_frame_id: str, target_frame_id: str) -> str:
    """The attribute name of a pose: the repr of the pair of frame names."""
    return repr((source_frame_id, target_frame_id))


def decode_pose_name(name: str) -> tuple[str, str]:
    """The pair of frame names that an attribute name stands for.

    Raises:
        SequenceFormatError: the name is not the repr of two strings. It is
            parsed as a literal and never evaluated. (A ``ValueError`` as well.)
    """
    try:
        pair = ast.literal_eval(name)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pair = None
    match pair:
        case (str(source), str(target)) if isinstance(pair, tuple):
            return source, target
    raise PoseNameError(f"pose {name!r:.200} is not the repr of two frame names")


class PoseNameError(SequenceFormatError, ValueError):
    """An attribute of a poses component that does not name two frames."""


class PosesComponent:
    """Rigid transformations ``T`` of coordinates in a source frame to a target frame.

    ``p_target = T @ p_source`` for homogeneous coordinates, lengths in metres.
    """

    class Writer(ComponentWriter):
        """Writes poses."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "poses"

        @staticmethod
        def get_component_version() -> str:
            # docstring inherited
            return "v1"

        def __init__(
            self,
            component_group: "zarr.Group",
            sequence_timestamp_interval_us: HalfClosedInterval,
        ) -> None:
            super().__init__(component_group, sequence_timestamp_interval_us)
            self._static: dict[str, Any] = {}
            self._dynamic: dict[str, Any] = {}
            self._pairs: set[frozenset[str]] = set()

        def store_static_pose(
            self,
            source_frame_id: str,
            target_frame_id: str,
            pose: npt.NDArray[np.floating[Any]],
        ) -> Self:
            """Add a pose that holds for the whole sequence.

            Args:
                source_frame_id: frame of the coordinates to transform, e.g. ``"camera"``.
                target_frame_id: frame of the transformed coordinates, e.g. ``"rig"``.
                pose: (4, 4) float16, float32 or float64, metres; the dtype is kept.

            Raises:
                InvalidDataError: the pose is no rigid transformation's matrix (it
                    scales, shears, mirrors or is singular), a frame has no name, or
                    there is already a pose between the two frames, in either direction.
            """
            array = self._check(source_frame_id, target_frame_id, pose, (4, 4))
            name = self._claim(source_frame_id, target_frame_id)
            self._static[name] = {"dtype": array.dtype.name, "pose": array.tolist()}
            return self

        def store_dynamic_pose(
            self,
            source_frame_id: str,
            target_frame_id: str,
            poses: npt.NDArray[np.floating[Any]],
            timestamps_us: npt.NDArray[np.uint64],
            require_sequence_time_coverage: bool = True,
        ) -> Self:
            """Add a pose that changes with time.

            Args:
                source_frame_id: frame of the coordinates to transform, e.g. ``"rig"``.
                target_frame_id: frame of the transformed coordinates, e.g. ``"world"``.
                poses: (N, 4, 4) float16, float32 or float64, N >= 2, metres.
                timestamps_us: (N,) uint64, strictly increasing, inside the
                    sequence's time range.
                require_sequence_time_coverage: demand that the first timestamp is
                    the sequence's first and the last its last, so that a pose can
                    be interpolated at every time of the sequence.

            Raises:
                InvalidDataError: as for :meth:`store_static_pose`, or the timestamps are
                    not as described.
            """
            array = self._check(source_frame_id, target_frame_id, poses, (None, 4, 4))
            where = f"pose {source_frame_id!r} -> {target_frame_id!r}"
            if not isinstance(timestamps_us, np.ndarray) or timestamps_us.dtype != np.uint64:
                raise InvalidDataError(f"{where}: timestamps must be a uint64 array")
            if timestamps_us.shape != array.shape[:1]:
                raise InvalidDataError(
                    f"{where}: {len(array)} poses with timestamps of shape {timestamps_us.shape}"
                )
            if len(array) < 2:
                raise InvalidDataError(f"{where}: at least two poses are needed to interpolate")
            # Compared, not subtracted: differences of unsigned numbers are never negative.
            if not np.all(timestamps_us[1:] > timestamps_us[:-1]):
                raise InvalidDataError(f"{where}: timestamps must increase strictly")
            first, last = int(timestamps_us[0]), int(timestamps_us[-1])
            self._check_in_sequence(first, f"first timestamp of {where}")
            self._check_in_sequence(last, f"last timestamp of {where}")
            interval = self._sequence_timestamp_interval_us
            if require_sequence_time_coverage and (first, last) != (interval.start, interval.end):
                raise InvalidDataError(
                    f"{where}: timestamps [{first}, {last}] do not cover the sequence's "
                    f"[{interval.start}, {interval.end}]; "
                    "require_sequence_time_coverage=False stores them nevertheless"
                )
            name = self._claim(source_frame_id, target_frame_id)
            self._dynamic[name] = {
                "dtype": array.dtype.name,
                "poses": array.tolist(),
                "timestamps_us": timestamps_us.tolist(),
            }
            return self

        def finalize(self) -> None:
            # docstring inherited
            self._node.create_group(_STATIC, self._static)
            self._node.create_group(_DYNAMIC, self._dynamic)

        @staticmethod
        def _check(
            source: str, target: str, poses: Any, shape: tuple[int | None, ...]
        ) -> npt.NDArray[Any]:
            where = f"pose {source!r} -> {target!r}"
            for frame in (source, target):
                if not isinstance(frame, str) or not frame.strip():
                    raise InvalidDataError(f"{where}: a frame's name must be a non-empty string")
            if not isinstance(poses, np.ndarray) or poses.dtype.name not in _DTYPES:
                raise InvalidDataError(f"{where}: poses must be an array of {', '.join(_DTYPES)}")
            if poses.ndim != len(shape) or poses.shape[-2:] != (4, 4):
                raise InvalidDataError(f"{where}: poses have shape {poses.shape}")
            if not np.all(np.isfinite(poses)) or not np.all(poses[..., 3, :] == _LAST_ROW):
                raise InvalidDataError(
                    f"{where}: not a rigid transformation: values must be finite and the last "
                    "row 0, 0, 0, 1"
                )
            try:
                check_rotations(poses.reshape(-1, 4, 4), exact=True)
            except InvalidDataError as error:
                raise InvalidDataError(f"{where}: {error}") from None
            return poses

        def _claim(self, source: str, target: str) -> str:
            pair = frozenset((source, target))
            if pair in self._pairs:
                raise InvalidDataError(
                    f"pose {source!r} -> {target!r}: there is already a pose between these "
                    "frames; each pair is stored once, in one direction"
                )
            self._pairs.add(pair)
            return encode_pose_name(source, target)

    class Reader(ComponentReader):
        """Reads poses, in the dtypes they were stored in."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "poses"

        @staticmethod
        def supports_component_version(version: str) -> bool:
            # docstring inherited
            return version == "v1"

        @cached_property
        def _static(self) -> dict[tuple[str, str], dict[str, Any]]:
            return self._named(_STATIC)

        @cached_property
        def _dynamic(self) -> dict[tuple[str, str], dict[str, Any]]:
            return self._named(_DYNAMIC)

        def _named(self, group: str) -> dict[tuple[str, str], dict[str, Any]]:
            if not self._node.has_group(group):
                return {}
            attributes = self._node.group(group).attributes
            return {decode_pose_name(name): attributes[name] for name in sorted(attributes)}

        def get_static_poses(
            self,
        ) -> Generator[tuple[tuple[str, str], npt.NDArray[np.floating[Any]]], None, None]:
            """Yield ``((source, target), T)`` for each static pose.

            T is (4, 4), metres, in the stored dtype.

            Raises:
                SequenceFormatError: an attribute is no pose, or names no two frames (then
                    a ``ValueError`` as well).
            """
            for pair in self._static:
                yield pair, self.get_static_pose(*pair)

        def get_dynamic_poses(
            self,
        ) -> Generator[
            tuple[tuple[str, str], tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.uint64]]],
            None,
            None,
        ]:
            """Yield ``((source, target), (T, timestamps_us))`` for each dynamic pose.

            T is (N, 4, 4), metres, in the stored dtype; timestamps_us is (N,) uint64,
            microseconds.

            Raises:
                SequenceFormatError: an attribute is no pose, or names no two frames (then
                    a ``ValueError`` as well).
            """
            for pair in self._dynamic:
                yield pair, self.get_dynamic_pose(*pair)

        def get_static_pose(
            self, source_frame_id: str, target_frame_id: str
        ) -> npt.NDArray[np.floating[Any]]:
            """The static pose of ``source_frame_id`` in ``target_frame_id``.

            Returns:
                (4, 4) transformation of source to target coordinates, metres, in the
                stored dtype.

            Raises:
                ComponentNotFoundError: no such pose is stored (a ``KeyError``); poses
                    are not inverted or chained here, see ``SequenceLoaderV4.pose_graph``.
            """
            try:
                stored = self._static[source_frame_id, target_frame_id]
            except KeyError:
                raise ComponentNotFoundError(
                    f"Static pose ({source_frame_id!r}, {target_frame_id!r}) not found"
                ) from None
            with stored_form(self._node, f"pose ({source_frame_id!r}, {target_frame_id!r})"):
                return self._array(stored, "pose", (4, 4))

        def get_dynamic_pose(
            self, source_frame_id: str, target_frame_id: str
        ) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.uint64]]:
            """The dynamic pose of ``source_frame_id`` in ``target_frame_id``.

            Returns:
                (N, 4, 4) transformations in the stored dtype, and their (N,) uint64
                timestamps in microseconds.

            Raises:
                ComponentNotFoundError: no such pose is stored (a ``KeyError``).
            """
            try:
                stored = self._dynamic[source_frame_id, target_frame_id]
            except KeyError:
                raise ComponentNotFoundError(
                    f"Dynamic pose ({source_frame_id!r}, {target_frame_id!r}) not found"
                ) from None
            with stored_form(self._node, f"pose ({source_frame_id!r}, {target_frame_id!r})"):
                timestamps = np.array(stored["timestamps_us"], dtype=np.uint64)
                return self._array(stored, "poses", (len(timestamps), 4, 4)), timestamps

        def _array(
            self, stored: dict[str, Any], key: str, shape: tuple[int, ...]
        ) -> npt.NDArray[np.floating[Any]]:
            if stored.get("dtype") not in _DTYPES:
                raise SequenceFormatError(f"{self._node!r}: pose of dtype {stored.get('dtype')!r}")
            return np.array(stored[key], dtype=stored["dtype"]).reshape(shape)
