"""The index on disk: a CBOR map in an xz stream (docs/format.md, "Index")."""

import lzma
from collections.abc import Sequence

import cbor2
import numpy as np
import numpy.typing as npt

from ncore.itar import cbor_arrays
from ncore.itar.cbor_arrays import CborError
from ncore.itar.errors import ItarFormatError, ItarOptionError
from ncore.itar.index import Index
from ncore.itar.packed_texts import PackedTexts
from ncore.itar.tar_header import BLOCK

_LIMIT_SLACK = 1 << 20
"""Room for index keys that we do not know."""
_DICTIONARY_LIMIT = 256 << 20
_SMALL_INDEX = 1 << 20
"""Up to this many bytes of CBOR the legacy preset costs a tenth of a second."""


def decompress(data: bytes, limit: int) -> bytes:
    """Return the content of one whole xz (or legacy .lzma) stream.

    Args:
        data: the stream and nothing else.
        limit: most bytes that it may inflate to.

    Raises:
        CborError: it is damaged, cut off, followed by something, or inflates past ``limit``.
    """
    decoder = lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=_DICTIONARY_LIMIT)
    parts: list[bytes] = []
    left = limit
    try:
        part = decoder.decompress(data, max_length=left + 1)
        while True:
            parts.append(part)
            left -= len(part)
            if left < 0:
                raise CborError(f"it inflates to more than {limit} bytes")
            if decoder.eof or (decoder.needs_input and not part):
                break
            part = decoder.decompress(b"", max_length=left + 1)
    except lzma.LZMAError as error:
        raise CborError(f"the xz stream is damaged ({error})") from None
    except EOFError:
        raise CborError("the xz stream is damaged") from None
    if not decoder.eof:
        raise CborError("the xz stream is cut off")
    if decoder.unused_data:
        raise CborError("the xz stream ends before its stated size")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def decode_index(data: bytes, tar_end: int, name: str) -> Index:
    """Return the index in an xz stream.

    Memory is bounded by the file: every key has a header of its own in the tar
    part, so neither the count nor the inflated size can exceed it.

    Args:
        data: the xz stream.
        tar_end: offset where the tar part ends; every payload must lie before it.
        name: the file, for messages.

    Raises:
        ItarFormatError: anything but an index that describes such a file.
    """
    try:
        raw = decompress(data, tar_end + _LIMIT_SLACK)
        return _decode_map(raw, tar_end)
    except ValueError as error:
        raise ItarFormatError(f"{name}: the index is corrupt: {error}") from None


def check_preset(preset: int | None) -> None:
    """Refuse what is no preset of xz.

    Raises:
        ItarOptionError: likewise.
    """
    if preset is not None and (preset & ~lzma.PRESET_EXTREME) not in range(10):
        raise ItarOptionError(f"index_preset={preset}: xz has the presets 0 to 9")


def encode_index(
    keys: Sequence[str],
    offsets: npt.NDArray[np.uint64],
    sizes: npt.NDArray[np.uint64],
    crc32c: npt.NDArray[np.uint32] | None = None,
    md5: bytes | None = None,
    preset: int | None = None,
) -> bytes:
    """Return the xz stream of an index, entries sorted by offset.

    Args:
        keys: n keys.
        offsets: shape (n,), absolute payload offsets.
        sizes: shape (n,), payload sizes.
        crc32c: shape (n,), or ``None`` to write none.
        md5: 16 * n bytes, or ``None`` to write none.
        preset: of xz, 0 to 9. ``None``: the legacy 6 for a small index; 1 for a
            large one, where it is ten times faster for a quarter more bytes.
    """
    order = np.argsort(offsets, kind="stable")
    document: dict[str, object] = {
        "items": [keys[i] for i in order.tolist()],
        "offset_datas": offsets[order].tolist(),
        "sizes": sizes[order].tolist(),
    }
    if crc32c is not None:
        document["crc32c"] = crc32c[order].astype("<u4").tobytes()
    if md5 is not None:
        document["md5"] = np.frombuffer(md5, "V16")[order].tobytes()
    raw = cbor2.dumps(document)
    if preset is None:
        preset = 6 if len(raw) <= _SMALL_INDEX else 1
    return lzma.compress(raw, preset=preset)


def _decode_map(raw: bytes, tar_end: int) -> Index:
    major, left, pos = cbor_arrays.head(raw, 0)
    if major != cbor_arrays.MAP:
        raise CborError("it is not a map")
    most = tar_end // BLOCK
    seen: set[str] = set()
    keys: PackedTexts | None = None
    offsets: npt.NDArray[np.uint64] | None = None
    sizes: npt.NDArray[np.uint64] | None = None
    crc32c_raw: bytes | None = None
    md5: bytes | None = None
    while left:
        if left == cbor_arrays.INDEFINITE:
            if raw[pos : pos + 1] == b"\xff":
                break
        else:
            left -= 1
        field, pos = _map_key(raw, pos)
        if field in seen:
            raise CborError(f"{field!r} occurs twice in its map")
        if field is not None:
            seen.add(field)
        if field == "items":
            keys, pos = cbor_arrays.text_array(raw, pos, most, "'items'")
        elif field == "offset_datas":
            offsets, pos = cbor_arrays.uint_array(raw, pos, most, "'offset_datas'")
        elif field == "sizes":
            sizes, pos = cbor_arrays.uint_array(raw, pos, most, "'sizes'")
        elif field == "crc32c":
            crc32c_raw, pos = cbor_arrays.byte_string(raw, pos, "'crc32c'")
        elif field == "md5":
            md5, pos = cbor_arrays.byte_string(raw, pos, "'md5'")
        else:
            pos = cbor_arrays.skip(raw, pos)
    # Bytes behind the map are legal.
    if keys is None or offsets is None or sizes is None:
        missing = sorted({"items", "offset_datas", "sizes"} - seen)
        raise CborError(f"it lacks {', '.join(missing)}")
    if not len(keys) == len(offsets) == len(sizes):
        raise CborError(
            f"{len(keys)} items, {len(offsets)} offsets and {len(sizes)} sizes do not agree"
        )
    if crc32c_raw is not None and len(crc32c_raw) != 4 * len(keys):
        raise CborError("'crc32c' has the wrong length")
    if md5 is not None and len(md5) != 16 * len(keys):
        raise CborError("'md5' has the wrong length")
    outside = (offsets > tar_end) | (sizes > tar_end) | (offsets + sizes > tar_end)
    if outside.any():
        first = int(outside.argmax())
        raise CborError(
            f"key {keys[first].decode(errors='replace')!r} lies at {offsets[first]}, "
            f"{sizes[first]} bytes, outside the tar part ({tar_end} bytes)"
        )
    crc32c = None if crc32c_raw is None else np.frombuffer(crc32c_raw, "<u4").astype(np.uint32)
    return Index(keys, offsets, sizes, crc32c, md5)


def _map_key(raw: bytes, pos: int) -> tuple[str | None, int]:
    """Return (the key, position behind); a key that is not text is no key of ours."""
    if cbor_arrays.head(raw, pos)[0] == cbor_arrays.TEXT:
        return cbor_arrays.text(raw, pos)
    return None, cbor_arrays.skip(raw, pos)
