"""One v2 array → its v3 metadata, or the reason why it has none.

The rule: bytes are copied wherever some v3 metadata describes them; where none
does, the values are encoded anew; where the values have no v3 form, the array
is refused with the reason.
"""

import math
import warnings as python_warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ncore.convert.choices import check_choices
from ncore.convert.translate_attributes import split_dimension_names, translate_attributes
from ncore.convert.translate_codecs import (
    CodecTranslation,
    bytes_to_bytes,
    reencoding_codecs,
    translate_codecs,
)
from ncore.convert.translate_dtype import (
    DTypeTranslation,
    NoV3TypeError,
    extension_note,
    translate_dtype,
)
from ncore.convert.translate_fill import decode_v2_fill, encode_v3_fill, object_fill
from ncore.convert.translation import Action, Form, Translation
from ncore.convert.v2_metadata import V2Array

_PICKLE = (
    "its objects are pickled, and reading a pickle runs whatever code its writer put in it; "
    "if you trust the writer, say --allow-pickle"
)


@dataclass(frozen=True)
class TranslationOptions:
    """Choices where v2 and v3 differ.

    Attributes:
        objects: Python objects other than strings and bytes have no v3 form;
            ``"json-strings"`` stores the JSON text of each.
        allow_pickle: unpickle pickled objects (which runs code from the file).
        structs: nested and sub-array fields: fields of their own
            (``"flatten"``), or the whole struct as raw bytes (``"raw"``).
        blobs: which 0-d ``|S<n>`` arrays become 1-D uint8: NCore's images, that
            is those stored plain and with a ``format`` attribute (``"auto"``),
            all (``"uint8"``), or none (``"keep"``).
    """

    objects: Literal["refuse", "json-strings"] = "refuse"
    allow_pickle: bool = False
    structs: Literal["flatten", "raw"] = "flatten"
    blobs: Literal["auto", "uint8", "keep"] = "auto"

    def __post_init__(self) -> None:
        """Refuse what would be misunderstood later.

        Raises:
            OptionError: a choice does not exist.
        """
        check_choices(self)


def translate_array(
    array: V2Array,
    options: TranslationOptions | None = None,
    holds_only_strings: Callable[[V2Array], bool] | None = None,
) -> Translation:
    """Decide what becomes of an array.

    Args:
        array: its v2 metadata.
        options: choices of the user.
        holds_only_strings: looks at the values of an array of Python objects,
            whose metadata does not tell; without it such arrays are refused.

    Returns:
        Its translation; never raises for an array that cannot be converted.
    """
    options = options or TranslationOptions()
    try:
        if array.dtype.hasobject:
            translation = _objects(array, options, holds_only_strings)
            problem = _rejection(translation)
        else:
            translation = _plain(array, options)
            problem = _rejection(translation)
            if problem and translation.action is Action.COPY:
                # What the chunks hold may have a form where their codecs have none.
                anew = f"zarr rejects the v3 form of its codecs: {problem}"
                translation = _plain(array, options, anew)
                problem = _rejection(translation)
    except (NoV3TypeError, ValueError, TypeError, KeyError) as error:
        return _refuse(str(error) or type(error).__name__)
    return _refuse(f"zarr rejects its v3 metadata: {problem}") if problem else translation


def is_blob(array: V2Array, blobs: Literal["auto", "uint8", "keep"]) -> bool:
    """Whether an array is one value of raw bytes in NCore's form: ``np.asarray(bytes)``."""
    if array.dtype.kind != "S" or array.shape or blobs == "keep" or array.filters:
        return False
    if blobs == "uint8":
        return True
    return array.compressor is None and isinstance(array.attributes.get("format"), str)


def _plain(array: V2Array, options: TranslationOptions, anew: str = "") -> Translation:
    """Of an array without Python objects; ``anew`` says why its chunks cannot be copied."""
    if is_blob(array, options.blobs):
        length = array.dtype.itemsize
        codecs = [{"name": "bytes"}]
        if array.compressor is not None:
            codecs.append(bytes_to_bytes(array.compressor, 1))
        document = _document(array, "uint8", 0, codecs, shape=(length,), chunks=(length,))
        return Translation(Action.COPY, document, Form.BLOB)
    dtype = translate_dtype(array.dtype, structs=options.structs)
    fill = decode_v2_fill(array.fill_value, array.dtype)
    fill_json = encode_v3_fill(fill, dtype.form, dtype.stored)
    if anew or dtype.reencode:
        chain = CodecTranslation([], anew or dtype.reencode)
    else:
        chain = translate_codecs(array, dtype.stored)
    notes = (*dtype.warnings, *chain.warnings, *_fill_notes(array, dtype))
    if not chain.reencode:
        document = _document(array, dtype.data_type, fill_json, chain.codecs)
        return Translation(Action.COPY, document, dtype.form, "", notes)
    codecs = reencoding_codecs(array, dtype.native)
    document = _document(array, dtype.data_type, fill_json, codecs, new_keys=True)
    return Translation(Action.REENCODE, document, dtype.form, chain.reencode, notes)


