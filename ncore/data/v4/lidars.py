"""Lidar scans."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ncore.data.checks import check_array
from ncore.data.errors import InvalidDataError
from ncore.data.v4.ray_bundle import (
    BaseRayBundleSensorComponentReader,
    BaseRayBundleSensorComponentWriter,
)


class LidarSensorComponent:
    """Frames of one lidar: rays with distance and intensity of their returns."""

    class Writer(BaseRayBundleSensorComponentWriter):
        """Writes the frames of one lidar."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "lidars"

        @staticmethod
        def get_component_version() -> str:
            # docstring inherited
            return "v1"

        def store_frame(
            self,
            direction: npt.NDArray[np.float32],
            timestamp_us: npt.NDArray[np.uint64],
            model_element: npt.NDArray[np.uint16] | None,
            distance_m: npt.NDArray[np.float32],
            intensity: npt.NDArray[np.float32],
            frame_timestamps_us: npt.NDArray[np.uint64],
            generic_data: dict[str, npt.NDArray[Any]],
            generic_meta_data: dict[str, Any],
        ) -> Self:
            """Add a frame of N rays with up to R returns each; N and R may be 0.

            Args:
                direction: (N, 3) float32 unit vectors in the sensor's frame at the
                    time of each ray.
                timestamp_us: (N,) uint64 time of each ray in microseconds, inside
                    the frame.
                model_element: (N, 2) uint16 row and column of each ray in the lidar's
                    model, or None.
                distance_m: (R, N) float32 metres, >= 0, NaN for an absent return.
                intensity: (R, N) float32 in [0, 1], NaN for an absent return.
                frame_timestamps_us: (2,) uint64 start and end in microseconds. The
                    end is the frame's id.
                generic_data: arrays of the user's own, by name.
                generic_meta_data: JSON values of the user's own, by key.

            Raises:
                InvalidDataError: an array is not as described, or the times lie outside
                    the sequence, are not in order or not strictly between those of
                    the frames before and after. Nothing is written then.
            """
            rays: dict[str, npt.NDArray[Any]] = {
                "direction": direction,
                "timestamp_us": timestamp_us,
            }
            if model_element is not None:
                check_array("model_element", model_element, (len(direction), 2), np.uint16)
                rays["model_element"] = model_element
            check_array("intensity", intensity, (None, len(direction)), np.float32)
            # NaN, an absent return, is neither below 0 nor above 1.
            if np.any(intensity < 0) or np.any(intensity > 1):
                raise InvalidDataError(f"{self._node.path}: intensity must lie in [0, 1]")
            self._store_frame(
                rays,
                {"distance_m": distance_m, "intensity": intensity},
                frame_timestamps_us,
                generic_data,
                generic_meta_data,
            )
            return self

    class Reader(BaseRayBundleSensorComponentReader):
        """Reads the frames of one lidar."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "lidars"

        @staticmethod
        def supports_component_version(version: str) -> bool:
            # docstring inherited
            return version == "v1"
