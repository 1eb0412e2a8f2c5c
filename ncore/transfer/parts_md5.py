"""MD5 of the MD5s of parts, and their number: the ETag of what is uploaded in parts."""

import hashlib

from ncore.transfer.backend import Bytes


class PartsMd5:
    """Hashes bytes as they stream; a ``Hasher``.

    Args:
        part: Bytes of each part but the last.
    """

    def __init__(self, part: int) -> None:
        self._part = part
        self._digests: list[bytes] = []
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._at = 0

    def update(self, data: Bytes, /) -> None:
        """Take the next bytes."""
        view = memoryview(data)
        while view:
            piece = view[: self._part - self._at]
            self._md5.update(piece)
            self._at += len(piece)
            view = view[len(piece) :]
            if self._at == self._part:
                self._digests.append(self._md5.digest())
                self._md5 = hashlib.md5(usedforsecurity=False)
                self._at = 0

    def hexdigest(self) -> str:
        """Return the ETag of the bytes taken so far; of none, that of one empty part."""
        digests = self._digests
        if self._at or not digests:
            digests = [*digests, self._md5.digest()]
        whole = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
        return f"{whole}-{len(digests)}"
