"""Tests of what may be replaced, and of how two places lie towards each other."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr

from ncore.stores.errors import StoreExistsError
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.replaceable import overlap, replaceable_archive, replaceable_directory


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_may_go(tmp_path: Path, version: int) -> None:
    zarr.open_group(tmp_path / "x", mode="w", zarr_format=version)
    assert replaceable_directory(tmp_path / "x") == f"a zarr v{version} directory"
    (tmp_path / "y").mkdir()
    assert replaceable_directory(tmp_path / "y") == "an empty directory"


@pytest.mark.parametrize("text", ["", "{}", '{"zarr_format": 2}', "[3]", "[" * 100_000])
def test_another_directory_stays(tmp_path: Path, text: str) -> None:
    (tmp_path / "zarr.json").write_text(text)
    with pytest.raises(StoreExistsError, match=r"holds no zarr.*NAME\.zarr"):
        replaceable_directory(tmp_path)


def test_an_archive_may_go_and_another_file_stays(tmp_path: Path) -> None:
    with IndexedTarStore(tmp_path / "a.itar", "w") as store:
        zarr.create_array(store, data=np.arange(3))
    assert replaceable_archive(tmp_path / "a.itar").startswith("an itar archive of ")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("zarr.json", "{}")
    assert replaceable_archive(tmp_path / "a.zip", zipped=True).startswith("a zip file of ")
    with zipfile.ZipFile(tmp_path / "thesis.zip", "w") as file:
        file.writestr("thesis.tex", "")
    (tmp_path / "notes").write_text("n")
    (tmp_path / "cut.itar").write_bytes((tmp_path / "a.itar").read_bytes()[:-1])
    (tmp_path / "empty").touch()
    assert replaceable_archive(tmp_path / "empty") == "an empty file"
    for name, zipped in [
        ("notes", False),
        ("cut.itar", False),
        ("a.zip", False),
        ("notes", True),
        ("thesis.zip", True),
        ("a.itar", True),
        (".", False),
    ]:
        with pytest.raises(StoreExistsError):
            replaceable_archive(tmp_path / name, zipped=zipped)


def test_overlap_sees_through_links(tmp_path: Path) -> None:
    (tmp_path / "data" / "a.zarr").mkdir(parents=True)
    (tmp_path / "link").symlink_to("data")
    source = tmp_path / "data" / "a.zarr"
    assert overlap(source, tmp_path / "link" / "a.zarr") == "is"
    assert overlap(source, tmp_path / "link") == "contains"
    assert overlap(source, tmp_path) == "contains"
    assert overlap(source, tmp_path / "link" / "a.zarr" / "new" / "b.zarr") == "lies inside"
    assert overlap(source, tmp_path / "link" / "a.zarr3") == ""
    (tmp_path / "f").write_text("x")
    (tmp_path / "g").hardlink_to(tmp_path / "f")
    assert overlap(tmp_path / "f", tmp_path / "g") == "is"
