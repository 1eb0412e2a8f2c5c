"""The entries of an archive that is being written: the index before it is one."""

from array import array

import numpy as np
import numpy.typing as npt

from ncore.itar.index import Index
from ncore.itar.index_codec import encode_index
from ncore.itar.tar_header import BLOCK, header_size


class EntryTable:
    """Key -> offset, size and checksums, in a dict of row numbers and flat columns."""

    def __init__(self, *, with_crc32c: bool, with_md5: bool) -> None:
        """Begin an empty table with these checksums in every row."""
        self.rows: dict[str, int] = {}
        self._offsets = array("Q")
        self._sizes = array("Q")
        self._crc32c = array("I") if with_crc32c else None
        self._md5: list[bytes] | None = [] if with_md5 else None

    @classmethod
    def of(cls, index: Index) -> "EntryTable":
        """Return a table of the entries of an archive that exists, with its checksums."""
        table = cls(with_crc32c=index.crc32c is not None, with_md5=index.md5 is not None)
        table.rows = {key: i for i, key in enumerate(index)}
        table._offsets.frombytes(index.offsets.astype(np.uint64).tobytes())
        table._sizes.frombytes(index.sizes.astype(np.uint64).tobytes())
        if index.crc32c is not None:
            table._crc32c = array("I", index.crc32c.tobytes())
        if index.md5 is not None:
            table._md5 = [index.md5[i : i + 16] for i in range(0, len(index.md5), 16)]
        return table

    @property
    def with_crc32c(self) -> bool:
        """Whether rows hold a CRC-32C."""
        return self._crc32c is not None

    @property
    def with_md5(self) -> bool:
        """Whether rows hold an MD5."""
        return self._md5 is not None

    def add(self, key: str, offset: int, size: int, crc32c: int | None, md5: bytes | None) -> None:
        """Add a key that is not there."""
        self.rows[key] = len(self._offsets)
        self._offsets.append(offset)
        self._sizes.append(size)
        if self._crc32c is not None:
            self._crc32c.append(crc32c or 0)
        if self._md5 is not None:
            self._md5.append(md5 or b"")

    def pop(self, key: str) -> tuple[int, int]:
        """Remove a key that is there and return (payload offset, size)."""
        i = self.rows.pop(key)
        return self._offsets[i], self._sizes[i]

    def span(self, key: str) -> tuple[int, int]:
        """Return (payload offset, size) of a key.

        Raises:
            KeyError: it is not there.
        """
        i = self.rows[key]
        return self._offsets[i], self._sizes[i]

    def blocks(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the offsets of all (first header blocks, payloads, ends of padding).

        Each has the shape (n,), in the order of :attr:`rows`.
        """
        live = self._live()
        offsets = np.frombuffer(self._offsets, np.uint64)[live].astype(np.int64)
        sizes = np.frombuffer(self._sizes, np.uint64)[live].astype(np.int64)
        headers = np.fromiter(map(header_size, self.rows, sizes.tolist()), np.int64, len(live))
        return offsets - headers, offsets, offsets + -(-sizes // BLOCK) * BLOCK

    def encode(self, preset: int | None, moved: npt.NDArray[np.int64] | None = None) -> bytes:
        """Return the index as it goes to the disk.

        Args:
            preset: of xz; ``None`` chooses by size.
            moved: payload offsets to write, shape (n,), where they are not the table's.
        """
        live = self._live()
        offsets = np.frombuffer(self._offsets, np.uint64)[live]
        if moved is not None:
            offsets = moved.astype(np.uint64)
        crc32c, md5 = None, None
        if self._crc32c is not None:
            crc32c = np.frombuffer(self._crc32c, np.uint32)[live]
        if self._md5 is not None:
            md5 = b"".join([self._md5[i] for i in live.tolist()])
        sizes = np.frombuffer(self._sizes, np.uint64)[live]
        return encode_index(list(self.rows), offsets, sizes, crc32c, md5, preset=preset)

    def _live(self) -> npt.NDArray[np.int64]:
        return np.fromiter(self.rows.values(), np.int64, len(self.rows))
