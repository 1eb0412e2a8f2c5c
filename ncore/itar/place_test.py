"""An archive is the file, whatever its path is spelled like and whichever directory is current."""

import contextlib
import os
import pickle
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ncore.errors import NcoreError
from ncore.itar.errors import (
    ItarClosedError,
    ItarExistsError,
    ItarIOError,
    ItarLockedError,
    ItarNotFoundError,
    ItarOptionError,
)
from ncore.itar.place import absolute_path, file_behind, file_to_write
from ncore.itar.reader import ItarReader
from ncore.itar.recover import recover
from ncore.itar.repack import repack
from ncore.itar.verify import verify
from ncore.itar.writer import ItarWriter

BIG = os.urandom(2 << 20)
"""More than a writer keeps in memory, so that it is in the file before the end."""


def make(path: Path, **members: bytes) -> Path:
    with ItarWriter(path) as writer:
        for key, value in members.items():
            writer.set(key, value)
    return path


def content(path: Path | str) -> dict[str, bytes]:
    with ItarReader(path, verify_reads=True) as reader:
        return {key: reader.read(key) for key in reader}


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


@pytest.fixture
def real(tmp_path: Path) -> Path:
    (tmp_path / "real").mkdir()
    return make(tmp_path / "real" / "f.itar", x=b"old")


@pytest.fixture
def link(real: Path, tmp_path: Path) -> Path:
    (tmp_path / "link.itar").symlink_to("real/f.itar")
    (tmp_path / "directory").symlink_to("real")
    return tmp_path / "link.itar"


