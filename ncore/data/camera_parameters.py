"""What all camera models have in common."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from ncore.data.checks import ArrayFieldsEq, check, check_array
from ncore.data.enums import ShutterType
from ncore.data.errors import InvalidDataError
from ncore.data.external_distortion import (
    ExternalDistortionParameters,
    external_distortion_parameters_field,
)
from ncore.data.json_codec import DataClassJsonMixin, enum_field, numpy_array_field
from ncore.data.type_registry import TypeRegistry

_registry: TypeRegistry["CameraModelParameters"] = TypeRegistry("camera model type")


@dataclass(frozen=True, eq=False)
class ParaxialPinholeGeometry(ArrayFieldsEq):
    """The pinhole that a camera model resembles close to its optical axis.

    Args:
        focal_length: float32 ``(2,)``, ``> 0``, pixels, horizontal and vertical.
        principal_point: float32 ``(2,)``, pixels from the image's top left corner.
        resolution: uint64 ``(2,)``, width and height, pixels.

    Raises:
        InvalidDataError: wrong shape or dtype, or a focal length that is not positive.
    """

    focal_length: npt.NDArray[np.float32]
    principal_point: npt.NDArray[np.float32]
    resolution: npt.NDArray[np.uint64]

    def __post_init__(self) -> None:
        check_array("focal_length", self.focal_length, (2,), np.float32)
        check_array("principal_point", self.principal_point, (2,), np.float32)
        check_array("resolution", self.resolution, (2,), np.uint64)
        check((self.focal_length > 0).all(), f"focal_length {self.focal_length} is not positive")


@dataclass(eq=False)
class CameraModelParameters(ArrayFieldsEq, DataClassJsonMixin):
    """Base class of the parameters of camera models.

    Image coordinates are continuous: pixel ``(0, 0)`` covers ``[0, 1) x [0, 1)``.

    Args:
        resolution: uint64 ``(2,)``, ``> 0``: width and height, pixels.
        shutter_type: in which order the image is exposed.
        external_distortion_parameters: distortion in front of the lens, if any.

    Raises:
        InvalidDataError: a parameter has the wrong type, shape, dtype or range.
    """

    resolution: npt.NDArray[np.uint64] = numpy_array_field(np.uint64)
    shutter_type: ShutterType = enum_field(ShutterType)
    external_distortion_parameters: ExternalDistortionParameters | None = (
        external_distortion_parameters_field()
    )

    @staticmethod
    @abstractmethod
    def type() -> str:
        """Return the type string under which the parameters are stored."""

    @abstractmethod
    def transform(
        self,
        image_domain_scale: float | tuple[float, float],
        image_domain_offset: tuple[float, float] = (0.0, 0.0),
        new_resolution: tuple[int, int] | None = None,
    ) -> Self:
        """Return the parameters of the camera after its images were scaled and cropped.

        Args:
            image_domain_scale: factor on image coordinates, one or (horizontal, vertical).
            image_domain_offset: top left corner of the crop in the scaled image, pixels.
            new_resolution: width and height of the crop; default: of the scaled image.

        Raises:
            InvalidDataError: the new resolution is not made of positive integers.
        """

    @abstractmethod
    def paraxial_pinhole_geometry(self) -> ParaxialPinholeGeometry:
        """Return the pinhole that the model resembles close to its optical axis.

        Raises:
            InvalidDataError: the model has no positive focal length there.
        """

    def __post_init__(self) -> None:
        check_array("resolution", self.resolution, (2,), np.uint64)
        check((self.resolution > 0).all(), f"resolution {self.resolution} is not positive")
        if not isinstance(self.shutter_type, ShutterType):
            try:
                self.shutter_type = ShutterType(self.shutter_type)
            except ValueError:
                raise InvalidDataError(
                    f"shutter_type must be a ShutterType, not {self.shutter_type!r}"
                ) from None
        check(
            self.external_distortion_parameters is None
            or isinstance(self.external_distortion_parameters, ExternalDistortionParameters),
            "external_distortion_parameters must be ExternalDistortionParameters or None, "
            f"not {self.external_distortion_parameters!r}",
        )


CameraModelParametersT = TypeVar("CameraModelParametersT", bound=CameraModelParameters)


def register_camera_model_parameters(
    parameters_class: type[CameraModelParametersT],
) -> type[CameraModelParametersT]:
    """Class decorator: read stored parameters of type ``parameters_class.type()`` with it.

    Raises:
        UnknownModelTypeError: another class is registered for the type (a ValueError).
    """
    _registry.register(parameters_class.type(), parameters_class)
    return parameters_class


def registered_camera_model(type_name: str) -> type[CameraModelParameters]:
    """Return the class registered for a stored type string.

    Raises:
        UnknownModelTypeError: there is none (a ValueError).
    """
    return _registry.get(type_name)


def alias_camera_model_type(alias: str, type_name: str) -> None:
    """Let an old type string stand for another when reading."""
    _registry.alias(alias, type_name)


def scaled_resolution(
    resolution: npt.NDArray[np.uint64],
    image_domain_scale: Any,
    new_resolution: tuple[int, int] | None,
) -> npt.NDArray[np.uint64]:
    """Return the resolution after :meth:`CameraModelParameters.transform`."""
    if new_resolution is None:
        # In float64: the float32 next to 0.1 would not scale 320 pixels to 32.
        exact = resolution * np.asarray(image_domain_scale, dtype=np.float64)
        check(
            np.isfinite(exact).all() and (exact == np.floor(exact)).all(),
            f"resolution {resolution} scaled by {image_domain_scale} is not integral; "
            "pass new_resolution",
        )
    else:
        exact = np.asarray(new_resolution, dtype=np.float64)
        check(
            exact.shape == (2,) and (exact == np.floor(exact)).all(),
            f"new_resolution must be (width, height) in whole pixels, not {new_resolution}",
        )
    check((exact >= 1).all(), f"the new resolution {exact} is not positive")
    return exact.astype(np.uint64)


def as_scale(image_domain_scale: Any) -> npt.NDArray[np.float32]:
    """Return horizontal and vertical scale as float32 ``(2,)``."""
    scale = np.asarray(image_domain_scale, dtype=np.float32)
    if scale.shape == ():
        scale = np.repeat(scale, 2)
    check(
        scale.shape == (2,) and np.isfinite(scale).all() and (scale > 0).all(),
        f"image_domain_scale must be one or two positive factors, not {image_domain_scale!r}",
    )
    return scale
