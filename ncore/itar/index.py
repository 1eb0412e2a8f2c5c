"""The index in memory: key -> (offset, size), in about sixty bytes a key and not one object.

Keys lie end to end in one byte string, numbers in numpy arrays, and a hash
table of entry numbers (open addressing, linear probing) finds a key in well
under a microsecond. A dict of tuples takes five times the memory and longer to
build than everything here.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ncore.itar.key_hash import BITS, MULTIPLIER, PRIME, key_hashes
from ncore.itar.packed_texts import PackedTexts
from ncore.itar.tar_header import BLOCK, header_size, padded

_EMPTY = 0xFFFFFFFF
_number = int.from_bytes

UIntArray = npt.NDArray[np.unsignedinteger]


class Entry(NamedTuple):
    """One member as the index knows it."""

    key: str
    offset: int
    """Absolute offset of the payload's first byte."""
    size: int
    """Payload size in bytes."""
    crc32c: int | None = None
    """CRC-32C of the payload where the index holds one."""
    md5: bytes | None = None
    """MD5 of the payload (16 bytes) where the index holds one."""


class Index:
    """An immutable set of entries in file order (as the index lists them)."""

    def __init__(
        self,
        keys: PackedTexts,
        offsets: UIntArray,
        sizes: UIntArray,
        crc32c: npt.NDArray[np.uint32] | None = None,
        md5: bytes | None = None,
    ) -> None:
        """Build it.

        Args:
            keys: n keys as UTF-8 (:func:`~ncore.itar.packed_texts.pack`).
            offsets: shape (n,), absolute payload offsets.
            sizes: shape (n,), payload sizes.
            crc32c: shape (n,), or ``None``.
            md5: 16 * n bytes, or ``None``.

        Raises:
            ValueError: two keys are equal, or one is not UTF-8. The message is for a user
                but lacks the file's name.
        """
        count = len(keys)
        ends = keys.ends
        self._blob = keys.blob
        begins = np.zeros(count, np.int64)
        begins[1:] = ends[:-1]
        lengths = ends - begins
        _check_utf8(self._blob, begins, lengths)
        hashes = key_hashes(self._blob, begins, lengths)
        position = np.uint32 if len(self._blob) < 1 << 32 else np.uint64
        starts = np.zeros(count + 1, position)
        starts[1:] = ends
        self.offsets = _compact(offsets)
        self.sizes = _compact(sizes)
        self.crc32c = crc32c
        self.md5 = md5
        # memoryviews index faster than arrays and give Python ints.
        self._starts = starts.data
        self.offset_at = self.offsets.data
        self.size_at = self.sizes.data
        bits = min(BITS, max(1, int(count * 1.5).bit_length()))
        self._shift = BITS - bits
        self._table = self._place(keys, hashes, bits).data

    def __len__(self) -> int:
        return len(self._starts) - 1

    def find(self, key: str) -> int:
        """Return the entry number of ``key``, -1 if there is none."""
        try:
            name = key.encode()
        except UnicodeEncodeError:
            return -1
        slot = _number(name, "little") % PRIME * MULTIPLIER % PRIME >> self._shift
        table, starts, blob = self._table, self._starts, self._blob
        while (i := table[slot]) != _EMPTY:
            if blob[starts[i] : starts[i + 1]] == name:
                return i
            slot += 1
        return -1

    def span(self, i: int) -> tuple[int, int]:
        """Return (payload offset, payload size) of entry ``i``."""
        return self.offset_at[i], self.size_at[i]

    def key(self, i: int) -> str:
        """Return the key of entry ``i``."""
        return self._blob[self._starts[i] : self._starts[i + 1]].decode()

    def digests(self, i: int) -> tuple[int | None, bytes | None]:
        """Return (CRC-32C, MD5) of entry ``i``, ``None`` for each that is not stored."""
        return (
            None if self.crc32c is None else int(self.crc32c[i]),
            None if self.md5 is None else self.md5[16 * i : 16 * i + 16],
        )

    def entry(self, i: int) -> Entry:
        """Return everything known about entry ``i``."""
        return Entry(self.key(i), *self.span(i), *self.digests(i))

    def keys(self) -> list[str]:
        """Return all keys in file order."""
        starts = self._starts
        if self._blob.isascii():
            text = self._blob.decode("ascii")
            return [text[starts[i] : starts[i + 1]] for i in range(len(self))]
        return [self.key(i) for i in range(len(self))]

    def named(self, *names: str) -> list[str]:
        """Return the keys whose last path component is one of ``names``, in file order."""
        blob = np.frombuffer(self._blob, np.uint8)
        bounds = np.asarray(self._starts).astype(np.int64)
        starts, ends = bounds[:-1], bounds[1:]
        found = np.zeros(len(self), bool)
        for name in names:
            tail = np.frombuffer(b"/" + name.encode(), np.uint8)
            size = len(tail)
            # The component alone, or behind a slash.
            for wanted, rows in (
                (tail[1:], np.flatnonzero(ends - starts == size - 1)),
                (tail, np.flatnonzero(ends - starts >= size)),
            ):
                for back, byte in enumerate(wanted[::-1], 1):
                    rows = rows[blob[ends[rows] - back] == byte]
                found[rows] = True
        return [self.key(i) for i in np.flatnonzero(found).tolist()]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def shallow_keys(self, slashes: int) -> list[str]:
        """Return the keys with at most so many slashes, in file order.

        Of a deep hierarchy these are few, and found without decoding the others.
        """
        found = np.zeros(len(self._blob) + 1, np.uint32)
        np.cumsum(np.frombuffer(self._blob, np.uint8) == ord("/"), out=found[1:])
        at = found[np.asarray(self._starts)]
        return [self.key(int(i)) for i in np.flatnonzero(at[1:] - at[:-1] <= slashes)]

    @cached_property
    def order(self) -> npt.NDArray[np.uint32]:
        """Entry numbers in the order of their keys, shape (n,). Made when first asked for."""
        keys = self.keys()
        return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.uint32)

    @property
    def nbytes(self) -> int:
        """Bytes that the index occupies in memory."""
        return (
            len(self._blob)
            + self.offsets.nbytes
            + self.sizes.nbytes
            + self._starts.nbytes
            + self._table.nbytes
            + (0 if self.crc32c is None else self.crc32c.nbytes)
            + len(self.md5 or b"")
            + (self.order.nbytes if "order" in self.__dict__ else 0)
        )

    def header_sizes(self) -> npt.NDArray[np.int64]:
        """Return the size of each member's header blocks as a writer makes them, shape (n,)."""
        plain = self._blob.isascii()
        lengths = np.diff(np.asarray(self._starts).astype(np.int64))
        found = np.full(len(self), BLOCK, np.int64)
        unusual = (lengths > 100) | (self.sizes >= 8**11)
        candidates = np.flatnonzero(unusual) if plain else range(len(self))
        for i in candidates:
            found[i] = header_size(self.key(int(i)), int(self.sizes[i]))
        return found

    def dead_bytes(self) -> int:
        """Return how many bytes before the last member's end belong to no key.

        Counted by what a writer's headers take, without reading them.
        """
        if not len(self):
            return 0
        spans = self.header_sizes() + -(-self.sizes.astype(np.int64) // BLOCK) * BLOCK
        return max(0, self.members_end() - int(spans.sum()))

    def members_end(self) -> int:
        """Return the offset behind the last member and its padding (0 without members)."""
        if not len(self):
            return 0
        last = int(np.argmax(self.offsets.astype(np.int64) + self.sizes.astype(np.int64)))
        offset, size = self.span(last)
        return padded(offset + size)

    def _place(
        self, keys: PackedTexts, hashes: npt.NDArray[np.uint32], bits: int
    ) -> npt.NDArray[np.uint32]:
        """Return the table; entries sit in the order of their hashes, near slot ``hash >> shift``.

        In that order linear probing is a running maximum: an entry sits in its
        own slot or right behind its predecessor.
        """
        count = len(hashes)
        by_hash = np.argsort(hashes)
        ordered = hashes[by_hash]
        _check_unique(keys, by_hash, np.flatnonzero(ordered[1:] == ordered[:-1]))
        steps = np.arange(count)
        home = (ordered >> np.uint32(self._shift)).astype(np.int64)
        slots = np.maximum.accumulate(home - steps) + steps if count else home
        size = max(1 << bits, int(slots[-1]) + 1 if count else 0) + 1
        table = np.full(size, _EMPTY, np.uint32)
        table[slots] = by_hash
        return table


def _check_unique(
    keys: PackedTexts, by_hash: npt.NDArray[np.int64], twins: npt.NDArray[np.int64]
) -> None:
    """Compare the keys of equal hashes.

    Args:
        keys: all of them.
        by_hash: their numbers in the order of their hashes.
        twins: positions in that order whose hash is that of the next one.
    """
    # Equal hashes are rare; three in a row are two twins.
    for run in np.split(twins, np.flatnonzero(np.diff(twins) > 1) + 1) if len(twins) else ():
        seen = set()
        for i in by_hash[int(run[0]) : int(run[-1]) + 2].tolist():
            name = keys[i]
            if name in seen:
                raise ValueError(f"key {name.decode(errors='replace')!r} is listed more than once")
            seen.add(name)


def _check_utf8(blob: bytes, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> None:
    if blob.isascii():
        return
    try:
        blob.decode()
    except UnicodeDecodeError:
        raise ValueError("a key is not UTF-8") from None
    # The whole is UTF-8, so each key is unless one ends inside a character.
    first = np.frombuffer(blob, np.uint8)[starts[lengths > 0]]
    if ((first & 0xC0) == 0x80).any():
        raise ValueError("a key is not UTF-8")


def _compact(values: UIntArray) -> UIntArray:
    small = not len(values) or int(values.max()) < 1 << 32
    return np.ascontiguousarray(values, np.uint32 if small else np.uint64)
