"""The archives that NVIDIA's ncore wrote, and their damaged variants, read as is written there."""

import hashlib
import json
import os
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import pytest
import zarr

from ncore.itar.errors import ItarFormatError
from ncore.itar.reader import ItarReader
from ncore.itar.writer import ItarWriter
from ncore.stores.errors import ConsolidatedMetadataError, ConsolidatedMetadataWarning
from ncore.stores.indexed_tar import IndexedTarStore

PROJECT = Path(__file__).resolve().parents[2]
LEGACY = Path(os.environ.get("NCORE_LEGACY_DIR") or PROJECT.parent / "shared" / "legacy")
GOOD = sorted(path for path in LEGACY.rglob("*.itar") if path.parent.name != "corrupt")
CORRUPT = LEGACY / "corrupt"
VARIANTS: dict[str, dict[str, Any]] = (
    json.loads((CORRUPT / "corrupt.json").read_text())["variants"] if LEGACY.is_dir() else {}
)

pytestmark = pytest.mark.skipif(not LEGACY.is_dir(), reason=f"{LEGACY} is not there")
each_good = pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
each_tail = pytest.mark.parametrize("tail", [1 << 20, None, 700])


def variants(expect: str) -> list[str]:
    return [name for name, variant in VARIANTS.items() if variant["expect"].startswith(expect)]


def content(reader: ItarReader) -> dict[str, bytes]:
    return {key: reader.read(key) for key in reader}


def expected(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"{path}.expected.json").read_text())
    return found


@each_good
@each_tail
def test_every_key_reads_as_written(path: Path, tail: int | None) -> None:
    reader = ItarReader(path, tail)
    keys = expected(path)["keys"]
    assert reader.keys() == [stated["key"] for stated in keys]
    for stated in keys:
        key = stated["key"]
        data = reader.read(key)
        assert reader.entry(key).offset == stated["offset_data"]
        assert len(data) == stated["size"]
        assert hashlib.sha256(data).hexdigest() == stated["sha256"]
        assert reader.view(key) == data
    assert reader.dead_bytes == 0


@each_good
def test_our_writer_makes_the_same_bytes(path: Path, tmp_path: Path) -> None:
    reader = ItarReader(path)
    with ItarWriter(tmp_path / "f.itar", digests=()) as writer:
        for key in reader:
            writer.copy_from(reader, key)
    assert (tmp_path / "f.itar").read_bytes() == path.read_bytes()


@each_good
def test_zarr_opens_every_node(path: Path) -> None:
    stated = expected(path)
    store = IndexedTarStore(path)
    if ".zgroup" not in store.reader:
        pytest.skip("holds no group")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_group(store, mode="r")
        try:
            consolidated = zarr.open_consolidated(store, mode="r")
        except ValueError:
            # zarr-python cannot read one of its arrays, which would take down the whole.
            assert path.name == "generic_dtypes.itar"
            consolidated = root
        for group in (root, consolidated):
            for name in stated["groups"]:
                if name.strip("/"):
                    assert isinstance(group[name.strip("/")], zarr.Group)
            for name in stated["arrays"]:
                if name.strip("/") not in ("structured/nested", "structured/records"):
                    assert isinstance(group[name.strip("/")], zarr.Array)


@each_tail
@pytest.mark.parametrize("name", variants("reject"))
def test_damage_is_refused(name: str, tail: int | None) -> None:
    path = CORRUPT / VARIANTS[name]["file"]
    tracemalloc.start()
    try:
        with pytest.raises(ItarFormatError) as caught:
            ItarReader(path, tail)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert path.name in str(caught.value)


@each_tail
@pytest.mark.parametrize("name", variants("read"))
def test_the_unusual_is_read(name: str, tail: int | None) -> None:
    good = content(ItarReader(CORRUPT / "good.itar"))
    assert content(ItarReader(CORRUPT / VARIANTS[name]["file"], tail)) == good


@pytest.mark.parametrize("name", ["cons_format_2", "cons_no_metadata"])
def test_bad_consolidated_metadata_is_named(name: str) -> None:
    store = IndexedTarStore(CORRUPT / f"{name}.itar")
    for open_ in (zarr.open_group, zarr.open_consolidated):
        with pytest.raises(ConsolidatedMetadataError, match=r"\.zmetadata\.cbor\.xz"):
            open_(store, mode="r")
    plain = zarr.open_group(store, mode="r", zarr_format=2, use_consolidated=False)
    assert list(plain) == ["x"]


@pytest.mark.parametrize("name", ["cons_missing", "cons_stale"])
@each_tail
def test_missing_or_stale_consolidated_metadata_hides_nothing(name: str, tail: int | None) -> None:
    for open_ in (zarr.open_group, zarr.open_consolidated):
        store = IndexedTarStore(CORRUPT / f"{name}.itar", index_tail_read_size=tail)
        with pytest.warns(ConsolidatedMetadataWarning, match="missing|stale"):
            root = open_(store, mode="r")
        nodes = {key.rpartition("/")[0] for key in store.reader if key.endswith(".zarray")}
        assert "x" in nodes
        assert {path for path, _ in root.arrays()} == nodes
