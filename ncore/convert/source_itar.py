"""A v2 store in an ``.itar`` archive, local or behind a URL."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncore.convert.errors import SourceError
from ncore.convert.source import Source
from ncore.itar.digest import crc32c
from ncore.itar.errors import ItarError
from ncore.itar.reader import ItarReader
from ncore.itar.source import ByteSource, FileSource


class ItarSource(Source):
    """The entries of an archive, in file order.

    Args:
        archive: its path, or the bytes of a remote one.
        name: for messages.
    """

    def __init__(self, archive: str | os.PathLike[str] | ByteSource, name: str = "") -> None:
        self.name = name or str(archive)
        try:
            self.reader = ItarReader(archive)
        except (ItarError, OSError) as error:
            raise SourceError(str(error)) from error
        self._entries: dict[str, int] | None = None
        self.remote = not self.local

    @property
    def local(self) -> bool:
        """Whether the archive is a local file, whose payloads can be mapped."""
        return isinstance(self.reader.source, FileSource)

    @property
    def local_path(self) -> Path | None:
        source = self.reader.source
        return Path(source.path) if isinstance(source, FileSource) else None

    def entries(self) -> Mapping[str, int]:
        if self._entries is None:
            index = self.reader.index
            self._entries = dict(zip(index.keys(), index.sizes.tolist(), strict=True))
        return self._entries

    def read(self, key: str) -> bytes | memoryview:
        data = self.reader.view(key) if self.local else self.reader.read(key)
        expected = self.reader.entry(key).crc32c
        # Both sides of a comparison would read the same damage as the same value.
        if expected is not None and crc32c(data) != expected:
            raise SourceError(
                f"{self.name}: {key!r}: its bytes are not those that its checksum stands for; "
                "`ncore itar verify` names all such"
            )
        return data

    def identity(self) -> Any:
        source = self.reader.source
        stat = source.path.stat() if isinstance(source, FileSource) else None
        changed = None if stat is None else [stat.st_ino, stat.st_mtime_ns]
        # The index has a position and a size of its own for every content but few.
        return ["itar", self.name, source.size, list(self.reader.trailer), changed]

    def close(self) -> None:
        self.reader.close()
