"""Every name and signature of nvidia-ncore 19.8.3 exists here; see public_face.py."""

# bazel: data = ["peer_face.json"]
# bazel: deps = ["ncore.data", "ncore.data.v4", "ncore.data_converter", "ncore.impl.common.transformations", "ncore.impl.data.compat", "ncore.impl.data.stores", "ncore.impl.data.types", "ncore.impl.data.util", "ncore.impl.data.v4.components", "ncore.impl.data.v4.types"]  # noqa: E501

import importlib
import json
from pathlib import Path

import pytest

from tests.data.public_face import IMPLEMENTATION, PUBLIC, describe

PEER = json.loads((Path(__file__).parent / "peer_face.json").read_text())
SIGNATURES = ("static", "classmethod", "method", "function")
_ITAR = "ncore.impl.data.stores:IndexedTarStore."
DIFFERENT = {
    # Handles are made by readers only.
    "ncore.data.v4:CameraSensorComponent.Reader.EncodedImageDataHandle.__init__",
    "ncore.impl.data.v4.components:CameraSensorComponent.Reader.EncodedImageDataHandle.__init__",
    # Stores of zarr 3 are no mappings; docs/store.md has what is there instead.
    *(_ITAR + name for name in ("__contains__", "__getitem__", "__iter__", "__len__")),
    # Parts of the original's implementation of the format.
    *(_ITAR + name for name in ("IndexHeader", "IndexType", "TailBuffer")),
    *(_ITAR + name for name in ("TarRecord", "TarRecordIndex")),
    # A finished archive is opened for reading unless something else is said.
    "ncore.impl.data.stores:open_compressed_consolidated",
    # Helpers that have nothing to do with the data, and names for type checkers.
    "ncore.impl.common.transformations:time_bounds",
    "ncore.impl.data.util:evaluate_file_pattern",
    "ncore.impl.data.util:padded_index_string",
    "ncore.impl.data.v4.components:validate_frame_name",
    "ncore.impl.data.types:CameraLabelDescriptorDict",
    "ncore.impl.data.types:LabelSchemaDict",
    "ncore.impl.data.types:LabelTypeDict",
    "ncore.impl.data.types:QuantizationParamsDict",
}


def differences(where, peer, ours):
    """Yield (name, what is different) of everything that a caller of the original could miss."""
    if ours is None:
        yield where, "is missing"
    elif isinstance(peer, str) or isinstance(ours, str):
        if peer != ours:
            yield where, f"{peer} is {ours}"
    elif set(peer) != set(ours):
        yield where, f"{set(peer)} is {set(ours)}"
    else:
        for kind, content in peer.items():
            if kind in SIGNATURES:
                for problem in signature_problems(content, ours[kind]):
                    yield where, problem
            elif kind == "enum":
                if content != ours[kind]:
                    yield where, f"{content} is {ours[kind]}"
            else:
                for name, member in content.items():
                    yield from differences(f"{where}.{name}", member, ours[kind].get(name))


def signature_problems(peer, ours):
    """Yield what keeps calls that the original takes from being taken here, or changes them."""
    for position, (name, kind, *default) in enumerate(peer):
        if position >= len(ours):
            yield f"has no parameter {name}"
            continue
        our_name, our_kind, *our_default = ours[position]
        # A default where the original has none takes the same calls, and more.
        if (our_name, our_kind) != (name, kind) or (default and our_default != default):
            yield f"{peer[position]} is {ours[position]}"
    for name, kind, *default in ours[len(peer) :]:
        if not default and not kind.startswith("VAR_"):
            yield f"asks for {name}"


def face(module):
    """Describe the peer's names of a module as they are here."""
    here = importlib.import_module(module)
    return {name: describe(getattr(here, name, None)) for name in PEER[module]}


@pytest.mark.parametrize("module", PUBLIC + IMPLEMENTATION)
def test_names_and_signatures_of_the_peer(module):
    ours = face(module)
    found = [
        (name, problem)
        for top, what in PEER[module].items()
        for name, problem in differences(f"{module}:{top}", what, ours[top])
    ]
    assert [difference for difference in found if difference[0] not in DIFFERENT] == []
    named = {name for name in DIFFERENT if name.startswith(f"{module}:")}
    assert named == {name for name, _ in found}  # the list of differences is no longer than needed


def test_the_list_is_whole():
    assert sorted(PEER) == sorted(PUBLIC + IMPLEMENTATION)
    assert {module: len(names) for module, names in PEER.items() if module in PUBLIC} == {
        "ncore.data": 41,
        "ncore.data.v4": 14,
        "ncore.data_converter": 4,
    }


@pytest.mark.parametrize(
    ("peer", "ours", "problems"),
    [
        ([["a", "K"]], [["a", "K", "1"]], 0),
        ([["a", "K", "1"]], [["a", "K"]], 1),
        ([["a", "K"]], [["b", "K"]], 1),
        ([["a", "K"]], [], 1),
        ([], [["a", "K"]], 1),
        ([], [["a", "K", "1"], ["more", "VAR_KEYWORD"]], 0),
    ],
)
def test_differences_of_signatures_are_found(peer, ours, problems):
    assert len(list(signature_problems(peer, ours))) == problems
