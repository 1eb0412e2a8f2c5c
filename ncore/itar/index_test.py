import lzma

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.itar import index as index_module
from ncore.itar import key_hash
from ncore.itar.errors import ItarFormatError
from ncore.itar.index import Index
from ncore.itar.index_codec import decode_index, encode_index
from ncore.itar.packed_texts import pack

TAR_END = 1 << 20
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


def make(keys: list[str]) -> Index:
    count = len(keys)
    offsets = 512 + 1024 * np.arange(count, dtype=np.uint64)
    return Index(pack([key.encode() for key in keys]), offsets, np.full(count, 7, np.uint64))


@given(st.lists(TEXT, unique=True, max_size=60), TEXT)
@settings(max_examples=60)
def test_find(keys: list[str], other: str) -> None:
    index = make(keys)
    assert [index.find(key) for key in keys] == list(range(len(keys)))
    assert index.keys() == keys
    assert [index.key(i) for i in index.order] == sorted(keys)
    if other not in keys:
        assert index.find(other) == -1
    assert index.find("\ud800") == -1


@given(st.lists(st.text("az/.é", max_size=6), unique=True, max_size=40))
@settings(max_examples=60)
def test_named(keys: list[str]) -> None:
    for names in (("a",), ("z", "é"), (".z", "aa")):
        expected = [key for key in keys if key.rpartition("/")[2] in names]
        assert make(keys).named(*names) == expected


def test_many_keys_in_little_memory() -> None:
    keys = [f"camera/front/frames/{i}/image/0" for i in range(50_000)]
    index = make(keys)
    assert index.nbytes < 80 * len(keys)
    assert all(index.find(key) == i for i, key in enumerate(keys))


@pytest.mark.parametrize("count", [2, 3, 500])
def test_duplicates_are_refused(count: int) -> None:
    keys = [f"k{i}" for i in range(count)]
    with pytest.raises(ValueError, match="'k0' is listed more than once"):
        make([*keys, "k0"])


@pytest.mark.parametrize("prime", [2, 13])
def test_equal_hashes(monkeypatch: pytest.MonkeyPatch, prime: int) -> None:
    for module in (key_hash, index_module):
        monkeypatch.setattr(module, "PRIME", prime)
        monkeypatch.setattr(module, "MULTIPLIER", 1)
    keys = [f"k{i}" for i in range(200)]
    found = make(keys)
    assert [found.find(key) for key in keys] == list(range(200))
    assert found.find("k200") == -1
    with pytest.raises(ValueError, match="'k7' is listed more than once"):
        make([*keys, "k7"])


def test_many_equal_keys_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="'k' is listed more than once"):
        make(["k"] * 300_000)


def test_a_key_cut_inside_a_character_is_refused() -> None:
    sizes = np.full(2, 7, np.uint64)
    with pytest.raises(ValueError, match="UTF-8"):
        Index(pack([b"a\xc3", b"\xa9b"]), sizes, sizes)


def test_round_trip_sorts_by_offset() -> None:
    offsets = np.array([2048, 512], np.uint64)
    sizes = np.array([5, 6], np.uint64)
    crc32c = np.array([1, 2], np.uint32)
    data = encode_index(["late", "early"], offsets, sizes, crc32c, b"L" * 16 + b"E" * 16)
    index = decode_index(data, TAR_END, "f")
    assert list(map(index.entry, range(2))) == [
        ("early", 512, 6, 2, b"E" * 16),
        ("late", 2048, 5, 1, b"L" * 16),
    ]


def packed(**changes: object) -> bytes:
    document = {"items": ["a", "b"], "offset_datas": [512, 1536], "sizes": [1, 2], **changes}
    return lzma.compress(cbor2.dumps({k: v for k, v in document.items() if v is not None}))


def test_unknown_keys_are_ignored() -> None:
    index = decode_index(packed(other={"x": [1, {2: b"3"}]}, more=1.5), TAR_END, "f")
    assert index.keys() == ["a", "b"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"items": ["a", "a"]}, "more than once"),
        ({"items": ["a", b"b"]}, "not text"),
        ({"items": ["a"]}, "do not agree"),
        ({"sizes": None}, "lacks sizes"),
        ({"sizes": [1, -1]}, "unsigned"),
        ({"sizes": [1, TAR_END]}, "outside"),
        ({"sizes": [1, 2**64 - 1]}, "outside"),
        ({"offset_datas": [512, 1.5]}, "unsigned"),
        ({"offset_datas": [512, TAR_END + 1]}, "outside"),
        ({"crc32c": b"1234567"}, "'crc32c' has the wrong length"),
        ({"md5": b"1234567"}, "'md5' has the wrong length"),
        ({"crc32c": [1, 2]}, "not a byte string"),
    ],
)
def test_what_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ItarFormatError, match=message) as caught:
        decode_index(packed(**changes), TAR_END, "some.itar")
    assert str(caught.value).startswith("some.itar: ")


def test_inflation_is_bounded_by_the_file() -> None:
    bomb = lzma.compress(bytes(64 << 20))
    with pytest.raises(ItarFormatError, match="inflates"):
        decode_index(bomb, TAR_END, "f")


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=100)
def test_a_flipped_bit_is_noticed(at: int, bit: int) -> None:
    data = bytearray(packed())
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(ItarFormatError):
        decode_index(bytes(data), TAR_END, "f")


@given(st.lists(st.text("a/é", max_size=8), unique=True, max_size=40), st.integers(0, 3))
@settings(max_examples=60)
def test_shallow_keys(keys: list[str], slashes: int) -> None:
    assert make(keys).shallow_keys(slashes) == [key for key in keys if key.count("/") <= slashes]
