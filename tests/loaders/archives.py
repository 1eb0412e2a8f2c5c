"""A small xarray data set in an archive, and the package's entry points without installing it."""

import tomllib
from pathlib import Path

import numpy as np
import xarray as xr

from ncore.stores.indexed_tar import IndexedTarStore

ROOT = Path(__file__).resolve().parent.parent.parent


def dataset() -> xr.Dataset:
    """Return 6 x 40 temperatures in chunks of 2 x 10."""
    values = np.arange(240, dtype=np.float32).reshape(6, 40)
    return xr.Dataset(
        {"temperature": (("time", "x"), values, {"units": "K"})},
        coords={"time": np.arange(6), "x": np.arange(40) * 0.5},
    )


def write_archive(path: Path, zarr_format: int = 3) -> Path:
    """Write the data set; the root holds it, and a group below it a second time."""
    encoding = {"temperature": {"chunks": (2, 10)}}
    with IndexedTarStore(path, "w") as store:
        dataset().to_zarr(store, mode="a", zarr_format=zarr_format, encoding=encoding)
        dataset().to_zarr(
            store, mode="a", group="night", zarr_format=zarr_format, encoding=encoding
        )
    return path


def install_entry_points(folder: Path) -> Path:
    """Write the metadata that an installed ncore would have into a folder for ``sys.path``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    info = folder / "ncore-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ncore\nVersion: 0\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder
