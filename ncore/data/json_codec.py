"""Dataclasses to and from JSON-like dictionaries, without a framework.

The data types of NCore V4 lie in zarr attributes as plain JSON objects. The
classes here give them ``to_dict``, ``from_dict``, ``to_json`` and
``from_json`` with the same results as the ``dataclasses-json`` package, on
which NVIDIA's ncore builds, but without importing it and marshmallow (a worker
process pays for imports) and without its lossy coercions.

Field encoders and decoders lie in the field's metadata under the key
``"dataclasses_json"``, so that user-defined parameter classes written with
``dataclasses_json.config(encoder=..., decoder=...)`` work unchanged.
"""

import dataclasses
import enum
import json
import types
import typing
from abc import ABC
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ncore.data.errors import DataTypeError, InvalidDataError, MissingFieldError, UnknownNameError

JsonLike: typing.TypeAlias = (
    dict[str, "JsonLike"] | list["JsonLike"] | str | int | float | bool | None
)
"""What JSON can express."""

type_of = type  # model classes have a static method called ``type``

METADATA_KEY = "dataclasses_json"

_Codec = Callable[[Any], Any]


class DataClassJsonMixin(ABC):  # noqa: B024
    """Gives a dataclass conversion to and from JSON-like dictionaries."""

    __slots__ = ()

    def to_dict(self, encode_json: bool = False) -> dict[str, Any]:
        """Return the fields as a dictionary of JSON-like values.

        Enumerations become their name, arrays nested lists of Python numbers
        (a float32 its exact float64 value), dtypes their string.

        Args:
            encode_json: accepted for compatibility; the values are JSON-like already.
        """
        encoded: dict[str, Any] = {}
        for key, name, encode, exclude in _plan(type_of(self)).encoders:
            value = getattr(self, name)
            if exclude is not None and exclude(value):
                continue
            encoded[key] = encode(value)
        return encoded

    @classmethod
    def from_dict(cls, kvs: Mapping[str, Any], *, infer_missing: bool = False) -> Self:
        """Build an instance from what :meth:`to_dict` returned.

        Unknown keys are ignored; fields with a default may be missing.

        Args:
            kvs: field name -> JSON-like value.
            infer_missing: take ``None`` for missing fields without a default.

        Raises:
            MissingFieldError: a field without default is missing (a KeyError).
            InvalidDataError: a value does not fit its field (a ValueError).
        """
        if isinstance(kvs, cls):
            return kvs
        if not isinstance(kvs, Mapping):
            raise DataTypeError(
                f"{cls.__name__} is decoded from a mapping, not from {type_of(kvs).__name__}"
            )
        arguments: dict[str, Any] = {}
        for key, name, decode, has_default in _plan(cls).decoders:
            try:
                value = kvs[key]
            except KeyError:
                if has_default:
                    continue
                if not infer_missing:
                    raise MissingFieldError(f"{cls.__name__}: field {key!r} is missing") from None
                arguments[name] = None
                continue
            try:
                arguments[name] = decode(value)
            except (InvalidDataError, UnknownNameError, DataTypeError) as error:
                error.args = (f"{cls.__name__}.{key}: {error}",)
                raise
        return cls(**arguments)

    def to_json(self, **kwargs: Any) -> str:
        """Return :meth:`to_dict` as JSON text; keyword arguments go to :func:`json.dumps`."""
        return json.dumps(self.to_dict(), **kwargs)

    @classmethod
    def from_json(cls, s: str | bytes, *, infer_missing: bool = False, **kwargs: Any) -> Self:
        """Build an instance from JSON text; keyword arguments go to :func:`json.loads`."""
        return cls.from_dict(json.loads(s, **kwargs), infer_missing=infer_missing)


