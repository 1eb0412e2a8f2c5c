import errno
import hashlib
import os
import pickle
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from ncore.itar.digest import crc32c
from ncore.itar.errors import (
    ItarClosedError,
    ItarDigestError,
    ItarError,
    ItarExistsError,
    ItarKeyError,
    ItarLockedError,
    ItarNotFoundError,
)
from ncore.itar.files import OsFile
from ncore.itar.reader import ItarReader
from ncore.itar.target import WriteMode
from ncore.itar.trailer import end_of_tar
from ncore.itar.writer import ItarWriter


def write(path: Path, **members: bytes) -> Path:
    with ItarWriter(path) as writer:
        for key, value in members.items():
            writer.set(key, value)
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_round_trip(tmp_path: Path) -> None:
    members = {f"a/{i}": os.urandom(i * 37) for i in range(50)} | {"big": os.urandom(3 << 20)}
    with ItarWriter(tmp_path / "f.itar", digests=("crc32c", "md5")) as writer:
        for key, value in members.items():
            writer.set(key, value)
            assert writer.read(key) == value
    with ItarReader(tmp_path / "f.itar") as reader:
        assert reader.keys() == list(members)
        assert {key: reader.read(key) for key in reader} == members
        assert {key: bytes(reader.view(key)) for key in reader} == members
        assert reader.read_many(list(members)) == list(members.values())
        for entry in reader.entries():
            assert entry.crc32c == crc32c(members[entry.key])
            assert entry.md5 == hashlib.md5(members[entry.key]).digest()
        assert reader.dead_bytes == 0
    assert names(tmp_path) == ["f.itar"]


def test_gnu_tar_lists_and_extracts(tmp_path: Path) -> None:
    members = {"a/b": b"1", "long/" + "x" * 150: b"22", "ünï": b"333"}
    write(tmp_path / "f.itar", **members)
    subprocess.run(["tar", "-xf", "f.itar"], cwd=tmp_path, check=True, capture_output=True)
    assert {key: (tmp_path / key).read_bytes() for key in members} == members
    with tarfile.open(tmp_path / "f.itar") as archive:
        assert archive.getnames() == list(members)


