"""Keys to bytes, without zarr: what the readers of a component store stand on.

A component store is an ``.itar`` archive, a directory, or anything else that
:func:`ncore.stores.open_store` opens. The first two are read without importing
zarr. All of them hold no lock and no shared file position: threads, forked and
spawned workers need no preparation.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from ncore.data.v4.errors import SequenceFormatError, SequenceNotFoundError
from ncore.itar.place import absolute_path
from ncore.stores.listing import IndexKeys, children

if TYPE_CHECKING:
    from upath import UPath
    from zarr.abc.store import Store

    from ncore.itar.reader import ItarReader
    from ncore.itar.repeated_reads import RepeatedReads


_LARGE = 64 << 10
"""Values from this size on are copied out of the mapped file when they come again."""


class ByteStore(Protocol):
    """Read access to the values of a zarr store."""

    @property
    def location(self) -> str:
        """Path or URL, for messages."""

    @property
    def is_local(self) -> bool:
        """Whether a read costs microseconds rather than a request."""

    def read(self, key: str) -> bytes | None:
        """The value of ``key``, or None."""

    def view(self, key: str) -> bytes | memoryview | None:
        """The value of ``key`` without a copy where that is possible, or None."""

    def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of many keys, in this order; remote ones are fetched together."""

    def list_dir(self, path: str) -> list[str]:
        """Names of the keys, and of all nodes, directly below ``path``, in no order."""

    def zarr_store(self) -> "Store":
        """A read-only zarr store over the same values."""

    def reload(self) -> None:
        """Open the underlying resources again, if there are any that need it."""

    def close(self) -> None:
        """Release file handles; a store may be read again afterwards."""


class ItarByteStore:
    """The values of a local ``.zarr.itar``."""

    is_local = True

    def __init__(self, path: str, index_tail_read_size: int | None) -> None:
        # Workers may have another current directory.
        self.location = absolute_path(path)
        self._index_tail_read_size = index_tail_read_size
        self._reader = self._open()
        self._repeated = self._repeated_reads()
        self._keys: IndexKeys | None = None
        self._shallow: list[str] | None = None
        self._zarr_store: Store | None = None

    @property
    def reader(self) -> "ItarReader":
        """The archive."""
        return self._reader

    def _open(self) -> "ItarReader":
        from ncore.itar.reader import ItarReader

        return ItarReader(self.location, index_tail_read_size=self._index_tail_read_size)

    def _repeated_reads(self) -> "RepeatedReads":
        from ncore.itar.repeated_reads import RepeatedReads
        from ncore.itar.source import FileSource

        source = self._reader.source
        assert isinstance(source, FileSource)  # its path is a local file's
        return RepeatedReads(source, len(self._reader))

    def read(self, key: str) -> bytes | None:
        index = self._reader.index
        number = index.find(key)
        if number < 0:
            return None
        offset, size = index.offset_at[number], index.size_at[number]
        if offset >= self._reader.tail_start:
            return self._reader.get(key)
        if size >= _LARGE:
            return self._repeated.read(number, offset, size)
        return self._reader.source.read(offset, size)

    def view(self, key: str) -> bytes | memoryview | None:
        try:
            return self._reader.view(key)
        except KeyError:
            return None

    def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self.read(key) for key in keys]

    def list_dir(self, path: str) -> list[str]:
        if self._keys is None and "/" not in path:
            # What opening a sequence asks for; to sort all keys takes longer than the rest.
            return self._list_shallow(path)
        if self._keys is None:
            self._keys = IndexKeys(self._reader.index)
        return list(children(self._keys, f"{path}/" if path else ""))

    def _list_shallow(self, path: str) -> list[str]:
        if self._shallow is None:
            # A node at depth two has its document behind two slashes.
            self._shallow = sorted(self._reader.index.shallow_keys(2))
        return list(children(self._shallow, f"{path}/" if path else ""))

    def zarr_store(self) -> "Store":
        if self._zarr_store is None:
            from ncore.stores.indexed_tar import IndexedTarStore

            self._zarr_store = IndexedTarStore(
                self.location, index_tail_read_size=self._index_tail_read_size
            )
        return self._zarr_store

    def reload(self) -> None:
        # Reads are positional on a file that is never written again.
        pass

    def close(self) -> None:
        self._reader.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self.location, "tail": self._index_tail_read_size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["location"], state["tail"])  # type: ignore[misc]


