import json

import numpy as np
import pytest

from ncore.data.enums import LabelCategory, LabelEncoding, LabelSource, LabelUnit
from ncore.data.labels import CameraLabelDescriptor, LabelSchema, LabelType, QuantizationParams

DESCRIPTOR = CameraLabelDescriptor(
    "camera_front",
    LabelType.DEPTH_RAY_M,
    LabelSchema(
        np.dtype("float32"),
        encoding=LabelEncoding.RAW,
        quantization=QuantizationParams(np.dtype("uint16"), 0.0025, 0),
    ),
    LabelSource.GT_SYNTHETIC,
)
# As nvidia-ncore 19.8.3 stores it (NCORE_V4, camera_labels).
STORED = {
    "camera_id": "camera_front",
    "label_schema": {
        "dtype": "float32",
        "encoded_format": None,
        "encoding": "RAW",
        "quantization": {"offset": 0, "quantized_dtype": "uint16", "scale": 0.0025},
        "shape_suffix": [],
    },
    "label_source": "GT_SYNTHETIC",
    "label_type": {"category": "DEPTH", "qualifier": "ray", "unit": "METERS"},
}


def test_stored_form_and_back():
    assert DESCRIPTOR.to_dict() == STORED
    assert CameraLabelDescriptor.from_dict(STORED) == DESCRIPTOR
    assert CameraLabelDescriptor.from_json(DESCRIPTOR.to_json()) == DESCRIPTOR
    assert hash(CameraLabelDescriptor.from_dict(STORED)) == hash(DESCRIPTOR)
    assert DESCRIPTOR.default_instance_name == "depth.ray@camera_front"


def test_equal_decoded_types_and_schemas_are_shared():
    first = CameraLabelDescriptor.from_dict(STORED)
    second = CameraLabelDescriptor.from_dict(json.loads(json.dumps(STORED)))
    assert first.label_type is second.label_type
    assert first.label_schema is second.label_schema


def test_decoding_tolerates_what_newer_writers_add():
    kind = LabelType.from_dict({"category": "DEPTH", "qualifier": "z", "unit": "FURLONGS", "x": 1})
    assert kind.unit is LabelUnit.UNKNOWN
    assert LabelType.from_dict({"category": "UNKNOWN", "qualifier": "z"}).unit is None
    schema = LabelSchema.from_dict({"dtype": ">f4", "encoding": "RAW"})
    assert schema.dtype == np.dtype(">f4")
    assert schema.shape_suffix == ()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"label_source": "ORACLE"}, KeyError),
        ({"camera_id": ""}, AssertionError),
        ({"label_type": {"category": "TASTE", "qualifier": "z"}}, KeyError),
        ({"label_type": {"category": "DEPTH", "qualifier": ""}}, AssertionError),
        ({"label_schema": {"dtype": "float31", "encoding": "RAW"}}, TypeError),
        ({"label_schema": {"dtype": "O", "encoding": "RAW"}}, TypeError),
        ({"label_schema": {"dtype": "f4", "encoding": "MORSE"}}, KeyError),
        ({"label_schema": {"dtype": "f4", "encoding": "IMAGE_ENCODED"}}, ValueError),
    ],
)
def test_undecodable_descriptors(change, error):
    with pytest.raises(error):
        CameraLabelDescriptor.from_dict({**STORED, **change})


@pytest.mark.parametrize("name", sorted(STORED))
def test_missing_field(name):
    with pytest.raises(KeyError, match=name):
        CameraLabelDescriptor.from_dict({k: v for k, v in STORED.items() if k != name})


RAW = LabelEncoding.RAW


@pytest.mark.parametrize(
    "make",
    [
        lambda: LabelType(LabelCategory.DEPTH),
        lambda: LabelType("DEPTH", "z"),
        lambda: LabelType(LabelCategory.DEPTH, "z", 0),
        lambda: LabelSchema("float32", (), RAW),
        lambda: LabelSchema(np.dtype("f4"), [3], RAW),
        lambda: LabelSchema(np.dtype("f4"), (np.int64(3),), RAW),
        lambda: LabelSchema(np.dtype("f4"), (3,)),
        lambda: LabelSchema(np.dtype("f4"), (3,), RAW, "png"),
        lambda: LabelSchema(np.dtype("f4"), (3,), LabelEncoding.IMAGE_ENCODED),
        lambda: LabelSchema(
            np.dtype("f4"),
            (3,),
            LabelEncoding.IMAGE_ENCODED,
            "png",
            QuantizationParams(np.dtype("u2")),
        ),
        lambda: QuantizationParams(np.dtype("f4")),
        lambda: QuantizationParams(np.dtype("?")),
        lambda: QuantizationParams(np.dtype("u2"), 1.0, 0.0, np.dtype("i4")),
    ],
)
def test_refused_arguments(make):
    with pytest.raises(AssertionError):
        make()
    with pytest.raises(ValueError):  # noqa: PT011
        make()


def test_well_known_types():
    assert (
        LabelType(LabelCategory.FLOW, "scene_backward", LabelUnit.METERS)
        == LabelType.FLOW_SCENE_BACKWARD_M
    )
    assert len({v for k, v in vars(LabelType).items() if k.isupper()}) == 14


def test_resolve_names_that_do_not_exist():
    assert LabelCategory.resolve("DEPTH") is LabelCategory.DEPTH
    assert LabelCategory.resolve("depth") is LabelCategory.UNKNOWN
    assert LabelSource.resolve(None) is LabelSource.UNKNOWN
    assert LabelSource.resolve([]) is LabelSource.UNKNOWN
