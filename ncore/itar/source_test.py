"""A local file read while other threads close it, and beside a strange journal."""

import gc
import os
import struct
import weakref
from pathlib import Path

import pytest

from ncore.itar.digest import crc32c
from ncore.itar.errors import ItarClosedError
from ncore.itar.repeated_reads import RepeatedReads
from ncore.itar.source import FileSource

DATA = os.urandom(300_000)


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    (tmp_path / "f").write_bytes(DATA)
    (tmp_path / "other").write_bytes(bytes(len(DATA)))
    return FileSource(tmp_path / "f")


@pytest.mark.parametrize("call", ["pread", "preadv", "lseek"])
def test_a_read_that_has_begun_ends_with_its_own_bytes_if_the_source_is_closed(
    source, monkeypatch, call
) -> None:
    """What another thread opens right after closing gets the number that became free."""
    original = getattr(os, call)
    others = []

    def closes_first(fd, *rest):
        source.close()
        others.append(os.open(source.path.with_name("other"), os.O_RDONLY))
        return original(fd, *rest)

    buffer = bytearray(50_000)
    read = {
        "pread": lambda: source.read(1000, 50_000),
        "preadv": lambda: source.read_into(1000, memoryview(buffer)) or buffer,
        "lseek": lambda: source.view(1000, 50_000),
    }[call]
    if call == "lseek":
        source.view(0, 1)
    monkeypatch.setattr(os, call, closes_first)
    assert bytes(read()) == DATA[1000:51_000]
    monkeypatch.undo()
    for other in others:
        os.close(other)
    for closed in (lambda: source.read(0, 1), lambda: source.view(0, 1), source.fileno):
        with pytest.raises(ItarClosedError):
            closed()


def test_closing_frees_the_descriptor_at_once(source) -> None:
    number = int(source.fileno())
    source.close()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(number)


def test_a_source_that_is_read_repeatedly_is_freed_with_its_last_reference(source) -> None:
    """Or the files of sequences that were let go of stay open until Python looks for cycles."""
    path = source.path
    gc.disable()
    try:
        local = FileSource(path)
        reads = RepeatedReads(local, 1)
        for _ in range(3):
            reads.read(0, 0, 70_000)
        freed = weakref.ref(local)
        del local, reads
        assert freed() is None
    finally:
        gc.enable()


def test_a_view_of_what_a_journal_holds_is_no_shorter_than_a_read(source) -> None:
    start = 4096
    tail = DATA[start:]
    head = struct.pack(
        "<16sQQII", b"itar journal 1\n\0", len(DATA), start, crc32c(DATA[:start]), crc32c(tail)
    )
    journal = source.path.with_name("f.journal")
    journal.write_bytes(crc32c(head).to_bytes(4, "little") + head + tail)
    with FileSource(source.path) as reader:
        for offset, size in ((0, 4096), (4000, 200), (5000, 70_000)):
            assert reader.view(offset, size) == DATA[offset : offset + size]
            assert reader.read(offset, size) == DATA[offset : offset + size]
