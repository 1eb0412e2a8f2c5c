"""Decoding the CBOR (RFC 8949) of an index: text arrays and uint arrays, a hundred thousand long.

A general decoder trusts what the bytes announce. Here lengths are checked
against the bytes that are there before anything is allocated, and every item's
head is looked at; in numpy, where a general decoder's proposal or a regular
stretch (which is what sorted offsets are) tells where the heads must be.
"""

import io
from typing import Any

import cbor2
import numpy as np
import numpy.typing as npt

UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)
"""CBOR major types."""
INDEFINITE = -1
BREAK = 0xFF

_MAX_DEPTH = 64
_PROBE = 64
_UINT_HEADS = (0, 0, 0x18, 0x19, 0, 0x1A, 0, 0, 0, 0x1B)
"""First byte of a shortest-form uint by its width; of one byte it is the value itself."""


class CborError(ValueError):
    """The bytes are not the CBOR they should be. The message lacks the file's name."""


def head(raw: bytes, pos: int) -> tuple[int, int, int]:
    """Return (major type, argument, position behind) of the head at ``pos``.

    The argument is :data:`INDEFINITE` for an indefinite length.

    Raises:
        CborError: the bytes end inside it, or it is malformed.
    """
    try:
        first = raw[pos]
    except IndexError:
        raise CborError(f"ends at byte {pos} where an item should start") from None
    major, info = first >> 5, first & 31
    if info < 24:
        return major, info, pos + 1
    if info == 31:
        if major in (UINT, NEGATIVE, TAG, SIMPLE):
            raise CborError(f"byte {first:#x} at {pos} is no item")
        return major, INDEFINITE, pos + 1
    if info > 27:
        raise CborError(f"byte {first:#x} at {pos} is reserved")
    width = 1 << (info - 24)
    end = pos + 1 + width
    if end > len(raw):
        raise CborError(f"ends inside the head at byte {pos}")
    return major, int.from_bytes(raw[pos + 1 : end], "big"), end


def array_length(raw: bytes, pos: int, limit: int, what: str) -> tuple[int, int]:
    """Return (number of items or :data:`INDEFINITE`, position of the first) of an array.

    Raises:
        CborError: it is no array, or announces more than ``limit`` items or than
            there are bytes for.
    """
    major, count, pos = head(raw, pos)
    if major != ARRAY:
        raise CborError(f"{what} is not an array")
    if count > min(limit, len(raw) - pos):
        raise CborError(f"{what} announces {count} items, more than the file can hold")
    return count, pos


def text_array(raw: bytes, pos: int, limit: int, what: str) -> tuple[list[str], int]:
    """Return (the text strings, position behind the array).

    Raises:
        CborError: an item is anything but a text string of definite length in UTF-8.
    """
    count, pos = array_length(raw, pos, limit, what)
    if count != INDEFINITE:
        found = _texts_at_once(raw, pos, count)
        if found is not None:
            return found
    return _texts_one_by_one(raw, pos, None if count == INDEFINITE else count, limit, what)


def uint_array(raw: bytes, pos: int, limit: int, what: str) -> tuple[npt.NDArray[np.uint64], int]:
    """Return (uint64 array, position behind it) of an array of unsigned integers.

    Raises:
        CborError: an item is negative, a float, a bignum or anything but an unsigned integer.
    """
    count, pos = array_length(raw, pos, limit, what)
    if count == INDEFINITE:
        return _uints_one_by_one(raw, pos, None, limit, what)
    runs, pos = _uint_runs(raw, pos, count)
    left = count - sum(map(len, runs))
    if left:
        found = _uints_at_once(raw, pos, left)
        if found is None:
            found = _uints_one_by_one(raw, pos, left, limit, what)
        rest, pos = found
        runs.append(rest)
    return np.concatenate(runs) if len(runs) != 1 else runs[0], pos


def text(raw: bytes, pos: int) -> tuple[str, int]:
    """Return (string, position behind) of a text string."""
    data, pos = _string(raw, pos, TEXT, "a key of the map")
    try:
        return data.decode(), pos
    except UnicodeDecodeError:
        raise CborError("a key of the map is not UTF-8") from None


