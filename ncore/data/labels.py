"""What a camera label layer holds: its kind, its array schema, its origin.

The types are immutable and hashable. Encoded forms: NCORE_V4 ``camera_labels``
descriptors (see docs/data-types.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ncore.data.checks import check
from ncore.data.decoded_cache import DecodedValueCache
from ncore.data.enums import LabelCategory, LabelEncoding, LabelSource, LabelUnit
from ncore.data.errors import DataTypeError, InvalidDataError, MissingFieldError
from ncore.data.json_codec import (
    DataClassJsonMixin,
    dtype_field,
    encode_value,
    enum_field,
    json_field,
)


def _encode_unit(unit: LabelUnit | None) -> str | None:
    return None if unit is None else unit.name


def _decode_suffix(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)):
        raise InvalidDataError(f"{value!r} is no list of lengths")
    return tuple(value)


@dataclass(frozen=True, slots=True)
class LabelType(DataClassJsonMixin):
    """The kind of quantity that a label holds.

    Args:
        category: broad kind.
        qualifier: non-empty refinement, e.g. ``"z"`` or ``"ray"`` for a depth.
        unit: unit of the logical values, if known.

    Raises:
        InvalidDataError: an argument has the wrong type, or the qualifier is empty.
    """

    category: LabelCategory = enum_field(LabelCategory)
    qualifier: str = ""
    unit: LabelUnit | None = json_field(_encode_unit, LabelUnit.resolve)

    DEPTH_Z_M: ClassVar["LabelType"]
    DEPTH_RAY_M: ClassVar["LabelType"]
    DEPTH_RELATIVE: ClassVar["LabelType"]
    FLOW_OPTICAL_FORWARD_PX: ClassVar["LabelType"]
    FLOW_OPTICAL_BACKWARD_PX: ClassVar["LabelType"]
    FLOW_SCENE_FORWARD_M: ClassVar["LabelType"]
    FLOW_SCENE_BACKWARD_M: ClassVar["LabelType"]
    SEGMENTATION_SEMANTIC: ClassVar["LabelType"]
    SEGMENTATION_INSTANCE: ClassVar["LabelType"]
    MASK_BACKGROUND: ClassVar["LabelType"]
    MASK_DYNAMIC: ClassVar["LabelType"]
    GEOMETRY_NORMAL_CAMERA: ClassVar["LabelType"]
    GEOMETRY_NORMAL_WORLD: ClassVar["LabelType"]
    GEOMETRY_RAY_DIRECTION: ClassVar["LabelType"]

    def __post_init__(self) -> None:
        check(
            isinstance(self.category, LabelCategory),
            f"category must be a LabelCategory, not {self.category!r}",
        )
        check(
            isinstance(self.qualifier, str) and self.qualifier,
            f"qualifier must be a non-empty string, not {self.qualifier!r}",
        )
        check(
            self.unit is None or isinstance(self.unit, LabelUnit),
            f"unit must be a LabelUnit or None, not {self.unit!r}",
        )


LabelType.DEPTH_Z_M = LabelType(LabelCategory.DEPTH, "z", LabelUnit.METERS)
LabelType.DEPTH_RAY_M = LabelType(LabelCategory.DEPTH, "ray", LabelUnit.METERS)
LabelType.DEPTH_RELATIVE = LabelType(LabelCategory.DEPTH, "relative", LabelUnit.UNITLESS)
LabelType.FLOW_OPTICAL_FORWARD_PX = LabelType(
    LabelCategory.FLOW, "optical_forward", LabelUnit.PIXELS
)
LabelType.FLOW_OPTICAL_BACKWARD_PX = LabelType(
    LabelCategory.FLOW, "optical_backward", LabelUnit.PIXELS
)
LabelType.FLOW_SCENE_FORWARD_M = LabelType(LabelCategory.FLOW, "scene_forward", LabelUnit.METERS)
LabelType.FLOW_SCENE_BACKWARD_M = LabelType(LabelCategory.FLOW, "scene_backward", LabelUnit.METERS)
LabelType.SEGMENTATION_SEMANTIC = LabelType(
    LabelCategory.SEGMENTATION, "semantic", LabelUnit.UNITLESS
)
LabelType.SEGMENTATION_INSTANCE = LabelType(
    LabelCategory.SEGMENTATION, "instance", LabelUnit.UNITLESS
)
LabelType.MASK_BACKGROUND = LabelType(LabelCategory.MASK, "background", LabelUnit.UNITLESS)
LabelType.MASK_DYNAMIC = LabelType(LabelCategory.MASK, "dynamic", LabelUnit.UNITLESS)
LabelType.GEOMETRY_NORMAL_CAMERA = LabelType(
    LabelCategory.GEOMETRY, "normal_camera", LabelUnit.UNITLESS
)
LabelType.GEOMETRY_NORMAL_WORLD = LabelType(
    LabelCategory.GEOMETRY, "normal_world", LabelUnit.UNITLESS
)
LabelType.GEOMETRY_RAY_DIRECTION = LabelType(
    LabelCategory.GEOMETRY, "ray_direction", LabelUnit.UNITLESS
)


@dataclass(frozen=True, slots=True)
class QuantizationParams(DataClassJsonMixin):
    """Linear quantisation: ``logical = stored * scale + offset``.

    Args:
        quantized_dtype: integer dtype of the stored values.
        scale: step between two stored values, in the label's unit.
        offset: logical value of a stored 0, in the label's unit.
        intermediate_dtype: floating dtype of the computation; it is not stored
            with the label, readers compute in float64.

    Raises:
        InvalidDataError: a dtype is of the wrong kind.
    """

    quantized_dtype: "np.dtype[Any]" = dtype_field()
    scale: float = 1.0
    offset: float = 0.0
    intermediate_dtype: "np.dtype[Any]" = dtype_field(np.dtype("float64"))

    def __post_init__(self) -> None:
        _check_kind("quantized_dtype", self.quantized_dtype, np.integer)
        _check_kind("intermediate_dtype", self.intermediate_dtype, np.floating)

    def to_dict(self, encode_json: bool = False) -> dict[str, Any]:
        """Return what is stored: all but ``intermediate_dtype``."""
        return {
            "quantized_dtype": str(np.dtype(self.quantized_dtype)),
            "scale": encode_value(self.scale),
            "offset": encode_value(self.offset),
        }


def _check_kind(name: str, value: Any, kind: Any) -> None:
    try:
        fits = value is not None and np.issubdtype(value, kind)
    except TypeError:
        fits = False
    check(fits, f"{name} must be a dtype of kind {kind.__name__}, not {value!r}")


@dataclass(frozen=True, slots=True)
class LabelSchema(DataClassJsonMixin):
    """How one label's array looks, and how it is stored.

    A label has shape ``(H, W) + shape_suffix``; height and width may differ
    between the labels of an instance.

    Args:
        dtype: NumPy dtype (an instance) of the logical values.
        shape_suffix: lengths behind height and width, as Python ints.
        encoding: how the values are stored.
        encoded_format: image format such as ``"png"``; only with ``IMAGE_ENCODED``,
            and mandatory there.
        quantization: only with ``RAW``.

    Raises:
        InvalidDataError: a type is wrong, or the arguments do not go together.
    """

    dtype: "np.dtype[Any]" = dtype_field()
    shape_suffix: tuple[int, ...] = json_field(list, _decode_suffix, default=())
    encoding: LabelEncoding = enum_field(LabelEncoding)
    encoded_format: str | None = None
    quantization: QuantizationParams | None = None

    def __post_init__(self) -> None:
        check(isinstance(self.dtype, np.dtype), f"dtype must be a numpy.dtype, not {self.dtype!r}")
        check(
            isinstance(self.shape_suffix, tuple)
            and all(isinstance(length, int) for length in self.shape_suffix),
            f"shape_suffix must be a tuple of ints, not {self.shape_suffix!r}",
        )
        check(
            all(length >= 0 for length in self.shape_suffix),
            f"shape_suffix must not be negative: {self.shape_suffix!r}",
        )
        check(
            isinstance(self.encoding, LabelEncoding),
            f"encoding must be a LabelEncoding, not {self.encoding!r}",
        )
        if self.encoding is LabelEncoding.IMAGE_ENCODED:
            check(
                isinstance(self.encoded_format, str),
                "IMAGE_ENCODED needs an encoded_format such as 'png'",
            )
        else:
            check(
                self.encoded_format is None,
                f"encoded_format {self.encoded_format!r} goes with IMAGE_ENCODED only",
            )
        if self.quantization is not None:
            check(
                isinstance(self.quantization, QuantizationParams),
                f"quantization must be QuantizationParams, not {self.quantization!r}",
            )
            check(self.encoding is LabelEncoding.RAW, "quantization goes with RAW encoding only")


@dataclass(frozen=True, slots=True)
class CameraLabelDescriptor(DataClassJsonMixin):
    """Describes one label layer of one camera.

    Args:
        camera_id: id of the camera; it need not exist in the sequence.
        label_type: kind of quantity.
        label_schema: array form and storage.
        label_source: origin of the labels.

    Raises:
        InvalidDataError: an argument has the wrong type, or ``camera_id`` is empty.
    """

    camera_id: str
    label_type: LabelType
    label_schema: LabelSchema
    label_source: LabelSource = enum_field(LabelSource)

    label_type_cache: ClassVar[DecodedValueCache[Any, LabelType]]
    """Makes equal decoded label types one object."""
    label_schema_cache: ClassVar[DecodedValueCache[Any, LabelSchema]]
    """Makes equal decoded label schemas one object."""

    def __post_init__(self) -> None:
        check(
            isinstance(self.camera_id, str) and self.camera_id,
            f"camera_id must be a non-empty string, not {self.camera_id!r}",
        )
        check(
            isinstance(self.label_type, LabelType),
            f"label_type must be a LabelType, not {self.label_type!r}",
        )
        check(
            isinstance(self.label_schema, LabelSchema),
            f"label_schema must be a LabelSchema, not {self.label_schema!r}",
        )
        check(
            isinstance(self.label_source, LabelSource),
            f"label_source must be a LabelSource, not {self.label_source!r}",
        )

    @property
    def default_instance_name(self) -> str:
        """Recommended component instance name, e.g. ``depth.z@camera_front``."""
        category = self.label_type.category.name.lower()
        return f"{category}.{self.label_type.qualifier}@{self.camera_id}"

    @classmethod
    def from_dict(cls, kvs: Mapping[str, Any], *, infer_missing: bool = False) -> Self:
        """Build a descriptor from its encoded form, sharing equal types and schemas.

        Raises:
            MissingFieldError: a field is missing (a KeyError).
            UnknownNameError: unknown category, encoding or source (a KeyError).
            DataTypeError: an unknown dtype (a TypeError).
            InvalidDataError: a value is not allowed.
        """
        if not isinstance(kvs, Mapping):
            raise DataTypeError(
                f"{cls.__name__} is decoded from a mapping, not from {type(kvs).__name__}"
            )
        for name in ("camera_id", "label_type", "label_schema", "label_source"):
            if name not in kvs:
                raise MissingFieldError(f"{cls.__name__}: field {name!r} is missing")
        return super(CameraLabelDescriptor, cls).from_dict(
            {
                **kvs,
                "label_type": cls.label_type_cache(kvs["label_type"]),
                "label_schema": cls.label_schema_cache(kvs["label_schema"]),
            },
            infer_missing=infer_missing,
        )


CameraLabelDescriptor.label_type_cache = DecodedValueCache(LabelType.from_dict)
CameraLabelDescriptor.label_schema_cache = DecodedValueCache(LabelSchema.from_dict)
