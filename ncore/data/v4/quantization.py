"""Linear quantisation of label values to integers and back."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.data.errors import InvalidDataError
from ncore.data.labels import QuantizationParams


def quantize(
    data: npt.NDArray[Any], parameters: QuantizationParams, where: str
) -> npt.NDArray[Any]:
    """Return ``round((data - offset) / scale)`` in the quantised dtype.

    Ties go to the even integer.

    Args:
        data: logical values, any shape.
        parameters: the quantisation.
        where: what is quantised, for messages.

    Raises:
        InvalidDataError: a value has no integer of the quantised dtype: it is
            NaN, infinite or out of range; or the scale is 0 or not finite.
    """
    scale, offset = float(parameters.scale), float(parameters.offset)
    if scale == 0 or not np.isfinite(scale) or not np.isfinite(offset):
        raise InvalidDataError(f"{where}: cannot quantise with scale {scale} and offset {offset}")
    dtype = np.dtype(parameters.quantized_dtype)
    intermediate = np.dtype(parameters.intermediate_dtype)
    values = data.astype(intermediate)
    values = np.rint((values - intermediate.type(offset)) / intermediate.type(scale))
    limits = np.iinfo(dtype)
    # The upper limit of 64-bit integers is no floating-point number; the power of
    # two above it is, and nothing may reach that.
    above = intermediate.type(2.0) ** (limits.bits - (limits.min < 0))
    # Negated, so that NaN is out of range.
    wrong = ~((values >= limits.min) & (values < above))
    if np.any(wrong):
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        low, high = sorted((limits.min * scale + offset, limits.max * scale + offset))
        raise InvalidDataError(
            f"{where}: value {data[first]!s} at {first} lies outside [{low:g}, {high:g}], which "
            f"is what {dtype} holds with scale {scale:g} and offset {offset:g} "
            f"({int(wrong.sum())} such values)"
        )
    quantized: npt.NDArray[Any] = values.astype(dtype)
    return quantized


def dequantize(
    stored: npt.NDArray[Any], parameters: QuantizationParams, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Return ``stored * scale + offset`` as ``dtype``; integers are truncated toward zero."""
    intermediate = np.dtype(parameters.intermediate_dtype)
    values = stored.astype(intermediate) * parameters.scale + parameters.offset
    logical: npt.NDArray[Any] = values.astype(dtype)
    return logical
