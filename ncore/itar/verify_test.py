from pathlib import Path

import pytest

from ncore.itar.errors import ItarFormatError
from ncore.itar.reader import ItarReader
from ncore.itar.verify import verify
from ncore.itar.writer import ItarWriter

MEMBERS = {f"k{i}": b"%d" % i * 300 for i in range(10)} | {"é" * 60: b"long"}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "f.itar"
    with ItarWriter(path, digests=("crc32c", "md5")) as writer:
        for key, value in MEMBERS.items():
            writer.set(key, value)
    return path


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_good_archive(archive: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = verify(archive, progress=lambda *done: seen.append(done))
    assert report.ok
    assert (report.members, report.unusual_headers, report.dead_bytes) == (len(MEMBERS), 0, 0)
    assert report.with_crc32c
    assert report.with_md5
    assert seen[-1] == (report.payload_bytes, report.payload_bytes)


def test_every_payload_bit_counts(archive: Path) -> None:
    entry = ItarReader(archive).entry("k5")
    flip(archive, entry.offset + 17)
    report = verify(archive)
    assert [(p.key, p.kind) for p in report.problems] == [("k5", "crc32c"), ("k5", "md5")]
    assert verify(archive, payloads=False).ok


def test_headers_are_compared(archive: Path) -> None:
    entries = list(ItarReader(archive).entries())
    flip(archive, entries[2].offset - 512)  # its name; the checksum no longer fits
    long = next(entry for entry in entries if entry.key not in MEMBERS or len(entry.key) == 60)
    flip(archive, long.offset - 1024 + 20)  # inside the PAX records
    report = verify(archive)
    assert {p.key: p.kind for p in report.problems} == {"k2": "header", long.key: "header"}


def test_the_end_is_looked_at(archive: Path) -> None:
    flip(archive, ItarReader(archive).trailer.index_offset - 1)
    assert [p.kind for p in verify(archive).problems] == ["end"]


def test_an_unreadable_archive(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no archive")
    with pytest.raises(ItarFormatError):
        verify(tmp_path / "x")
