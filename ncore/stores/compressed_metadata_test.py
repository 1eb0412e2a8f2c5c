from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore, StorePath

from ncore.itar.errors import ItarOptionError
from ncore.stores.compressed_metadata import (
    consolidate_compressed_metadata,
    open_compressed_consolidated,
)
from ncore.stores.errors import ConsolidatedMetadataError, StoreLocationError
from ncore.stores.indexed_tar import IndexedTarStore


def fill(store: object, zarr_format: int) -> None:
    root = zarr.create_group(store, zarr_format=zarr_format, attributes={"a": 1})
    for name in ("b/x", "b/y", "c/x"):
        root.create_array(name, data=np.arange(3), attributes={"n": name})


def check(root: zarr.Group) -> None:
    assert root.attrs["a"] == 1
    assert root["b"]["y"].attrs["n"] == "b/y"
    assert root["c/x"][...].tolist() == [0, 1, 2]
    assert root.metadata.consolidated_metadata is not None


def test_directory(tmp_path: Path) -> None:
    fill(tmp_path / "d", 2)
    with pytest.raises(ConsolidatedMetadataError, match="missing"):
        open_compressed_consolidated(tmp_path / "d")
    consolidate_compressed_metadata(tmp_path / "d")
    # The plain documents are no longer needed.
    for name in (".zarray", ".zattrs"):
        for path in (tmp_path / "d").rglob(name):
            path.unlink()
    check(open_compressed_consolidated(tmp_path / "d"))
    check(open_compressed_consolidated(LocalStore(tmp_path / "d", read_only=True)))
    with pytest.raises(ItarOptionError, match="r\\+"):
        open_compressed_consolidated(tmp_path / "d", mode="r+")
    with pytest.raises(StoreLocationError, match="give path= for a group within"):
        open_compressed_consolidated(StorePath(LocalStore(tmp_path / "d"), "g"))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_archive(tmp_path: Path, zarr_format: int) -> None:
    with IndexedTarStore(tmp_path / "f.itar", "w") as store:
        fill(store, zarr_format)
        consolidate_compressed_metadata(store)
    check(open_compressed_consolidated(IndexedTarStore(tmp_path / "f.itar")))


def test_damage(tmp_path: Path) -> None:
    fill(tmp_path / "d", 2)
    (tmp_path / "d" / ".zmetadata.cbor.xz").write_bytes(b"x")
    with pytest.raises(ConsolidatedMetadataError, match="corrupt"):
        open_compressed_consolidated(tmp_path / "d")
    (tmp_path / "d" / "b" / ".zattrs").write_text("[]")
    with pytest.raises(ConsolidatedMetadataError, match=r"b/\.zattrs is not a JSON object"):
        consolidate_compressed_metadata(tmp_path / "d")
