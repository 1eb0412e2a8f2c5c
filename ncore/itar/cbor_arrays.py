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

from ncore.itar.packed_texts import PackedTexts, Packer, pack

UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)
"""CBOR major types."""
INDEFINITE = -1
BREAK = 0xFF

_MAX_DEPTH = 64
_PROBE = 64
_MAX_PERIOD = 16
_ROWS = 1024
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
    packer = Packer()
    recent: list[bytes] = []
    left = count
    probe = _PROBE
    try:
        while left:
            found: list[bytes] = []
            add = found.append
            for _ in range(min(probe, left)):
                first = raw[pos]
                if 0x60 <= first < 0x78:
                    pos += 1
                    size = first - 0x60
                elif first == 0x78:
                    size = raw[pos + 1]
                    pos += 2
                elif first == 0x7F:
                    raise CborError(f"{what} has a string of indefinite length")
                else:
                    data, pos = _string(raw, pos, TEXT, f"an item of {what}")
                    add(data)
                    continue
                add(raw[pos : pos + size])
                pos += size
            packer.add(found)
            left -= len(found)
            recent = [*recent, *found][-2 * _MAX_PERIOD :]
            taken, extent = _add_repeats(raw, pos, recent, left, packer)
            left -= taken
            pos += extent
            probe = _PROBE if taken else min(probe * 2, 1 << 13)
    except IndexError:
        raise CborError(f"ends inside {what}") from None
    if pos > len(raw):
        raise CborError(f"ends inside {what}")
    return packer.finish(), pos


def _add_repeats(
    raw: bytes, pos: int, last: list[bytes], left: int, packer: Packer
) -> tuple[int, int]:
    """Add the strings ahead that repeat the sizes of the last ones; return (number, bytes).

    If the last items repeat with some period, so probably do the next. Heads at
    the predicted places are compared: where one is as predicted the item is
    exactly that long, so the next head's place is certain too. Nothing is assumed.
    """
    recent = [len(item) for item in last]
    for period in range(1, min(_MAX_PERIOD, len(recent) // 2, left) + 1):
        lengths = recent[-period:]
        if lengths != recent[-2 * period : -period] or max(lengths) > 255:
            continue
        heads = [bytes([0x60 + n]) if n < 24 else bytes([0x78, n]) for n in lengths]
        stride = sum(lengths) + sum(map(len, heads))
        most = min(left // period, (len(raw) - pos) // stride)
        if most < 4:
            continue
        rows = np.frombuffer(raw, np.uint8, most * stride, pos).reshape(most, stride)
        columns: list[int] = []
        begins: list[int] = []
        at = 0
        for lead, size in zip(heads, lengths, strict=True):
            columns += range(at, at + len(lead))
            begins.append(at + len(lead))
            at += len(lead) + size
        expected = np.frombuffer(b"".join(heads), np.uint8)
        times, step = 0, 256
        while times < most:
            good = (rows[times : times + step][:, np.array(columns)] == expected).all(axis=1)
            if not good.all():
                times += int(good.argmin())
                break
            times += len(good)
            step *= 4
        if times < 4:
            continue
        for top in range(0, times, _ROWS):
            some = rows[top : min(times, top + _ROWS)]
            items: list[bytes] = [b""] * (len(some) * period)
            for i, (begin, size) in enumerate(zip(begins, lengths, strict=True)):
                items[i::period] = _column(some[:, begin : begin + size])
            packer.add(items)
        return times * period, times * stride
    return 0, 0


def _column(rows: npt.NDArray[np.uint8]) -> list[bytes]:
    """Return each row as bytes."""
    size = rows.shape[1]
    if size == 0 or not rows[:, -1].all():  # numpy's strings lose zero bytes at their end
        return [row.tobytes() for row in rows]
    strings: list[bytes] = np.ascontiguousarray(rows).view(f"S{size}")[:, 0].tolist()
    return strings


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
