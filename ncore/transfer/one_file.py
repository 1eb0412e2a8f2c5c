"""One plain file as source: under another name, and only if it is what its name says.

A server that answers everything with a page of its own (a log-in, "not found")
would otherwise leave that page behind as ``x.zarr.itar``.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from ncore.transfer.backend import Bytes, Capabilities, Entry, Source
from ncore.transfer.digests import Digest
from ncore.transfer.errors import TransferError
from ncore.transfer.keys import show_key
from ncore.transfer.overlap import OnDisk

_BLOCK = 512
_MAGIC = slice(257, 262)  # of a tar header
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
ARCHIVES = (".itar",)
ZIPS = (".zip", ".ozx")


def ending_of(name: str) -> tuple[str, ...]:
    """Return the suffixes of names like this, empty if it names no archive."""
    return next((kind for kind in (ARCHIVES, ZIPS) if name.endswith(kind)), ())


class OneFile:
    """The one entry of a source, under a name of choice.

    Args:
        source: Lists that entry alone.
        key: Its key there.
        name: Its key here.
    """

    def __init__(self, source: Source, key: str, name: str) -> None:
        self.url = source.url
        self.capabilities: Capabilities = source.capabilities
        self._source = source
        self._key = key
        self._name = name
        self._kind = ending_of(key)
        if isinstance(source, OnDisk):
            self.local_path: Path = source.local_path
            self.only = source.only

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """List the entry under its new name."""
        if self._name.startswith(prefix) and self._name > after:
            async for page in self._source.list(self._key):
                yield [e._replace(key=self._name) for e in page if e.key == self._key]

    async def stat(self, key: str) -> Entry | None:
        """Return the entry, if it is this one."""
        found = await self._source.stat(self._key) if key == self._name else None
        return None if found is None else found._replace(key=self._name)

    async def read(self, entry: Entry) -> Bytes:
        """Return its bytes."""
        data = await self._source.read(entry._replace(key=self._key))
        self._check(data[:_BLOCK])
        return data

    async def stream(self, entry: Entry, offset: int = 0) -> AsyncIterator[Bytes]:
        """Yield its bytes from ``offset`` on; the first come when they are what they should be."""
        chunks = self._source.stream(entry._replace(key=self._key), offset)
        head = b""
        is_checked = offset >= _BLOCK  # by the run that got so far
        async for chunk in chunks:
            if is_checked:
                yield chunk
                continue
            head += chunk
            if offset + len(head) >= _BLOCK:
                if offset == 0:
                    self._check(head[:_BLOCK])
                is_checked = True
                yield head
        if not is_checked and head:
            if offset == 0:
                self._check(head)
            yield head

    def _check(self, head: Bytes) -> None:
        if self._kind == ARCHIVES:
            is_right = len(head) == _BLOCK and (head[_MAGIC] == b"ustar" or not any(head))
        else:
            is_right = not self._kind or head.startswith(_ZIP)
        if not is_right:
            kind = "tar archive" if self._kind == ARCHIVES else "zip file"
            begin = head[:40].decode("utf-8", "replace")
            raise TransferError(
                f"{self.url}: is no {kind}, as its name says; it begins with "
                f"'{show_key(begin)}'. Nothing was written"
            )

    async def digests(
        self, entries: Sequence[Entry], algorithm: str
    ) -> Sequence[Digest | TransferError]:
        """Return its digest."""
        return await self._source.digests(
            [entry._replace(key=self._key) for entry in entries], algorithm
        )

    async def close(self) -> None:
        """Close the source."""
        await self._source.close()
