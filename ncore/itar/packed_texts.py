"""Many short texts end to end in one byte string."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class PackedTexts:
    """n byte strings."""

    blob: bytes
    """All of them, end to end."""
    ends: npt.NDArray[np.int64]
    """Where each ends in :attr:`blob`, shape (n,)."""

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, i: int) -> bytes:
        return self.blob[int(self.ends[i - 1]) if i else 0 : int(self.ends[i])]


def pack(texts: Sequence[bytes]) -> PackedTexts:
    """Return texts packed."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return PackedTexts(b"".join(texts), np.cumsum(lengths))
