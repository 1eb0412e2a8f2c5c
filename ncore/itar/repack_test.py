from pathlib import Path

import pytest

from ncore.itar.errors import ItarDigestError, ItarExistsError, ItarNotFoundError
from ncore.itar.reader import ItarReader
from ncore.itar.repack import repack
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
