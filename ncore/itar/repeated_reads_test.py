"""Payloads read again and again."""

import os
from pathlib import Path

import pytest

from ncore.itar import repeated_reads
from ncore.itar.errors import ItarChangedError, ItarClosedError
from ncore.itar.repeated_reads import RepeatedReads
from ncore.itar.source import FileSource

DATA = os.urandom(1 << 20)
SPANS = [(at, 70_001) for at in range(0, 900_000, 70_001)]


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    (tmp_path / "f").write_bytes(DATA)
    return FileSource(tmp_path / "f")


def maps(monkeypatch) -> list[tuple[int, int]]:
    """What is viewed through the map from now on."""
    viewed = []
    view = FileSource.view

    def spy(self, offset, size):
        viewed.append((offset, size))
        return view(self, offset, size)

    monkeypatch.setattr(FileSource, "view", spy)
    return viewed


def test_every_read_gives_the_bytes(source) -> None:
    reads = RepeatedReads(source, len(SPANS))
    for _ in range(100):
        for number, (offset, size) in enumerate(SPANS):
            assert reads.read(number, offset, size) == DATA[offset : offset + size]


def test_the_first_read_maps_nothing_the_second_does(source, monkeypatch) -> None:
    viewed = maps(monkeypatch)
    reads = RepeatedReads(source, len(SPANS))
    for number, span in enumerate(SPANS):
        assert not reads.seen(number)
        reads.read(number, *span)
        assert reads.seen(number)
    assert viewed == []
    for number, span in enumerate(SPANS):
        reads.read(number, *span)
    assert viewed == SPANS


def test_what_was_seen_otherwise_counts_as_read(source, monkeypatch) -> None:
    viewed = maps(monkeypatch)
    reads = RepeatedReads(source, 2)
    reads.see(1)
    assert reads.seen(1)
    assert not reads.seen(0)
    reads.read(0, *SPANS[0])
    reads.read(1, *SPANS[1])
    assert viewed == [SPANS[1]]


def test_a_file_larger_than_half_the_memory_is_never_mapped(source, monkeypatch) -> None:
    monkeypatch.setattr(repeated_reads, "_memory_size", lambda: len(DATA))
    viewed = maps(monkeypatch)
    reads = RepeatedReads(source, 1)
    for _ in range(3):
        assert reads.read(0, 5, 10) == DATA[5:15]
    assert not reads.seen(0)
    assert viewed == []


def test_a_cut_file_and_a_closed_one_say_so(source) -> None:
    reads = RepeatedReads(source, 2)
    for _ in range(3):
        reads.read(0, *SPANS[0])
    os.truncate(source.path, 1000)
    for number in (0, 1):
        with pytest.raises(ItarChangedError, match="has been cut"):
            reads.read(number, *SPANS[number])
    source.close()
    for number in (0, 1):
        with pytest.raises(ItarClosedError):
            reads.read(number, *SPANS[number])
