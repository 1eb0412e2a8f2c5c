"""What docs/crash-promises.md says, at every operation of every kind of session."""

# bazel: size = "medium"

import errno
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ncore.itar.errors import ItarError
from ncore.itar.files import Files
from ncore.itar.reader import ItarReader
from ncore.itar.recover import recover
from ncore.itar.repack import repack
from ncore.itar.tail_journal import tail_journal_path
from ncore.itar.testing.faulty_files import Crash, FaultyFiles, Loss
from ncore.itar.verify import verify
from ncore.itar.writer import ItarWriter

OLD = {f"k{i}": random.Random(i).randbytes(i * 700) for i in range(8)} | {"doc": b"old"}
NEW = {f"n{i}": random.Random(-i).randbytes(i * 50_000) for i in range(4)} | {"doc": b"new"}
CHANGED = {**OLD, **NEW, "k2": b"changed" * 30, "k5": b""}
del CHANGED["k3"]


def make(path: Path, members: dict[str, bytes]) -> None:
    with ItarWriter(path, files=FaultyFiles(path.parent)) as writer:
        for key, value in members.items():
            writer.set(key, value)


def content(path: Path) -> dict[str, bytes] | None:
    """Return what a reader finds; everything must verify."""
    if not path.exists():
        return None
    with ItarReader(path, verify_reads=True) as reader:
        return {key: reader.read(key) for key in reader}


def write_new(path: Path, files: Files) -> None:
    write(path, "w", files)


def write_exclusive(path: Path, files: Files) -> None:
    write(path, "x", files)


def write(path: Path, mode: str, files: Files) -> None:
    with ItarWriter(path, mode, files=files) as writer:  # type: ignore[arg-type]
        writer.set("scratch", b"s" * 2000)
        for key, value in NEW.items():
            writer.set(key, b"first" + value)
            writer.set(key, value)
        writer.defer("doc", b"draft")
        writer.defer("doc", b"new")
        writer.delete("scratch")


def change(path: Path, files: Files) -> None:
    with ItarWriter(path, "r+", files=files) as writer:
        for key, value in NEW.items():
            writer.set(key, b"first" + value)
            writer.set(key, value)
        writer.set("k2", CHANGED["k2"])
        writer.set("k5", b"")
        writer.delete("k3")
        writer.defer("doc", b"new")


def append(path: Path, files: Files) -> None:
    with ItarWriter(path, "a", files=files) as writer:
        writer.set("appended", b"x" * 100_000)


def repack_in_place(path: Path, files: Files) -> None:
    repack(path, digests=("md5",), files=files)


Session = Callable[[Path, Files], None]
SESSIONS: list[tuple[Session, dict[str, bytes] | None, dict[str, bytes]]] = [
    (write_new, None, NEW),
    (write_new, OLD, NEW),
    (write_exclusive, None, NEW),
    (change, OLD, CHANGED),
    (append, OLD, {**OLD, "appended": b"x" * 100_000}),
    (append, None, {"appended": b"x" * 100_000}),
    (repack_in_place, OLD, OLD),
]
each_session = pytest.mark.parametrize(
    ("session", "before", "after"),
    SESSIONS,
    ids=lambda value: getattr(value, "__name__", "" if isinstance(value, dict) else "none"),
)


def prepare(directory: Path, before: dict[str, bytes] | None) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    path = directory / "f.itar"
    if before is not None:
        make(path, before)
    return path


LOSSES: tuple[Loss, ...] = ("nothing", "unsynced", "some", "some", "some")


def crash_everywhere(
    directory: Path,
    session: Session,
    before: dict[str, bytes] | None,
    losses: tuple[Loss, ...] = LOSSES,
) -> Iterator[tuple[Path, Loss, int]]:
    """Run a session once for every operation and kind of loss; yield after each crash."""
    path = prepare(directory, before)
    counting = FaultyFiles(directory)
    session(path, counting)
    assert counting.done > 4
    for fail_at in range(counting.done):
        for loss in losses:
            rng = random.Random(f"{fail_at}{loss}")
            path = prepare(directory, before)
            files = FaultyFiles(directory, fail_at)
            with pytest.raises(Crash):
                session(path, files)
            files.crash(loss, rng)
            yield path, loss, fail_at


@each_session
def test_old_or_new_after_a_crash(
    tmp_path: Path,
    session: Session,
    before: dict[str, bytes] | None,
    after: dict[str, bytes],
) -> None:
    seen = set()
    for path, loss, fail_at in crash_everywhere(tmp_path / "d", session, before):
        found = content(path)
        assert found in (before, after), (loss, fail_at)
        seen.add(found == after)
        # The next writer finds the same, and can go on.
        if found is not None:
            with ItarWriter(path, "r+", files=FaultyFiles(path.parent)) as writer:
                assert {key: writer.read(key) for key in writer} == found
                writer.set("next", b"1")
            assert not tail_journal_path(path).exists()
            assert content(path) == {**found, "next": b"1"}
            assert verify(path).ok
        else:
            make(path, {"next": b"1"})
            assert content(path) == {"next": b"1"}
    if before != after:
        assert False in seen


