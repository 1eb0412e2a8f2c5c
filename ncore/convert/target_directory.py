"""A v3 store in a directory: one file a key, staged in a hidden directory beside it."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from zarr.abc.store import Store
from zarr.storage import LocalStore

from ncore.convert.errors import TargetExistsError, UnstorableKeyError
from ncore.convert.journal import Journal
from ncore.convert.source import DirectorySource, Source
from ncore.convert.target import Target
from ncore.itar.durable import sync_file, sync_tree
from ncore.stores.documents import inline_consolidated

_NAME_MAX = 255
_SMALL = 256 << 10
_SHARE, _SHARE_BYTES = 128, 16 << 20


class DirectoryTarget(Target):
    """Files under ``path``; until published under ``.NAME.ncore-converting`` beside it."""

    parallel = True

    def __init__(self, path: str | os.PathLike[str], jobs: int = 4) -> None:
        self.name = str(path)
        self.path = Path(path).absolute()
        self.stage = self.path.with_name(f".{self.path.name}.ncore-converting")
        self._old = self.path.with_name(f".{self.path.name}.ncore-replaced")
        self._journal = Journal(self.path.with_name(f".{self.path.name}.ncore-journal"))
        self._jobs = jobs
        self._stage = str(self.stage)
        self._folders: set[str] = set()
        self._documents: Mapping[str, dict[str, Any]] = {}
        self._consolidated = False

    def exists(self) -> bool:
        if self._old.exists() and not self.path.exists():
            self._old.rename(self.path)  # an earlier run stopped between two renames
        return self.path.exists()

    def problem(self, key: str) -> str:
        parts = key.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            return "cannot be the path of a file"
        try:
            longest = max(len(os.fsencode(part)) for part in parts)
        except UnicodeEncodeError:
            return "cannot be the path of a file: it is not Unicode text"
        if longest > _NAME_MAX:
            return f"is too long for the path of a file ({_NAME_MAX} bytes a component)"
        return ""

    def read_journal(self) -> list[Any]:
        if not self.stage.is_dir():
            return []
        return self._journal.records()

    def append_journal(self, record: Any) -> None:
        self._journal.append(record)

    def begin(
        self, documents: Mapping[str, dict[str, Any]], state: Any, consolidated: bool
    ) -> bool:
        self._documents, self._consolidated = documents, consolidated
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._journal.acquire()
        if state is None:
            self._journal.clear()
            if self.stage.exists():
                shutil.rmtree(self.stage)
            self.stage.mkdir()
        return state is not None

    def write(self, key: str, data: bytes | memoryview) -> None:
        _write(self._file(key), data)

    def copy(
        self, source: Source, keys: Mapping[str, str], progress: Callable[[int], None]
    ) -> None:
        sizes = source.entries()

        def some(items: list[tuple[str, str]]) -> int:
            done = 0
            for here, there in items:
                size = sizes[there]
                if isinstance(source, DirectorySource) and size > _SMALL:
                    # copyfile hands the bytes from file to file inside the kernel.
                    shutil.copyfile(source.file(there), self._file(here))
                else:
                    _write(self._file(here), source.read(there))
                done += size
            return done

        with ThreadPoolExecutor(self._jobs) as pool:
            for done in pool.map(some, _shares(keys, sizes)):
                progress(done)

    def checkpoint(self) -> Any:
        sync_tree(self.stage)
        return {}

    def finish(self) -> None:
        documents = dict(self._documents)
        if self._consolidated:
            nodes = {path: document for path, document in documents.items() if path}
            documents[""] = {**documents[""], "consolidated_metadata": inline_consolidated(nodes)}
        for path, document in documents.items():
            key = f"{path}/zarr.json" if path else "zarr.json"
            self.write(key, json.dumps(document, indent=2).encode())
        sync_tree(self.stage)

    def staged(self) -> Store:
        return LocalStore(self.stage, read_only=True)

    def publish(self, overwrite: bool) -> None:
        if self.path.exists():
            if not overwrite:
                raise TargetExistsError(f"{self.name}: appeared while it was being written")
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self._old)
            self.path.rename(self._old)
        self.stage.rename(self.path)
        sync_file(self.path.parent)
        self._journal.remove()
        if self._old.exists():
            _remove(self._old)

    def discard(self) -> None:
        if self.stage.exists():
            shutil.rmtree(self.stage)
        self._journal.remove()

    def release(self) -> None:
        self._journal.release()

    def _file(self, key: str) -> str:
        folder = key.rpartition("/")[0]
        if folder not in self._folders:
            if problem := self.problem(key):  # never leave the staging directory
                raise UnstorableKeyError(f"{self.name}: key {key!r} {problem}")
            (self.stage / folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
        return f"{self._stage}/{key}"


def _write(path: str, data: bytes | memoryview) -> None:
    """Write a file; with many small ones, Python's own file objects would cost more than they."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
    finally:
        os.close(fd)


def _shares(keys: Mapping[str, str], sizes: Mapping[str, int]) -> Iterator[list[tuple[str, str]]]:
    """Entries in shares that are worth a thread's while."""
    share: list[tuple[str, str]] = []
    size = 0
    for item in keys.items():
        share.append(item)
        size += sizes[item[1]]
        if len(share) >= _SHARE or size >= _SHARE_BYTES:
            yield share
            share, size = [], 0
    if share:
        yield share


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