def test_rewriting_and_deleting_leaves_no_dead_space(tmp_path: Path) -> None:
    with ItarWriter(tmp_path / "f.itar") as writer:
        for i in range(20):
            writer.set(f"k{i}", os.urandom(1000 * i))
        for i in range(0, 20, 3):
            writer.set(f"k{i}", b"new" * i)
        for i in range(1, 20, 3):
            writer.delete(f"k{i}")
        writer.set("last", b"x")
        writer.set("last", b"y" * 100_000)
        with pytest.raises(ItarKeyError):
            writer.delete("k1")
    reader = ItarReader(tmp_path / "f.itar")
    assert set(reader) == {f"k{i}" for i in range(20) if i % 3 != 1} | {"last"}
    assert reader.read("k9") == b"new" * 9
    assert reader.read("last") == b"y" * 100_000
    assert all(reader.verify(key) for key in reader)
    assert reader.dead_bytes == 0
    spans = sum(512 + -(-entry.size // 512) * 512 for entry in reader.entries())
    assert reader.trailer.index_offset == end_of_tar(spans)
    with tarfile.open(tmp_path / "f.itar") as archive:
        assert archive.getnames() == reader.keys()


def test_nothing_appears_before_close(tmp_path: Path) -> None:
    path = write(tmp_path / "f.itar", old=b"1")
    writer = ItarWriter(path)
    writer.set("new", b"2")
    assert ItarReader(path).keys() == ["old"]
    kept = ItarReader(path)
    writer.close()
    writer.close()
    assert ItarReader(path).keys() == ["new"]
    assert kept.read("old") == b"1"
    with pytest.raises(ItarClosedError):
        writer.set("late", b"")


def test_an_exception_publishes_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with ItarWriter(tmp_path / "f.itar") as writer:
            writer.set("k", b"1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(tmp_path) == ["f.itar.partial"]
    write(tmp_path / "f.itar", k=b"2")
    assert names(tmp_path) == ["f.itar"]


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    writer = ItarWriter(tmp_path / "f.itar")
    writer.set("k", b"1")
    writer.defer("d", b"1")
    writer.discard()
    assert names(tmp_path) == []


def test_exclusive_creation(tmp_path: Path) -> None:
    path = tmp_path / "f.itar"
    with ItarWriter(path, "x") as writer:
        writer.set("k", b"1")
    with pytest.raises(ItarExistsError, match="already exists"):
        ItarWriter(path, "x")
    other = tmp_path / "g.itar"
    writer = ItarWriter(other, "x")
    other.write_bytes(b"of someone else")
    with pytest.raises(ItarExistsError, match="meanwhile"):
        writer.close()
    assert other.read_bytes() == b"of someone else"


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "f.itar"
    writer = ItarWriter(path)
    with pytest.raises(ItarLockedError, match=r"this process has it open.*close"):
        ItarWriter(path)
    writer.close()
    ItarWriter(path).close()


def test_where_there_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(ItarNotFoundError, match="directory"):
        ItarWriter(tmp_path / "no" / "f.itar")


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800"])
def test_impossible_keys(tmp_path: Path, key: str) -> None:
    with ItarWriter(tmp_path / "f.itar") as writer:
        for change in (writer.set, writer.defer):
            with pytest.raises(ItarError, match="cannot be a key"):
                change(key, b"")


def test_deferred_values_are_written_once(tmp_path: Path) -> None:
    path = tmp_path / "f.itar"
    with ItarWriter(path) as writer:
        for i in range(100):
            writer.defer("doc", b"%d" % i)
            assert writer.read("doc") == b"%d" % i
        writer.set("doc2", b"member")
        writer.defer("doc2", b"later")
        writer.defer("gone", b"x")
        writer.delete("gone")
        writer.defer("now", b"y")
        writer.set("now", b"z")
        assert sorted(writer) == ["doc", "doc2", "now"]
    reader = ItarReader(path)
    assert {key: reader.read(key) for key in reader} == {
        "doc": b"99",
        "doc2": b"later",
        "now": b"z",
    }
    assert reader.dead_bytes == 0


def test_stream(tmp_path: Path) -> None:
    payload = os.urandom(100_000)
    pieces = [payload[at : at + 7000] for at in range(0, len(payload), 7000)]
    with ItarWriter(tmp_path / "f.itar", digests=("crc32c", "md5")) as writer:
        writer.set_stream("s", iter(pieces), len(payload))
        for size in (len(payload) - 1, len(payload) + 1):
            with pytest.raises(ItarError, match="'t': the payload"):
                writer.set_stream("t", iter(pieces), size)
        writer.set("u", b"x")
    reader = ItarReader(tmp_path / "f.itar", verify_reads=True)
    assert reader.keys() == ["s", "u"]
    assert reader.read("s") == payload
    assert reader.entry("s").md5 == hashlib.md5(payload).digest()


def test_copying_keeps_stored_checksums(tmp_path: Path) -> None:
    path = write(tmp_path / "f.itar", k=b"value")
    damaged = bytearray(path.read_bytes())
    damaged[512] ^= 1
    path.write_bytes(damaged)
    with ItarWriter(tmp_path / "g.itar") as writer:
        writer.copy_from(ItarReader(path), "k", "l")
    copy = ItarReader(tmp_path / "g.itar", verify_reads=True)
    # The damage travels with its witness.
    for read in (copy.read, copy.view, lambda key: copy.read_many([key])):
        with pytest.raises(ItarDigestError, match="'l' is damaged"):
            read("l")
    assert copy.verify("l") is False


def test_threads_write_together(tmp_path: Path) -> None:
    with ItarWriter(tmp_path / "f.itar") as writer:

        def work(number: int) -> None:
            for i in range(100):
                writer.set(f"{number}/{i}", b"%d-%d" % (number, i))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    reader = ItarReader(tmp_path / "f.itar")
    assert len(reader) == 600
    assert all(reader.read(key) == key.replace("/", "-").encode() for key in reader)


def test_a_forked_child_cannot_write(tmp_path: Path) -> None:
    writer = ItarWriter(tmp_path / "f.itar")
    writer.set("k", b"1")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            writer.set("k", b"2")
        except ItarClosedError:
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    writer.close()
    assert ItarReader(tmp_path / "f.itar").read("k") == b"1"


def test_pickling(tmp_path: Path) -> None:
    writer = ItarWriter(tmp_path / "f.itar")
    writer.set("k", b"1")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(writer)
    writer.close()
    reader = pickle.loads(pickle.dumps(ItarReader(tmp_path / "f.itar")))
    assert reader.read("k") == b"1"


def test_unknown_choices(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"digests=.'sha1'"):
        ItarWriter(tmp_path / "f.itar", digests=("sha1",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mode 'q'"):
        ItarWriter(tmp_path / "f.itar", "q")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["w", "r+"])
@pytest.mark.parametrize("way", ["set", "stream", "defer"])
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
def test_a_value_that_cannot_be_replaced_stays(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: WriteMode,
    way: str,
    waits: bool,
    size: int,
) -> None:
    """The disk is full: whoever goes on and closes must not publish an archive without it."""
    old = {"k": b"o" * size, "other": b"x" * 1000}
    path = tmp_path / "f.itar"
    if mode == "r+":
        write(path, **old)
    writer = ItarWriter(path, mode)
    if mode == "w":
        for key, value in old.items():
            writer.set(key, value)
    if waits:
        writer.defer("k", old["k"])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(OsFile, "pwrite", full)
        try:
            if way == "set":
                writer.set("k", b"n" * size)
            elif way == "stream":
                writer.set_stream("k", [b"n" * size], size)
            else:
                writer.defer("k", b"n" * size)
        except OSError:
            value = old["k"]
        else:
            value = b"n" * size  # it is in the buffer
    assert writer.read("k") == value
    writer.close()
    with ItarReader(path) as reader:
        assert {key: reader.read(key) for key in reader} == {**old, "k": value}
