"""Metadata and chunks that claim far more than there is: refused by name, or as cheap as they are.

Each case runs in a process of its own, whose memory is looked at afterwards.
"""

import bz2
import gzip
import json
import lzma
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numcodecs
import pytest

from ncore.convert.bounded_decode import DecodedSizeError, bounded_decode, zstd_size

# bazel: deps = ["//ncore:errors", "//ncore/convert"]

ROOT = Path(__file__).parents[2]
MOST_MB = 700

# The peak of the process itself: ru_maxrss begins with what its parent had.
CHILD = """
import pathlib, re, sys, warnings
warnings.simplefilter("ignore")
from ncore.convert import ConvertOptions, convert
from ncore.errors import NcoreError
try:
    report = convert(sys.argv[1], sys.argv[2], ConvertOptions(verify=sys.argv[3]))
    print("done", report.arrays[0].verified)
except NcoreError as error:
    print(type(error).__name__, error)
status = pathlib.Path("/proc/self/status").read_text()
print(int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) // 1024)
"""


def write_array(path: Path, files: dict[str, bytes], **metadata: object) -> Path:
    document = {
        "zarr_format": 2,
        "shape": [10],
        "chunks": [10],
        "dtype": "|u1",
        "compressor": None,
        "filters": None,
        "fill_value": 0,
        "order": "C",
        **metadata,
    }
    path.mkdir(parents=True)
    (path / ".zarray").write_text(json.dumps(document))
    for key, data in files.items():
        (path / key).write_bytes(data)
    return path


def converted(source: Path, verify: str = "full") -> str:
    """What came of it; its memory stayed small and its target is there only if it is done."""
    target = source.with_name("new.zarr")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(source), str(target), verify],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said, _, peak = done.stdout.rstrip("\n").rpartition("\n")
    assert int(peak) < MOST_MB, said
    assert target.exists() == said.startswith("done"), said
    return said


@pytest.mark.parametrize("fill", [0, None])
@pytest.mark.parametrize("dtype", ["|V1000000000", [["a", "<i4"], ["x", "|V1000000000"]]])
def test_an_element_of_a_gigabyte(tmp_path: Path, dtype: object, fill: object) -> None:
    said = converted(write_array(tmp_path / "old", {}, dtype=dtype, fill_value=fill))
    assert said.startswith("UnsupportedError")
    assert "fill value as long" in said


@pytest.mark.parametrize("dtype", ["|S2000000000", "<U500000000"])
@pytest.mark.parametrize("shape", [[10], []])
def test_a_text_of_gigabytes(tmp_path: Path, dtype: str, shape: list[int]) -> None:
    for i, fill in enumerate((None, "", "YWJj")):
        at = tmp_path / str(i)
        source = write_array(
            at / "old", {}, dtype=dtype, fill_value=fill, shape=shape, chunks=shape
        )
        said = converted(source)
        assert said.startswith("LayoutError")
        assert "--memory" in said


@pytest.mark.parametrize("verify", ["full", "sample"])
@pytest.mark.parametrize("fill", [7, None])
def test_more_places_for_chunks_than_atoms(tmp_path: Path, verify: str, fill: object) -> None:
    n = 10**18
    source = write_array(
        tmp_path / "old",
        {f"0.{n - 1}": b"\1" * 10, "5.17": b"\2" * 10},
        shape=[n, 10 * n],
        chunks=[1, 10],
        fill_value=fill,
    )
    assert converted(source, verify) == f"done {verify}"


def test_a_huge_array_in_another_layout(tmp_path: Path) -> None:
    from ncore.convert import ConvertOptions, convert
    from ncore.convert.relayout import Layout

    n = 10**18
    chunk = bytes(range(10))
    source = write_array(tmp_path / "old", {"17": chunk}, shape=[n], chunks=[10])
    layout = Layout(chunks=(3,), shards=(30,))
    report = convert(str(source), str(tmp_path / "new"), ConvertOptions(layout=layout))
    assert report.arrays[0].verified == "full"
    assert [p.name for p in (tmp_path / "new" / "c").iterdir()] == ["5"]


BOMB = b"\0" * (300 << 20)


