import hashlib
import sys
from pathlib import Path

import pytest

from ncore.itar.errors import ItarDigestError, ItarExistsError, ItarNotFoundError
from ncore.itar.reader import ItarReader
from ncore.itar.repack import repack
from ncore.itar.verify import verify
from ncore.itar.writer import ItarWriter

MEMBERS = {f"k{i}": b"%d" % i * 300 for i in range(10)}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "f.itar"
    with ItarWriter(path, digests=()) as writer:
        for key, value in MEMBERS.items():
            writer.set(key, value)
    return path


def test_in_place(archive: Path) -> None:
    before = archive.stat().st_size
    report = repack(archive, digests=("crc32c", "md5"), index_preset=9)
    assert (report.members, report.size_before, report.dead_bytes) == (10, before, 0)
    assert report.size_after == archive.stat().st_size
    reader = ItarReader(archive, verify_reads=True)
    assert {key: reader.read(key) for key in reader} == MEMBERS
    assert reader.entry("k1").md5 is not None


def test_into_another_file(archive: Path, tmp_path: Path) -> None:
    before = archive.read_bytes()
    repack(archive, tmp_path / "g.itar")
    assert archive.read_bytes() == before
    with pytest.raises(ItarExistsError):
        repack(archive, tmp_path / "g.itar")
    repack(archive, tmp_path / "g.itar", overwrite=True, digests=())
    assert (tmp_path / "g.itar").read_bytes() == before


def test_damage_is_not_laundered(archive: Path, tmp_path: Path) -> None:
    repack(archive)
    data = bytearray(archive.read_bytes())
    data[ItarReader(archive).entry("k4").offset] ^= 1
    archive.write_bytes(data)
    with pytest.raises(ItarDigestError, match="'k4' is damaged"):
        repack(archive)
    assert archive.read_bytes() == data
    with pytest.raises(ItarNotFoundError):
        repack(tmp_path / "none.itar")
    assert [path.name for path in tmp_path.iterdir()] == ["f.itar"]


def test_digests_that_are_there_stay(archive: Path) -> None:
    repack(archive, digests=("md5",))
    assert ItarReader(archive).entry("k1").crc32c is None
    repack(archive)
    entry = ItarReader(archive).entry("k1")
    assert entry.md5 == hashlib.md5(MEMBERS["k1"]).digest()
    assert entry.crc32c is not None
    assert verify(archive).ok


def test_damage_that_only_the_md5_shows(archive: Path) -> None:
    repack(archive, digests=("md5",))
    data = bytearray(archive.read_bytes())
    data[ItarReader(archive).entry("k4").offset] ^= 1
    archive.write_bytes(data)
    with pytest.raises(ItarDigestError, match=r"'k4' is damaged \(its MD5"):
        repack(archive)


def test_large_payloads_pass_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["ncore.itar.repack"], "_PIECE", 1000)
    path = tmp_path / "f.itar"
    members = {f"k{i}": bytes([i]) * (i * 500) for i in range(6)}
    with ItarWriter(path, digests=("crc32c", "md5")) as writer:
        for key, value in members.items():
            writer.set(key, value)
    before = path.read_bytes()
    repack(path)
    assert path.read_bytes() == before
    data = bytearray(before)
    data[ItarReader(path).entry("k5").offset + 2499] ^= 1
    path.write_bytes(data)
    with pytest.raises(ItarDigestError, match="'k5' is damaged"):
        repack(path)
    assert path.read_bytes() == data
