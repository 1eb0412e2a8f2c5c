"""The feature table of docs/convert.md says what happens, and names every array that proves it."""

import importlib
import warnings
from pathlib import Path

from ncore.convert.translate_array import translate_array
from tests.convert.features_test import NAMES, only_strings, v2_array

# bazel: data = ["//docs:pages", "testdata/**"]
# bazel: deps = ["//ncore/convert", "ncore.convert.fleet_task"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "convert.md"


def rows() -> list[tuple[str, list[str]]]:
    table = PAGE.read_text().partition("| v2 | v3 | chunks | proved by |")[2].partition("\n\n")[0]
    cells = [line.strip("|").split(" | ") for line in table.splitlines()[2:]]
    return [(row[2].strip(), row[3].split()) for row in cells]


def test_every_row_says_what_happens_to_its_arrays() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for action, names in rows():
            assert names
            for name in names:
                translation = translate_array(v2_array(name), None, only_strings)
                assert translation.action == action, name


def test_every_array_has_a_row() -> None:
    named = [name for _, names in rows() for name in names]
    assert sorted(named) == NAMES


def test_the_face_of_the_package_is_not_hidden_by_its_modules() -> None:
    importlib.import_module("ncore.convert.fleet_task")  # imports all that a conversion needs
    from ncore.convert import convert

    assert callable(convert)
