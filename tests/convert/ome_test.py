"""OME-Zarr hierarchies, end to end."""

import json
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


def test_ome_without_ome(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.open_group(tmp_path / "old", mode="w", zarr_format=2)
    report = convert(str(tmp_path / "old"), None, ConvertOptions(ome=True))
    assert "no OME-Zarr 0.4" in report.warnings[0]