def byte_string(raw: bytes, pos: int, what: str) -> tuple[bytes, int]:
    """Return (bytes, position behind) of a byte string."""
    return _string(raw, pos, BYTES, what)


def skip(raw: bytes, pos: int) -> int:
    """Return the position behind the item at ``pos``, whatever it is.

    Raises:
        CborError: it is malformed, cut off, or nested deeper than 64 levels.
    """
    # Per open container: items left, or None until a break.
    open_: list[int | None] = []
    while True:
        if open_ and open_[-1] is None and raw[pos : pos + 1] == b"\xff":
            pos += 1
            open_.pop()
        else:
            major, argument, pos = head(raw, pos)
            inner: int | None = 0
            if major in (BYTES, TEXT):
                if argument == INDEFINITE:
                    inner = None
                else:
                    pos += argument
            elif major in (ARRAY, MAP):
                items = argument * (2 if major == MAP else 1)
                inner = None if argument == INDEFINITE else items
            elif major == TAG:
                inner = 1
            if pos > len(raw):
                raise CborError("ends inside a string")
            if inner != 0:
                open_.append(inner)
                if len(open_) > _MAX_DEPTH:
                    raise CborError(f"nested deeper than {_MAX_DEPTH} levels")
                continue
        # An item is complete; so may be the containers around it.
        while open_ and open_[-1] is not None:
            open_[-1] -= 1
            if open_[-1]:
                break
            open_.pop()
        if not open_:
            return pos


def _string(raw: bytes, pos: int, major_wanted: int, what: str) -> tuple[bytes, int]:
    major, size, pos = head(raw, pos)
    kind = "text" if major_wanted == TEXT else "a byte string"
    if major != major_wanted:
        raise CborError(f"{what} is not {kind}")
    if size != INDEFINITE:
        if pos + size > len(raw):
            raise CborError(f"ends inside {what}")
        return raw[pos : pos + size], pos + size
    chunks = []
    while raw[pos : pos + 1] != b"\xff":
        major, size, pos = head(raw, pos)
        if major != major_wanted or size == INDEFINITE or pos + size > len(raw):
            raise CborError(f"{what} is malformed")
        chunks.append(raw[pos : pos + size])
        pos += size
    return b"".join(chunks), pos + 1


def _texts_at_once(raw: bytes, pos: int, count: int) -> tuple[list[str], int] | None:
    """Decode ``count`` text strings, or return ``None`` if they are anything unusual.

    A general decoder proposes them; their lengths fix where each shortest-form head must
    be, and every head is then compared with the bytes, so nothing is taken on trust.
    """
    if count < _PROBE or raw[pos] >> 5 != TEXT:
        return None
    try:
        # The array's head is written anew.
        texts: Any = cbor2.load(io.BytesIO(b"\x9a" + count.to_bytes(4, "big") + raw[pos:]))
        joined = "".join(texts)
    except Exception:  # whatever it stumbles over, the careful way names it
        return None
    if type(texts) is not list or len(texts) != count:
        return None
    sizes = np.fromiter(map(len, texts), np.int64, count)
    if not joined.isascii():
        sizes = np.fromiter((len(text.encode()) for text in texts), np.int64, count)
    if int(sizes.max()) > 0xFF:
        return None
    long = sizes > 23
    ends = pos + np.cumsum(sizes + 1 + long)
    if int(ends[-1]) > len(raw):
        return None
    cells = np.frombuffer(raw, np.uint8)
    heads = ends - sizes - 1  # of a long string the second byte of its head
    if (cells[heads] != np.where(long, sizes, sizes + 0x60)).any() or (
        cells[heads[long] - 1] != 0x78
    ).any():
        return None
    return texts, int(ends[-1])