@pytest.mark.parametrize("session", [change, append], ids=lambda session: session.__name__)
def test_a_crash_while_rolling_back(tmp_path: Path, session: Session) -> None:
    def roll_back(path: Path, files: Files) -> None:
        ItarWriter(path, "r+", files=files).close()

    crashed = tmp_path / "crashed"
    for path, _, _ in crash_everywhere(tmp_path / "d", session, OLD, ("nothing", "some")):
        if not tail_journal_path(path).exists():
            continue
        found = content(path)
        for fail_at in range(6):
            for loss in ("nothing", "some"):
                shutil.rmtree(crashed, ignore_errors=True)
                shutil.copytree(path.parent, crashed)
                files = FaultyFiles(crashed, fail_at)
                try:
                    roll_back(crashed / "f.itar", files)
                except Crash:
                    files.crash(loss, random.Random(fail_at))
                assert content(crashed / "f.itar") == found


@each_session
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("sticky", [False, True])
def test_a_full_or_failing_disk(
    tmp_path: Path,
    session: Session,
    before: dict[str, bytes] | None,
    after: dict[str, bytes],
    code: int,
    sticky: bool,
) -> None:
    path = prepare(tmp_path / "d", before)
    counting = FaultyFiles(tmp_path / "d")
    session(path, counting)
    for fail_at in range(counting.done):
        path = prepare(tmp_path / "d", before)
        error = OSError(code, "injected")
        files = FaultyFiles(tmp_path / "d", fail_at, error, sticky)
        try:
            session(path, files)
        except (OSError, ItarError):
            assert content(path) in (before, after), fail_at
        else:
            assert content(path) == after, fail_at
        # With the disk in order again, so is everything.
        if path.exists():
            found = content(path)
            with ItarWriter(path, "a", files=FaultyFiles(path.parent)) as writer:
                assert {key: writer.read(key) for key in writer} == found
        make(path, {})
        assert content(path) == {}


def test_what_was_unfinished_survives_until_the_next_is_complete(tmp_path: Path) -> None:
    """A crash while it is set aside, or at any time before publication, loses none of it."""
    directory = tmp_path / "d"
    left = {"unfinished": b"u" * (1 << 20), "waiting": b"w"}

    def leave_unfinished() -> Path:
        path = prepare(directory, None)
        writer = ItarWriter(path, files=FaultyFiles(directory))
        writer.set("unfinished", left["unfinished"])
        writer.defer("waiting", left["waiting"])
        writer.suspend()
        return path

    path = leave_unfinished()
    counting = FaultyFiles(directory)
    write_new(path, counting)
    assert content(path) == NEW
    assert [entry.name for entry in directory.iterdir()] == ["f.itar"]
    complete = False
    for fail_at in range(counting.done):
        path = leave_unfinished()
        files = FaultyFiles(directory, fail_at)
        with pytest.raises(Crash):
            write_new(path, files)
        files.crash("nothing", random.Random(fail_at))
        complete = content(path) == NEW
        if complete:
            continue
        # The next writer takes up where the last one died, and it dies as well.
        ItarWriter(path, files=FaultyFiles(directory)).suspend()
        recover(directory / "f.itar.partial.old", tmp_path / "out", overwrite=True)
        assert content(tmp_path / "out") == left, fail_at
    assert complete


def test_recovery_of_what_a_crash_left(tmp_path: Path) -> None:
    """All that reached the file before the process was killed comes back."""
    for path, _, fail_at in crash_everywhere(tmp_path / "d", write_new, None, ("nothing",)):
        partial = path.with_name("f.itar.partial")
        if not partial.exists():
            continue
        try:
            report = recover(path, tmp_path / "out", overwrite=True)
        except ItarError:
            assert fail_at < 12, "members were in the file by then"
            continue
        found = content(tmp_path / "out")
        assert found is not None
        assert found.keys() <= {*NEW, "scratch"}
        for key, value in found.items():
            assert value in (NEW.get(key), b"first" + NEW.get(key, b""), b"s" * 2000, b"draft")
        assert report.members == len(found)


CHANGER = """
import sys
from ncore.itar.writer import ItarWriter
for round in range(10_000):
    with ItarWriter(sys.argv[1], "a") as writer:
        for i in range(5):
            writer.set(f"{round}/{i}", b"%d" % round * 20_000)
    if round == 0:
        print("ready", flush=True)
"""


def test_killed_for_real(tmp_path: Path) -> None:
    path = tmp_path / "f.itar"
    rng = random.Random(3)
    for _ in range(6):
        path.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", CHANGER, path], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.random() * 0.05)
        # Readers see whole rounds while it is being changed …
        seen = content(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # … and after it died.
        for found in (seen, content(path)):
            assert found
            rounds = {int(key.partition("/")[0]) for key in found}
            assert rounds == set(range(max(rounds) + 1))
            assert len(found) == 5 * len(rounds)
            for key, value in found.items():
                assert value == key.partition("/")[0].encode() * 20_000


def test_a_journal_of_another_file(tmp_path: Path) -> None:
    path = prepare(tmp_path / "d", OLD)
    files = FaultyFiles(tmp_path / "d", 5)
    with pytest.raises(Crash):
        change(path, files)
    files.crash("nothing", random.Random(0))
    assert tail_journal_path(path).exists()
    other = tmp_path / "other.itar"
    make(other, NEW)
    shutil.copy(other, path)
    for open_ in (ItarReader, lambda path: ItarWriter(path, "r+"), ItarWriter):
        with pytest.raises(ItarError, match="journal of another file"):
            open_(path)
    tail_journal_path(path).unlink()
    assert content(path) == NEW
