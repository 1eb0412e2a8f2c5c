"""How the parameters of camera models are stored beside their type."""

from collections.abc import Mapping
from typing import Any

from ncore.data import camera_models  # noqa: F401  (registers our own)
from ncore.data.camera_parameters import CameraModelParameters, registered_camera_model
from ncore.data.errors import DataTypeError, MissingFieldError
from ncore.data.external_distortion import (
    EXTERNAL_DISTORTION_TYPE_KEY,
    check_external_distortion_type,
)


def encode_camera_model_parameters(
    camera_model_parameters: CameraModelParameters,
) -> dict[str, Any]:
    """Return type string and parameters, as the intrinsics component stores them."""
    encoded: dict[str, Any] = {
        "camera_model_type": camera_model_parameters.type(),
        "camera_model_parameters": camera_model_parameters.to_dict(),
    }
    if camera_model_parameters.external_distortion_parameters is not None:
        # Also beside the parameters, where readers before nvidia-ncore 19.8 look for it.
        encoded[EXTERNAL_DISTORTION_TYPE_KEY] = (
            camera_model_parameters.external_distortion_parameters.type()
        )
    return encoded


def decode_camera_model_parameters(encoded_parameters: Mapping[str, Any]) -> CameraModelParameters:
    """Return the camera model of what :func:`encode_camera_model_parameters` returned.

    Raises:
        UnknownModelTypeError: unknown camera model or external distortion type
            (a ValueError).
        MissingFieldError: a key is missing (a KeyError).
        InvalidDataError: a parameter is not allowed.
    """
    try:
        type_name, parameters = (
            encoded_parameters["camera_model_type"],
            encoded_parameters["camera_model_parameters"],
        )
    except KeyError as error:
        raise MissingFieldError(f"encoded camera model parameters lack {error}") from None
    model = registered_camera_model(type_name)
    if not isinstance(parameters, Mapping):
        raise DataTypeError(f"{parameters!r} are no camera model parameters")
    outer_type = encoded_parameters.get(EXTERNAL_DISTORTION_TYPE_KEY)
    if outer_type is not None:
        check_external_distortion_type(outer_type)
        distortion = parameters.get("external_distortion_parameters")
        if distortion is not None:
            tagged = {**distortion, EXTERNAL_DISTORTION_TYPE_KEY: outer_type}
            parameters = {**parameters, "external_distortion_parameters": tagged}
    return model.from_dict(parameters)