def _texts_one_by_one(
    raw: bytes, pos: int, count: int | None, limit: int, what: str
) -> tuple[list[str], int]:
    found: list[str] = []
    while count is None or len(found) < count:
        first = raw[pos : pos + 1]
        if count is None and first == b"\xff":
            pos += 1
            break
        if count is not None and first == b"\x7f":
            raise CborError(f"{what} has a string of indefinite length")
        data, pos = _string(raw, pos, TEXT, f"an item of {what}")
        try:
            found.append(data.decode())
        except UnicodeDecodeError:
            raise CborError(f"item {len(found)} of {what} is not UTF-8") from None
        if len(found) > limit:
            raise CborError(f"{what} has more items than the file can hold")
    return found, pos


def _uint_runs(raw: bytes, pos: int, count: int) -> tuple[list[npt.NDArray[np.uint64]], int]:
    """Decode runs of equally long uints while they are long; return (values, position behind).

    Sorted offsets are a few long runs. Nothing is refused here, only left over.
    """
    runs: list[npt.NDArray[np.uint64]] = []
    if count == 0:
        return [np.zeros(0, np.uint64)], pos
    while count >= _PROBE:
        lead = raw[pos] if pos < len(raw) else BREAK
        if lead < 24:
            values = np.frombuffer(raw, np.uint8, min(count, len(raw) - pos), pos)
            taken = _prefix(values < 24)
            runs.append(values[:taken].astype(np.uint64))
            pos += taken
        elif 0x18 <= lead <= 0x1B:
            width = 1 << (lead - 0x18)
            rows = min(count, (len(raw) - pos) // (1 + width))
            cells = np.frombuffer(raw, np.uint8, rows * (1 + width), pos).reshape(rows, 1 + width)
            taken = _prefix(cells[:, 0] == lead)
            digits = np.ascontiguousarray(cells[:taken, 1:]).view(f">u{width}")[:, 0]
            runs.append(digits.astype(np.uint64))
            pos += taken * (1 + width)
        else:
            break
        count -= taken
        if taken < _PROBE:
            break
    return runs, pos


def _prefix(good: npt.NDArray[np.bool_]) -> int:
    """Return how many are true before the first that is not."""
    return len(good) if good.all() else int(good.argmin())


def _uints_at_once(raw: bytes, pos: int, count: int) -> tuple[npt.NDArray[np.uint64], int] | None:
    """Decode ``count`` shortest-form uints, or return ``None`` if they are anything else.

    A general decoder proposes the values; their shortest encoding fixes where
    each head must be, and every head is then compared with the bytes.
    """
    if count < _PROBE:
        return None
    try:
        # Nine bytes are the longest uint. The array's head is written anew.
        section = b"\x9a" + count.to_bytes(4, "big") + raw[pos : pos + 9 * count]
        proposed: Any = cbor2.load(io.BytesIO(section))
        values = np.array(proposed, dtype=np.uint64)
    except Exception:  # whatever it stumbles over, the careful way names it
        return None
    if values.shape != (count,):
        return None
    widths = (
        1
        + (values > 23).astype(np.int64)
        + (values > 0xFF)
        + 2 * (values > 0xFFFF).astype(np.int64)
        + 4 * (values > 0xFFFFFFFF).astype(np.int64)
    )
    ends = pos + np.cumsum(widths)
    if ends[-1] > len(raw):
        return None
    heads = np.where(widths == 1, values, np.array(_UINT_HEADS, np.uint64)[widths])
    if (np.frombuffer(raw, np.uint8)[ends - widths] != heads).any():
        return None
    return values, int(ends[-1])


def _uints_one_by_one(
    raw: bytes, pos: int, count: int | None, limit: int, what: str
) -> tuple[npt.NDArray[np.uint64], int]:
    found: list[int] = []
    while count is None or len(found) < count:
        if count is None and raw[pos : pos + 1] == b"\xff":
            pos += 1
            break
        major, value, pos = head(raw, pos)
        if major != UINT:
            raise CborError(f"item {len(found)} of {what} is not an unsigned integer")
        found.append(value)
        if len(found) > limit:
            raise CborError(f"{what} has more items than the file can hold")
    return np.array(found, dtype=np.uint64), pos
