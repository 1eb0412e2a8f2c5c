import dataclasses
import json

import numpy as np
import pytest

from ncore.data.camera_codec import (
    decode_camera_model_parameters,
    encode_camera_model_parameters,
)
from ncore.data.camera_models import (
    FThetaCameraModelParameters,
    IdealPinholeCameraModelParameters,
    OpenCVFisheyeCameraModelParameters,
    OpenCVPinholeCameraModelParameters,
)
from ncore.data.camera_parameters import (
    CameraModelParameters,
    ParaxialPinholeGeometry,
    register_camera_model_parameters,
)
from ncore.data.enums import ReferencePolynomial, ShutterType
from ncore.data.external_distortion import BivariateWindshieldModelParameters


def f32(*values):
    return np.array(values, dtype=np.float32)


COMMON = {
    "resolution": np.array([32, 24], np.uint64),
    "shutter_type": ShutterType.GLOBAL,
    "principal_point": f32(16.25, 11.6),
}
WINDSHIELD = BivariateWindshieldModelParameters(
    ReferencePolynomial.BACKWARD, f32(0, 1, 0), f32(0, 0, 1), f32(0, 1), f32(0, 0, 1)
)
IDEAL = IdealPinholeCameraModelParameters(**COMMON, focal_length=f32(30.1, 29.9))
PINHOLE = OpenCVPinholeCameraModelParameters(
    **COMMON,
    focal_length=f32(30.1, 29.9),
    radial_coeffs=f32(*[0] * 6),
    tangential_coeffs=f32(0, 0),
    thin_prism_coeffs=f32(0, 0, 0, 0),
)
FISHEYE = OpenCVFisheyeCameraModelParameters(
    **COMMON,
    focal_length=f32(30.1, 29.9),
    radial_coeffs=f32(0.1, -0.02, 0.003, -0.001),
    max_angle=1.2,
)
FTHETA = FThetaCameraModelParameters(
    **COMMON,
    reference_poly=FThetaCameraModelParameters.PolynomialType.ANGLE_TO_PIXELDIST,
    pixeldist_to_angle_poly=f32(0, 0.01),
    angle_to_pixeldist_poly=f32(0, 100, -1),
    max_angle=1.5,
)
MODELS = [IDEAL, PINHOLE, FISHEYE, FTHETA]
MODEL_IDS = [model.type() for model in MODELS]


def test_stored_form():
    # As nvidia-ncore 19.8.3 stores it.
    assert encode_camera_model_parameters(IDEAL) == {
        "camera_model_type": "ideal-pinhole",
        "camera_model_parameters": {
            "external_distortion_parameters": None,
            "focal_length": [30.100000381469727, 29.899999618530273],
            "principal_point": [16.25, 11.600000381469727],
            "resolution": [32, 24],
            "shutter_type": "GLOBAL",
        },
    }


@pytest.mark.parametrize("model", MODELS, ids=MODEL_IDS)
@pytest.mark.parametrize("distortion", [None, WINDSHIELD], ids=["clear", "windshield"])
def test_round_trip(model, distortion):
    model = dataclasses.replace(model, external_distortion_parameters=distortion)
    encoded = json.loads(json.dumps(encode_camera_model_parameters(model)))
    assert decode_camera_model_parameters(encoded) == model
    assert type(model).from_dict(model.to_dict()) == model
    assert ("external_distortion_type" in encoded) == (distortion is not None)


def test_old_name_of_the_opencv_pinhole():
    encoded = encode_camera_model_parameters(PINHOLE)
    decoded = decode_camera_model_parameters({**encoded, "camera_model_type": "pinhole"})
    assert decoded == PINHOLE


def test_distortion_type_beside_overrules_the_one_inside():
    encoded = encode_camera_model_parameters(
        dataclasses.replace(PINHOLE, external_distortion_parameters=WINDSHIELD)
    )
    inside = encoded["camera_model_parameters"]["external_distortion_parameters"]
    inside["external_distortion_type"] = "fog"
    decoded = decode_camera_model_parameters(encoded)
    assert decoded.external_distortion_parameters == WINDSHIELD
    encoded["external_distortion_type"] = "fog"
    with pytest.raises(ValueError, match="fog"):
        decode_camera_model_parameters(encoded)
    del encoded["external_distortion_type"]
    with pytest.raises(ValueError, match="fog"):
        decode_camera_model_parameters(encoded)
    del inside["external_distortion_type"]
    decoded = decode_camera_model_parameters(encoded)
    assert decoded.external_distortion_parameters == WINDSHIELD