class DirectoryByteStore:
    """The values of a zarr directory on a local file system."""

    is_local = True

    def __init__(self, path: str) -> None:
        # Workers may have another current directory.
        self.location = absolute_path(path)
        self._root = self.location.rstrip("/") + "/"

    def _file(self, key: str) -> str:
        # Node names come out of metadata documents; none may lead out of the directory.
        if key.startswith("/") or ".." in PurePosixPath(key).parts:
            raise SequenceFormatError(f"{self.location}: key {key!r} leads out of the directory")
        return self._root + key

    def read(self, key: str) -> bytes | None:
        try:
            descriptor = os.open(self._file(key), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            size = os.fstat(descriptor).st_size
            data = os.read(descriptor, size)
            while len(data) < size:  # a signal, or Linux's limit of 2 GiB a read
                more = os.read(descriptor, size - len(data))
                if not more:
                    break
                data += more
            return data
        except IsADirectoryError:
            return None
        finally:
            os.close(descriptor)

    def view(self, key: str) -> bytes | memoryview | None:
        return self.read(key)

    def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self.read(key) for key in keys]

    def list_dir(self, path: str) -> list[str]:
        try:
            return os.listdir(self._file(path))  # noqa: PTH208 (a hot path)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def zarr_store(self) -> "Store":
        from zarr.storage import LocalStore

        return LocalStore(self.location, read_only=True)

    def reload(self) -> None:
        pass

    def close(self) -> None:
        pass


class OpenZarrByteStore:
    """The values of a zarr store that someone else opened."""

    is_local = False

    def __init__(self, store: "Store") -> None:
        self.location = str(store)
        self._store = store

    def read(self, key: str) -> bytes | None:
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        value = sync(self._store.get(key, default_buffer_prototype()))
        return None if value is None else value.to_bytes()

    def view(self, key: str) -> bytes | memoryview | None:
        return self.read(key)

    def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        import asyncio

        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        store, prototype = self._store, default_buffer_prototype()

        async def values() -> list[bytes | None]:
            found = await asyncio.gather(*(store.get(key, prototype) for key in keys))
            return [None if value is None else value.to_bytes() for value in found]

        return sync(values())

    def list_dir(self, path: str) -> list[str]:
        from zarr.core.sync import sync

        async def names() -> list[str]:
            prefix = f"{path}/" if path else ""
            return [name.removeprefix(prefix) async for name in self._store.list_dir(path)]

        return sync(names())

    def zarr_store(self) -> "Store":
        return self._store

    def reload(self) -> None:
        pass

    def close(self) -> None:
        pass


class ZarrByteStore(OpenZarrByteStore):
    """The values of a zarr that lies elsewhere, or in a container that zarr knows."""

    def __init__(self, location: str, options: dict[str, Any] | None = None) -> None:
        self._options = options or {}
        self._location = location
        super().__init__(self._open())
        self.location = location

    def _open(self) -> "Store":
        from zarr.core.sync import sync

        from ncore.stores.opening import open_store

        store = open_store(self._location, "r", **self._options)
        sync(store._ensure_open())
        return store

    def reload(self) -> None:
        self._store = self._open()

    def close(self) -> None:
        self._store.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self._location, "options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["location"], state["options"])  # type: ignore[misc]


def as_path(place: "UPath | Path | str") -> "UPath | Path":
    """What a caller names as a path object: a ``UPath`` if it is a URL.

    Local paths stay without ``upath``, whose import takes longer than opening a sequence.
    """
    if not isinstance(place, str):
        return place
    if ":/" in place or "::" in place:
        from upath import UPath

        return UPath(place)
    return Path(place)


def local_path(path: "UPath | Path | str") -> Path | None:
    """``path`` as a local path, or None if it lies elsewhere."""
    location: Any = as_path(path)
    if not hasattr(location, "protocol"):
        return Path(location)
    return Path(location.path) if location.protocol in ("", "file", "local") else None


def open_byte_store(path: "UPath | Path | str", index_tail_read_size: int | None) -> ByteStore:
    """Open the component store at ``path``.

    Args:
        path: a ``.zarr.itar`` file, a zarr directory, or the URL of one.
        index_tail_read_size: bytes of an archive's end to read at once; see
            :class:`ncore.stores.IndexedTarStore`.

    Raises:
        SequenceNotFoundError: there is nothing at ``path`` (a ``FileNotFoundError``).
        SequenceFormatError: a local file that is no ``.itar``.
    """
    local = local_path(path)
    if local is None:
        options = dict(getattr(path, "storage_options", {}))
        if str(path).endswith(".itar"):
            options["index_tail_read_size"] = index_tail_read_size
        return ZarrByteStore(str(path), options)
    if local.is_dir():
        return DirectoryByteStore(str(local))
    if not local.exists():
        raise SequenceNotFoundError(f"{local}: no such component store")
    if local.suffix == ".itar":
        return ItarByteStore(str(local), index_tail_read_size)
    if local.suffix in (".zip", ".ozx"):
        return ZarrByteStore(absolute_path(local))
    raise SequenceFormatError(
        f"{local}: a component store is a .zarr.itar file or a zarr directory "
        "(sequence meta files end in .json)"
    )


def iter_names(store: ByteStore, path: str) -> Iterator[str]:
    """Names below ``path`` that may be nodes, sorted."""
    for name in sorted(store.list_dir(path)):
        if not name.startswith(".z") and name not in ("zarr.json", "zarr.cbor.xz"):
            yield name
