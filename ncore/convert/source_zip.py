"""A v2 store in a zip file."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncore.convert.errors import SourceError
from ncore.convert.source import Source


class ZipSource(Source):
    """The members of a zip file; several threads may read at once.

    A zip that holds one folder with the store inside it, as packing tools like
    to make them, is read as if that folder were its root.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = str(path)
        try:
            self._zip = zipfile.ZipFile(self.path)
        except FileNotFoundError:
            raise SourceError(f"{self.name}: no such file") from None
        except (zipfile.BadZipFile, OSError) as error:
            raise SourceError(f"{self.name}: {error}") from None
        members = [info for info in self._zip.infolist() if not info.is_dir()]
        self._prefix = _only_folder([info.filename for info in members])
        # zarr rewrites metadata by adding a member of the same name: the last one counts.
        self._members = {info.filename.removeprefix(self._prefix): info for info in members}

    @property
    def local_path(self) -> Path:
        return self.path

    def entries(self) -> Mapping[str, int]:
        return {key: info.file_size for key, info in self._members.items()}

    def read(self, key: str) -> bytes:
        try:
            return self._zip.read(self._members[key])
        except (zipfile.BadZipFile, OSError, RuntimeError) as error:
            raise SourceError(f"{self.name}: {key!r}: {error}") from None

    def identity(self) -> Any:
        stat = self.path.stat()
        return ["zip", self.name, stat.st_size, stat.st_ino, stat.st_mtime_ns]

    def close(self) -> None:
        self._zip.close()


def _only_folder(names: list[str]) -> str:
    """``NAME/`` if everything lies in this one folder and the store begins there."""
    first = {name.partition("/")[0] for name in names}
    if len(first) != 1:
        return ""
    folder = f"{first.pop()}/"
    begins = {folder + name for name in (".zgroup", ".zarray")}
    return folder if begins & {*names} else ""
