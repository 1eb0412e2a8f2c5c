"""Alias of this module's contents under the name that NVIDIA's ncore has for it."""

from typing import TYPE_CHECKING

from ncore._lazy import lazy_exports

if TYPE_CHECKING:
    from ncore.data.angles import FOV as FOV
    from ncore.data.angles import RelativeAngleResult as RelativeAngleResult
    from ncore.data.angles import relative_angle as relative_angle
    from ncore.data.camera_fisheye import (
        compute_max_angle_with_monotonicity as compute_max_angle_with_monotonicity,
    )
    from ncore.data.decoded_cache import DecodedValueCache as DecodedValueCache
    from ncore.data.frame_times import closest_index_sorted as closest_index_sorted
    from ncore.data.json_codec import dtype_field as dtype_field
    from ncore.data.json_codec import enum_field as enum_field
    from ncore.data.json_codec import numpy_array_field as numpy_array_field

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "DecodedValueCache": "ncore.data.decoded_cache",
        "FOV": "ncore.data.angles",
        "RelativeAngleResult": "ncore.data.angles",
        "closest_index_sorted": "ncore.data.frame_times",
        "compute_max_angle_with_monotonicity": "ncore.data.camera_fisheye",
        "dtype_field": "ncore.data.json_codec",
        "enum_field": "ncore.data.json_codec",
        "numpy_array_field": "ncore.data.json_codec",
        "relative_angle": "ncore.data.angles",
    },
)
