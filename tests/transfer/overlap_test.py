"""Sources and targets that are one: nothing may be lost, whatever the spelling."""

import os
import shutil

import pytest

from ncore.cli.testing import CommandLine
from ncore.transfer.testing.trees import fill, tree

TREE = {".zgroup": b'{"zarr_format":2}', "0/.zarray": b"{}", "0/0": b"a", "0/1": b"b"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "a.zarr", TREE)
    return tmp_path


@pytest.fixture
def ncore(here, capsys):
    command = CommandLine("transfer", capsys)

    def call(*args):
        code, out, err = command(*args)
        return code, out + err

    return call


MOVE = ("--zarr-mode", "patch", "--remove-local")


@pytest.mark.parametrize("flags", [(), ("--zarr-mode", "patch"), MOVE, (*MOVE, "-e", "overwrite")])
@pytest.mark.parametrize(
    "to",
    [
        ".",
        "./",
        "a.zarr",
        "a.zarr/",
        "./b/../a.zarr",
        "FILE/",
        "FILE/a.zarr",
        "b",
        "b/",
        "b/l.zarr",
        "l.zarr",
        "a.zarr/new.zarr",
        "a.zarr/new.zarr.itar",
        "a.zarr/0",
        "l.zarr/x",
    ],
)
def test_a_zarr_is_not_uploaded_onto_or_into_itself(ncore, here, to, flags):
    (here / "b").mkdir()
    (here / "b" / "a.zarr").symlink_to("../a.zarr")
    (here / "b" / "l.zarr").symlink_to(here / "a.zarr")
    (here / "l.zarr").symlink_to("a.zarr")
    for dry in ((), ("--dry-run",)):
        code, text = ncore(
            "upload", "a.zarr", "--to", to.replace("FILE", here.as_uri()), *flags, *dry
        )
        assert code != 0
        assert "error:" in text
        assert tree(here / "a.zarr") == TREE


@pytest.mark.parametrize("flags", [MOVE, ()])
def test_a_zarr_is_not_uploaded_onto_what_holds_it(ncore, here, flags):
    fill(here / "out.zarr" / "a.zarr", TREE)
    before = tree(here / "out.zarr")
    code, text = ncore("upload", "out.zarr/a.zarr", "--to", "out.zarr", "--yes", *flags)
    assert code != 0, text
    assert tree(here / "out.zarr") == before


@pytest.mark.parametrize(
    "args",
    [
        ("a.zarr",),
        ("a.zarr", "--sync"),
        ("a.zarr", "-e", "overwrite"),
        ("a.zarr/0", "-o", "l.zarr"),
        ("a.zarr", "-o", "a.zarr"),
        ("a.zarr", "-o", "a.zarr/copies"),
        ("l.zarr", "-o", "a.zarr"),
    ],
)
def test_a_zarr_is_not_downloaded_onto_or_into_itself(ncore, here, args):
    (here / "l.zarr").symlink_to("a.zarr")
    code, text = ncore("download", *args)
    assert code == 1
    assert "source" in text
    assert tree(here / "a.zarr") == TREE


def test_an_archive_is_not_changed_from_itself(ncore, here):
    assert ncore("upload", "a.zarr", "--to", "y.zarr.itar")[0] == 0
    before = (here / "y.zarr.itar").read_bytes()
    (here / "l.zarr.itar").symlink_to("y.zarr.itar")
    os.link("y.zarr.itar", "h.zarr.itar")
    for target in ("y.zarr.itar", "l.zarr.itar", "h.zarr.itar"):
        code, text = ncore("download", "y.zarr.itar/0", "--sync", "--yes", "-o", target)
        assert (code, "are the same" in text) == (1, True)
        code, text = ncore("upload", "y.zarr.itar", "--to", target)
        assert (code, "are the same" in text) == (1, True)
    code, text = ncore("download", "y.zarr.itar", "-e", "overwrite")
    assert (code, "is itself the target" in text) == (1, True)
    assert (here / "y.zarr.itar").read_bytes() == before
    shutil.move("y.zarr.itar", "a.zarr/y.zarr.itar")
    code, text = ncore("upload", "a.zarr/y.zarr.itar", "--to", "a.zarr", "--yes")
    assert code != 0, text
    assert (here / "a.zarr/y.zarr.itar").read_bytes() == before


def test_a_file_that_both_share_is_not_removed(ncore, here):
    (here / "t").mkdir()
    shutil.copytree("a.zarr", "t/a.zarr", copy_function=os.link)
    code, text = ncore("upload", "a.zarr", "--to", "t", *MOVE)
    assert code == 1
    assert "this very file" in text
    assert tree(here / "a.zarr") == tree(here / "t/a.zarr") == TREE
    # A link in the target to the file here is no copy.
    shared = here / "t/a.zarr/0/0"
    shared.unlink()
    shared.symlink_to(here / "a.zarr/0/0")
    assert ncore("upload", "a.zarr", "--to", "t", *MOVE)[0] == 1
    assert (here / "a.zarr/0/0").read_bytes() == b"a"


def test_a_folder_of_links_into_the_target(ncore, here):
    """The source's directories are links into the target: they prove nothing."""
    shutil.copytree("a.zarr", "t/a.zarr")
    shutil.rmtree("a.zarr/0")
    (here / "a.zarr/0").symlink_to(here / "t/a.zarr/0")
    assert ncore("upload", "a.zarr", "--to", "t", *MOVE)[0] == 1
    assert tree(here / "t/a.zarr") == TREE


@pytest.mark.parametrize("existing", ["skip", "refresh"])
def test_what_was_not_compared_is_not_removed(ncore, here, existing):
    fill(here / "t/a.zarr", {**TREE, "0/0": b"z"})
    for key in TREE:
        os.utime(here / "t/a.zarr" / key, (0, 0))
        os.utime(here / "a.zarr" / key, (0, 0))
    code, text = ncore("upload", "a.zarr", "--to", "t", *MOVE, "-e", existing)
    assert code == 2
    assert existing in text
    assert tree(here / "a.zarr") == TREE


def test_two_sources_of_one_name_do_not_become_one(ncore, here):
    fill(here / "b/a.zarr", {"0/0": b"other", "9": b"9"})
    code, text = ncore("upload", "a.zarr", "b/a.zarr", "--to", "t/", *MOVE)
    assert code == 1
    assert "different targets" in text
    assert tree(here / "t/a.zarr") == TREE
    assert tree(here / "b/a.zarr") == {"0/0": b"other", "9": b"9"}
    fill(here / "a.zarr", TREE)
    code, text = ncore("download", "a.zarr", "b/a.zarr", "-o", "d", "-e", "overwrite")
    assert (code, "different targets" in text) == (1, True)
    assert tree(here / "d/a.zarr") == TREE
    # Parts of one may, one after the other.
    assert ncore("download", "a.zarr/0/0", "a.zarr/0/1", "-o", "e")[0] == 0
    assert sorted(tree(here / "e/a.zarr")) == ["0/0", "0/1"]
