import json

import pytest

from ncore.transfer.documents import say_the_same

ROOT = {"zarr_format": 3, "node_type": "group", "attributes": {"a": 1}}
NODE = {"node_type": "group", "attributes": {}}


def consolidated(nodes):
    metadata = {"kind": "inline", "must_understand": False, "metadata": nodes}
    return {**ROOT, "consolidated_metadata": metadata}


INNER = {**NODE, "consolidated_metadata": {"kind": "inline", "metadata": {}}}


@pytest.mark.parametrize(
    ("plain", "rewritten", "ignoring", "strictly"),
    [
        (ROOT, consolidated({"x": NODE}), True, True),
        ({**ROOT, "consolidated_metadata": None}, consolidated({"x": NODE}), True, True),
        (consolidated({"x": INNER}), consolidated({"x": NODE}), True, True),
        (consolidated({"y": NODE}), consolidated({"x": NODE}), True, False),
        (consolidated([]), consolidated({"x": NODE}), True, False),
        (consolidated({"x": 1}), consolidated({"x": NODE}), True, False),
        ({**ROOT, "attributes": {"a": 2}}, consolidated({"x": NODE}), False, False),
        ([], ROOT, False, False),
    ],
)
def test_forms_of_a_document(plain, rewritten, ignoring, strictly):
    a, b = json.dumps(plain, indent=2).encode(), json.dumps(rewritten).encode()
    assert say_the_same(a, b, ignore_consolidated=True) is ignoring
    assert say_the_same(a, b, ignore_consolidated=False) is strictly


def test_what_is_no_document_is_compared_by_its_bytes():
    assert say_the_same(b"[1]", b"[1]", ignore_consolidated=True)
    assert not say_the_same(b"{", b'{"a":1}', ignore_consolidated=True)
