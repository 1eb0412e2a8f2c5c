"""What can be packed: the files of a directory or the members of a zip file."""

import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from ncore.stores.errors import PackError

_PIECE = 8 << 20
_ROOTS = ("zarr.json", ".zgroup", ".zarray")


class PackSource(Protocol):
    """Keys with sizes, and the bytes of each in pieces."""

    name: str

    def sizes(self) -> Mapping[str, int]:
        """Return key -> size in bytes, in no particular order."""
        ...

    def pieces(self, key: str) -> Iterator[bytes]:
        """Yield the bytes of a key.

        Raises:
            PackError: they cannot be read.
        """
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


def open_pack_source(location: str | os.PathLike[str]) -> PackSource:
    """Return the source at a path: a directory, or a ``.zip``/``.ozx`` file.

    Raises:
        PackError: there is neither.
    """
    path = Path(location)
    if path.is_dir():
        return DirectoryPackSource(path)
    if not path.exists():
        raise PackError(f"{path}: no such file or directory")
    if not zipfile.is_zipfile(path):
        raise PackError(f"{path}: neither a directory nor a zip file")
    return ZipPackSource(path)


class DirectoryPackSource:
    """The files below a directory. Links are followed, as datasets under git-annex need it."""

    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self._root = root

    def sizes(self) -> Mapping[str, int]:  # docstring inherited
        found: dict[str, int] = {}
        for directory, prefix in self._directories():
            with os.scandir(directory) as listing:
                for item in listing:
                    status = _stat(item)
                    if stat.S_ISREG(status.st_mode):
                        found[prefix + item.name] = status.st_size
                    elif not stat.S_ISDIR(status.st_mode):
                        raise PackError(f"{item.path}: neither a file nor a directory")
        return found

    def pieces(self, key: str) -> Iterator[bytes]:  # docstring inherited
        try:
            with open(self._root / key, "rb", buffering=0) as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise PackError(f"{self._root / key}: {error.strerror}") from None

    def close(self) -> None:  # docstring inherited
        pass

    def _directories(self) -> Iterator[tuple[str, str]]:
        """Yield (path, prefix of the keys in it) of every directory."""
        waiting = [(str(self._root), "", frozenset([_identity(str(self._root))]))]
        while waiting:
            directory, prefix, above = waiting.pop()
            yield directory, prefix
            with os.scandir(directory) as listing:
                for item in listing:
                    if not item.is_dir():
                        continue
                    identity = _identity(item.path)
                    if identity in above:
                        raise PackError(f"{item.path}: a link to a directory above it")
                    waiting.append((item.path, f"{prefix}{item.name}/", above | {identity}))


class ZipPackSource:
    """The members of a zip file; of several with one name the last, as zarr writes them."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise PackError(f"{path}: {error}") from None
        members = [info for info in self._zip.infolist() if not info.is_dir()]
        folder = _only_folder([info.filename for info in members])
        self._members = {info.filename.removeprefix(folder): info for info in members}

    def sizes(self) -> Mapping[str, int]:  # docstring inherited
        return {key: info.file_size for key, info in self._members.items()}

    def pieces(self, key: str) -> Iterator[bytes]:  # docstring inherited
        try:
            with self._zip.open(self._members[key]) as file:
                while piece := file.read(_PIECE):
                    yield piece
        # zipfile raises RuntimeError for an encrypted member, and the
        # decompressors raise what they like.
        except (zipfile.BadZipFile, OSError, RuntimeError, ValueError, EOFError) as error:
            raise PackError(f"{self.name}: {key!r}: {error}") from None

    def close(self) -> None:  # docstring inherited
        self._zip.close()


def _stat(item: "os.DirEntry[str]") -> os.stat_result:
    try:
        return item.stat()
    except OSError as error:
        raise PackError(f"{item.path}: {error.strerror} (a broken link?)") from None


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116
    return status.st_dev, status.st_ino


def _only_folder(names: list[str]) -> str:
    """``NAME/`` if everything lies in this one folder and the zarr begins there."""
    first = {name.partition("/")[0] for name in names}
    if len(first) != 1:
        return ""
    folder = f"{first.pop()}/"
    return folder if {folder + name for name in _ROOTS} & {*names} else ""


def holds_zarr(keys: Mapping[str, int]) -> bool:
    """Whether the keys have a root document of a zarr among them."""
    return any(name in keys for name in _ROOTS)