def json_field(
    encode: _Codec, decode: _Codec, *, default: Any = None, default_factory: Any = None
) -> Any:
    """Return a dataclass field with its own JSON encoder and decoder.

    ``None`` is passed to the decoder neither for optional fields nor for those whose default
    is ``None``.
    """
    metadata = {METADATA_KEY: {"encoder": encode, "decoder": decode}}
    if default_factory is not None:
        return dataclasses.field(default_factory=default_factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def numpy_array_field(
    datatype: npt.DTypeLike, default: npt.NDArray[Any] | Sequence[float] | None = None
) -> Any:
    """Return a dataclass field for an array, encoded as nested lists.

    Args:
        datatype: dtype of the decoded array.
        default: default value; each instance gets its own copy.
    """
    dtype = np.dtype(datatype)

    def decode(value: Any) -> npt.NDArray[Any]:
        try:
            array = np.asarray(value)
            if array.size == 0:
                return np.zeros(array.shape, dtype)
            decoded = array.astype(dtype)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidDataError(f"cannot be read as {dtype} array: {error}") from None
        if dtype.kind in "iu" and not np.array_equal(decoded, array):
            raise InvalidDataError(f"{value!r} cannot be represented as {dtype}")
        return decoded

    if default is None:
        return json_field(_encode_array, decode)
    return json_field(_encode_array, decode, default_factory=lambda: np.array(default, dtype=dtype))


def enum_field(enum_class: type[enum.Enum], default: enum.Enum | None = None) -> Any:
    """Return a dataclass field for an enumeration, encoded by member name.

    An unknown name is an :class:`UnknownNameError` (a KeyError).
    """
    members = enum_class.__members__

    def decode(value: Any) -> enum.Enum:
        if isinstance(value, str) and value in members:
            return members[value]
        raise UnknownNameError(
            f"{value!r} is no {enum_class.__qualname__} (known: {', '.join(members)})"
        )

    return json_field(_encode_enum, decode, default=default)


def dtype_field(default: "np.dtype[Any] | None" = None) -> Any:
    """Return a dataclass field for a NumPy dtype, encoded as ``str(dtype)``."""
    return json_field(_encode_dtype, decode_dtype, default=default)


def decode_dtype(value: Any) -> "np.dtype[Any]":
    """Return the dtype that a string names; Python objects are refused."""
    try:
        if not isinstance(value, str):
            raise TypeError("not a string")
        dtype = np.dtype(value)
    except (TypeError, ValueError, SyntaxError) as error:
        raise DataTypeError(f"{value!r} is no dtype: {error}") from None
    if dtype.hasobject:
        raise DataTypeError(f"{value!r} is a dtype of Python objects")
    return dtype


def _encode_array(value: Any) -> Any:
    return None if value is None else np.asarray(value).tolist()


def _encode_enum(value: Any) -> Any:
    return None if value is None else value.name


def _encode_dtype(value: Any) -> Any:
    return None if value is None else str(value)


@dataclasses.dataclass(frozen=True, slots=True)
class _Plan:
    """How one class is converted; made once per class, at first use."""

    encoders: tuple[tuple[str, str, _Codec, Callable[[Any], bool] | None], ...]
    decoders: tuple[tuple[str, str, _Codec, bool], ...]


_plans: dict[type, _Plan] = {}


def _plan(cls: type) -> _Plan:
    plan = _plans.get(cls)
    if plan is None:
        plan = _plans[cls] = _make_plan(cls)
    return plan


def _make_plan(cls: type) -> _Plan:
    if not dataclasses.is_dataclass(cls):
        raise DataTypeError(f"{cls.__qualname__} is no dataclass")
    try:
        hints = typing.get_type_hints(cls)
    except NameError:  # annotations of names imported for type checking only
        hints = {}
    encoders = []
    decoders = []
    for field in dataclasses.fields(cls):
        config = field.metadata.get(METADATA_KEY, {})
        rename = config.get("letter_case")
        key = rename(field.name) if rename else field.name
        encoders.append(
            (key, field.name, config.get("encoder") or encode_value, config.get("exclude"))
        )
        if not field.init:
            continue
        hint = hints.get(field.name, Any)
        decode = config.get("decoder") or _decoder(hint)
        nullable = field.default is None or _is_optional(hint)
        has_default = (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
        )
        decoders.append((key, field.name, _null_checked(decode, nullable), has_default))
    return _Plan(tuple(encoders), tuple(decoders))


def _null_checked(decode: _Codec, nullable: bool) -> _Codec:
    def checked(value: Any) -> Any:
        if value is not None:
            return decode(value)
        if nullable:
            return None
        raise InvalidDataError("is null")

    return checked


def encode_value(value: Any) -> Any:
    """Return the JSON-like form of a value: lists, dicts and Python scalars."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, DataClassJsonMixin):
        return value.to_dict()
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: encode_value(item) for key, item in value.items()}
    if isinstance(value, Collection) and not isinstance(value, (bytes, bytearray)):
        return [encode_value(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode_value(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


def _is_optional(hint: Any) -> bool:
    return hint is Any or hint is None or type(None) in typing.get_args(hint)


def _decoder(hint: Any) -> _Codec:
    """Return the decoder for a type annotation; what is not known passes through."""
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        alternatives = [a for a in arguments if a is not type(None)]
        return _decoder(alternatives[0]) if len(alternatives) == 1 else _pass
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin in (list, set, frozenset) and arguments:
        return _collection_decoder(origin, _decoder(arguments[0]))
    if origin is dict and len(arguments) == 2:
        decode_value = _decoder(arguments[1])
        return lambda value: {k: decode_value(v) for k, v in value.items()}
    if isinstance(hint, type):
        if hint in _SCALARS:
            return _SCALARS[hint]
        if issubclass(hint, enum.Enum):
            return hint
        if issubclass(hint, DataClassJsonMixin):
            return hint.from_dict
    return _pass


def _pass(value: Any) -> Any:
    return value


def _tuple_decoder(arguments: tuple[Any, ...]) -> _Codec:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _collection_decoder(tuple, _decoder(arguments[0]))
    decoders = [_decoder(argument) for argument in arguments]

    def decode(value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) != len(decoders):
            raise InvalidDataError(f"{value!r} is no list of {len(decoders)} values")
        return tuple([d(v) for d, v in zip(decoders, value, strict=True)])

    return decode


def _collection_decoder(collection: Callable[[Any], Any], decode_item: _Codec) -> _Codec:
    def decode(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise InvalidDataError(f"{value!r} is no list")
        return collection([decode_item(item) for item in value])

    return decode


def _decode_int(value: Any) -> int:
    if value.__class__ is int:
        return value
    try:
        number = int(value)
        if isinstance(value, (str, np.integer)) or number == value:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidDataError(f"{value!r} is no integer")


def _decode_float(value: Any) -> float:
    if value.__class__ is float:
        return value
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidDataError(f"{value!r} is no number") from None


def _decode_bool(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise InvalidDataError(f"{value!r} is no boolean")


def _decode_str(value: Any) -> str:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise InvalidDataError(f"{value!r} is no string")


_SCALARS: dict[type, _Codec] = {
    int: _decode_int,
    float: _decode_float,
    bool: _decode_bool,
    str: _decode_str,
}
