"""Legacy stores of every dtype, codec, layout and name, as our code and zarr read them."""

from pathlib import Path

import pytest
import zarr

from ncore.stores.indexed_tar import IndexedTarStore
from tests.compat.archives import shared_legacy
from tests.compat.store_expectations import (
    check_keys,
    check_members,
    check_through_data_layer,
    check_through_zarr,
    expectation_of,
)

LEGACY = shared_legacy()
STORES = (
    sorted(
        path.with_name(path.name.removesuffix(".expected.json"))
        for path in LEGACY.rglob("*.expected.json")
        if not path.name.endswith(".api.expected.json")
    )
    if LEGACY
    else []
)
pytestmark = pytest.mark.skipif(not STORES, reason="no legacy archives; see tests/compat/archives")


def _name(path: Path) -> str:
    return f"{path.parent.name}-{path.name.rpartition('@')[2]}"


each_store = pytest.mark.parametrize("path", STORES, ids=_name)
# A directory's document lists keys only: it holds what default_itar holds.
each_group = pytest.mark.parametrize(
    "path", [path for path in STORES if expectation_of(path)["groups"]], ids=_name
)


@each_store
def test_keys(path: Path) -> None:
    check_keys(path, expectation_of(path))


@each_group
def test_values_through_zarr(path: Path) -> None:
    check_through_zarr(path, expectation_of(path))


@each_group
def test_groups_and_documents(path: Path) -> None:
    check_members(path, expectation_of(path))


@each_group
def test_values_through_the_data_layer(path: Path) -> None:
    check_through_data_layer(path, expectation_of(path))


@pytest.mark.parametrize("name", ["empty", "empty_consolidated"])
def test_archives_without_nodes(name: str) -> None:
    assert LEGACY is not None
    store = IndexedTarStore(LEGACY / "empty" / f"{name}.itar")
    with pytest.raises(FileNotFoundError):
        zarr.open_group(store, mode="r", use_consolidated=False)
