"""NCore V4 sequences as the original wrote them read as the original read them."""

import json
from pathlib import Path

import pytest

from ncore.convert.conversion import convert
from ncore.data.v4 import ComponentReader, SequenceComponentGroupsReader
from tests.compat.archives import Expected, needs_shared_legacy, shared_legacy
from tests.compat.sequence_expectations import check_labels, check_sequence

FORMS = ("default_itar", "default_dir", "multi_itar")


class VelocityReader(ComponentReader):
    """The user-defined component of the sequences, read through zarr as users do."""

    @staticmethod
    def get_component_name() -> str:
        return "com.myorg.velocity"

    @staticmethod
    def supports_component_version(version: str) -> bool:
        return version == "v1"


def meta_file(form: str) -> Path:
    """The sequence meta file of a stored form."""
    legacy = shared_legacy()
    assert legacy is not None
    (path,) = [
        path
        for path in (legacy / "sequence" / form).glob("*.json")
        if not path.name.endswith(".expected.json")
    ]
    return path


@needs_shared_legacy
@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_legacy_sequence_reads_as_expected(form: str, consolidated: bool) -> None:
    legacy = shared_legacy()
    assert legacy is not None
    expected = Expected(legacy / "sequence" / "sequence.api.expected.json")
    reader = SequenceComponentGroupsReader([meta_file(form)], open_consolidated=consolidated)
    check_sequence(reader, expected)


@needs_shared_legacy
@pytest.mark.parametrize("consolidated", [True, False])
def test_legacy_labels_read_as_expected(consolidated: bool) -> None:
    path = meta_file("labels_itar")
    expected = Expected(path.with_name("labels.api.expected.json"))
    reader = SequenceComponentGroupsReader([path], open_consolidated=consolidated)
    check_labels(reader, expected)


def converted(form: str, to: str, directory: Path) -> list[Path]:
    """The stores of a sequence, converted to zarr v3."""
    found = []
    for store in SequenceComponentGroupsReader.expand_component_group_paths([meta_file(form)]):
        name = store.name.removesuffix(".itar") + (".itar" if to == "itar" else "")
        convert(str(store), str(directory / name))
        found.append(directory / name)
    return found


@needs_shared_legacy
@pytest.mark.parametrize("to", ["itar", "directory"])
@pytest.mark.parametrize("form", [*FORMS, "labels_itar"])
def test_converted_sequence_reads_as_expected(form: str, to: str, tmp_path: Path) -> None:
    stores = converted(form, to, tmp_path)
    reader = SequenceComponentGroupsReader(stores)
    assert {root.documents.__class__.__name__ for root in reader._roots} == {"V3Documents"}
    if form == "labels_itar":
        name = meta_file(form).with_name("labels.api.expected.json")
        check_labels(reader, Expected(name))
    else:
        name = meta_file(form).parent.parent / "sequence.api.expected.json"
        check_sequence(reader, Expected(name))


@needs_shared_legacy
@pytest.mark.parametrize("form", [*FORMS, "labels_itar"])
def test_legacy_sequence_meta_is_reproduced(form: str) -> None:
    path = meta_file(form)
    stored = json.loads(path.read_text())
    assert SequenceComponentGroupsReader([path]).get_sequence_meta().to_dict() == stored


@needs_shared_legacy
@pytest.mark.parametrize("form", FORMS)
def test_user_defined_component_reads_through_zarr(form: str) -> None:
    reader = SequenceComponentGroupsReader([meta_file(form)])
    velocity = reader.open_component_readers(VelocityReader)["default"]
    assert velocity.generic_meta_data == {"unit": "m/s"}
    group = velocity._group
    assert list(group.array_keys()) == ["timestamps_us", "velocities"]
    values, times = group["velocities"][:], group["timestamps_us"][:]
    assert values.shape == (len(times), 3)
    assert velocity._node.read_array("velocities").tobytes() == values.tobytes()
    assert velocity._node.read_array("timestamps_us").tobytes() == times.tobytes()
