"""Decoding the CBOR (RFC 8949) of an index: text arrays and uint arrays, a hundred thousand long.

A general decoder makes one object per number and trusts what the bytes
announce. Here lengths are checked against the bytes that are there before
anything is allocated, every item's head is looked at, and regular stretches
(which is what zarr keys and sorted offsets are) are taken in one numpy step.
"""

import io
from typing import Any

import cbor2
import numpy as np
import numpy.typing as npt

from ncore.itar.packed_texts import PackedTexts, pack

UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)
"""CBOR major types."""
INDEFINITE = -1
BREAK = 0xFF

_MAX_DEPTH = 64
_PROBE = 64
_PROBE_FIRST = 1 << 10
"""So many texts are walked through sooner than looked at for repetitions."""
_PROBE_MOST = 1 << 13
_SUFFIX = 48
"""So many sizes in a row, seen before, announce a repetition."""
_HISTORY = 1 << 13
_TEXT_HEADS = np.ones(256, np.int64)
"""Size of a text's head by its first byte."""
_TEXT_HEADS[0x78:0x7C] = (2, 3, 5, 9)
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


def text_array(raw: bytes, pos: int, limit: int, what: str) -> tuple[PackedTexts, int]:
    """Return (the bytes of each text string, position behind the array)."""
    count, pos = array_length(raw, pos, limit, what)
    if count == INDEFINITE:
        return _indefinite_texts(raw, pos, limit, what)
    return _texts(raw, pos, count, what)


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


def _indefinite_texts(raw: bytes, pos: int, limit: int, what: str) -> tuple[PackedTexts, int]:
    found = []
    while raw[pos : pos + 1] != b"\xff":
        item, pos = _string(raw, pos, TEXT, f"an item of {what}")
        found.append(item)
        if len(found) > limit:
            raise CborError(f"{what} has more items than the file can hold")
    return pack(found), pos + 1


def _texts(raw: bytes, pos: int, count: int, what: str) -> tuple[PackedTexts, int]:
    """Return (each string's bytes, position behind the last)."""
    begin = pos
    # Where each string ends, and so where the next one's head is.
    ends = [np.full(1, pos, np.int64)]
    sizes = b""  # of the last strings with their heads, for _repeats; 0 where too large for a byte
    left = count
    probe = _PROBE_FIRST
    while left:
        found, pos = _walk(raw, pos, min(probe, left), what)
        stops = np.array(found, np.int64)
        ends.append(stops)
        left -= len(found)
        if left < _PROBE:
            continue
        steps = np.diff(stops, prepend=ends[-2][-1])
        sizes = (sizes + np.where(steps < 256, steps, 0).astype(np.uint8).tobytes())[-_HISTORY:]
        repeated = _repeats(raw, pos, sizes, left)
        if len(repeated):
            ends.append(repeated)
            left -= len(repeated)
            pos = int(repeated[-1])
        probe = _PROBE if len(repeated) else min(probe * 2, _PROBE_MOST)
    if pos > len(raw):
        raise CborError(f"ends inside {what}")
    return _without_heads(raw, begin, np.concatenate(ends)), pos


def _walk(raw: bytes, pos: int, count: int, what: str) -> tuple[list[int], int]:
    """Go from head to head; return (where each of ``count`` strings ends, the last of these)."""
    found: list[int] = []
    add = found.append
    try:
        for _ in range(count):
            first = raw[pos]
            if first == 0x78:
                pos += raw[pos + 1] + 2
            elif 0x60 <= first < 0x78:
                pos += first - 0x5F
            elif first == 0x7F:
                raise CborError(f"{what} has a string of indefinite length")
            else:
                pos = _string(raw, pos, TEXT, f"an item of {what}")[1]
            add(pos)
    except IndexError:
        raise CborError(f"ends inside {what}") from None
    return found, pos


def _repeats(raw: bytes, pos: int, sizes: bytes, left: int) -> npt.NDArray[np.int64]:
    """Return where the strings ahead end that repeat the sizes of those before, shape (n,).

    If the last sizes occurred before, what followed then probably follows now. Heads at
    the predicted places are compared: where one is as predicted the item is exactly
    that long, so the next head's place is certain too. Nothing is assumed.
    """
    none = np.zeros(0, np.int64)
    recent = sizes[-_SUFFIX:]
    at = sizes.rfind(recent, 0, len(sizes) - 1)
    period = len(sizes) - len(recent) - at
    steps = np.frombuffer(sizes, np.uint8)[len(sizes) - period :].astype(np.int64)
    if at < 0 or not steps.all():
        return none
    stride = int(steps.sum())
    most = min(left // period, (len(raw) - pos) // stride)
    if most * period < _PROBE:
        return none
    rows = np.frombuffer(raw, np.uint8, most * stride, pos).reshape(most, stride)
    # The period before this one lies there with heads that were looked at.
    model = np.frombuffer(raw, np.uint8, stride, pos - stride)
    heads = np.concatenate(([0], np.cumsum(steps)[:-1]))
    columns = np.concatenate((heads, heads[model[heads] == 0x78] + 1))
    times, step = 0, max(1, _PROBE // period)
    while times < most:
        good = (rows[times : times + step][:, columns] == model[columns]).all(axis=1)
        if not good.all():
            times += int(good.argmin())
            break
        times += len(good)
        step *= 4
    starts = pos + stride * np.arange(times, dtype=np.int64)
    return (starts[:, np.newaxis] + np.cumsum(steps)).reshape(-1)


def _without_heads(raw: bytes, begin: int, bounds: npt.NDArray[np.int64]) -> PackedTexts:
    """Return the strings that lie between ``bounds``, each behind its head."""
    heads = bounds[:-1] - begin
    section = np.frombuffer(raw, np.uint8)[begin : int(bounds[-1])]
    widths = _TEXT_HEADS[section[heads]]
    payload = np.ones(len(section), bool)
    payload[heads] = False
    for at in range(1, int(widths.max()) if len(widths) else 0):
        payload[heads[widths > at] + at] = False
    lengths = bounds[1:] - bounds[:-1] - widths
    return PackedTexts(section[payload].tobytes(), np.cumsum(lengths))


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
