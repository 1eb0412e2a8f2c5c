"""No target that is, holds or lies in the source, and none that is no zarr, is ever replaced."""

import resource
import shutil
import stat
import warnings
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import obstore
import pytest
import zarr

from ncore.convert.conversion import convert
from ncore.convert.errors import OptionError, SourceError, TargetExistsError
from ncore.convert.in_place import convert_in_place
from ncore.convert.options import Choices, ConvertOptions
from ncore.convert.relayout import Layout
from ncore.convert.target_directory import DirectoryTarget
from ncore.convert.translate_array import TranslationOptions
from ncore.itar.object_url import open_prefix
from ncore.itar.testing.s3_server import moto_server, options
from ncore.select.location_parser import parse_location
from ncore.select.zarr_boundary import split_zarr_location
from ncore.stores.pack import pack

OVER = ConvertOptions(overwrite=True)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a v2 directory, the same as archive, and something else."""
    folder = tmp_path / "data"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_group(folder / "old.zarr", mode="w", zarr_format=2)
        root.create_array("a", data=np.arange(10))
    pack(folder / "old.zarr", folder / "old.itar")
    (folder / "other.txt").write_text("thesis")
    (tmp_path / "link").symlink_to("data")
    monkeypatch.chdir(folder)
    return folder


def _everything(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("old.zarr", "."),
        ("old.zarr", "../data"),
        ("old.zarr", "../link"),
        ("old.zarr", ".."),
        ("old.zarr", "old.zarr"),
        ("old.zarr/", "../link/old.zarr"),
        ("old.zarr", "old.zarr/new.zarr"),
        ("old.zarr", "old.zarr/new.zarr.itar"),
        ("old.zarr", "old.zarr/a/deep/new.zarr"),
        ("old.zarr/a", "old.zarr"),
        ("old.itar", "."),
        ("old.itar", "old.itar"),
        ("old.itar", "hard.itar"),
        ("old.itar", "soft.itar"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_the_source_stays(data: Path, source: str, target: str, dry_run: bool) -> None:
    (data / "hard.itar").hardlink_to(data / "old.itar")
    (data / "soft.itar").symlink_to("old.itar")
    before = _everything(data.parent)
    with pytest.raises(SourceError, match=r"is the source|contains|lies inside"):
        convert(source, target, ConvertOptions(overwrite=True, dry_run=dry_run))
    with pytest.raises((SourceError, TargetExistsError)):
        convert(source, target)
    assert _everything(data.parent) == before


@pytest.mark.parametrize("target", ["precious", "soft", "notes.txt", "notes.itar", "notes.zip"])
@pytest.mark.parametrize("source", ["old.zarr", "old.itar"])
def test_what_is_no_zarr_stays(data: Path, source: str, target: str) -> None:
    (data / "precious").mkdir()
    (data / "precious" / "thesis.txt").write_text("thesis")
    (data / "soft").symlink_to("precious")
    for name in ("notes.txt", "notes.itar", "notes.zip"):
        (data / name).write_text("notes")
    before = _everything(data)
    with pytest.raises(TargetExistsError) as refused:
        convert(source, target, OVER)
    assert target in ("notes.txt", "soft", "notes.itar", "notes.zip") or (
        "precious/old.zarr" in str(refused.value)
    )
    assert _everything(data) == before


def test_the_advice_for_a_directory_is_to_name_the_zarr_in_it(data: Path) -> None:
    (data / "out").mkdir()
    (data / "out" / "x").touch()
    with pytest.raises(TargetExistsError, match=r"name the new zarr inside it \(.*out/old.zarr"):
        convert("old.zarr", "out")


@pytest.mark.parametrize("target", ["new.zarr", "new.zarr.itar", "new.zip"])
def test_a_zarr_is_replaced_and_a_dry_run_says_so(data: Path, target: str) -> None:
    assert convert("old.zarr", target).replaces == ""
    with pytest.raises(TargetExistsError, match="overwrite=True"):
        convert("old.zarr", target)
    planned = convert("old.zarr", target, ConvertOptions(overwrite=True, dry_run=True))
    assert planned.replaces.startswith(("a zarr v3 directory", "an itar archive", "a zip file"))
    assert convert("old.zarr", target, OVER).replaces == planned.replaces


def test_a_private_directory_stays_private(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert("old.zarr", "new.zarr")
    Path("new.zarr").chmod(0o2700)
    modes = []
    copy = DirectoryTarget.copy

    def looking(self: DirectoryTarget, *args: object) -> None:
        modes.append(stat.S_IMODE(self.stage.stat().st_mode))
        copy(self, *args)

    monkeypatch.setattr(DirectoryTarget, "copy", looking)
    convert("old.zarr", "new.zarr", overwrite=True)
    assert modes == [0o2700]
    assert stat.S_IMODE(Path("new.zarr").stat().st_mode) == 0o2700


def test_a_link_is_followed(data: Path) -> None:
    convert("old.zarr", "new.zarr")
    (data / "soft").symlink_to("new.zarr")
    (data / "new.zarr" / "stale").touch()
    convert("old.zarr", "soft", OVER)
    assert (data / "soft").is_symlink()
    assert not (data / "new.zarr" / "stale").exists()


def test_what_appears_meanwhile_stays(data: Path) -> None:
    class Appear:
        def __init__(self, make: Callable[[], object]) -> None:
            self._make = make

        def phase(self, name: str, total: int) -> None:
            if name == "verify":
                self._make()

        def advance(self, size: int) -> None:
            pass

    def directory() -> None:
        Path("new.zarr").mkdir()
        Path("new.zarr", "thesis").write_text("thesis")

    with pytest.raises(TargetExistsError):
        convert("old.zarr", "new.zarr", OVER, Appear(directory))
    with pytest.raises(TargetExistsError):
        convert("old.zarr", "n.itar", OVER, Appear(lambda: Path("n.itar").write_text("thesis")))
    assert Path("new.zarr/thesis").read_text() == Path("n.itar").read_text() == "thesis"


def test_objects_stay(data: Path) -> None:
    with moto_server("bucket") as endpoint:
        s3 = options(endpoint)
        over = ConvertOptions(overwrite=True, storage_options=s3)
        there = open_prefix("s3://bucket/data", s3)
        for name, content in _everything(data).items():
            obstore.put(there, name, content)
        for source, target in [
            ("s3://bucket/data/old.zarr", "s3://bucket/data"),
            ("s3://bucket/data/old.zarr/", "s3://bucket/data/old.zarr"),
            ("s3://bucket/data/old.zarr", "s3://bucket/data/old.zarr/new.zarr"),
            ("s3://bucket/data/old.itar", "s3://bucket/data/old.itar"),
        ]:
            with pytest.raises(SourceError, match="apart"):
                convert(source, target, over)
        with pytest.raises(TargetExistsError, match=r"NAME\.zarr"):
            convert("old.zarr", "s3://bucket/data", over)
        listed = {item["path"] for batch in obstore.list(there) for item in batch}
        assert listed == set(_everything(data))


def test_the_places_that_a_run_clears_are_looked_at_too(data: Path) -> None:
    shutil.copytree(data / "old.zarr", data / ".new.zarr.ncore-converting")
    with pytest.raises(SourceError, match="source"):
        convert(".new.zarr.ncore-converting", "new.zarr")
    assert any((data / ".new.zarr.ncore-converting").iterdir())


@pytest.mark.parametrize("target", ["new.zarr", "new.itar", "new.zip"])
def test_a_full_disk_is_named_and_left_clean(data: Path, target: str) -> None:
    before = sorted(path.name for path in data.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30, hard))
    try:
        with pytest.raises(OSError, match=rf"^(\[Errno 27\] )?{target}: .*File too large"):
            convert("old.zarr", target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in data.iterdir()) == before


def test_paths_are_places(data: Path) -> None:
    assert convert(data / "old.zarr", data / "new.zarr.itar").count("copy") == 1
    assert convert(data / "old.itar", data / "new.zarr").count("copy") == 1
    assert convert_in_place(data / "old.itar").count("copy") == 1
    assert split_zarr_location(data / "old.zarr" / "a") == (str(data / "old.zarr"), "a")
    assert parse_location(data / "old.zarr") == parse_location(str(data / "old.zarr"))


@pytest.mark.parametrize(
    "wrong", [{"verify": "bogus"}, {"on_unsupported": "bogus"}, {"jobs": 0}, {"memory": 0}]
)
def test_options_are_checked(wrong: dict) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))}="):
        ConvertOptions(**wrong)


def test_choices_by_keyword(data: Path) -> None:
    report = convert("old.zarr", "new.zarr", verify="sample", shards="1KiB", compressor="zstd:5")
    assert [(line.action, line.verified) for line in report.arrays] == [("re-encode", "sample")]
    codec = zarr.open_array("new.zarr/a", mode="r").metadata.to_dict()["codecs"][0]
    assert codec["name"] == "sharding_indexed"
    assert codec["configuration"]["codecs"][1]["configuration"]["level"] == 5
    assert convert("old.zarr", "new.zarr", overwrite=True, memory="64MiB").count("copy") == 1
    # What was chosen before stays, where no keyword says otherwise.
    options = ConvertOptions(dry_run=True, layout=Layout(chunks=(2,)))
    assert convert("old.zarr", "other.zarr", options, jobs=1).arrays[0].action == "re-encode"
    assert not Path("other.zarr").exists()
    assert convert_in_place("old.zarr", remove_v2=True).removed


@pytest.mark.parametrize(
    "wrong",
    [
        {"verify": "bogus"},
        {"objects": "bogus"},
        {"structs": 1},
        {"blobs": None},
        {"chunks": "zz"},
        {"compressor": "lzma"},
        {"memory": "much"},
        {"memory": "12"},
    ],
)
def test_choices_are_checked(data: Path, wrong: dict) -> None:
    with pytest.raises(OptionError):
        convert("old.zarr", "new.zarr", **wrong)
    assert not Path("new.zarr").exists()


def test_a_choice_that_there_is_not(data: Path) -> None:
    with pytest.raises(TypeError, match=r"verfy; there are .* verify"):
        convert("old.zarr", "new.zarr", verfy="full")
    everything = {
        f.name for kind in (ConvertOptions, TranslationOptions, Layout) for f in fields(kind)
    }
    assert everything - {"translation", "layout"} == Choices.__annotations__.keys()
