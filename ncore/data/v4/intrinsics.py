"""Camera and lidar model parameters."""

from typing import TYPE_CHECKING, Self

from ncore.data.camera_codec import (
    decode_camera_model_parameters,
    encode_camera_model_parameters,
)
from ncore.data.errors import InvalidDataError
from ncore.data.interval import HalfClosedInterval
from ncore.data.lidar_parameters import (
    decode_lidar_model_parameters,
    encode_lidar_model_parameters,
)
from ncore.data.v4.component import ComponentReader, ComponentWriter
from ncore.data.v4.errors import ComponentNotFoundError
from ncore.data.v4.node_writer import check_node_name

if TYPE_CHECKING:
    import zarr

    from ncore.data.camera_parameters import CameraModelParameters
    from ncore.data.lidar_parameters import LidarModelParameters


class IntrinsicsComponent:
    """Model parameters by sensor id."""

    class Writer(ComponentWriter):
        """Writes model parameters."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "intrinsics"

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
            self._stored: set[tuple[str, str]] = set()
            self._cameras = self._node.create_group("cameras")
            self._lidars = self._node.create_group("lidars")

        def store_camera_intrinsics(
            self, camera_id: str, camera_model_parameters: "CameraModelParameters"
        ) -> Self:
            """Add the model parameters of a camera.

            Raises:
                InvalidDataError: the camera has parameters already, or its id cannot
                    name a zarr node.
            """
            self._claim("camera", camera_id)
            encoded = encode_camera_model_parameters(camera_model_parameters)
            self._cameras.create_group(camera_id, encoded)
            return self

        def store_lidar_intrinsics(
            self, lidar_id: str, lidar_model_parameters: "LidarModelParameters"
        ) -> Self:
            """Add the model parameters of a lidar.

            Raises:
                InvalidDataError: the lidar has parameters already, or its id cannot
                    name a zarr node.
            """
            self._claim("lidar", lidar_id)
            encoded = encode_lidar_model_parameters(lidar_model_parameters)
            self._lidars.create_group(lidar_id, encoded)
            return self

        def _claim(self, kind: str, sensor_id: str) -> None:
            check_node_name(sensor_id, f"{kind} id")
            if (kind, sensor_id) in self._stored:
                raise InvalidDataError(f"intrinsics of {kind} {sensor_id!r} are stored already")
            self._stored.add((kind, sensor_id))

    class Reader(ComponentReader):
        """Reads model parameters."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "intrinsics"

        @staticmethod
        def supports_component_version(version: str) -> bool:
            # docstring inherited
            return version == "v1"

        def get_camera_model_parameters(self, camera_id: str) -> "CameraModelParameters":
            """The model parameters of a camera.

            Raises:
                ComponentNotFoundError: none are stored (a ``KeyError``).
                UnknownModelTypeError: their type has no registered class (a
                    ``ValueError``), see
                    :func:`ncore.data.register_camera_model_parameters`.
            """
            path = f"cameras/{camera_id}"
            if not self._node.has_group(path):
                raise ComponentNotFoundError(f"no intrinsics of camera {camera_id!r} are stored")
            return decode_camera_model_parameters(self._node.group(path).attributes)

        def get_lidar_model_parameters(self, lidar_id: str) -> "LidarModelParameters | None":
            """The model parameters of a lidar, or None if none are stored.

            Raises:
                UnknownModelTypeError: their type has no registered class (a ``ValueError``).
            """
            path = f"lidars/{lidar_id}"
            if not self._node.has_group(path):
                return None
            return decode_lidar_model_parameters(self._node.group(path).attributes)
