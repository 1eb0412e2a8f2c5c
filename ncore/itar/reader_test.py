import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from ncore.itar.errors import (
    ItarChangedError,
    ItarClosedError,
    ItarFormatError,
    ItarKeyError,
    ItarNotFoundError,
)
from ncore.itar.reader import ItarReader
from ncore.itar.source import FileSource
from ncore.itar.writer import ItarWriter

MEMBERS = {f"k/{i}": bytes([i]) * (i * 1000) for i in range(100)}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "f.itar"
    with ItarWriter(path) as writer:
        for key, value in MEMBERS.items():
            writer.set(key, value)
    return path


class CountingSource(FileSource):
    """Counts what is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reads: list[int] = []

    def read(self, offset: int, size: int) -> bytes:
        self.reads.append(size)
        return super().read(offset, size)


@pytest.mark.parametrize(
    ("tail", "reads"), [(1 << 20, 1), (None, 2), (512, 2), (100, 2), (1 << 30, 1)]
)
def test_reads_at_opening(archive: Path, tail: int | None, reads: int) -> None:
    source = CountingSource(archive)
    reader = ItarReader(source, tail)
    assert len(source.reads) == reads
    assert {key: reader.read(key) for key in reader} == MEMBERS
    if tail == 1 << 30:
        assert len(source.reads) == 1
    if tail is None:
        assert source.reads[0] == 512


def test_ranges(archive: Path) -> None:
    for tail in (None, 1 << 30):
        reader = ItarReader(archive, tail)
        value = MEMBERS["k/7"]
        for start, stop in ((0, 10), (6999, 9000), (7000, 7001), (8000, 9000), (5, 5), (9, 2)):
            assert reader.read_range("k/7", start, stop) == value[start:stop]


def test_reading_into_a_buffer(archive: Path) -> None:
    for tail in (None, 1 << 30):
        reader = ItarReader(archive, tail, verify_reads=True)
        buffer = bytearray(50_000)
        for key, value in MEMBERS.items():
            found = reader.read_into(key, buffer)
            assert found == value
            assert (found.obj is buffer) == (len(value) <= len(buffer))


def test_missing_keys(archive: Path) -> None:
    reader = ItarReader(archive)
    assert "k/1" in reader
    assert "k" not in reader
    for access in (reader.read, reader.view, reader.entry, lambda key: reader.read_many([key])):
        with pytest.raises(ItarKeyError, match=r"f\.itar: no key 'k'"):
            access("k")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ItarNotFoundError, match="no such file"):
        ItarReader(tmp_path / "f.itar")


def test_a_file_cut_while_open(archive: Path) -> None:
    reader = ItarReader(archive, None)
    os.truncate(archive, 100_000)
    with pytest.raises(ItarChangedError, match="has been cut"):
        reader.read("k/99")


def test_after_close(archive: Path) -> None:
    reader = ItarReader(archive, None)
    view = reader.view("k/3")
    reader.close()
    reader.close()
    for access in (reader.read, reader.view):
        with pytest.raises(ItarClosedError):
            access("k/3")
    assert bytes(view) == MEMBERS["k/3"]


def test_no_descriptor_leaks(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(bytes(1024))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        ItarReader(archive).close()
        with pytest.raises(ItarFormatError):
            ItarReader(tmp_path / "bad")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_reload(archive: Path) -> None:
    reader = ItarReader(archive)
    with ItarWriter(archive) as writer:
        writer.set("new", b"1")
    assert reader.read("k/9") == MEMBERS["k/9"]
    reader.reload_resources()
    assert reader.keys() == ["new"]


def _check(reader: ItarReader) -> None:
    for _ in range(3):
        for key, value in MEMBERS.items():
            assert reader.read(key) == value


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_right(archive: Path, method: str) -> None:
    reader = ItarReader(archive, None)
    context = multiprocessing.get_context(method)
    workers = [context.Process(target=_check, args=(reader,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    _check(reader)
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0


def test_threads_read_right(archive: Path) -> None:
    reader = ItarReader(archive, None)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            _check(reader)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
