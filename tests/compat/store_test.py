"""Legacy stores of every dtype, codec, layout and name, as our code and zarr read them."""
# bazel: data = ["//tests/legacy:archives"]

from pathlib import Path

import pytest
import zarr

from ncore.stores.indexed_tar import IndexedTarStore
from tests.compat.archives import PINNED, shared_legacy
from tests.compat.store_expectations import (
    check_keys,
    check_members,
    check_through_data_layer,
    check_through_zarr,
    expectation_of,
)

# Without the directory of further archives only the pinned ones are read.
STORES = sorted(
    path.with_name(path.name.removesuffix(".expected.json"))
    for place in (PINNED, shared_legacy())
    if place is not None
    for path in place.rglob("*.expected.json")
    if not path.name.endswith(".api.expected.json")
)


def _name(path: Path) -> str:
    return f"{path.parent.name}-{path.name.rpartition('@')[2]}"


each_store = pytest.mark.parametrize("path", STORES, ids=_name)
# The document of a large directory lists keys only: it holds what another one holds.
each_group = pytest.mark.parametrize(
    "path", [path for path in STORES if expectation_of(path)["groups"]], ids=_name
)


def test_the_pinned_stores_are_there() -> None:
    assert sum(PINNED in path.parents for path in STORES) == 7


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


@pytest.mark.parametrize("path", [path for path in STORES if path.stem.startswith("empty")])
def test_archives_without_nodes(path: Path) -> None:
    expected = expectation_of(path)
    store = IndexedTarStore(path)
    if expected["groups"]:
        assert list(zarr.open_group(store, mode="r")) == []
    else:
        with pytest.raises(FileNotFoundError):
            zarr.open_group(store, mode="r", use_consolidated=False)
