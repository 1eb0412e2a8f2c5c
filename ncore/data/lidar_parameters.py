"""Lidar models: where the rays of a scan point, and how they are encoded."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, Union

import numpy as np
import numpy.typing as npt

from ncore.data.angles import FOV, SpinningDirection, check_direction, relative_angle
from ncore.data.checks import ArrayFieldsEq, check, check_array
from ncore.data.errors import DataTypeError, MissingFieldError
from ncore.data.json_codec import DataClassJsonMixin, numpy_array_field
from ncore.data.type_registry import TypeRegistry

_registry: TypeRegistry["LidarModelParameters"] = TypeRegistry("lidar model type")


@dataclass(eq=False)
class LidarModelParameters(ArrayFieldsEq, DataClassJsonMixin):
    """Base class of the parameters of lidar models."""

    @staticmethod
    @abstractmethod
    def type() -> str:
        """Return the type string under which the parameters are stored."""

    @abstractmethod
    def get_vertical_fov(self, dtype: npt.DTypeLike = np.float32) -> FOV:
        """Return the vertical field of view in the sensor's frame.

        Args:
            dtype: floating dtype of the computation.
        """

    @abstractmethod
    def get_horizontal_fov(self, dtype: npt.DTypeLike = np.float32) -> FOV:
        """Return the horizontal field of view in the sensor's frame.

        Args:
            dtype: floating dtype of the computation.
        """


LidarModelParametersT = TypeVar("LidarModelParametersT", bound=LidarModelParameters)


def register_lidar_model_parameters(
    parameters_class: type[LidarModelParametersT],
) -> type[LidarModelParametersT]:
    """Class decorator: read stored parameters of type ``parameters_class.type()`` with it.

    Raises:
        UnknownModelTypeError: another class is registered for the type (a ValueError).
    """
    _registry.register(parameters_class.type(), parameters_class)
    return parameters_class


@dataclass(eq=False)
class SpinningLidarModelParameters(LidarModelParameters):
    """A lidar that turns about its vertical axis.

    Args:
        spinning_frequency_hz: turns per second.
        spinning_direction: ``"cw"`` or ``"ccw"``, seen from above.

    Raises:
        InvalidDataError: an unknown direction.
    """

    spinning_frequency_hz: float
    spinning_direction: SpinningDirection

    def __post_init__(self) -> None:
        check_direction(self.spinning_direction)


@dataclass(eq=False)
class StructuredSpinningLidarModelParameters(SpinningLidarModelParameters):
    """A turning lidar whose rays form rows and columns.

    Args:
        n_rows: number of rows, ``> 0``.
        n_columns: number of columns in a turn, ``> 0``.
    """

    n_rows: int
    n_columns: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.n_rows > 0, f"n_rows must be positive, not {self.n_rows}")
        check(self.n_columns > 0, f"n_columns must be positive, not {self.n_columns}")


@register_lidar_model_parameters
@dataclass(eq=False)
class RowOffsetStructuredSpinningLidarModelParameters(StructuredSpinningLidarModelParameters):
    """A structured lidar whose rows are turned against each other by fixed angles.

    The ray in row ``r`` and column ``c`` has elevation ``row_elevations_rad[r]`` and
    azimuth ``column_azimuths_rad[c] + row_azimuth_offsets_rad[r]``.

    Args:
        row_elevations_rad: float32 ``(n_rows,)``, strictly descending, radians.
        column_azimuths_rad: float32 ``(n_columns,)``, strictly ordered in the spinning
            direction within one turn, radians.
        row_azimuth_offsets_rad: float32 ``(n_rows,)``, radians.

    Raises:
        InvalidDataError: wrong shape, dtype or order.
    """

    row_elevations_rad: npt.NDArray[np.float32] = numpy_array_field(np.float32)
    column_azimuths_rad: npt.NDArray[np.float32] = numpy_array_field(np.float32)
    row_azimuth_offsets_rad: npt.NDArray[np.float32] = numpy_array_field(np.float32)

    @staticmethod
    def type() -> str:
        """Return ``"row-offset-spinning"``."""
        return "row-offset-spinning"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_array("row_elevations_rad", self.row_elevations_rad, (self.n_rows,), np.float32)
        check_array("column_azimuths_rad", self.column_azimuths_rad, (self.n_columns,), np.float32)
        check_array(
            "row_azimuth_offsets_rad", self.row_azimuth_offsets_rad, (self.n_rows,), np.float32
        )
        check(
            _strictly_ordered(self.row_elevations_rad, "cw"),
            "row_elevations_rad must be strictly descending",
        )
        check(
            _strictly_ordered(self.column_azimuths_rad, self.spinning_direction),
            "column_azimuths_rad must be strictly ordered in the spinning direction "
            f"({self.spinning_direction}) within one turn",
        )

    def get_vertical_fov(self, dtype: npt.DTypeLike = np.float32) -> FOV:
        """Return the field of view from the top row down to the last (``"cw"``)."""
        elevations = self.row_elevations_rad.astype(dtype)
        span = relative_angle(elevations[0], elevations[-1], "cw").relative_angle_rad
        return FOV(float(elevations[0]), float(span), "cw")

    def get_horizontal_fov(self, dtype: npt.DTypeLike = np.float32) -> FOV:
        """Return the field of view from the first column's first ray to the last one's last."""
        azimuths = self.column_azimuths_rad.astype(dtype)
        offsets = self.row_azimuth_offsets_rad.astype(dtype)
        outermost = offsets.min() if self.spinning_direction == "ccw" else offsets.max()
        start = azimuths[0] + outermost
        ends = azimuths[-1] + offsets
        spans = relative_angle(start, ends, self.spinning_direction).relative_angle_rad
        return FOV(float(start), float(spans.max()), self.spinning_direction)


def _strictly_ordered(angles: npt.NDArray[np.float32], direction: SpinningDirection) -> bool:
    """Whether angles advance in a direction by less than a turn in all."""
    relative = relative_angle(angles[0], angles, direction).relative_angle_rad
    return bool((np.diff(relative) > 0).all())


ConcreteLidarModelParametersUnion = Union[RowOffsetStructuredSpinningLidarModelParameters]  # noqa: UP007


def encode_lidar_model_parameters(lidar_model_parameters: LidarModelParameters) -> dict[str, Any]:
    """Return type string and parameters, as the intrinsics component stores them."""
    return {
        "lidar_model_type": lidar_model_parameters.type(),
        "lidar_model_parameters": lidar_model_parameters.to_dict(),
    }


def decode_lidar_model_parameters(encoded_parameters: Mapping[str, Any]) -> LidarModelParameters:
    """Return the lidar model of what :func:`encode_lidar_model_parameters` returned.

    Raises:
        UnknownModelTypeError: unknown lidar model type (a ValueError).
        MissingFieldError: a key is missing (a KeyError).
        InvalidDataError: a parameter is not allowed.
    """
    try:
        type_name, parameters = (
            encoded_parameters["lidar_model_type"],
            encoded_parameters["lidar_model_parameters"],
        )
    except KeyError as error:
        raise MissingFieldError(f"encoded lidar model parameters lack {error}") from None
    model = _registry.get(type_name)
    if not isinstance(parameters, Mapping):
        raise DataTypeError(f"{parameters!r} are no lidar model parameters")
    return model.from_dict(parameters)
