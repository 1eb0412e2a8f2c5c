"""Values equal to those of nvidia-ncore; see cases.py for how they were made."""

# bazel: data = ["expected.npz"]

import json
from pathlib import Path

import numpy as np
import pytest

from tests.peer_values.cases import values

# The last digits depend on the versions of NumPy and SciPy and on the processor.
RELATIVE = {np.dtype("float32"): 2e-6, np.dtype("float64"): 1e-12}


@pytest.fixture(scope="module")
def both():
    with np.load(Path(__file__).parent / "expected.npz") as expected:
        return {name: expected[name] for name in expected.files}, values()


def test_every_case_is_covered(both):
    expected, ours = both
    assert list(ours) == list(expected)
    assert len(ours) > 300


def test_encoded_models_are_equal(both):
    expected, ours = both
    texts = [name for name, value in expected.items() if value.dtype.kind == "U"]
    assert len(texts) > 100
    for name in texts:
        assert_json_close(json.loads(str(ours[name])), json.loads(str(expected[name])), name)


def assert_json_close(ours, expected, path):
    assert type(ours) is type(expected), path
    if isinstance(expected, dict):
        assert list(ours) == list(expected), path
        for key, value in expected.items():
            assert_json_close(ours[key], value, f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(ours) == len(expected), path
        for index, value in enumerate(expected):
            assert_json_close(ours[index], value, f"{path}[{index}]")
    elif isinstance(expected, float):
        assert ours == pytest.approx(expected, rel=2e-6, abs=1e-12), path
    else:
        assert ours == expected, path


def test_computed_arrays_are_equal(both):
    expected, ours = both
    for name, value in expected.items():
        if value.dtype.kind == "U":
            continue
        assert ours[name].dtype == value.dtype, name
        assert ours[name].shape == value.shape, name
        if value.dtype.kind == "f":
            # Some edges of a pose graph are float32: what passes one is rounded as the
            # processor's BLAS rounds, whatever the result's dtype.
            single = name.startswith(("pose ", "point cloud ", "normals "))
            tolerance = RELATIVE[np.dtype("float32") if single else value.dtype]
            scale = max(1.0, float(np.abs(value).max(initial=0)))
            np.testing.assert_allclose(
                ours[name], value, tolerance, tolerance * scale, err_msg=name
            )
        else:
            np.testing.assert_array_equal(ours[name], value, err_msg=name)
