import dataclasses
import enum
from typing import TYPE_CHECKING, Literal, Optional

import numpy as np
import pytest

from ncore.data.errors import InvalidDataError, MissingFieldError
from ncore.data.json_codec import DataClassJsonMixin, enum_field, numpy_array_field

if TYPE_CHECKING:
    from somewhere import Unimportable


class Color(enum.IntEnum):
    RED = 1


@dataclasses.dataclass
class Inner(DataClassJsonMixin):
    values: tuple[float, float]
    anything: tuple[int, ...] = ()


@dataclasses.dataclass
class Outer(DataClassJsonMixin):
    name: str
    count: int
    inner: Inner
    color: Color = enum_field(Color)
    array: np.ndarray = numpy_array_field(np.float32, default=[1.0, 2.0])
    maybe: Inner | None = None
    many: list[Inner] = dataclasses.field(default_factory=list)
    by_name: dict[str, float] = dataclasses.field(default_factory=dict)
    flag: bool = False
    direction: Literal["cw", "ccw"] = "cw"


OUTER = Outer(
    "n", 3, Inner((1.0, 2.0), (3,)), Color.RED, many=[Inner((0.0, 1.0))], by_name={"a": 1.0}
)
ENCODED = {
    "name": "n",
    "count": 3,
    "inner": {"values": [1.0, 2.0], "anything": [3]},
    "color": "RED",
    "array": [1.0, 2.0],
    "maybe": None,
    "many": [{"values": [0.0, 1.0], "anything": []}],
    "by_name": {"a": 1.0},
    "flag": False,
    "direction": "cw",
}


def test_round_trip():
    assert OUTER.to_dict() == ENCODED
    decoded = Outer.from_json(OUTER.to_json(indent=2))
    assert decoded.to_dict() == ENCODED
    assert decoded.inner == OUTER.inner
    assert decoded.array.dtype == np.float32
    assert decoded.array is not Outer.from_dict(ENCODED).array


def test_defaults_unknown_keys_and_missing_fields():
    decoded = Outer.from_dict(
        {"name": "n", "count": 3, "inner": ENCODED["inner"], "from the future": 1}
    )
    assert decoded.color is None
    assert decoded.maybe is None
    with pytest.raises(MissingFieldError, match="'count'"):
        Outer.from_dict({"name": "n", "inner": ENCODED["inner"]})
    assert Inner.from_dict({}, infer_missing=True).values is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("count", 2.5),
        ("count", "two"),
        ("count", None),
        ("count", float("inf")),
        ("name", None),
        ("name", ["n"]),
        ("flag", "false"),
        ("inner", {"values": [1.0]}),
        ("inner", {"values": ["x", "y"]}),
        ("array", ["x"]),
        ("array", [[1], [2, 3]]),
        ("many", {"values": [0, 1]}),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(key, value):
    with pytest.raises(InvalidDataError, match=f"Outer.{key}"):
        Outer.from_dict({**ENCODED, key: value})


def test_numbers_are_read_without_loss():
    decoded = Outer.from_dict({**ENCODED, "count": 3.0, "name": 7, "flag": 1})
    assert (decoded.count, decoded.name, decoded.flag) == (3, "7", True)
    assert isinstance(decoded.count, int)
    inner = Inner.from_dict({"values": [1, "2"]})
    assert inner.values == (1.0, 2.0)
    assert all(isinstance(value, float) for value in inner.values)


def test_unsigned_arrays_do_not_wrap():
    @dataclasses.dataclass
    class Sized(DataClassJsonMixin):
        size: np.ndarray = numpy_array_field(np.uint64)

    assert Sized.from_dict({"size": [32.0, 24]}).size.tolist() == [32, 24]
    for wrong in ([-1, 2], [1.5, 2], [2**64, 1]):
        with pytest.raises(InvalidDataError, match=r"Sized\.size"):
            Sized.from_dict({"size": wrong})


def test_numpy_scalars_become_python_numbers():
    encoded = Inner((np.float32(0.5), np.float64(1)), (np.int64(3),)).to_dict()
    assert encoded == {"values": [0.5, 1.0], "anything": [3]}
    assert [type(v) for v in (*encoded["values"], *encoded["anything"])] == [float, float, int]


def test_fields_of_dataclasses_json_work():
    """A user's class made for the package that NVIDIA's ncore builds upon."""

    @dataclasses.dataclass
    class Theirs(DataClassJsonMixin):
        secret: int = dataclasses.field(
            default=1,
            metadata={"dataclasses_json": {"encoder": hex, "decoder": lambda v: int(v, 16)}},
        )
        renamed: str = dataclasses.field(
            default="x", metadata={"dataclasses_json": {"letter_case": str.upper}}
        )
        left_out: str = dataclasses.field(
            default="x", metadata={"dataclasses_json": {"exclude": lambda v: True}}
        )

    assert Theirs(255).to_dict() == {"secret": "0xff", "RENAMED": "x"}
    assert Theirs.from_dict({"secret": "0x10", "RENAMED": "y"}) == Theirs(16, "y")


def test_annotations_for_type_checkers_only():
    @dataclasses.dataclass
    class Annotated(DataClassJsonMixin):
        value: "Unimportable"
        number: Optional["Unimportable"] = None

    assert Annotated.from_dict({"value": [1]}).value == [1]


def test_only_dataclasses_and_mappings():
    class Plain(DataClassJsonMixin):
        pass

    with pytest.raises(TypeError, match="dataclass"):
        Plain().to_dict()
    with pytest.raises(TypeError, match="mapping"):
        Inner.from_dict([1, 2])
