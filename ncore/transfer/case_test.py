"""Names that differ only by case, in a directory of a file system that takes them for one.

Few machines that run tests have such a file system, so the calls that reach a directory
here go by the names that are there already. The same commands were run on a FUSE one.
"""

import os

import pytest

from ncore.transfer import filesystem
from ncore.transfer.actions import Existing, Extra
from ncore.transfer.execute import Options, transfer
from ncore.transfer.filesystem import is_kept_as, stored_name
from ncore.transfer.local import LocalBackend
from ncore.transfer.memory import MemoryBackend
from ncore.transfer.plan import Policy
from ncore.transfer.testing.trees import fill, tree

OVERWRITE = Policy(Existing.OVERWRITE, Extra.DELETE, resolve_conflicts=True)
SOURCE = {
    "A": b"upper",
    "a": b"lower",
    "Dir/y": b"in Dir",
    "dir/z": b"in dir",
    "Straße/0": b"s",
    "STRASSE/1": b"S",
    "c/0": b"chunk",
}


@pytest.fixture
def folding(tmp_path, monkeypatch):
    """A directory that folds case."""
    root = tmp_path / "folding"
    root.mkdir()
    real_listdir = os.listdir

    def kept(path, dir_fd=None):
        """Return a path with the names that are there in place of ones that fold alike."""
        if not isinstance(path, str | os.PathLike):
            return path
        path = os.fspath(path)
        if dir_fd is None and not path.startswith(f"{root}/"):
            return path
        at = dir_fd if dir_fd is not None else str(root)
        rest = path if dir_fd is not None else path[len(str(root)) + 1 :]
        found = []
        for part in rest.split("/"):
            try:
                names = real_listdir(at if not found else "/".join((str(root), *found)))
            except OSError:
                names = []
            folded = part.casefold()
            same = [n for n in names if n.casefold() == folded]
            found.append(part if part in names or not same else same[0])
        return "/".join(found) if dir_fd is not None else "/".join((str(root), *found))

    def folded(name):
        real = getattr(os, name)

        def call(path, *args, **kwargs):
            return real(kept(path, kwargs.get("dir_fd")), *args, **kwargs)

        monkeypatch.setattr(os, name, call)

    for name in ("open", "mkdir", "stat", "lstat", "unlink", "rmdir", "scandir"):
        folded(name)
    for name in ("rename", "link"):
        real = getattr(os, name)

        def call(old, new, *, src_dir_fd=None, dst_dir_fd=None, real=real, **kwargs):
            new = kept(new, dst_dir_fd)
            return real(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, **kwargs)

        monkeypatch.setattr(os, name, call)
    monkeypatch.setattr(filesystem, "_renameat2", None)
    return root


async def copy(root, entries, policy=OVERWRITE, selection=None):
    target = LocalBackend(root)
    report = await transfer(
        MemoryBackend(entries), target, selection, policy, Options(jobs=1, yes=True)
    )
    await target.close()
    return report, dict(report.errors)


async def test_the_second_of_two_names_is_refused_and_nothing_replaced(folding):
    report, errors = await copy(folding / "x", SOURCE)
    found = tree(folding / "x")
    assert found == {key: SOURCE[key] for key in ("A", "Dir/y", "STRASSE/1", "c/0")}
    assert set(errors) == {"a", "dir/z", "Straße/0"}
    assert "takes 'a' for 'A', which is there" in errors["a"]
    assert "takes 'dir' for 'Dir'" in errors["dir/z"]
    assert report.deleted == 0
    # Run again, nothing of either is replaced or deleted.
    _, again = await copy(folding / "x", SOURCE)
    assert set(again) == set(errors)
    assert tree(folding / "x") == found


async def test_what_is_there_by_another_name_is_not_that_entry(folding):
    fill(folding / "x", {"A": b"upper", "Dir/y": b"in Dir"})
    backend = LocalBackend(folding / "x")
    assert await backend.stat("A") is not None
    assert await backend.stat("a") is None
    assert await backend.stat("dir/y") is None
    assert await backend.has_directory("Dir")
    assert not await backend.has_directory("dir"), "an upload would prune dir in the target"
    assert [page async for page in backend.list("dir/")] == []
    await backend.close()
    _, errors = await copy(folding / "x", {"a": b"lower", "dir/y": b"in dir"}, Policy())
    assert set(errors) == {"a", "dir/y"}
    assert tree(folding / "x") == {"A": b"upper", "Dir/y": b"in Dir"}


def test_names_where_case_counts(tmp_path):
    fill(tmp_path, {"Dir/x": b"", "dir/x": b"", "c/0": b""})
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert stored_name("Dir", fd) == "Dir"
        assert stored_name("dir", fd) == "dir"
    finally:
        os.close(fd)
    assert is_kept_as(tmp_path, "Dir/x")
    assert is_kept_as(tmp_path, "c/0")
