import os
import random
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ncore.itar.errors import (
    ItarError,
    ItarExistsError,
    ItarLockedError,
    ItarNotFoundError,
    ItarOptionError,
)
from ncore.itar.reader import ItarReader
from ncore.itar.recover import recover
from ncore.itar.scan import ScanReport, scan_members
from ncore.itar.source import FileSource
from ncore.itar.verify import verify
from ncore.itar.writer import ItarWriter

RNG = random.Random(7)
MEMBERS = {
    (f"k{i}" if i % 3 else f"long/{'é' * (i + 40)}/{i}"): RNG.randbytes(RNG.randrange(3000))
    for i in range(40)
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "f.itar"
    with ItarWriter(path) as writer:
        for key, value in MEMBERS.items():
            writer.set(key, value)
    return path


def content(path: Path) -> dict[str, bytes]:
    with ItarReader(path, verify_reads=True) as reader:
        assert verify(reader).ok
        return {key: reader.read(key) for key in reader}


def test_scan_finds_what_the_index_says(archive: Path) -> None:
    reader = ItarReader(archive)
    report = ScanReport()
    found = list(scan_members(FileSource(archive), report))
    assert [(m.key, m.offset, m.size) for m in found] == [e[:3] for e in reader.entries()]
    assert report.cut is None
    assert report.gaps == []


def test_cut_anywhere(archive: Path, tmp_path: Path) -> None:
    """Every member that is whole comes back; nothing else does."""
    data = archive.read_bytes()
    ends = {entry.key: entry.offset + entry.size for entry in ItarReader(archive).entries()}
    cut, out = tmp_path / "cut", tmp_path / "out"
    for at in [0, 511, 512, len(data) - 1, *(RNG.randrange(len(data)) for _ in range(150))]:
        cut.write_bytes(data[:at])
        expected = {key: MEMBERS[key] for key, end in ends.items() if end <= at}
        if not expected:
            with pytest.raises(ItarError, match="nothing can be recovered"):
                recover(cut, out)
            continue
        report = recover(cut, out, overwrite=True)
        assert content(out) == expected
        assert report.members == len(expected)
        assert (report.cut_key is not None) <= (len(expected) < len(MEMBERS))
        if report.cut_key is not None:
            assert report.cut_key not in expected
            assert 0 < report.cut_missing <= len(MEMBERS[report.cut_key])


def test_damaged_headers_lose_only_their_members(archive: Path, tmp_path: Path) -> None:
    entries = list(ItarReader(archive).entries())
    data = bytearray(archive.read_bytes())
    for entry in entries[5:30:7]:
        data[entry.offset - 512 + 150] ^= 0xFF
    data[-512:] = bytes(512)
    archive.write_bytes(data)
    report = recover(archive, tmp_path / "out")
    lost = {entry.key for entry in entries[5:30:7]}
    assert content(tmp_path / "out") == {k: v for k, v in MEMBERS.items() if k not in lost}
    assert len(report.gaps) == len(lost)
    assert report.lost_anything


def test_an_intact_archive_is_copied_by_its_index(archive: Path, tmp_path: Path) -> None:
    report = recover(archive, tmp_path / "out")
    assert report.intact
    assert content(tmp_path / "out") == MEMBERS


def test_a_foreign_tar(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for i in range(5):
        (tmp_path / "d" / f"f{i}{'x' * 20 * i}").write_bytes(b"%d" % i)
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        with tarfile.open(tmp_path / "t.tar", "w", format=form) as tar:
            tar.add(tmp_path / "d", "d" * 90)
        recover(tmp_path / "t.tar", tmp_path / "out", overwrite=True)
        assert sorted(content(tmp_path / "out").values()) == [b"%d" % i for i in range(5)]


WRITER = """
import os, signal, sys
from ncore.itar.writer import ItarWriter
writer = ItarWriter(sys.argv[1])
for i in range(30):
    writer.set(f"k{i}", b"%d" % i * 20_000)
    writer.defer("doc", b"version %d" % i)
writer.set("k3", b"again" * 100_000)
writer.delete("k7")
writer.defer("gone", b"x")
writer.delete("gone")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer(tmp_path: Path) -> None:
    path = tmp_path / "f.itar"
    died = subprocess.run([sys.executable, "-c", WRITER, path], check=False)
    assert died.returncode == -signal.SIGKILL
    assert not path.exists()
    report = recover(path, tmp_path / "out.itar")
    found = content(tmp_path / "out.itar")
    expected = {f"k{i}": b"%d" % i * 20_000 for i in range(30) if i != 7}
    expected |= {"k3": b"again" * 100_000, "doc": b"version 29"}
    # What was still in the writer's buffer is lost: the last members, less than a megabyte.
    assert found.items() <= expected.items()
    missing = sum(len(expected[key]) for key in expected.keys() - found.keys())
    assert missing < 1 << 20
    assert "doc" in found
    assert "k7" not in found
    assert report.deferred == ["doc"]
    # Its lock hinders nobody.
    ItarWriter(path).close()
    assert [p.name for p in tmp_path.iterdir() if "f.itar." in p.name] == []


def test_what_is_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ItarNotFoundError, match=r"no f2\.itar\.partial either"):
        recover(tmp_path / "f2.itar", tmp_path / "out")
    with pytest.raises(ItarError, match="another file"):
        recover(archive, archive, overwrite=True)
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(ItarExistsError):
        recover(archive, tmp_path / "out")
    (tmp_path / "empty").write_bytes(bytes(20_000))
    with pytest.raises(ItarError, match="no whole member"):
        recover(tmp_path / "empty", tmp_path / "out", overwrite=True)
    assert (tmp_path / "out").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["empty", "f.itar", "out"]  # noqa: PTH208


def test_the_partial_file_is_only_read_also_under_its_own_name(tmp_path):
    path = tmp_path / "a.itar"
    writer = ItarWriter(path)
    writer.set("k", b"v" * 1000)
    with pytest.raises(ItarLockedError, match="this process has it open"):
        recover(path, path)
    writer.defer("late", b"w")
    writer.suspend()
    partial = tmp_path / "a.itar.partial"
    before = partial.read_bytes()
    report = recover(path, path)
    assert (report.members, report.deferred, report.output) == (2, ["late"], str(path))
    assert partial.read_bytes() == before
    with ItarReader(path) as reader:
        assert reader.read("k") == b"v" * 1000
        assert reader.read("late") == b"w"
    with pytest.raises(ItarError):
        recover(partial, path)
    assert partial.read_bytes() == before
    assert recover(partial, path, overwrite=True).members == 2
    names = sorted(item.name for item in tmp_path.iterdir())
    assert names == ["a.itar", "a.itar.partial", "a.itar.partial.deferred"]


def test_only_local_files_are_recovered(tmp_path):
    with pytest.raises(ItarOptionError, match=r"https://host/f\.itar: .*download it first"):
        recover("https://user:secret@host/f.itar?sig=x", tmp_path / "out")
