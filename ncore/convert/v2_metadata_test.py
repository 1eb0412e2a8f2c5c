"""Documents that no honest writer makes."""

import json

import pytest

from ncore.convert.errors import V2MetadataError
from ncore.convert.v2_metadata import load_json, parse_v2_array


def test_a_document_that_no_recursion_can_walk():
    deep = b'{"a":' + b"[" * 700 + b"]" * 700 + b"}"
    with pytest.raises(V2MetadataError, match=r"'x/.zattrs' is nested deeper than 256 levels"):
        load_json(deep, "x/.zattrs")


def test_many_brackets_are_not_deep():
    wide = {"a": [[{"b": [i]}] for i in range(1000)], "c": "[" * 1000}
    assert load_json(json.dumps(wide).encode(), "x/.zattrs") == wide


def test_more_dimensions_than_numpy_has():
    document = {"zarr_format": 2, "shape": [1] * 65, "chunks": [1] * 65, "dtype": "<i4"}
    document |= {"compressor": None, "filters": None, "fill_value": 0, "order": "C"}
    with pytest.raises(V2MetadataError, match="65 dimensions"):
        parse_v2_array("a", document)
    document |= {"shape": [1] * 64, "chunks": [1] * 64}
    assert parse_v2_array("a", document).shape == (1,) * 64
