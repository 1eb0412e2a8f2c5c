"""OpenCV's fisheye (equidistant) camera."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ncore.data.camera_parameters import (
    CameraModelParameters,
    ParaxialPinholeGeometry,
    as_scale,
    register_camera_model_parameters,
    scaled_resolution,
)
from ncore.data.camera_pinhole import scaled_point
from ncore.data.checks import check, check_array
from ncore.data.json_codec import numpy_array_field

Float32Array = npt.NDArray[np.float32]


@register_camera_model_parameters
@dataclass(eq=False)
class OpenCVFisheyeCameraModelParameters(CameraModelParameters):
    """OpenCV's fisheye camera: ``r(a) = a (1 + k1 a^2 + k2 a^4 + k3 a^6 + k4 a^8)``.

    Args:
        principal_point: float32 ``(2,)``, pixels.
        focal_length: float32 ``(2,)``, ``> 0``, pixels.
        radial_coeffs: ``k1 .. k4``, float32 ``(4,)``.
        max_angle: largest angle ``a`` to the optical axis that is seen, ``> 0``, radians.
    """

    principal_point: Float32Array = numpy_array_field(np.float32)
    focal_length: Float32Array = numpy_array_field(np.float32)
    radial_coeffs: Float32Array = numpy_array_field(np.float32)
    max_angle: float = 0.0

    @staticmethod
    def type() -> str:
        """Return ``"opencv-fisheye"``."""
        return "opencv-fisheye"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_array("principal_point", self.principal_point, (2,), np.float32)
        check_array("focal_length", self.focal_length, (2,), np.float32)
        check((self.focal_length > 0).all(), f"focal_length {self.focal_length} is not positive")
        check_array("radial_coeffs", self.radial_coeffs, (4,), np.float32)
        check_max_angle(self.max_angle)

    def paraxial_pinhole_geometry(self) -> ParaxialPinholeGeometry:
        """Return the model's own focal length, principal point and resolution."""
        return ParaxialPinholeGeometry(
            self.focal_length.copy(), self.principal_point.copy(), self.resolution.copy()
        )

    def transform(
        self,
        image_domain_scale: float | tuple[float, float],
        image_domain_offset: tuple[float, float] = (0.0, 0.0),
        new_resolution: tuple[int, int] | None = None,
    ) -> Self:
        """Return the parameters after scaling and cropping (see the base class)."""
        scale = as_scale(image_domain_scale)
        return replace(
            self,
            resolution=scaled_resolution(self.resolution, image_domain_scale, new_resolution),
            principal_point=scaled_point(self.principal_point, scale, image_domain_offset),
            focal_length=self.focal_length * scale,
        )

    @staticmethod
    def compute_max_angle(
        resolution: npt.NDArray[Any],
        focal_length: npt.NDArray[Any],
        principal_point: npt.NDArray[Any],
        radial_coeffs: npt.NDArray[Any],
    ) -> float:
        """Return the largest angle to the optical axis for which the model is usable.

        It is limited by the image corner farthest from the principal point, and by
        the first angle at which ``r`` stops to grow.

        Args:
            resolution: width and height, ``(2,)``, pixels.
            focal_length: ``(2,)``, pixels.
            principal_point: ``(2,)``, pixels.
            radial_coeffs: ``k1 .. k4``, ``(4,)``; all of any numeric dtype, the
                computation is in float64.

        Returns:
            Angle in radians.

        Raises:
            InvalidDataError: ``radial_coeffs`` has another shape.
        """
        size = np.asarray(resolution, dtype=np.float64)
        point = np.asarray(principal_point, dtype=np.float64)
        k = np.asarray(radial_coeffs, dtype=np.float64)
        check(k.shape == (4,), f"radial_coeffs must have shape (4,), not {k.shape}")
        farthest = np.maximum(np.abs(point), np.abs(size - point)) / np.asarray(
            focal_length, dtype=np.float64
        )
        coefficients = np.zeros(10)
        coefficients[1] = 1.0
        coefficients[3::2] = k
        return compute_max_angle_with_monotonicity(coefficients, float(np.hypot(*farthest)))


def compute_max_angle_with_monotonicity(
    fw_poly_coeffs: npt.NDArray[Any], max_radius: float, newton_iterations: int = 20
) -> float:
    """Return the angle at which a radius is reached, while the radius still grows.

    Args:
        fw_poly_coeffs: coefficients of the radius as polynomial of the angle, by
            ascending power.
        max_radius: radius to be reached.
        newton_iterations: upper limit of Newton steps.

    Returns:
        The smaller of the angle (radians) where the polynomial equals ``max_radius`` and
        its first positive stationary point.
    """
    polynomial = np.polynomial.Polynomial(np.asarray(fw_poly_coeffs, dtype=np.float64))
    slope = polynomial.deriv()
    limit = _smallest_positive_root(slope)
    if limit is not None and polynomial(limit) <= max_radius:
        return limit
    angle = max_radius if limit is None else min(max_radius, 0.999 * limit)
    for _ in range(newton_iterations):
        gradient = slope(angle)
        if gradient == 0:
            break
        step = (polynomial(angle) - max_radius) / gradient
        angle = max(angle - step, 0.0)
        if limit is not None:
            angle = min(angle, 0.999 * limit)
        if abs(step) < 1e-15:
            break
    return float(angle)


def _smallest_positive_root(polynomial: "np.polynomial.Polynomial") -> float | None:
    roots = polynomial.trim().roots()
    real = roots[np.abs(roots.imag) < 1e-9].real
    positive = real[real > 1e-12]
    return float(positive.min()) if positive.size else None


def check_max_angle(max_angle: Any) -> None:
    """Check that an angle is a positive number."""
    check(
        isinstance(max_angle, (int, float, np.floating)) and max_angle > 0,
        f"max_angle must be a positive number (radians), not {max_angle!r}",
    )
