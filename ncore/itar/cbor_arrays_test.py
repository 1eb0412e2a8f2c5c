import contextlib

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.itar import cbor_arrays
from ncore.itar.cbor_arrays import CborError

MANY = 1 << 40
UINTS = st.one_of(
    st.integers(0, 30), st.integers(0, 300), st.integers(0, 70000), st.integers(0, 2**64 - 1)
)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=300), max_size=40))
@settings(max_examples=60)
def test_texts(values: list[str]) -> None:
    raw = cbor2.dumps(values) + b"rest"
    found, end = cbor_arrays.text_array(raw, 0, MANY, "it")
    assert [item.decode() for item in found] == values
    assert end == len(raw) - 4


@given(
    pattern=st.lists(st.integers(0, 40), min_size=1, max_size=9),
    times=st.integers(1, 300),
    odd=st.lists(st.integers(0, 300), max_size=5),
)
@settings(max_examples=60)
def test_texts_in_a_period(pattern: list[int], times: int, odd: list[int]) -> None:
    # Contents that look like heads must not be taken for heads.
    values = ["x" * n for n in pattern * times + odd + pattern * times]
    raw = cbor2.dumps(values)
    found, end = cbor_arrays.text_array(raw, 0, MANY, "it")
    assert [item.decode() for item in found] == values
    assert end == len(raw)


@pytest.mark.parametrize("at", [0, 63, 64, 3000, 9000, 19_999])
@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 70_000])
def test_texts_that_leave_a_long_period(at: int, size: int) -> None:
    values = [f"frames/{i // 50:03}/c/{i % 50}" for i in range(20_000)]
    values[at] = "x" * size
    raw = cbor2.dumps(values)
    found, end = cbor_arrays.text_array(raw, 0, MANY, "it")
    assert [item.decode() for item in found] == values
    assert end == len(raw)
    for cut in (end - 1, end // 2):
        with pytest.raises(CborError):
            cbor_arrays.text_array(raw[:cut], 0, MANY, "it")


@given(values=st.lists(UINTS, max_size=300), indefinite=st.booleans())
@settings(max_examples=60)
def test_uints(values: list[int], indefinite: bool) -> None:
    raw = cbor2.dumps(values)
    if indefinite:
        raw = b"\x9f" + b"".join(map(cbor2.dumps, values)) + b"\xff"
    found, end = cbor_arrays.uint_array(raw + b"rest", 0, MANY, "it")
    assert found.dtype == np.uint64
    assert found.tolist() == values
    assert end == len(raw)


def test_uints_in_longer_form_than_needed() -> None:
    raw = b"\x98\x64" + b"\x1b" + bytes(8) + b"\x19\x00\x05" * 99
    found, end = cbor_arrays.uint_array(raw, 0, MANY, "it")
    assert found.tolist() == [0] + [5] * 99
    assert end == len(raw)


@pytest.mark.parametrize("count", [1, 200])
@pytest.mark.parametrize(
    "item",
    [-1, 1.0, 2**64, True, None, "1", b"1", [1], {}, cbor2.CBORTag(2, b"\x05")],
    ids=str,
)
def test_uints_refuse_everything_else(item: object, count: int) -> None:
    raw = cbor2.dumps([7] * (count - 1) + [item])
    with pytest.raises(CborError, match="not an unsigned integer"):
        cbor_arrays.uint_array(raw, 0, MANY, "it")


@pytest.mark.parametrize("item", [1, b"a", ["a"], None])
def test_texts_refuse_everything_else(item: object) -> None:
    for values in ([item], ["a"] * 300 + [item], [item] + ["a"] * 300, ["a"] * 9000 + [item] * 9):
        with pytest.raises(CborError, match="not text"):
            cbor_arrays.text_array(cbor2.dumps(values), 0, MANY, "it")


def test_announced_counts_allocate_nothing() -> None:
    for head in (b"\x9b\x00\x00\x00\x80" + bytes(4), b"\x9a\xff\xff\xff\xff"):
        with pytest.raises(CborError, match="announces"):
            cbor_arrays.uint_array(head + bytes(100), 0, MANY, "it")
        with pytest.raises(CborError, match="announces"):
            cbor_arrays.text_array(head + bytes(100), 0, MANY, "it")


@given(st.binary(max_size=60))
@settings(max_examples=300)
def test_any_bytes_end_in_the_documented_error(raw: bytes) -> None:
    for decode in (
        lambda: cbor_arrays.text_array(b"\x83" + raw, 0, MANY, "it"),
        lambda: cbor_arrays.uint_array(b"\x98\x40" + raw, 0, MANY, "it"),
        lambda: cbor_arrays.skip(raw, 0),
        lambda: cbor_arrays.text(raw, 0),
    ):
        with contextlib.suppress(CborError):
            decode()


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), UINTS, st.floats(), st.text(), st.binary()),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    )
)
@settings(max_examples=60)
def test_skip(value: object) -> None:
    raw = cbor2.dumps(value)
    assert cbor_arrays.skip(raw + b"rest", 0) == len(raw)
    indefinite = b"\x9f" + raw + b"\xbf" + cbor2.dumps("k") + raw + b"\xff\xff"
    assert cbor_arrays.skip(indefinite + b"rest", 0) == len(indefinite)


def test_skip_bounds_nesting() -> None:
    with pytest.raises(CborError, match="nested"):
        cbor_arrays.skip(b"\x81" * 5000 + b"\x01", 0)
