"""The pinned sequence, written by the original, reads as the original read it."""
# bazel: data = ["//tests/legacy:archives"]

import hashlib
from pathlib import Path

import pytest

from ncore.convert.conversion import convert
from ncore.data.v4 import SequenceComponentGroupsReader
from tests.compat.archives import PINNED, Expected
from tests.compat.sequence_expectations import check_label_layers, check_sequence
from tests.compat.sequence_test import VelocityReader

STORES = sorted((PINNED / "sequence").glob("*.itar"))
EXPECTED = PINNED / "sequence" / "sequence.api.expected.json"


def check(stores: list[Path], consolidated: bool = True) -> None:
    reader = SequenceComponentGroupsReader(stores, open_consolidated=consolidated)
    check_sequence(reader, Expected(EXPECTED))
    check_label_layers(reader, Expected(EXPECTED))
    velocity = reader.open_component_readers(VelocityReader)["default"]
    assert velocity._group["velocities"][:].shape == (5, 3)


def test_files_are_the_pinned_ones() -> None:
    lines = (PINNED / "SHA256SUMS").read_text().splitlines()
    stated = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    found = {
        str(path.relative_to(PINNED)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in PINNED.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert found == stated


@pytest.mark.parametrize("consolidated", [True, False])
def test_original_archives(consolidated: bool) -> None:
    assert len(STORES) == 2
    check(STORES, consolidated)


@pytest.mark.parametrize("to", ["itar", "directory"])
def test_converted_archives(to: str, tmp_path: Path) -> None:
    stores = []
    for store in STORES:
        name = store.name if to == "itar" else store.name.removesuffix(".itar")
        convert(str(store), str(tmp_path / name))
        stores.append(tmp_path / name)
    check(stores)


def test_sequence_meta() -> None:
    meta = SequenceComponentGroupsReader(STORES).get_sequence_meta().to_dict()
    wanted = Expected(EXPECTED)["sequence_meta"]
    for document in (meta, wanted):
        document["component_stores"].sort(key=lambda store: store["path"])
    assert meta == wanted
