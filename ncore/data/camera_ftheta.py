"""The f-theta camera: distance from the principal point as polynomial of the angle."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ncore.data.camera_fisheye import check_max_angle
from ncore.data.camera_parameters import (
    CameraModelParameters,
    ParaxialPinholeGeometry,
    as_scale,
    register_camera_model_parameters,
    scaled_resolution,
)
from ncore.data.checks import check, check_array
from ncore.data.errors import InvalidDataError
from ncore.data.json_codec import enum_field, numpy_array_field

Float32Array = npt.NDArray[np.float32]
POLYNOMIAL_LENGTH = 6


@register_camera_model_parameters
@dataclass(eq=False)
class FThetaCameraModelParameters(CameraModelParameters):
    """An f-theta camera.

    A pixel's offset from the principal point is first multiplied by the inverse of
    the matrix ``[[c, d], [e, 1]]``; the length of the result belongs to the angle to
    the optical axis by the polynomials.

    Args:
        principal_point: float32 ``(2,)``, pixels, counted from the centre of pixel (0, 0).
        reference_poly: which of the two polynomials is exact.
        pixeldist_to_angle_poly: coefficients by ascending power, float32 ``(<= 6,)``
            (padded with zeros to 6), radians by pixels.
        angle_to_pixeldist_poly: likewise, pixels by radians.
        max_angle: largest angle to the optical axis that is seen, ``> 0``, radians.
        linear_cde: ``c, d, e``, float32 ``(3,)``; all zero stands for ``(1, 0, 0)``.
    """

    class PolynomialType(IntEnum):
        """Which of the two polynomials is exact; the other approximates its inverse."""

        PIXELDIST_TO_ANGLE = 1
        ANGLE_TO_PIXELDIST = 2

    principal_point: Float32Array = numpy_array_field(np.float32)
    reference_poly: PolynomialType = enum_field(PolynomialType)
    pixeldist_to_angle_poly: Float32Array = numpy_array_field(np.float32)
    angle_to_pixeldist_poly: Float32Array = numpy_array_field(np.float32)
    max_angle: float = 0.0
    linear_cde: Float32Array = numpy_array_field(np.float32, default=(1.0, 0.0, 0.0))

    @staticmethod
    def type() -> str:
        """Return ``"ftheta"``."""
        return "ftheta"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_array("principal_point", self.principal_point, (2,), np.float32)
        if not isinstance(self.reference_poly, self.PolynomialType):
            try:
                self.reference_poly = self.PolynomialType(self.reference_poly)
            except ValueError:
                raise InvalidDataError(
                    f"reference_poly must be a PolynomialType, not {self.reference_poly!r}"
                ) from None
        self.pixeldist_to_angle_poly = _padded(
            "pixeldist_to_angle_poly", self.pixeldist_to_angle_poly
        )
        self.angle_to_pixeldist_poly = _padded(
            "angle_to_pixeldist_poly", self.angle_to_pixeldist_poly
        )
        check_max_angle(self.max_angle)
        check_array("linear_cde", self.linear_cde, (3,), np.float32)
        if not self.linear_cde.any():
            self.linear_cde = np.array([1.0, 0.0, 0.0], dtype=np.float32)

    @property
    def bw_poly(self) -> Float32Array:
        """Coefficients from pixels to angles, float32 ``(6,)``."""
        return self.pixeldist_to_angle_poly

    @property
    def fw_poly(self) -> Float32Array:
        """Coefficients from angles to pixels, float32 ``(6,)``."""
        return self.angle_to_pixeldist_poly

    def paraxial_pinhole_geometry(self) -> ParaxialPinholeGeometry:
        """Return the pinhole of the polynomial's linear part.

        Raises:
            InvalidDataError: the linear coefficient is not positive.
        """
        slope = float(self.angle_to_pixeldist_poly[1])
        focal_length = np.array([slope * float(self.linear_cde[0]), slope], dtype=np.float32)
        if not (focal_length > 0).all():
            raise InvalidDataError(
                f"no pinhole has the focal length {focal_length} of this f-theta camera: "
                "it must be positive"
            )
        # From pixel centres at integers to pixel corners at integers.
        point = (self.principal_point + np.float32(0.5)).astype(np.float32)
        return ParaxialPinholeGeometry(focal_length, point, self.resolution.copy())

    def transform(
        self,
        image_domain_scale: float | tuple[float, float],
        image_domain_offset: tuple[float, float] = (0.0, 0.0),
        new_resolution: tuple[int, int] | None = None,
    ) -> Self:
        """Return the parameters after scaling and cropping (see the base class).

        The vertical factor goes into the polynomials, the ratio of the factors into
        ``linear_cde``.
        """
        scale = as_scale(image_domain_scale)
        vertical = scale[1]
        ratio = scale[0] / vertical
        powers = float(vertical) ** np.arange(POLYNOMIAL_LENGTH)
        half = np.float32(0.5)
        return replace(
            self,
            resolution=scaled_resolution(self.resolution, image_domain_scale, new_resolution),
            principal_point=(self.principal_point + half) * scale
            - half
            - np.asarray(image_domain_offset, dtype=np.float32),
            pixeldist_to_angle_poly=(self.pixeldist_to_angle_poly / powers).astype(np.float32),
            angle_to_pixeldist_poly=self.angle_to_pixeldist_poly * vertical,
            linear_cde=self.linear_cde * np.array([ratio, ratio, 1], dtype=np.float32),
        )


def _padded(name: str, polynomial: Any) -> Float32Array:
    check_array(name, polynomial, (None,), np.float32)
    check(
        len(polynomial) <= POLYNOMIAL_LENGTH,
        f"{name} must have at most {POLYNOMIAL_LENGTH} coefficients, not {len(polynomial)}",
    )
    padding = (0, POLYNOMIAL_LENGTH - len(polynomial))
    padded: Float32Array = np.pad(polynomial, padding) if padding[1] else polynomial
    return padded
