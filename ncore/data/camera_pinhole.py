"""Pinhole cameras: without distortion, and with OpenCV's rational distortion."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ncore.data.camera_parameters import (
    CameraModelParameters,
    ParaxialPinholeGeometry,
    alias_camera_model_type,
    as_scale,
    register_camera_model_parameters,
    scaled_resolution,
)
from ncore.data.checks import check, check_array
from ncore.data.errors import InvalidDataError
from ncore.data.json_codec import numpy_array_field

Float32Array = npt.NDArray[np.float32]


@dataclass(eq=False)
class PinholeCameraModelParameters(CameraModelParameters):
    """What pinhole cameras have in common.

    Args:
        principal_point: float32 ``(2,)``, pixels.
        focal_length: float32 ``(2,)``, ``> 0``, pixels.
    """

    principal_point: Float32Array = numpy_array_field(np.float32)
    focal_length: Float32Array = numpy_array_field(np.float32)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_array("principal_point", self.principal_point, (2,), np.float32)
        check_array("focal_length", self.focal_length, (2,), np.float32)
        check((self.focal_length > 0).all(), f"focal_length {self.focal_length} is not positive")

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


def scaled_point(point: Float32Array, scale: Float32Array, offset: Any) -> Float32Array:
    """Return image coordinates after scaling and cropping, float32 ``(2,)``."""
    return point * scale - np.asarray(offset, dtype=np.float32)


@register_camera_model_parameters
@dataclass(eq=False)
class OpenCVPinholeCameraModelParameters(PinholeCameraModelParameters):
    """A pinhole with OpenCV's rational, tangential and thin prism distortion.

    Args:
        radial_coeffs: ``k1 .. k6``, float32 ``(6,)``.
        tangential_coeffs: ``p1, p2``, float32 ``(2,)``.
        thin_prism_coeffs: ``s1 .. s4``, float32 ``(4,)``.
    """

    radial_coeffs: Float32Array = numpy_array_field(np.float32)
    tangential_coeffs: Float32Array = numpy_array_field(np.float32)
    thin_prism_coeffs: Float32Array = numpy_array_field(np.float32)

    @staticmethod
    def type() -> str:
        """Return ``"opencv-pinhole"``."""
        return "opencv-pinhole"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_array("radial_coeffs", self.radial_coeffs, (6,), np.float32)
        check_array("tangential_coeffs", self.tangential_coeffs, (2,), np.float32)
        check_array("thin_prism_coeffs", self.thin_prism_coeffs, (4,), np.float32)

    @property
    def is_distortion_free(self) -> bool:
        """Whether all coefficients are zero and there is no external distortion."""
        return self.external_distortion_parameters is None and not (
            self.radial_coeffs.any() or self.tangential_coeffs.any() or self.thin_prism_coeffs.any()
        )


alias_camera_model_type("pinhole", OpenCVPinholeCameraModelParameters.type())


@register_camera_model_parameters
@dataclass(eq=False)
class IdealPinholeCameraModelParameters(PinholeCameraModelParameters):
    """A pinhole without distortion of its own."""

    @staticmethod
    def type() -> str:
        """Return ``"ideal-pinhole"``."""
        return "ideal-pinhole"

    def fov(self) -> Float32Array:
        """Return the horizontal and vertical field of view, float32 ``(2,)``, radians.

        Twice the larger of the two angles from the principal point to the image borders.
        """
        return _field_of_view(self.paraxial_pinhole_geometry())

    @staticmethod
    def natural_fov(source: CameraModelParameters) -> Float32Array:
        """Return the field of view of a camera's paraxial pinhole.

        Args:
            source: any camera model.

        Returns:
            float32 ``(2,)``, radians, horizontal and vertical, below pi.
        """
        return _field_of_view(source.paraxial_pinhole_geometry())

    @staticmethod
    def from_source(
        source: CameraModelParameters, target_fov: float | npt.NDArray[Any] | None = None
    ) -> "IdealPinholeCameraModelParameters":
        """Return the ideal pinhole closest to a camera, for rectification.

        Resolution, shutter type and principal point are the source's.

        Args:
            source: any camera model; its external distortion is dropped.
            target_fov: ``None``: keep the paraxial focal length. A number: field of view
                (radians) that the image shall at most have along either axis, keeping the
                ratio of the focal lengths. Shape ``(2,)``, floating: horizontal and vertical.

        Raises:
            InvalidDataError: a field of view outside (0, pi), or of another shape.
        """
        geometry = source.paraxial_pinhole_geometry()
        focal_length = geometry.focal_length
        if target_fov is not None:
            fov = np.asarray(target_fov, dtype=np.float32)
            if fov.shape not in ((), (2,)):
                raise InvalidDataError(
                    f"target_fov must be a number or have shape (2,), not {fov.shape}"
                )
            if not ((fov > 0) & (fov < np.pi)).all():
                raise InvalidDataError(
                    f"no ideal pinhole has a field of view of {np.degrees(fov)} degrees: "
                    "it must lie between 0 and 180"
                )
            extents = _half_extents(geometry)
            if fov.shape == ():
                wanted = extents / np.float32(np.tan(float(target_fov) / 2))
                focal_length = focal_length * (wanted / focal_length).max()
            else:
                focal_length = extents / np.tan(fov / np.float32(2))
        return IdealPinholeCameraModelParameters(
            resolution=geometry.resolution,
            shutter_type=source.shutter_type,
            external_distortion_parameters=None,
            principal_point=geometry.principal_point,
            focal_length=focal_length,
        )


def _half_extents(geometry: ParaxialPinholeGeometry) -> Float32Array:
    """Return per axis the larger distance from the principal point to a border, pixels."""
    point = geometry.principal_point
    extents: Float32Array = np.maximum(point, geometry.resolution.astype(np.float32) - point)
    return extents


def _field_of_view(geometry: ParaxialPinholeGeometry) -> Float32Array:
    angles = 2 * np.arctan2(_half_extents(geometry), geometry.focal_length)
    return angles.astype(np.float32)
