"""Every feature of zarr v2, as zarr 2.18.7 wrote it, through the translation into zarr 3.

Each array of ``testdata/v2_features.zip`` is one row of the table in
docs/convert.md: what must become of it stands in EXPECTED.
"""

import asyncio
import json
import warnings
import zipfile
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from ncore.convert.decode_v2 import V2Decoder
from ncore.convert.translate_array import TranslationOptions, translate_array
from ncore.convert.translation import Action, Form
from ncore.convert.v2_metadata import V2Array, load_json, parse_v2_array

# bazel: data = ["testdata/**"]

TESTDATA = Path(__file__).parent / "testdata"

REENCODED = {
    "struct_big_field": Form.SAME,
    "struct_all_big": Form.SAME,
    "struct_nested_big": Form.FLAT_STRUCT,
    "filter_shuffle_delta": Form.SAME,
    "filter_base64": Form.SAME,
    "filter_quantize_big": Form.SAME,
    "filter_quantize_astype": Form.SAME,
    "filter_delta_view_big": Form.SAME,
    "filter_delta_view_short": Form.SAME,
    "filter_delta_view_float": Form.SAME,
    "filter_packbits_u1": Form.SAME,
    "comp_base64": Form.SAME,
    "json_strings": Form.STRINGS,
    "msgpack_strings": Form.STRINGS,
    "categorize": Form.STRINGS,
}
REFUSED = {
    "vlen_array": "ragged",
    "json_mixed": "not all strings",
    "msgpack_mixed": "not all strings",
    "pickle_strings": "--allow-pickle",
    "pickle_mixed": "--allow-pickle",
}
COPIED_FORMS = {
    "struct_nested": Form.FLAT_STRUCT,
    "struct_subarray": Form.FLAT_STRUCT,
    "image": Form.BLOB,
}


def load() -> tuple[dict[str, bytes], dict[str, np.ndarray], dict]:
    with zipfile.ZipFile(TESTDATA / "v2_features.zip") as archive:
        store = {name: archive.read(name) for name in archive.namelist()}
    with np.load(TESTDATA / "v2_features.expected.npz") as values:
        expected = dict(values)
    return store, expected, json.loads((TESTDATA / "v2_features.expected.json").read_text())


STORE, VALUES, NOTES = load()
NAMES = sorted(key.removesuffix("/.zarray") for key in STORE if key.endswith("/.zarray"))


def v2_array(name: str) -> V2Array:
    zattrs = STORE.get(f"{name}/.zattrs")
    return parse_v2_array(
        name,
        load_json(STORE[f"{name}/.zarray"], name),
        load_json(zattrs, name) if zattrs else None,
    )


def v2_values(array: V2Array, **kwargs: bool) -> np.ndarray:
    """All values of an array whose chunks are all there, decoded by numcodecs."""
    decoder = V2Decoder(array, **kwargs)
    out = np.empty(array.shape, array.dtype)
    for coords in np.ndindex(array.grid):
        chunk = decoder.decode(STORE[f"{array.path}/{array.chunk_key(coords)}"])
        region = tuple(
            slice(i * c, min((i + 1) * c, n))
            for i, c, n in zip(coords, array.chunks, array.shape, strict=True)
        )
        out[region] = chunk[tuple(slice(0, r.stop - r.start) for r in region)]
    return out


def only_strings(array: V2Array) -> bool:
    return all(isinstance(x, str) for x in v2_values(array, allow_pickle=True).reshape(-1).tolist())


def open_with(name: str, document: dict) -> zarr.Array:
    """Open v3 metadata over the v2 chunks of one array."""
    store = MemoryStore()
    buffer = default_buffer_prototype().buffer

    async def fill() -> None:
        await store.set("zarr.json", buffer.from_bytes(json.dumps(document).encode()))
        for key, value in STORE.items():
            if key.startswith(f"{name}/") and not key.rpartition("/")[2].startswith(".z"):
                await store.set(key.removeprefix(f"{name}/"), buffer.from_bytes(value))

    asyncio.run(fill())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zarr.open_array(store, mode="r", zarr_format=3)


def test_the_expectations_name_arrays_that_exist() -> None:
    assert {*REENCODED, *REFUSED, *COPIED_FORMS} <= {*NAMES}
    assert len(NAMES) > 100


@pytest.mark.parametrize("name", NAMES)
def test_outcome(name: str) -> None:
    translation = translate_array(v2_array(name), None, only_strings)
    if name in REFUSED:
        assert translation.action is Action.REFUSE
        assert REFUSED[name] in translation.reason
        assert translation.document is None
    elif name in REENCODED:
        assert (translation.action, translation.form) == (Action.REENCODE, REENCODED[name])
        assert translation.reason
    else:
        assert translation.reason == ""
        assert translation.action is Action.COPY
        assert translation.form is COPIED_FORMS.get(name, Form.SAME)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in {*REFUSED, *REENCODED}])
