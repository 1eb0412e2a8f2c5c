"""Radar scans."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ncore.data.v4.ray_bundle import (
    BaseRayBundleSensorComponentReader,
    BaseRayBundleSensorComponentWriter,
)


class RadarSensorComponent:
    """Frames of one radar: rays with the distance of their returns."""

    class Writer(BaseRayBundleSensorComponentWriter):
        """Writes the frames of one radar."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "radars"

        @staticmethod
        def get_component_version() -> str:
            # docstring inherited
            return "v1"

        def store_frame(
            self,
            direction: npt.NDArray[np.float32],
            timestamp_us: npt.NDArray[np.uint64],
            distance_m: npt.NDArray[np.float32],
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
                distance_m: (R, N) float32 metres, >= 0, NaN for an absent return.
                frame_timestamps_us: (2,) uint64 start and end in microseconds. The
                    end is the frame's id.
                generic_data: arrays of the user's own, by name, e.g. radial velocities.
                generic_meta_data: JSON values of the user's own, by key.

            Raises:
                InvalidDataError: an array is not as described, or the times lie outside
                    the sequence, are not in order or not strictly between those of
                    the frames before and after. Nothing is written then.
            """
            self._store_frame(
                {"direction": direction, "timestamp_us": timestamp_us},
                {"distance_m": distance_m},
                frame_timestamps_us,
                generic_data,
                generic_meta_data,
            )
            return self

    class Reader(BaseRayBundleSensorComponentReader):
        """Reads the frames of one radar."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "radars"

        @staticmethod
        def supports_component_version(version: str) -> bool:
            # docstring inherited
            return version == "v1"
