import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.itar.tar_header import (
    BLOCK,
    USTAR_SIZE_LIMIT,
    encode_header,
    encode_hole,
    header_size,
    parse_block,
    parse_pax,
    pax_size,
)

KEYS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300),
    st.text("ab/.", min_size=95, max_size=105),
)


@settings(max_examples=150)
@given(key=KEYS, size=st.one_of(st.integers(0, 5000), st.integers(8**11 - 2, 8**11 + 2)))
def test_header_is_what_tarfile_writes(key: str, size: int) -> None:
    info = tarfile.TarInfo(key)
    info.size = size
    expected = bytearray(info.tobuf(tarfile.PAX_FORMAT))
    ours = encode_header(key, size)
    assert len(ours) == header_size(key, size) == len(expected)
    assert ours == bytes(expected)


@given(key=KEYS)
@settings(max_examples=50)
def test_tarfile_reads_the_key_back(key: str) -> None:
    data = encode_header(key, 3) + b"abc".ljust(BLOCK, b"\0") + bytes(2 * BLOCK)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.next()
    assert member is not None
    # tarfile strips trailing slashes from PAX names; nothing else changes.
    assert member.name in (key, key.rstrip("/"))
    assert member.size == 3


def test_parse_block_refuses_what_is_no_header() -> None:
    block = encode_header("a", 1)
    assert parse_block(block) == (b"a", 1, b"0")
    assert parse_block(bytes(BLOCK)) is None
    assert parse_block(block[:-1]) is None
    for at in (0, 100, 130, 156, 300):
        assert parse_block(block[:at] + bytes([block[at] ^ 1]) + block[at + 1 :]) is None


@pytest.mark.parametrize("size", [b"-0000001000", b"+0000001000", b"0000_001000", b"0000000o100"])
def test_parse_block_refuses_a_size_that_is_not_octal(size: bytes) -> None:
    """A negative one would send a scan back to where it has been."""
    block = bytearray(encode_header("a", 1))
    block[124:135] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert parse_block(bytes(block)) is None


@pytest.mark.parametrize(
    ("stated", "size"),
    [("12", 12), ("", None), ("²", None), ("-1", None), ("9" * 5000, None), ("1_0", None)],
)
def test_pax_size(stated: str, size: int | None) -> None:
    assert pax_size({"size": stated}) == size
    assert pax_size({}) is None


def test_parse_pax() -> None:
    header = encode_header("é" * 80, USTAR_SIZE_LIMIT)
    block = parse_block(header[:BLOCK])
    assert block is not None
    assert block.typeflag == b"x"
    records = header[BLOCK : BLOCK + block.size]
    assert parse_pax(records) == {"path": "é" * 80, "size": str(USTAR_SIZE_LIMIT)}


@pytest.mark.parametrize(
    "records", [b"x path=a\n", b"9 path=a", b"99 path=a\n", b"9 pathaa\n", b"9 path=\xff\n"]
)
def test_parse_pax_refuses_malformed_records(records: bytes) -> None:
    assert parse_pax(records) is None


def test_a_hole_is_stepped_over() -> None:
    block = parse_block(encode_hole(10 * BLOCK))
    assert block is not None
    assert (block.size, block.typeflag) == (9 * BLOCK, b"N")
