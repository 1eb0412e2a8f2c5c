import dataclasses

import numpy as np
import pytest

from ncore.data.enums import ReferencePolynomial
from ncore.data.external_distortion import (
    BivariateWindshieldModelParameters,
    ExternalDistortionParameters,
    decode_external_distortion,
    encode_external_distortion,
    register_external_distortion_parameters,
)

POLY = np.arange(3, dtype=np.float32)
WINDSHIELD = BivariateWindshieldModelParameters(
    ReferencePolynomial.FORWARD, POLY, POLY + 1, POLY + 2, POLY + 3
)


@register_external_distortion_parameters
@dataclasses.dataclass(eq=False)
class Bubble(ExternalDistortionParameters):
    radius: float = 1.0

    @staticmethod
    def type():
        return "com.example.bubble"


def test_type_lies_inside_the_encoded_parameters():
    encoded = encode_external_distortion(WINDSHIELD)
    assert encoded["external_distortion_type"] == "bivariate-windshield"
    assert "external_distortion_type" not in WINDSHIELD.to_dict()
    assert decode_external_distortion(encoded) == WINDSHIELD
    assert encode_external_distortion(None) is None


def test_type_defaults_to_windshield():
    assert decode_external_distortion(WINDSHIELD.to_dict()) == WINDSHIELD


def test_a_users_class():
    decoded = decode_external_distortion(encode_external_distortion(Bubble(2.0)))
    assert decoded == Bubble(2.0)
    assert decode_external_distortion({"radius": 3}, Bubble.type()) == Bubble(3.0)


def test_unknown_type():
    with pytest.raises(ValueError, match="Unknown external distortion type: fog"):
        decode_external_distortion({"external_distortion_type": "fog"})
    with pytest.raises(TypeError):
        decode_external_distortion(3)


def test_a_type_has_one_class():
    assert register_external_distortion_parameters(Bubble) is Bubble

    class Other(Bubble):
        pass

    with pytest.raises(ValueError, match="already registered"):
        register_external_distortion_parameters(Other)


@pytest.mark.parametrize(
    "name",
    ["horizontal_poly", "vertical_poly", "horizontal_poly_inverse", "vertical_poly_inverse"],
)
def test_each_polynomial_is_checked(name):
    for wrong in (POLY.astype(np.float64), POLY[None], [0.0, 1.0]):
        with pytest.raises(AssertionError, match=name):
            dataclasses.replace(WINDSHIELD, **{name: wrong})
    with pytest.raises(AssertionError, match="reference_poly"):
        dataclasses.replace(WINDSHIELD, reference_poly=1)


def test_base_is_abstract():
    with pytest.raises(TypeError):
        ExternalDistortionParameters()
