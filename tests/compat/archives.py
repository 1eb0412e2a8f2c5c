"""Where the legacy archives are, and the values that they must read as.

Two sets: the pinned ones of tests/legacy, always there, and those of the
directory that NCORE_LEGACY_DIR names (default: ../shared/legacy beside the
project), which a checkout need not have.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

PROJECT = Path(__file__).resolve().parents[2]
PINNED = PROJECT / "tests" / "legacy" / "archives"
"""Written by tests/legacy/generate.py under the original itself, and committed."""


def shared_legacy() -> Path | None:
    """The directory of further legacy archives, if there is one."""
    place = os.environ.get("NCORE_LEGACY_DIR")
    path = Path(place) if place else PROJECT.parent / "shared" / "legacy"
    return path if (path / "README.md").exists() else None


needs_shared_legacy = pytest.mark.skipif(
    shared_legacy() is None,
    reason="no legacy archives: NCORE_LEGACY_DIR is not set and ../shared/legacy does not exist",
)


class Expected:
    """An ``X.expected.json`` with the arrays of its ``X.expected.npz``."""

    def __init__(self, json_path: Path) -> None:
        self.document: dict[str, Any] = json.loads(json_path.read_text())
        arrays = json_path.with_suffix(".npz")
        self._arrays = np.load(arrays, allow_pickle=False) if arrays.exists() else {}

    def __getitem__(self, key: str) -> Any:
        return self.document[key]

    def values(self, name: str) -> npt.NDArray[Any]:
        """An array of the ``.npz``."""
        values: npt.NDArray[Any] = self._arrays[name]
        return values

    def array(self, reference: dict[str, Any]) -> npt.NDArray[Any]:
        """The array that a ``{"npz": ..., "dtype": ..., "shape": ...}`` stands for."""
        array = self._arrays[reference["npz"]]
        assert array.dtype == np.dtype(reference["dtype"])
        assert list(array.shape) == reference["shape"]
        return array

    def check(self, actual: npt.NDArray[Any], reference: dict[str, Any]) -> None:
        """Assert that ``actual`` is the stored array, to the bit."""
        expected = self.array(reference)
        assert isinstance(actual, np.ndarray)
        assert actual.dtype == expected.dtype
        assert actual.shape == expected.shape
        # As bytes: of floating-point numbers NaNs and signs of zeros as well.
        assert np.ascontiguousarray(actual).tobytes() == np.ascontiguousarray(expected).tobytes()

    def check_computed(
        self, actual: npt.NDArray[Any], reference: dict[str, Any], tolerance: float
    ) -> None:
        """Assert that ``actual``, the result of a computation, is the expected array.

        Args:
            actual: the result.
            reference: the expected array.
            tolerance: largest difference allowed, absolute.
        """
        expected = self.array(reference)
        assert actual.dtype == expected.dtype
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance, equal_nan=True)
