"""OME-Zarr hierarchies, end to end."""

import json
import shutil
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr

from ncore.convert.conversion import convert
from ncore.convert.options import ConvertOptions

SCALES = [{"type": "scale", "scale": [1.0, 0.5]}]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_group(tmp_path / "image.zarr", mode="w", zarr_format=2)
        for group, extra in (
            (root, {}),
            (root.require_group("labels/cells"), {"image-label": {"version": "0.4"}}),
        ):
            datasets = []
            for level in range(2):
                group.create_array(str(level), data=np.ones((8 >> level, 8)), chunks=(4, 4))
                datasets.append({"path": str(level), "coordinateTransformations": SCALES})
            axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
            group.attrs.update(
                {"multiscales": [{"version": "0.4", "axes": axes, "datasets": datasets}], **extra}
            )
        root["labels"].attrs["labels"] = ["cells"]
    return tmp_path / "image.zarr"


def test_offered_then_done(image: Path, tmp_path: Path) -> None:
    report = convert(str(image), str(tmp_path / "plain.zarr"))
    assert any("--ome" in hint for hint in report.hints)
    assert "multiscales" in zarr.open_group(tmp_path / "plain.zarr", mode="r").attrs
    report = convert(str(image), str(tmp_path / "new.ozx"), ConvertOptions(ome=True))
    assert report.hints == []
    assert report.warnings == []
    with zipfile.ZipFile(tmp_path / "new.ozx") as archive:
        assert json.loads(archive.comment) == {
            "ome": {"version": "0.5", "zipFile": {"centralDirectory": {"jsonFirst": True}}}
        }
        read = {
            path: json.loads(archive.read(f"{path}/zarr.json".lstrip("/")))
            for path in ("", "labels", "labels/cells", "0", "labels/cells/1")
        }
    assert read[""]["attributes"]["ome"]["version"] == "0.5"
    assert read["labels"]["attributes"] == {"ome": {"version": "0.5", "labels": ["cells"]}}
    assert "image-label" in read["labels/cells"]["attributes"]["ome"]
    assert read["0"]["dimension_names"] == ["y", "x"]
    assert read["labels/cells/1"]["dimension_names"] == ["y", "x"]


def test_images_beside_each_other_and_a_plate(image: Path, tmp_path: Path) -> None:
    """What bioformats2raw and plate writers make: groups around images that hold no image."""
    attributes = {
        "": {"bioformats2raw.layout": 3},
        "OME": {"series": ["0"]},
        "p": {"plate": {"version": "0.4", "rows": [{"name": "A"}], "columns": [{"name": "1"}]}},
        "p/A/1": {"well": {"version": "0.4", "images": [{"path": "0"}]}},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path, found in attributes.items():
            group = zarr.open_group(tmp_path / "all.zarr", path=path, mode="a", zarr_format=2)
            group.attrs.update(found)
    for place in ("0", "p/A/1/0"):
        shutil.copytree(image, tmp_path / "all.zarr" / place)
    (tmp_path / "all.zarr" / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    convert(tmp_path / "all.zarr", tmp_path / "new.zarr", ConvertOptions(ome=True))
    new = zarr.open_group(tmp_path / "new.zarr", mode="r")
    for path, found in attributes.items():
        read = dict((new[path] if path else new).attrs["ome"])
        assert read.pop("version") == "0.5"
        for value in found.values():
            if isinstance(value, dict):
                value.pop("version")
        assert read == found
    assert new["p/A/1/0"].attrs["ome"]["multiscales"]
    assert new["p/A/1/0/1"].metadata.dimension_names == ("y", "x")
    assert (tmp_path / "new.zarr" / "OME" / "METADATA.ome.xml").read_text() == "<OME/>"


@pytest.mark.parametrize("node", ["labels", "labels/cells"])
def test_a_part_of_an_image(image: Path, tmp_path: Path, node: str) -> None:
    convert(f"{image}/{node}", tmp_path / "new.zarr", ConvertOptions(ome=True))
    attributes = zarr.open_group(tmp_path / "new.zarr", mode="r").attrs.asdict()
    assert [*attributes] == ["ome"]
    assert ("labels" in attributes["ome"]) == (node == "labels")


def test_ome_without_ome(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.open_group(tmp_path / "old", mode="w", zarr_format=2)
    report = convert(str(tmp_path / "old"), None, ConvertOptions(ome=True))
    assert "no OME-Zarr 0.4" in report.warnings[0]
