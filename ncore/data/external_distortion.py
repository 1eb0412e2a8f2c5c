"""Distortion by something in front of a camera, such as a windshield."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, Union

import numpy as np
import numpy.typing as npt

from ncore.data.checks import ArrayFieldsEq, check, check_array
from ncore.data.enums import ReferencePolynomial
from ncore.data.errors import DataTypeError
from ncore.data.json_codec import (
    DataClassJsonMixin,
    enum_field,
    json_field,
    numpy_array_field,
)
from ncore.data.type_registry import TypeRegistry

EXTERNAL_DISTORTION_TYPE_KEY = "external_distortion_type"
"""Key of the type string, beside the parameters inside an encoded camera model."""

_registry: TypeRegistry["ExternalDistortionParameters"] = TypeRegistry("external distortion type")


@dataclass(eq=False)
class ExternalDistortionParameters(ArrayFieldsEq, DataClassJsonMixin):
    """Base class of the parameters of external distortion models."""

    @staticmethod
    @abstractmethod
    def type() -> str:
        """Return the type string under which the parameters are stored."""


ExternalDistortionParametersT = TypeVar(
    "ExternalDistortionParametersT", bound=ExternalDistortionParameters
)


def register_external_distortion_parameters(
    parameters_class: type[ExternalDistortionParametersT],
) -> type[ExternalDistortionParametersT]:
    """Class decorator: read stored parameters of type ``parameters_class.type()`` with it.

    Raises:
        UnknownModelTypeError: another class is registered for the type (a ValueError).
    """
    _registry.register(parameters_class.type(), parameters_class)
    return parameters_class


@register_external_distortion_parameters
@dataclass(eq=False)
class BivariateWindshieldModelParameters(ExternalDistortionParameters):
    """Windshield distortion as bivariate polynomials over the ray's two angles.

    Args:
        reference_poly: which of the two pairs is exact.
        horizontal_poly: coefficients, float32 ``(N,)``, from outside to the camera.
        vertical_poly: likewise, vertical.
        horizontal_poly_inverse: coefficients of the approximate inverse, float32 ``(N,)``.
        vertical_poly_inverse: likewise, vertical.

    Raises:
        InvalidDataError: a polynomial is no 1-D float32 array.
    """

    reference_poly: ReferencePolynomial = enum_field(ReferencePolynomial)
    horizontal_poly: npt.NDArray[np.float32] = numpy_array_field(np.float32)
    vertical_poly: npt.NDArray[np.float32] = numpy_array_field(np.float32)
    horizontal_poly_inverse: npt.NDArray[np.float32] = numpy_array_field(np.float32)
    vertical_poly_inverse: npt.NDArray[np.float32] = numpy_array_field(np.float32)

    @staticmethod
    def type() -> str:
        """Return ``"bivariate-windshield"``."""
        return "bivariate-windshield"

    def __post_init__(self) -> None:
        check(
            isinstance(self.reference_poly, ReferencePolynomial),
            f"reference_poly must be a ReferencePolynomial, not {self.reference_poly!r}",
        )
        for name in (
            "horizontal_poly",
            "vertical_poly",
            "horizontal_poly_inverse",
            "vertical_poly_inverse",
        ):
            check_array(name, getattr(self, name), (None,), np.float32)


ConcreteExternalDistortionParametersUnion = Union[BivariateWindshieldModelParameters]  # noqa: UP007


def encode_external_distortion(
    parameters: ExternalDistortionParameters | None,
) -> dict[str, Any] | None:
    """Return the parameters as dictionary, with their type string inside."""
    if parameters is None:
        return None
    return {**parameters.to_dict(), EXTERNAL_DISTORTION_TYPE_KEY: parameters.type()}


def decode_external_distortion(
    encoded: Mapping[str, Any], type_name: str | None = None
) -> ExternalDistortionParameters:
    """Return the parameters of a dictionary.

    Args:
        encoded: encoded parameters.
        type_name: overrules the type string inside. Archives from before the type
            string was stored inside hold windshields only, which is the default.

    Raises:
        UnknownModelTypeError: no class is registered for the type (a ValueError).
    """
    if not isinstance(encoded, Mapping):
        raise DataTypeError(f"{encoded!r} are no external distortion parameters")
    if type_name is None:
        type_name = encoded.get(
            EXTERNAL_DISTORTION_TYPE_KEY, BivariateWindshieldModelParameters.type()
        )
    return _registry.get(type_name).from_dict(encoded)


def external_distortion_parameters_field(
    default: ExternalDistortionParameters | None = None,
) -> Any:
    """Return the dataclass field of a camera model for its external distortion."""
    return json_field(encode_external_distortion, decode_external_distortion, default=default)


def check_external_distortion_type(type_name: str) -> None:
    """Raise :class:`UnknownModelTypeError` if no class is registered for the type."""
    _registry.get(type_name)
