"""A v2 store in a zip file, local or behind a URL."""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncore.convert.errors import SourceError
from ncore.convert.source import Source
from ncore.itar.errors import ItarError
from ncore.itar.source import ByteSource, FileSource

_TAIL = 256 << 10
_HEADER = struct.Struct("<4s5H3I2H")
_ENCRYPTED = 1


class ZipSource(Source):
    """The members of a zip file; several threads may read at once.

    A zip that holds one folder with the store inside it, as packing tools like
    to make them, is read as if that folder were its root. Of a remote one, the
    directory is read once and each member with one request.

    Args:
        archive: its path, or the bytes of a remote one.
        name: for messages.
    """

    def __init__(self, archive: str | os.PathLike[str] | ByteSource, name: str = "") -> None:
        self.name = name or str(archive)
        try:
            if isinstance(archive, str | os.PathLike):
                self._source: ByteSource = FileSource(archive)
            else:
                self._source = archive
                self.remote = True
            file = _RangeFile(self._source)
        except (ItarError, OSError) as error:
            raise SourceError(str(error)) from None
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ItarError, OSError, ValueError) as error:
            self._source.close()
            raise SourceError(f"{self.name}: {error}") from None
        members = [info for info in self._zip.infolist() if not info.is_dir()]
        self._prefix = _only_folder([info.filename for info in members])
        # zarr rewrites metadata by adding a member of the same name: the last one counts.
        self._members = {info.filename.removeprefix(self._prefix): info for info in members}

    @property
    def local_path(self) -> Path | None:
        source = self._source
        return Path(source.path) if isinstance(source, FileSource) else None

    def entries(self) -> Mapping[str, int]:
        return {key: info.file_size for key, info in self._members.items()}

    def read(self, key: str) -> bytes:
        info = self._members[key]
        try:
            return self._read(info)
        except (zipfile.BadZipFile, ItarError, OSError, RuntimeError, zlib.error) as error:
            raise SourceError(f"{self.name}: {key!r}: {error}") from None

    def identity(self) -> Any:
        if isinstance(self._source, FileSource):
            stat = self._source.path.stat()
            return ["zip", self.name, stat.st_size, stat.st_ino, stat.st_mtime_ns]
        checks = zlib.crc32(b"".join(i.CRC.to_bytes(4, "little") for i in self._zip.infolist()))
        return ["zip", self.name, self._source.size, checks]

    def close(self) -> None:
        self._zip.close()
        self._source.close()

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        if info.flag_bits & _ENCRYPTED:
            raise zipfile.BadZipFile("it is encrypted")
        # How long the local header is stands in it; what the directory holds is a good guess.
        names = len(info.orig_filename.encode()) + len(info.extra)
        start = info.header_offset
        wanted = _HEADER.size + names + info.compress_size
        raw = self._source.read(start, min(wanted, self._source.size - start))
        if len(raw) < _HEADER.size or raw[:4] != b"PK\x03\x04":
            raise zipfile.BadZipFile("there is no member where the directory says")
        header = _HEADER.unpack_from(raw)
        at = _HEADER.size + header[-2] + header[-1]
        data = raw[at : at + info.compress_size]
        if missing := info.compress_size - len(data):
            offset = start + at + len(data)
            if offset + missing > self._source.size:
                raise zipfile.BadZipFile("the file ends within it")
            data += self._source.read(offset, missing)
        return _unpacked(info, data)


def _unpacked(info: zipfile.ZipInfo, data: bytes) -> bytes:
    if info.compress_type == zipfile.ZIP_DEFLATED:
        # Not more than the directory says, whatever is in there.
        data = zlib.decompressobj(-15).decompress(data, info.file_size + 1)
    elif info.compress_type != zipfile.ZIP_STORED:
        raise zipfile.BadZipFile(f"compression method {info.compress_type} is not known here")
    if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
        raise zipfile.BadZipFile("its bytes are not those that its checksum stands for")
    return data


class _RangeFile(io.RawIOBase):
    """What `zipfile` needs of a file, to read the directory; its end is fetched once."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._tail = source.read_tail(_TAIL)
        self._size = source.size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("seek before the beginning")
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        size = left if size is None or size < 0 else min(size, left)
        begin = self._at - (self._size - len(self._tail))
        data = self._tail[begin : begin + size] if begin >= 0 else self._source.read(self._at, size)
        self._at += len(data)
        return data


def _only_folder(names: list[str]) -> str:
    """``NAME/`` if everything lies in this one folder and the store begins there."""
    first = {name.partition("/")[0] for name in names}
    if len(first) != 1:
        return ""
    folder = f"{first.pop()}/"
    begins = {folder + name for name in (".zgroup", ".zarray")}
    return folder if begins & {*names} else ""
