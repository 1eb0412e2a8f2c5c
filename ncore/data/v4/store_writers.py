"""Where a new component store's values go: an ``.itar`` archive or a directory.

Neither appears under its name before it is complete: an archive by
``IndexedTarStore``'s own promise, a directory by being renamed when it is
finished. What had that name is replaced in that moment and not before.
"""

import contextlib
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ncore.data.v4.errors import SequenceFormatError, WriterClosedError
from ncore.data.v4.replace_directory import replace_directory
from ncore.itar.durable import sync_file, sync_tree

if TYPE_CHECKING:
    from zarr.abc.store import Store


class StoreWriter(Protocol):
    """Write access to the values of a new store."""

    location: str

    def write(self, key: str, value: bytes | memoryview) -> None:
        """Set the value of ``key``."""

    def read(self, key: str) -> bytes | None:
        """The value of ``key``, or None."""

    def remove(self, path: str) -> None:
        """Drop the node at ``path`` and all below it."""

    def zarr_store(self) -> "Store":
        """A zarr store over the same values, for components that call zarr."""

    def finish(self) -> None:
        """Consolidate the metadata and let the store appear under its name."""

    def abort(self) -> None:
        """Drop everything written."""


class ItarStoreWriter:
    """Writes a ``.zarr.itar``; metadata waits in the store until it is closed."""

    def __init__(self, location: str, storage_options: dict[str, Any] | None = None) -> None:
        from ncore.stores.indexed_tar import IndexedTarStore

        self.location = location
        # Keys of frames differ little; harder compression takes longer than the frames.
        self._store = IndexedTarStore(location, mode="w", index_preset=1, **(storage_options or {}))

    def write(self, key: str, value: bytes | memoryview) -> None:
        self._store.write(key, value)

    def read(self, key: str) -> bytes | None:
        return self._store.read(key) if self._store.holds(key) else None

    def remove(self, path: str) -> None:
        from zarr.core.sync import sync

        sync(self._store.delete_dir(path))

    def zarr_store(self) -> "Store":
        return self._store

    def finish(self) -> None:
        self._store.close()

    def abort(self) -> None:
        self._store.discard()


class DirectoryStoreWriter:
    """Writes a zarr directory beside its final place."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._final = Path(location)
        if self._final.exists() and not self._final.is_dir():
            raise SequenceFormatError(f"{location}: there is a file where a directory is to go")
        self._partial = self._final.with_name(f".{self._final.name}.partial-{secrets.token_hex(4)}")
        self._partial.mkdir(parents=True)
        self._directories: set[str] = set()

    def write(self, key: str, value: bytes | memoryview) -> None:
        if not self._partial.is_dir():
            raise WriterClosedError(f"{self.location}: the directory is finished")
        path = f"{self._partial}/{key}"
        parent = key.rpartition("/")[0]
        if parent not in self._directories:
            os.makedirs(f"{self._partial}/{parent}", exist_ok=True)  # noqa: PTH103 (a hot path)
            self._directories.add(parent)
        try:
            _write_new(path, value)
        except FileExistsError:
            # What is there holds attributes, which a full disk must not take.
            _write_new(f"{path}.new", value)
            os.replace(f"{path}.new", path)  # noqa: PTH105 (as above)

    def read(self, key: str) -> bytes | None:
        try:
            return Path(f"{self._partial}/{key}").read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, path: str) -> None:
        self._directories = {d for d in self._directories if not f"{d}/".startswith(f"{path}/")}
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._partial / path)

    def zarr_store(self) -> "Store":
        from zarr.storage import LocalStore

        return LocalStore(self._partial)

    def finish(self) -> None:
        self._consolidate()
        sync_tree(self._partial)
        old = replace_directory(self._partial, self._final)
        sync_file(self._final.parent)
        if old is not None:
            shutil.rmtree(old)

    def _consolidate(self) -> None:
        root_file = self._partial / "zarr.json"
        root = json.loads(root_file.read_bytes())
        documents = {
            str(file.parent.relative_to(self._partial)): json.loads(file.read_bytes())
            for file in sorted(self._partial.rglob("zarr.json"))
            if file != root_file
        }
        # zarr's own consolidate_metadata() opens every node; this is the same document.
        root["consolidated_metadata"] = {
            "kind": "inline",
            "must_understand": False,
            "metadata": documents,
        }
        self.write("zarr.json", json.dumps(root).encode())

    def abort(self) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)


def _write_new(path: str, value: bytes | memoryview) -> None:
    """Write a file that is not there; it stays so if the disk is full."""
    with open(path, "xb", buffering=0) as file:
        try:
            view = memoryview(value).cast("B")
            while view.nbytes:
                view = view[file.write(view) :]
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 (a hot path)
            raise


class ZarrStoreWriter:
    """Writes into a zarr store that someone else opened, and closes."""

    def __init__(self, store: "Store") -> None:
        from zarr.core.buffer import default_buffer_prototype

        self.location = str(store)
        self._prototype = default_buffer_prototype()
        self._store = store

    def write(self, key: str, value: bytes | memoryview) -> None:
        from zarr.core.sync import sync

        sync(self._store.set(key, self._prototype.buffer.from_bytes(value)))

    def read(self, key: str) -> bytes | None:
        from zarr.core.sync import sync

        value = sync(self._store.get(key, self._prototype))
        return None if value is None else value.to_bytes()

    def remove(self, path: str) -> None:
        from zarr.core.sync import sync

        sync(self._store.delete_dir(path))

    def zarr_store(self) -> "Store":
        return self._store

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass
