"""What a sensor of a sequence offers, whatever it is stored in.

The protocols hold the parts that follow from a sensor's timestamps and poses;
implementations subclass them and add what they read from their storage.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ncore.data.checks import check
from ncore.data.enums import FrameTimepoint
from ncore.data.errors import IndexRangeError
from ncore.data.frame_times import closest_index_sorted

if TYPE_CHECKING:
    from PIL import Image as PILImage

    from ncore.data.camera_parameters import CameraModelParameters
    from ncore.data.images import EncodedImageData
    from ncore.data.json_codec import JsonLike
    from ncore.data.lidar_parameters import LidarModelParameters
    from ncore.data.pose_graph import PoseGraphInterpolator

Array = npt.NDArray[Any]
RIG_FRAME_ID = "rig"


@runtime_checkable
class SensorProtocol(Protocol):
    """A sensor with frames, each with a start and an end time.

    Frames have indices from 0, ordered by time; negative ones count from the end. Whatever
    takes a ``frame_index`` raises an ``IndexError`` if there is no such frame.
    """

    _pose_graph: "PoseGraphInterpolator"

    @property
    def sensor_id(self) -> str:
        """Name of the sensor, and of its frame of reference."""
        ...

    @property
    def frames_count(self) -> int:
        """Number of frames."""
        ...

    @property
    def frames_timestamps_us(self) -> npt.NDArray[np.uint64]:
        """Start and end of all frames, uint64 ``(N, 2)``, microseconds."""
        ...

    def get_frames_timestamps_us(
        self, frame_timepoint: FrameTimepoint = FrameTimepoint.END
    ) -> npt.NDArray[np.uint64]:
        """Return the start or end times of all frames, uint64 ``(N,)``, microseconds."""
        return self.frames_timestamps_us[:, FrameTimepoint(frame_timepoint)]

    @property
    def pose_graph(self) -> "PoseGraphInterpolator":
        """The poses between frames of reference that this sensor uses."""
        return self._pose_graph

    def set_pose_graph(self, pose_graph: "PoseGraphInterpolator") -> None:
        """Let the sensor use other poses (refined ones, for instance)."""
        self._pose_graph = pose_graph

    @property
    def T_sensor_rig(self) -> Array | None:  # noqa: N802
        """From sensor to rig coordinates, ``(4, 4)``, metres, if that never changes.

        In the common dtype of the poses between them, which are those of the pose graph.

        ``None`` if the pose graph does not know both frames, or if their relation changes
        over time: then ask for it at a time, with :meth:`get_frames_T_sensor_target`.
        """
        graph = self.pose_graph
        nodes = graph.nodes
        if self.sensor_id not in nodes or RIG_FRAME_ID not in nodes:
            return None
        if not graph.is_static(self.sensor_id, RIG_FRAME_ID):
            return None
        return graph.evaluate_poses(self.sensor_id, RIG_FRAME_ID, np.array(0, dtype=np.uint64))

    def get_frames_T_source_sensor(  # noqa: N802
        self,
        source_node: str,
        frame_indices: int | npt.NDArray[np.integer[Any]],
        frame_timepoint: FrameTimepoint | None = FrameTimepoint.END,
    ) -> Array:
        """Return poses from another frame of reference to the sensor.

        Args:
            source_node: source frame of reference.
            frame_indices: one index, or indices of shape ``(*batch,)``.
            frame_timepoint: start or end of the sensor frames; ``None``: both.

        Returns:
            ``T_source_sensor``, ``(*batch, 4, 4)``, or ``(*batch, 2, 4, 4)`` for both times,
            metres, in the common dtype of the poses.

        Raises:
            IndexRangeError: no frame has one of the indices (an ``IndexError``).
            UnknownNameError: a frame of reference is not in the pose graph (a KeyError).
            InvalidDataError: the pose graph does not cover one of the times.
        """
        return self.get_frames_T_source_target(
            source_node, self.sensor_id, frame_indices, frame_timepoint
        )

    def get_frames_T_sensor_target(  # noqa: N802
        self,
        target_node: str,
        frame_indices: int | npt.NDArray[np.integer[Any]],
        frame_timepoint: FrameTimepoint | None = FrameTimepoint.END,
    ) -> Array:
        """Return poses from the sensor to another frame of reference.

        Args:
            target_node: target frame of reference.
            frame_indices: one index, or indices of shape ``(*batch,)``.
            frame_timepoint: start or end of the sensor frames; ``None``: both.

        Returns:
            ``T_sensor_target``, ``(*batch, 4, 4)``, or ``(*batch, 2, 4, 4)`` for both times,
            metres, in the common dtype of the poses.

        Raises:
            IndexRangeError: no frame has one of the indices (an ``IndexError``).
            UnknownNameError: a frame of reference is not in the pose graph (a KeyError).
            InvalidDataError: the pose graph does not cover one of the times.
        """
        return self.get_frames_T_source_target(
            self.sensor_id, target_node, frame_indices, frame_timepoint
        )

    def get_frames_T_source_target(  # noqa: N802
        self,
        source_node: str,
        target_node: str,
        frame_indices: int | npt.NDArray[np.integer[Any]],
        frame_timepoint: FrameTimepoint | None = FrameTimepoint.END,
    ) -> Array:
        """Return poses between two frames of reference at the times of sensor frames.

        Args:
            source_node: source frame of reference.
            target_node: target frame of reference.
            frame_indices: one index, or indices of shape ``(*batch,)``.
            frame_timepoint: start or end of the sensor frames; ``None``: both.

        Returns:
            ``T_source_target``, ``(*batch, 4, 4)``, or ``(*batch, 2, 4, 4)`` for both times,
            with ``p_target = T @ p_source``, metres, in the common dtype of the poses.

        Raises:
            IndexRangeError: no frame has one of the indices (an ``IndexError``).
            UnknownNameError: a frame of reference is not in the pose graph (a KeyError).
            InvalidDataError: the pose graph does not cover one of the times.
        """
        times = _frame_times(self, frame_indices)
        if frame_timepoint is not None:
            times = times[..., FrameTimepoint(frame_timepoint)]
        return self.pose_graph.evaluate_poses(source_node, target_node, times)

    def get_frame_generic_data_names(self, frame_index: int) -> list[str]:
        """Return the names of a frame's additional arrays.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
        """
        ...

    def has_frame_generic_data(self, frame_index: int, name: str) -> bool:
        """Whether a frame has an additional array of this name.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
        """
        ...

    def get_frame_generic_data(self, frame_index: int, name: str) -> Array:
        """Return an additional array of a frame, of any shape and dtype.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
            KeyError: the frame has no such array.
        """
        ...

    def get_frame_generic_meta_data(self, frame_index: int) -> dict[str, "JsonLike"]:
        """Return a frame's additional metadata.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
        """
        ...

    def get_frame_index_range(
        self,
        start_frame_index: int | None = None,
        stop_frame_index: int | None = None,
        step_frame_index: int | None = None,
    ) -> range:
        """Return the indices of a slice of the frames, as ``range``.

        ``None`` and negative values mean what they mean in a slice.
        """
        return slice_range(
            slice(start_frame_index, stop_frame_index, step_frame_index), self.frames_count
        )

    def get_frame_timestamp_us(
        self, frame_index: int, frame_timepoint: FrameTimepoint = FrameTimepoint.END
    ) -> int:
        """Return the start or end time of a frame, microseconds.

        Raises:
            IndexRangeError: no frame has this index.
        """
        return int(_frame_times(self, frame_index)[FrameTimepoint(frame_timepoint)])

    def get_closest_frame_index(self, timestamp_us: int, relative_frame_time: float = 1.0) -> int:
        """Return the index of the frame closest to a time.

        Args:
            timestamp_us: time, microseconds.
            relative_frame_time: which point within each frame counts: 0 its start, 1 its end.

        Returns:
            Index of the closest frame, of the later one if two are equally close.

        Raises:
            InvalidDataError: the sensor has no frames, or ``relative_frame_time`` lies
                outside of [0, 1].
        """
        check(
            0.0 <= relative_frame_time <= 1.0,
            f"relative_frame_time must be in [0, 1], got {relative_frame_time}",
        )
        times = self.frames_timestamps_us
        check(len(times) > 0, f"sensor {self.sensor_id!r} has no frames")
        if relative_frame_time in (0.0, 1.0):
            points = times[:, int(relative_frame_time)]
        else:
            starts = times[:, 0].astype(np.float64)
            spans = (times[:, 1] - times[:, 0]).astype(np.float64)
            points = (starts + relative_frame_time * spans).astype(np.uint64)
        return closest_index_sorted(points, timestamp_us)


def _frame_times(sensor: SensorProtocol, frame_indices: Any) -> npt.NDArray[np.uint64]:
    """Return start and end of some frames, uint64 ``(*batch, 2)``."""
    indices = frame_indices if isinstance(frame_indices, slice) else np.asarray(frame_indices)
    try:
        times: npt.NDArray[np.uint64] = sensor.frames_timestamps_us[indices]
    except IndexError as error:
        raise IndexRangeError(
            f"sensor {sensor.sensor_id!r} with {sensor.frames_count} frames: {error}"
        ) from None
    return times


def slice_range(indices: slice, count: int) -> range:
    """Return the indices of a slice of ``count`` items."""
    return range(*indices.indices(count))


@runtime_checkable
class CameraSensorProtocol(SensorProtocol, Protocol):
    """A camera."""

    @runtime_checkable
    class EncodedImageDataHandleProtocol(Protocol):
        """A frame's image that is read when it is asked for."""

        def get_data(self) -> "EncodedImageData":
            """Read and return the encoded image."""
            ...

    @property
    def model_parameters(self) -> "CameraModelParameters":
        """Parameters of the camera model."""
        ...

    def get_mask_images(self) -> dict[str, "PILImage.Image"]:
        """Return the masks that hold for all frames, by name."""
        ...

    def get_frame_handle(self, frame_index: int) -> EncodedImageDataHandleProtocol:
        """Return a handle on a frame's image, without reading it.

        Raises:
            IndexRangeError: no frame has this index.
        """
        ...

    def get_frame_data(self, frame_index: int) -> "EncodedImageData":
        """Return a frame's image as the bytes of its file.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
        """
        return self.get_frame_handle(frame_index).get_data()

    def get_frame_image(self, frame_index: int) -> "PILImage.Image":
        """Return a frame's image; PIL decodes pixels at first use.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
            PIL.UnidentifiedImageError: the bytes are no image of the stored format.
        """
        return self.get_frame_data(frame_index).get_decoded_image()

    def get_frame_image_array(self, frame_index: int) -> npt.NDArray[np.uint8]:
        """Return a frame's image as array, ``(H, W, 3)`` or ``(H, W)``, mostly uint8.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
            PIL.UnidentifiedImageError: the bytes are no image of the stored format.
        """
        return np.asarray(self.get_frame_image(frame_index))


@runtime_checkable
class RayBundleSensorProtocol(SensorProtocol, Protocol):
    """A sensor that sends rays, of which each may return several times.

    Whatever takes a ``return_index`` raises an ``IndexError`` if there is no such return.
    """

    @dataclass
    class FramePointCloud:
        """Points of a frame, in the sensor's frame of reference.

        Args:
            motion_compensation: whether points were moved to the time of the frame's end.
            xyz_m_start: where each ray starts, float32 ``(N, 3)``, metres; ``None`` if not
                asked for.
            xyz_m_end: where each ray ends, float32 ``(N, 3)``, metres; NaN without return.
        """

        motion_compensation: bool
        xyz_m_start: npt.NDArray[np.float32] | None
        xyz_m_end: npt.NDArray[np.float32]

    def get_frame_ray_bundle_count(self, frame_index: int) -> int:
        """Return the number of rays ``N`` of a frame.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
        """
        ...

    def get_frame_ray_bundle_direction(self, frame_index: int) -> npt.NDArray[np.float32]:
        """Return the rays' unit directions, float32 ``(N, 3)``.

        They lie in the sensor's frame of reference at each ray's own time.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
        """
        ...

    def get_frame_ray_bundle_timestamp_us(self, frame_index: int) -> npt.NDArray[np.uint64]:
        """Return the rays' times, uint64 ``(N,)``, microseconds.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
        """
        ...

    def get_frame_ray_bundle_return_count(self, frame_index: int) -> int:
        """Return how many returns per ray a frame holds.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
        """
        ...

    def get_frame_ray_bundle_return_distance_m(
        self, frame_index: int, return_index: int = 0
    ) -> npt.NDArray[np.float32]:
        """Return the distances of one return, float32 ``(N,)``, metres, NaN where absent.

        Raises:
            IndexRangeError: there is no such frame or return (an ``IndexError``).
        """
        ...

    def get_frame_ray_bundle_return_valid_mask(
        self, frame_index: int, return_index: int = 0
    ) -> npt.NDArray[np.bool_]:
        """Return which rays have this return, bool ``(N,)``.

        Raises:
            IndexRangeError: there is no such frame or return (an ``IndexError``).
        """
        ...

    def get_frame_point_cloud(
        self,
        frame_index: int,
        motion_compensation: bool,
        with_start_points: bool,
        return_index: int = 0,
    ) -> FramePointCloud:
        """Return the points of one return of a frame, in the sensor's frame of reference.

        Args:
            frame_index: index of the frame.
            motion_compensation: move the points to the time of the frame's end, assuming
                that the world stands still.
            with_start_points: return where the rays start, too.
            return_index: which return.

        Raises:
            IndexRangeError: there is no such frame or return (an ``IndexError``).
            InvalidDataError: the poses do not cover the frame's time.
            UnknownNameError: the pose graph does not know the sensor, or no ``"world"``.
        """
        ...


@runtime_checkable
class LidarSensorProtocol(RayBundleSensorProtocol, Protocol):
    """A lidar."""

    @property
    def model_parameters(self) -> "LidarModelParameters | None":
        """Parameters of the lidar model, if known."""
        ...

    def get_frame_ray_bundle_model_element(self, frame_index: int) -> npt.NDArray[np.uint16] | None:
        """Return row and column of each ray in the lidar model, uint16 ``(N, 2)``, if known.

        Raises:
            IndexRangeError: no frame has this index (an ``IndexError``).
        """
        ...

    def get_frame_ray_bundle_return_intensity(
        self, frame_index: int, return_index: int = 0
    ) -> npt.NDArray[np.float32]:
        """Return the intensities of one return, float32 ``(N,)`` in [0, 1], NaN where absent.

        Raises:
            IndexRangeError: there is no such frame or return (an ``IndexError``).
        """
        ...


@runtime_checkable
class RadarSensorProtocol(RayBundleSensorProtocol, Protocol):
    """A radar."""