def _objects(
    array: V2Array,
    options: TranslationOptions,
    holds_only_strings: Callable[[V2Array], bool] | None,
) -> Translation:
    codec = array.object_codec
    if codec is None:
        ids = ", ".join(f["id"] for f in array.filters) or "none"
        return _refuse(f"an array of Python objects whose filters ({ids}) name no object codec")
    notes: tuple[str, ...] = ()
    if array.fill_value not in (None, "") and not isinstance(array.fill_value, str):
        notes = (f"fill value {array.fill_value!r} is no text: missing elements read as empty",)
    fill = object_fill(array.fill_value, codec)
    if codec in ("vlen-utf8", "vlen-bytes"):
        data_type = "string" if codec == "vlen-utf8" else "variable_length_bytes"
        notes = (*notes, *extension_note(data_type))
        chain = translate_codecs(array, array.dtype)
        if not chain.reencode:
            document = _document(array, data_type, fill, chain.codecs)
            return Translation(Action.COPY, document, Form.SAME, "", (*notes, *chain.warnings))
        document = _document(array, data_type, fill, _string_codecs(array, codec), new_keys=True)
        return Translation(Action.REENCODE, document, Form.SAME, chain.reencode, notes)
    if codec == "pickle" and not options.allow_pickle:
        return _refuse(_PICKLE)
    notes = (*notes, *extension_note("string"))
    if array.order == "F" and len(array.shape) > 1 and codec in ("json2", "msgpack2"):
        notes = (*notes, "in the order in which zarr 2 wrote them; it reads them in another one")
    document = _document(array, "string", fill, _string_codecs(array, "vlen-utf8"), new_keys=True)
    reason = f"objects encoded by {codec}"
    if codec != "vlen-array" and holds_only_strings is not None and holds_only_strings(array):
        return Translation(Action.REENCODE, document, Form.STRINGS, reason, notes)
    if options.objects == "json-strings":
        note = "each object became the JSON text of it"
        return Translation(Action.REENCODE, document, Form.JSON_STRINGS, reason, (*notes, note))
    what = "ragged arrays" if codec == "vlen-array" else "objects that are not all strings"
    return _refuse(
        f"{what} (encoded by {codec}) have no v3 form; "
        "--objects json-strings stores the JSON text of each"
    )


def _string_codecs(array: V2Array, serializer: str) -> list[dict[str, Any]]:
    compressors = reencoding_codecs(array, np.dtype("u1"))[1:]
    return [{"name": serializer, "configuration": {}}, *compressors]


def _document(
    array: V2Array,
    data_type: str | dict[str, Any],
    fill_value: Any,
    codecs: list[dict[str, Any]],
    *,
    shape: tuple[int, ...] | None = None,
    chunks: tuple[int, ...] | None = None,
    new_keys: bool = False,
) -> dict[str, Any]:
    shape = array.shape if shape is None else shape
    chunks = array.chunks if chunks is None else chunks
    attributes, names = split_dimension_names(array.attributes, len(shape))
    attributes, _ = translate_attributes(attributes)
    # Chunks that are copied keep their keys; those written anew get v3's own, so
    # that old and new ones can lie side by side when a store is converted in place.
    encoding = (
        {"name": "default", "configuration": {"separator": "/"}}
        if new_keys
        else {"name": "v2", "configuration": {"separator": array.separator}}
    )
    document: dict[str, Any] = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": data_type,
        # zarr 2 let a dimension of no elements have chunks of none; v3 wants 1.
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [max(1, c) for c in chunks]},
        },
        "chunk_key_encoding": encoding,
        "fill_value": fill_value,
        "codecs": codecs,
        "attributes": attributes,
    }
    if names is not None:
        document["dimension_names"] = names
    return document


def _fill_notes(array: V2Array, dtype: DTypeTranslation) -> tuple[str, ...]:
    if array.fill_value is not None or math.prod(array.shape) == 0:
        return ()
    default = "NaT" if dtype.stored.kind in "mM" else "empty" if dtype.stored.kind in "SU" else "0"
    return (f"the null fill value became the type's default ({default})",)


def _refuse(reason: str) -> Translation:
    return Translation(Action.REFUSE, None, Form.SAME, reason)


def _rejection(translation: Translation) -> str:
    """What zarr itself has against the document, so that nothing is written that it rejects."""
    from zarr.core.metadata.v3 import ArrayV3Metadata

    if translation.document is None:
        return ""
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        try:
            ArrayV3Metadata.from_dict(dict(translation.document))
        except Exception as error:
            return str(error) or type(error).__name__
    return ""
