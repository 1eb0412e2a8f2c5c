"""Many short texts end to end in one byte string, with what an index needs to know of each."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_BATCH = 8192
"""Texts made into objects at a time: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class PackedTexts:
    """n byte strings."""

    blob: bytes
    """All of them, end to end."""
    ends: npt.NDArray[np.int64]
    """Where each ends in :attr:`blob`, shape (n,)."""
    hashes: npt.NDArray[np.uint64]
    """Python's hash of each as bytes, shape (n,)."""

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, i: int) -> bytes:
        return self.blob[int(self.ends[i - 1]) if i else 0 : int(self.ends[i])]


class Packer:
    """Packs texts batch by batch."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._blobs: list[bytes] = []
        self._lengths = [np.zeros(0, np.int64)]
        self._hashes = [np.zeros(0, np.int64)]

    def add(self, texts: Iterable[bytes]) -> None:
        """Add texts behind those that are there."""
        self._waiting += texts
        if len(self._waiting) >= _BATCH:
            self._pack()

    def finish(self) -> PackedTexts:
        """Return all that was added."""
        self._pack()
        lengths = np.concatenate(self._lengths)
        hashes = np.concatenate(self._hashes).view(np.uint64)
        return PackedTexts(b"".join(self._blobs), np.cumsum(lengths), hashes)

    def _pack(self) -> None:
        texts, self._waiting = self._waiting, []
        count = len(texts)
        self._blobs.append(b"".join(texts))
        self._lengths.append(np.fromiter(map(len, texts), np.int64, count))
        self._hashes.append(np.fromiter(map(hash, texts), np.int64, count))


def pack(texts: Iterable[bytes]) -> PackedTexts:
    """Return texts packed."""
    packer = Packer()
    packer.add(texts)
    return packer.finish()
