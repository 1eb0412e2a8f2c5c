import dataclasses
import json

import numpy as np
import pytest

from ncore.data.lidar_parameters import (
    LidarModelParameters,
    RowOffsetStructuredSpinningLidarModelParameters,
    SpinningLidarModelParameters,
    decode_lidar_model_parameters,
    encode_lidar_model_parameters,
    register_lidar_model_parameters,
)


def f32(*values):
    return np.array(values, dtype=np.float32)


LIDAR = RowOffsetStructuredSpinningLidarModelParameters(
    10.0,
    "ccw",
    3,
    8,
    f32(0.2, 0, -0.2),
    f32(2, 2.5, 3, -3, -2, -1, 0, 1),
    f32(0.01, 0, -0.01),
)


def test_stored_form_and_back():
    encoded = encode_lidar_model_parameters(LIDAR)
    assert encoded["lidar_model_type"] == "row-offset-spinning"
    assert encoded["lidar_model_parameters"]["row_elevations_rad"][0] == 0.20000000298023224
    assert decode_lidar_model_parameters(json.loads(json.dumps(encoded))) == LIDAR


def test_fields_of_view():
    vertical = LIDAR.get_vertical_fov()
    assert (vertical.start_rad, vertical.direction) == (np.float32(0.2), "cw")
    assert vertical.span_rad == pytest.approx(0.4)
    horizontal = LIDAR.get_horizontal_fov(np.float64)
    assert horizontal.start_rad == pytest.approx(1.99)
    assert horizontal.span_rad == pytest.approx(2 * np.pi - 0.98)
    assert horizontal.direction == "ccw"
    clockwise = dataclasses.replace(
        LIDAR, spinning_direction="cw", column_azimuths_rad=LIDAR.column_azimuths_rad[::-1].copy()
    )
    assert clockwise.get_horizontal_fov().start_rad == pytest.approx(1.01)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("spinning_direction", "widdershins"),
        ("n_rows", 4),
        ("n_rows", 0),
        ("n_columns", 7),
        ("row_elevations_rad", f32(-0.2, 0, 0.2)),
        ("row_elevations_rad", f32(0.2, 0.2, 0)),
        ("row_elevations_rad", np.array([0.2, 0.0, -0.2])),
        ("row_azimuth_offsets_rad", f32(0.1)),
        ("column_azimuths_rad", f32(2, 2.5, 3, -3, -2, -1, 0, 2.1)),
        ("column_azimuths_rad", f32(2, 2, 3, -3, -2, -1, 0, 1)),
    ],
)
def test_refused_parameters(name, wrong):
    with pytest.raises(ValueError, match=r"direction|rows|rad|columns"):
        dataclasses.replace(LIDAR, **{name: wrong})


def test_undecodable():
    with pytest.raises(ValueError, match="Unknown lidar model type: flash"):
        decode_lidar_model_parameters({"lidar_model_type": "flash", "lidar_model_parameters": {}})
    with pytest.raises(KeyError, match="lidar_model_parameters"):
        decode_lidar_model_parameters({"lidar_model_type": "row-offset-spinning"})
    with pytest.raises(KeyError, match="n_rows"):
        decode_lidar_model_parameters(
            {
                "lidar_model_type": "row-offset-spinning",
                "lidar_model_parameters": {
                    "spinning_frequency_hz": 1,
                    "spinning_direction": "cw",
                },
            }
        )


def test_a_users_lidar_model():
    @register_lidar_model_parameters
    @dataclasses.dataclass
    class Flash(LidarModelParameters):
        width: int = 8

        @staticmethod
        def type():
            return "com.example.flash"

        def get_vertical_fov(self, dtype=np.float32):
            raise NotImplementedError

        def get_horizontal_fov(self, dtype=np.float32):
            raise NotImplementedError

    assert decode_lidar_model_parameters(encode_lidar_model_parameters(Flash(5))) == Flash(5)


def test_bases_are_abstract():
    with pytest.raises(TypeError, match="abstract"):
        SpinningLidarModelParameters(10.0, "cw")