def test_undecodable():
    with pytest.raises(ValueError, match="Unknown camera model type: pin-cushion"):
        decode_camera_model_parameters(
            {"camera_model_type": "pin-cushion", "camera_model_parameters": {}}
        )
    with pytest.raises(KeyError, match="camera_model_type"):
        decode_camera_model_parameters({"camera_model_parameters": {}})
    with pytest.raises(ValueError, match="resolution"):
        IdealPinholeCameraModelParameters.from_dict({})


@pytest.mark.parametrize("model", MODELS, ids=MODEL_IDS)
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("resolution", np.array([32, 24])),
        ("resolution", np.array([32, 0], np.uint64)),
        ("resolution", [32, 24]),
        ("shutter_type", "GLOBAL"),
        ("principal_point", np.array([1.0, 2.0])),
        ("principal_point", f32(1, 2, 3)),
        ("external_distortion_parameters", 3),
    ],
)
def test_refused_parameters(model, name, wrong):
    with pytest.raises(AssertionError, match=name):
        dataclasses.replace(model, **{name: wrong})


@pytest.mark.parametrize(
    ("model", "name", "wrong"),
    [
        (IDEAL, "focal_length", f32(1, 0)),
        (IDEAL, "focal_length", f32(1, np.nan)),
        (PINHOLE, "radial_coeffs", f32(0, 0, 0, 0)),
        (PINHOLE, "tangential_coeffs", f32(0)),
        (PINHOLE, "thin_prism_coeffs", f32(0)),
        (FISHEYE, "radial_coeffs", f32(*[0] * 6)),
        (FISHEYE, "max_angle", 0.0),
        (FISHEYE, "max_angle", float("nan")),
        (FISHEYE, "max_angle", "1"),
        (FTHETA, "max_angle", -1.0),
        (FTHETA, "angle_to_pixeldist_poly", f32(*range(7))),
        (FTHETA, "pixeldist_to_angle_poly", np.zeros(6)),
        (FTHETA, "linear_cde", f32(1, 0)),
        (FTHETA, "reference_poly", None),
    ],
)
def test_refused_model_parameters(model, name, wrong):
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(model, **{name: wrong})


def test_ftheta_fills_up():
    assert FTHETA.fw_poly.tolist() == [0, 100, -1, 0, 0, 0]
    assert FTHETA.bw_poly.dtype == np.float32
    assert FTHETA.bw_poly.shape == (6,)
    assert FTHETA.linear_cde.tolist() == [1, 0, 0]
    assert dataclasses.replace(FTHETA, linear_cde=f32(0, 0, 0)).linear_cde.tolist() == [1, 0, 0]


def test_equality_is_by_value():
    other = dataclasses.replace(IDEAL, focal_length=IDEAL.focal_length.copy())
    assert other == IDEAL
    assert dataclasses.replace(IDEAL, focal_length=f32(30, 30)) != IDEAL
    assert PINHOLE != IDEAL
    with pytest.raises(TypeError, match="unhashable"):
        hash(IDEAL)


def test_scaling_by_a_tenth_of_an_even_resolution():
    """The float32 closest to 0.1 would not scale 320 pixels to 32."""
    camera = dataclasses.replace(IDEAL, resolution=np.array([320, 240], np.uint64))
    assert camera.transform(0.1).resolution.tolist() == [32, 24]
    camera = dataclasses.replace(IDEAL, resolution=np.array([40, 70], np.uint64))
    assert camera.transform(0.3).resolution.tolist() == [12, 21]
    with pytest.raises(AssertionError, match="new_resolution"):
        IDEAL.transform(0.3)
    assert IDEAL.transform(0.3, new_resolution=(10, 7)).resolution.tolist() == [10, 7]


@pytest.mark.parametrize("model", MODELS, ids=MODEL_IDS)
def test_cropping_shifts_the_principal_point(model):
    cropped = model.transform(1.0, (3.0, 1.0), (20, 10))
    assert cropped.resolution.tolist() == [20, 10]
    np.testing.assert_allclose(cropped.principal_point, model.principal_point - f32(3, 1))
    assert type(cropped) is type(model)


@pytest.mark.parametrize("model", MODELS, ids=MODEL_IDS)
@pytest.mark.parametrize(
    "arguments",
    [(0.0,), (-1.0,), ((1.0, 2.0, 3.0),), (float("nan"),), (1.0, (0.0, 0.0), (0, 10))],
)
def test_refused_transformations(model, arguments):
    with pytest.raises(ValueError, match=r"scale|resolution"):
        model.transform(*arguments)