@pytest.mark.parametrize(
    ("codec", "pack"),
    [
        ("zlib", lambda raw: zlib.compress(raw, 9)),
        ("gzip", lambda raw: gzip.compress(raw, 9)),
        ("bz2", bz2.compress),
        ("lzma", lzma.compress),
        ("zstd", numcodecs.Zstd().encode),
        ("lz4", numcodecs.LZ4().encode),
        ("blosc", numcodecs.Blosc().encode),
    ],
)
def test_a_chunk_that_inflates(tmp_path: Path, codec: str, pack: Callable[[bytes], bytes]) -> None:
    config = {"id": codec} if codec != "lzma" else {"id": codec, "format": 1, "check": -1}
    raw = bytes(pack(BOMB))
    assert len(raw) < 20 << 20
    source = write_array(tmp_path / "old", {"0": raw}, compressor=config)
    said = converted(source)
    assert said.startswith("ChunkDecodeError")
    assert "more than 10 bytes" in said
    # Behind a filter the chunk may be larger than its values, but not by much.
    filters = [{"id": "astype", "encode_dtype": "<i8", "decode_dtype": "|u1"}]
    source = write_array(tmp_path / "two" / "old", {"0": raw}, compressor=config, filters=filters)
    assert "bytes, which the metadata rule out" in converted(source)


def test_strings_that_are_not_there(tmp_path: Path) -> None:
    source = write_array(
        tmp_path / "old",
        {"0": struct.pack("<I", 2**32 - 1) + b"\0" * 64},
        dtype="|O",
        filters=[{"id": "vlen-utf8"}],
        fill_value="",
    )
    assert "4294967295 elements for a chunk" in converted(source)


def test_a_chunk_larger_than_memory_by_its_metadata(tmp_path: Path) -> None:
    source = write_array(
        tmp_path / "old", {"0": zlib.compress(b"x")}, chunks=[10**13], compressor={"id": "zlib"}
    )
    said = converted(source)
    assert said.startswith("LayoutError")
    assert "a chunk holds" in said
    assert converted(source, "none") == "done none"


@pytest.mark.parametrize("codec", ["zlib", "gzip", "bz2", "lzma", "zstd", "lz4", "blosc"])
@pytest.mark.parametrize("size", [1, 255, 256, 257, 65791, 65792, 300_000])
def test_as_much_as_it_holds_is_allowed(codec: str, size: int) -> None:
    made = numcodecs.get_codec({"id": codec})
    raw = os.urandom(size // 2) + b"a" * (size - size // 2)
    packed = made.encode(raw)
    assert bytes(bounded_decode(made, packed, size)) == raw
    if size > 1:
        with pytest.raises(DecodedSizeError):
            bounded_decode(made, packed, size - 1)


def test_members_that_follow_each_other() -> None:
    for codec, pack in (("gzip", gzip.compress), ("bz2", bz2.compress), ("lzma", lzma.compress)):
        made = numcodecs.get_codec({"id": codec})
        raw = pack(b"abc") + pack(b"def")
        assert bounded_decode(made, raw, 6) == b"abcdef" == bytes(made.decode(raw))
        assert bounded_decode(made, raw + b"\0\0\0\0", 6) == b"abcdef"
        with pytest.raises(DecodedSizeError):
            bounded_decode(made, raw, 5)
        with pytest.raises(EOFError):
            bounded_decode(made, raw[:8], 6)


def test_zstandard_frames_that_do_not_tell_their_size() -> None:
    # Magic, no content size, window of 1 MiB; one block of 2**21 - 1 repeated bytes.
    start = b"\x28\xb5\x2f\xfd\x00\x50"
    bomb = start + ((2**21 - 1) << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"a"
    assert zstd_size(bomb) == 2**21 - 1
    raw = start + (3 << 3 | 1).to_bytes(3, "little") + b"abc"
    skipped = struct.pack("<II", 0x184D2A53, 2) + b"xx"
    assert zstd_size(skipped + raw + raw) == 6
    assert bytes(bounded_decode(numcodecs.Zstd(), raw, 3)) == b"abc"
    for cut in range(1, len(raw)):
        with pytest.raises((ValueError, IndexError, struct.error, RuntimeError)):
            bounded_decode(numcodecs.Zstd(), raw[:cut], 3)