def test_one_writer_whatever_the_path(
    real: Path, link: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with ItarWriter(real, "r+") as writer:
        for other in (link, tmp_path / "directory" / "f.itar", "link.itar", "real/../link.itar"):
            for mode in ("r+", "a", "w"):
                with pytest.raises(ItarLockedError):
                    ItarWriter(other, mode)  # type: ignore[arg-type]
        writer.set("one", b"1")
    with ItarWriter(link, "w") as writer, pytest.raises(ItarLockedError):
        ItarWriter(real, "w")


def test_a_file_with_a_second_name_is_not_changed_in_place(real: Path, tmp_path: Path) -> None:
    second = real.with_name("second.itar")
    second.hardlink_to(real)
    for path in (real, second):
        with pytest.raises(ItarOptionError, match=r"2 names \(hard links\).*beside it"):
            ItarWriter(path, "r+")
    assert names(real.parent) == ["f.itar", "second.itar"]
    make(real, y=b"new")  # takes the name, not the file
    assert (content(real), content(second)) == ({"y": b"new"}, {"x": b"old"})
    ItarWriter(second, "a").close()


def test_a_file_that_is_being_changed_is_locked_itself(real: Path) -> None:
    with ItarWriter(real, "r+") as writer:
        writer.set("y", b"1")
        # Where one file is mounted at two paths, each has a lock file of its own.
        real.with_name("f.itar.lock").unlink()
        with pytest.raises(ItarLockedError, match="another path"):
            ItarWriter(real, "r+")


def test_a_new_name_left_beside_the_old_one_by_a_crash(real: Path) -> None:
    real.with_name("f.itar.partial").hardlink_to(real)  # mode x died between link and unlink
    with ItarWriter(real, "r+") as writer:
        writer.set("y", b"1")
    assert names(real.parent) == ["f.itar"]
    assert content(real) == {"x": b"old", "y": b"1"}


CHANGER = """
import os, signal, sys
from ncore.itar.writer import ItarWriter
writer = ItarWriter(sys.argv[1], "r+")
writer.set("y", os.urandom(2 << 20))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_a_writer_by_a_link_was_killed(real: Path, link: Path, tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", CHANGER, link], check=False)
    assert died.returncode == -signal.SIGKILL
    assert names(real.parent) == ["f.itar", "f.itar.journal", "f.itar.lock"]
    assert content(real) == content(link) == {"x": b"old"}
    recover(real, tmp_path / "recovered.itar")
    assert content(tmp_path / "recovered.itar") == {"x": b"old"}
    ItarWriter(real, "r+").close()
    assert names(real.parent) == ["f.itar"]
    assert verify(real).ok


@pytest.mark.parametrize("mode", ["w", "x", "r+"])
def test_another_current_directory_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    if mode == "r+":
        make(Path("f.itar"), x=b"old")
    with ItarWriter("f.itar", mode) as writer:  # type: ignore[arg-type]
        writer.set("y", BIG)
        monkeypatch.chdir("sub")
        other = ItarWriter("f.itar", "w")
        other.set("theirs", b"1")
    other.close()
    assert content(tmp_path / "f.itar")["y"] == BIG
    assert content(tmp_path / "sub" / "f.itar") == {"theirs": b"1"}
    assert names(tmp_path) == ["f.itar", "sub"]


def test_a_reader_survives_another_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("f.itar"), x=b"old")
    reader = ItarReader("f.itar")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir("sub")
    assert pickle.loads(pickle.dumps(reader)).read("x") == b"old"
    make(tmp_path / "f.itar", x=b"new")
    reader.reload_resources()
    assert reader.read("x") == b"new"


def test_a_link_led_elsewhere_is_followed_anew(real: Path, link: Path) -> None:
    reader = ItarReader(link)
    make(real.with_name("g.itar"), x=b"elsewhere")
    link.unlink()
    link.symlink_to("real/g.itar")
    assert reader.read("x") == b"old"
    reader.reload_resources()
    assert reader.read("x") == b"elsewhere"


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_directory_moved_while_an_archive_is_made(tmp_path: Path, exclusive: bool) -> None:
    (tmp_path / "a").mkdir()
    writer = ItarWriter(tmp_path / "a" / "f.itar", "x" if exclusive else "w")
    writer.set("y", b"1")
    (tmp_path / "a").rename(tmp_path / "b")
    with pytest.raises(ItarIOError, match=r"moved.*complete where f\.itar\.partial now lies"):
        writer.close()
    (tmp_path / "b" / "f.itar.partial").rename(tmp_path / "b" / "f.itar")
    assert content(tmp_path / "b" / "f.itar") == {"y": b"1"}


@pytest.mark.parametrize("what", ["directory", "file", "replaced"])
@pytest.mark.parametrize("begun", [True, False])
def test_an_archive_moved_while_it_is_changed(real: Path, what: str, begun: bool) -> None:
    writer = ItarWriter(real, "r+")
    if begun:
        writer.set("y", BIG)
    moved = real
    if what == "directory":
        moved = real.parent.rename(real.parent.with_name("b")) / "f.itar"
    elif what == "file":
        moved = real.rename(real.with_name("g.itar"))
    else:
        make(real.with_name("new.itar"), z=b"3").replace(real)
    end = writer.close if begun else lambda: writer.set("y", BIG)
    with pytest.raises(ItarIOError, match=r"moved, replaced or removed.*undone"):
        end()
    if begun:
        with pytest.raises(ItarClosedError, match=r"failed before.*undone"):
            writer.close()
    else:
        writer.close()
    if what == "replaced":
        real.with_name("f.itar.journal").unlink(missing_ok=True)
        assert content(real) == {"z": b"3"}
    else:
        assert content(moved) == {"x": b"old"}
        assert verify(moved).ok


def test_a_second_close_does_not_look_like_success(tmp_path: Path) -> None:
    writer = ItarWriter(tmp_path / "f.itar")
    writer.set("y", b"1")
    (tmp_path / "f.itar").mkdir()
    with pytest.raises(ItarIOError, match="has become a directory"):
        writer.close()
    for _ in range(2):
        with pytest.raises(ItarClosedError, match=r"failed before.*ncore itar recover"):
            writer.close()
    (tmp_path / "f.itar").rmdir()
    recover(tmp_path / "f.itar", tmp_path / "f.itar")
    assert content(tmp_path / "f.itar") == {"y": b"1"}


def test_what_is_refused_at_opening(tmp_path: Path) -> None:
    (tmp_path / "d.itar").mkdir()
    os.mkfifo(tmp_path / "pipe.itar")
    (tmp_path / "circle.itar").symlink_to("circle.itar")
    for mode in ("w", "x", "a", "r+"):
        for name, why in (
            ("d.itar", "is a directory"),
            ("pipe.itar", "not a regular file"),
            ("circle.itar", "in a circle"),
            ("new.itar/", "name of a directory"),
        ):
            with pytest.raises(ItarOptionError, match=why):
                ItarWriter(f"{tmp_path}/{name}", mode)  # type: ignore[arg-type]
    with pytest.raises(ItarOptionError, match="index_preset=11"):
        ItarWriter(tmp_path / "f.itar", index_preset=11)
    with pytest.raises(ItarOptionError, match="digests='md5'"):
        ItarWriter(tmp_path / "f.itar", digests="md5")  # type: ignore[arg-type]
    with pytest.raises(ItarIOError, match=r"x\.itar: cannot be written: File name too long"):
        ItarWriter(tmp_path / ("x" * 246 + "x.itar"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ItarNotFoundError, match="directory does not exist"):
        ItarWriter(tmp_path / "file" / "f.itar")
    with pytest.raises(ItarOptionError, match="index_tail_read_size=-5"):
        ItarReader(make(tmp_path / "f.itar"), -5)
    assert names(tmp_path) == ["circle.itar", "d.itar", "f.itar", "file", "pipe.itar"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_is_not_writable(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(NcoreError, match=r"f\.itar: cannot be written: Permission denied"):
        ItarWriter(tmp_path / "f.itar")


def test_a_link_is_written_through(real: Path, link: Path) -> None:
    make(link, y=BIG)
    assert link.is_symlink()
    assert content(real) == {"y": BIG}
    with ItarWriter(link, "r+") as writer:
        writer.delete("y")
        writer.set("z", b"3")
    size = real.stat().st_size
    repack(link)
    assert link.is_symlink()
    assert real.stat().st_size < size
    assert content(real) == {"z": b"3"}
    with pytest.raises(ItarExistsError):
        ItarWriter(link, "x")
    dangling = link.with_name("dangling.itar")
    dangling.symlink_to("real/made.itar")
    make(dangling, a=b"1")
    assert content(real.with_name("made.itar")) == {"a": b"1"}
    assert names(real.parent) == ["f.itar", "made.itar"]


@pytest.mark.parametrize("mode", ["w", "r+", "repack", "recover"])
def test_permissions_outlive_a_replacement(real: Path, mode: str) -> None:
    def mode_of(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    real.chmod(0o600)
    with contextlib.suppress(OSError):  # not root, or a sandbox that knows no other users
        os.chown(real, 1234, 4321)
    owner = (real.stat().st_uid, real.stat().st_gid)
    if mode == "repack":
        repack(real)
    else:
        writer = ItarWriter(real, "r+" if mode == "r+" else "w")
        writer.set("y", BIG)
        writer.defer("doc", b"1")
        beside = set(real.parent.iterdir()) - {real, real.with_name("f.itar.lock")}
        assert beside
        assert {mode_of(path) for path in beside} == {0o600}
        if mode == "recover":
            writer.suspend()
            recover(real.with_name("f.itar.partial"), real, overwrite=True)
        else:
            writer.close()
    assert mode_of(real) == 0o600
    assert (real.stat().st_uid, real.stat().st_gid) == owner


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_path("a/../b") == f"{tmp_path}/a/../b"
    (tmp_path / "link").symlink_to("there")
    assert file_behind("link") == f"{tmp_path}/there"
    assert file_behind("plain") == f"{tmp_path}/plain"
    assert file_to_write("link") == tmp_path / "there"
