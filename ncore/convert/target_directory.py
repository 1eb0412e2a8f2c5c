"""A v3 store in a directory: one file a key, staged in a hidden directory beside it."""

import contextlib
import json
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from zarr.abc.store import Store
from zarr.storage import LocalStore

from ncore.convert.copy_files import copy_files, write_all
from ncore.convert.errors import TargetError, TargetExistsError, UnstorableKeyError
from ncore.convert.journal import Journal
from ncore.convert.source import DirectorySource, Source
from ncore.convert.target import Target
from ncore.convert.target_place import check_apart, check_replaceable, zarr_name
from ncore.itar.durable import sync_file, sync_tree
from ncore.itar.permissions import inherit_permissions
from ncore.itar.safe_path import is_unsafe, path_problem, show_key
from ncore.stores.documents import inline_consolidated
from ncore.stores.replaceable import replaceable_directory

_NAME_MAX = 255
_SHARE = 64  # entries that are worth a thread's while
_REQUESTS = 16  # at once, of a remote source
_BYTES_PER_CHARACTER = 4  # of UTF-8, at most


class DirectoryTarget(Target):
    """Files under ``path``; until published under ``.NAME.ncore-converting`` beside it."""

    container = "directory"
    parallel = True

    def __init__(self, path: str | os.PathLike[str], jobs: int = 4) -> None:
        self.name = str(path)
        # A link is followed: what it leads to is replaced, not the link.
        self.path = Path(os.path.realpath(path))
        self.stage = self.path.with_name(f".{self.path.name}.ncore-converting")
        self._shares = self.path.with_name(f".{self.path.name}.ncore-shares")
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

    def check_place(self, source: Source, overwrite: bool) -> str:
        # What a run removes or renames.
        for path in (self.path, self.stage, self._shares, self._old):
            check_apart(source, path, self.name)
        self.exists()
        return self._check_replaceable(overwrite, zarr_name(source))

    def _check_replaceable(self, overwrite: bool, inside: str = "NAME.zarr") -> str:
        if self.path.exists() and not self.path.is_dir():
            raise TargetExistsError(
                f"{self.name}: is a file, and without .itar, .zip or .ozx the target is a "
                "directory; choose another name"
            )
        look = partial(replaceable_directory, inside=inside)
        return check_replaceable(self.path, self.name, overwrite, look)

    def check(self, keys: Iterable[str]) -> None:
        folders: dict[str, str] = {}
        checked = list(keys)
        for key in checked:
            if problem := _problem(key):
                raise UnstorableKeyError(
                    f"{self.name}: key '{show_key(key)}' cannot be the path of a file: {problem}; "
                    "convert to an .itar or .zip, or leave it out with --zarr-not"
                )
            folder = key.rpartition("/")[0]
            while folder and folder not in folders:
                folders[folder] = key
                folder = folder.rpartition("/")[0]
        for key in checked:
            if key in folders:
                raise UnstorableKeyError(
                    f"{self.name}: key '{show_key(key)}' would be a file, and a folder because of "
                    f"'{show_key(folders[key])}'; convert to an .itar or .zip, or leave one out "
                    "with --zarr-not"
                )

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
        self._remove_shares()
        if state is None:
            self._journal.clear()
            if self.stage.exists():
                shutil.rmtree(self.stage)
            self.stage.mkdir()
            # From the start: what is private must not lie open until it is complete.
            inherit_permissions(self.path, self.stage)
            self.stage.chmod(self.stage.stat().st_mode | stat.S_IRWXU)
        return state is not None

    def write(self, key: str, data: bytes | memoryview) -> None:
        self._make_folder(key)
        _write(f"{self._stage}/{key}", data)

    def copy(
        self, source: Source, keys: Mapping[str, str], progress: Callable[[int], None]
    ) -> None:
        sizes = source.entries()
        for key in keys:
            self._make_folder(key)
        if isinstance(source, DirectorySource):
            copied = copy_files(str(source.path), self._stage, keys, sizes, self._jobs)
        else:
            copied = self._copied(source, keys, sizes)
        for size in copied:
            progress(size)

    def link(
        self, source: Source, keys: Mapping[str, str], progress: Callable[[int], None]
    ) -> None:
        if not isinstance(source, DirectorySource):
            raise TargetError(f"{source.name}: --link takes a directory as source")
        for key in keys:
            self._make_folder(key)
        root, sizes = str(source.path), source.entries()
        for size in copy_files(root, self._stage, keys, sizes, self._jobs, link=True):
            progress(size)

    def hand_out(self, keys: Iterable[str]) -> str:
        for key in keys:
            self._make_folder(key)
        run = uuid.uuid4().hex
        (self._shares / run).mkdir(parents=True)
        return run

    def copy_share(self, known: str, source: Source, keys: Mapping[str, str]) -> None:
        # What is copied here moves into the stage file by file. A worker that was given up,
        # yet goes on, or begins when another run has the stage, finds no folder of its run
        # any more: it makes none, and renames nothing.
        folder = self._shares / known / uuid.uuid4().hex
        folder.mkdir()
        self._stage = str(folder)
        self._folders.add("")
        numbers = {str(number): there for number, there in enumerate(keys.values())}
        self.copy(source, numbers, lambda size: None)
        sync_tree(folder)
        for number, key in enumerate(keys):
            (folder / str(number)).rename(self.stage / key)
        sync_tree(self.stage)
        folder.rmdir()

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
        self._remove_shares()
        self._check_replaceable(overwrite)  # it may have appeared meanwhile
        if self.path.exists():
            inherit_permissions(self.path, self.stage)
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self._old)
            self.path.rename(self._old)
        self.stage.rename(self.path)
        sync_file(self.path.parent)
        self._journal.remove()
        if self._old.exists():
            _remove(self._old)

    def discard(self) -> None:
        self._remove_shares()
        if self.stage.exists():
            shutil.rmtree(self.stage)
        self._journal.remove()

    def abandon(self) -> None:
        if self._journal.held and not any("arrays" in r for r in self._journal.records()):
            self.discard()

    def release(self) -> None:
        self._journal.release()

    def _copied(
        self, source: Source, keys: Mapping[str, str], sizes: Mapping[str, int]
    ) -> Iterator[int]:
        def some(items: list[tuple[str, str]]) -> int:
            for here, there in items:
                _write(f"{self._stage}/{here}", source.read(there))
            return sum(sizes[there] for _, there in items)

        items = list(keys.items())
        share = 1 if source.remote else _SHARE
        with ThreadPoolExecutor(max(self._jobs, _REQUESTS if source.remote else 1)) as pool:
            yield from pool.map(some, (items[i : i + share] for i in range(0, len(items), share)))

    def _remove_shares(self) -> None:
        """Remove what dead workers left, and what those would need that are not dead."""
        if self._shares.exists():
            gone = self._shares.with_name(f"{self._shares.name}-{uuid.uuid4().hex}")
            self._shares.rename(gone)  # at once, so that none of them makes a folder meanwhile
            shutil.rmtree(gone)

    def _make_folder(self, key: str) -> None:
        folder = key.rpartition("/")[0]
        if folder not in self._folders:
            if problem := _problem(key):  # never leave the staging directory
                raise UnstorableKeyError(f"{self.name}: key {key!r}: {problem}")
            (self.stage / folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)


def _problem(key: str) -> str:
    """Why a key cannot be the path of a file; empty if it can."""
    if is_unsafe(key):
        return path_problem(key)
    if len(key) * _BYTES_PER_CHARACTER > _NAME_MAX:
        for part in key.split("/"):
            if len(part.encode()) > _NAME_MAX:
                return f"it is too long ({_NAME_MAX} bytes a component)"
    return ""


def _write(path: str, data: bytes | memoryview) -> None:
    """Write a file; with many small ones, Python's own file objects would cost more than they."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108  # never written through: it may be a link to the source
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        write_all(fd, data)
    finally:
        os.close(fd)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