def test_copied_chunks_read_equal(name: str) -> None:
    translation = translate_array(v2_array(name))
    assert translation.document is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = open_with(name, translation.document)
        read = np.asarray(array[...], dtype=array.dtype)
    if name in NOTES["objects"]:
        want = NOTES["objects"][name]
        got = [x.decode("latin1") if isinstance(x, bytes) else x for x in read.reshape(-1).tolist()]
        if name == "vlen_bytes_0d":  # zarr 3.1 loses NULs at the end of a 0-d value
            want, got = [want[0].rstrip("\0")], [got[0].rstrip("\0")]
        assert got == want
        return
    want = VALUES[name]
    if translation.form is Form.FLAT_STRUCT:
        assert read.dtype.itemsize == want.dtype.itemsize
        assert read.tobytes() == want.tobytes()
        return
    if name in NOTES["undefined"]:  # chunks that v2 leaves undefined
        read, want = read[:3], want[:3]
    assert read.shape == want.shape
    assert read.dtype == want.dtype.newbyteorder("<")
    np.testing.assert_array_equal(read, want)


@pytest.mark.parametrize("name", sorted(n for n in NAMES if n not in NOTES["undefined"]))
def test_numcodecs_decodes_what_zarr_2_reads(name: str) -> None:
    array = v2_array(name)
    if len([k for k in STORE if k.startswith(f"{name}/")]) - 1 < np.prod(array.grid):
        return  # its missing chunks are fill values, not bytes to decode
    got = v2_values(array, allow_pickle=True)
    if name in NOTES["objects"]:
        flat = [
            x.tolist()
            if isinstance(x, np.ndarray)
            else x.decode("latin1")
            if isinstance(x, bytes)
            else x
            for x in got.reshape(-1).tolist()
        ]
        assert flat == NOTES["objects"][name]
    elif name != "image":
        assert got.dtype == VALUES[name].dtype
        assert got.tobytes() == VALUES[name].tobytes()


def test_attributes() -> None:
    document = translate_array(v2_array("dims")).document
    assert document is not None
    assert document["dimension_names"] == ["y", "x"]
    assert document["attributes"] == {
        "a": "NaN",
        "big": 2**70,
        "deep": [{"inf": "Infinity"}, None, 1.0],
        "uni": "é🚗",
        "z": 1,
    }
    odd = translate_array(v2_array("dims_odd")).document
    assert odd is not None
    assert "dimension_names" not in odd
    assert odd["attributes"] == {"_ARRAY_DIMENSIONS": ["only one"]}


def test_objects_that_zarr_2_reads_in_another_order_than_it_wrote_them() -> None:
    """JSON tells the shape of a chunk, and zarr 2 turns what has it already by the order F."""
    strings = v2_array("json_strings")
    document = load_json(STORE["json_strings/.zarray"], "x")
    shape = {"shape": [2, 2], "chunks": [2, 2], "order": "F"}
    array = parse_v2_array("x", {**document, **shape}, None)
    values = np.array([["a", "b"], ["c", "d"]], dtype=object)
    raw = numcodecs.JSON().encode(values)
    assert V2Decoder(array).decode(raw).tolist() == values.tolist()
    assert any("zarr 2 wrote" in note for note in translate_array(array, None, yes).warnings)
    assert not any("zarr 2 wrote" in note for note in translate_array(strings, None, yes).warnings)


def yes(array: V2Array) -> bool:
    return True


def test_choices_of_the_user() -> None:
    def outcome(name: str, **choices: object) -> tuple[Action, Form]:
        translation = translate_array(
            v2_array(name),
            TranslationOptions(**choices),
            only_strings,  # type: ignore[arg-type]
        )
        return translation.action, translation.form

    json_strings = (Action.REENCODE, Form.JSON_STRINGS)
    assert outcome("json_mixed", objects="json-strings") == json_strings
    assert outcome("vlen_array", objects="json-strings") == json_strings
    assert outcome("pickle_strings", allow_pickle=True) == (Action.REENCODE, Form.STRINGS)
    assert outcome("pickle_mixed", allow_pickle=True)[0] is Action.REFUSE
    assert outcome("pickle_mixed", allow_pickle=True, objects="json-strings") == json_strings
    assert outcome("struct_subarray", structs="raw") == (Action.COPY, Form.RAW_BYTES)
    assert outcome("image", blobs="keep") == (Action.COPY, Form.SAME)
    assert outcome("zero_d_S3") == (Action.COPY, Form.SAME)
    assert outcome("zero_d_S3", blobs="uint8") == (Action.COPY, Form.BLOB)