def test_ftheta_pixels_scale_about_their_corners():
    """Pixel centres lie at whole coordinates, pixel corners half a pixel off."""
    assert FTHETA.transform(2.0).principal_point == pytest.approx([33.0, 23.7])
    assert FTHETA.paraxial_pinhole_geometry().principal_point == pytest.approx([16.75, 12.1])


def test_paraxial_geometry():
    for model in (IDEAL, PINHOLE, FISHEYE):
        geometry = model.paraxial_pinhole_geometry()
        assert geometry == ParaxialPinholeGeometry(
            model.focal_length, model.principal_point, model.resolution
        )
    wide = dataclasses.replace(FTHETA, linear_cde=f32(1.5, 0.1, 0.2))
    assert wide.paraxial_pinhole_geometry().focal_length.tolist() == [150.0, 100.0]
    flat = dataclasses.replace(FTHETA, angle_to_pixeldist_poly=f32(0, 0, 1))
    with pytest.raises(ValueError, match="focal length"):
        flat.paraxial_pinhole_geometry()


@pytest.mark.parametrize("model", MODELS, ids=MODEL_IDS)
def test_ideal_pinhole_of_a_field_of_view(model):
    wanted = np.array([1.0, 0.8])
    ideal = IdealPinholeCameraModelParameters.from_source(model, wanted)
    np.testing.assert_allclose(ideal.fov(), wanted, rtol=1e-6)
    assert ideal.fov().dtype == np.float32
    widest = IdealPinholeCameraModelParameters.from_source(model, 1.0)
    assert IdealPinholeCameraModelParameters.from_source(model, np.float32(1.0)) == widest
    assert widest.fov().max() == pytest.approx(1.0, rel=1e-6)
    ratio = model.paraxial_pinhole_geometry().focal_length
    np.testing.assert_allclose(
        widest.focal_length[0] / widest.focal_length[1], ratio[0] / ratio[1], rtol=1e-6
    )
    natural = IdealPinholeCameraModelParameters.from_source(model)
    np.testing.assert_allclose(
        natural.fov(), IdealPinholeCameraModelParameters.natural_fov(model), rtol=1e-6
    )


@pytest.mark.parametrize("fov", [0.0, np.pi, -1.0, float("nan"), np.array([1.0, 4.0]), np.ones(3)])
def test_impossible_fields_of_view(fov):
    with pytest.raises(ValueError, match=r"fov|field of view"):
        IdealPinholeCameraModelParameters.from_source(IDEAL, fov)


def test_fisheye_max_angle():
    compute = OpenCVFisheyeCameraModelParameters.compute_max_angle
    # Without distortion it is the angle of the farthest corner.
    assert compute([32, 24], [10, 10], [16, 12], [0, 0, 0, 0]) == pytest.approx(2.0)
    # a - a^3 / 2 grows until a = sqrt(2 / 3).
    assert compute([32, 24], [10, 10], [16, 12], [-0.5, 0, 0, 0]) == pytest.approx((2 / 3) ** 0.5)
    reached = compute([32, 24], [30, 30], [16, 12], [0.1, 0, 0, 0])
    assert reached * (1 + 0.1 * reached**2) == pytest.approx(2 / 3)


def test_distortion_free():
    assert PINHOLE.is_distortion_free
    assert not dataclasses.replace(PINHOLE, tangential_coeffs=f32(0, 1e-9)).is_distortion_free
    distorted = dataclasses.replace(PINHOLE, external_distortion_parameters=WINDSHIELD)
    assert not distorted.is_distortion_free


def test_a_users_camera_model():
    @register_camera_model_parameters
    @dataclasses.dataclass
    class Pushbroom(CameraModelParameters):
        height_m: float = 500.0

        @staticmethod
        def type():
            return "com.example.pushbroom"

        def transform(self, image_domain_scale, image_domain_offset=(0, 0), new_resolution=None):
            return self

        def paraxial_pinhole_geometry(self):
            raise NotImplementedError

    camera = Pushbroom(COMMON["resolution"], ShutterType.GLOBAL, WINDSHIELD, 300.0)
    decoded = decode_camera_model_parameters(encode_camera_model_parameters(camera))
    assert isinstance(decoded, Pushbroom)
    assert decoded.height_m == 300.0
    assert decoded.external_distortion_parameters == WINDSHIELD


def test_base_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        CameraModelParameters()
