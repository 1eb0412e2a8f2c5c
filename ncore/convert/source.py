"""Where a v2 hierarchy is read from: entries with sizes, and their bytes."""

import copy
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ncore.convert.errors import SourceError

_REQUESTS = 16
_AHEAD_BYTES = 128 << 20


class Source(ABC):
    """A v2 store, opened for reading; any number of threads may share it.

    Attributes:
        name: what the user called it, for messages.
        remote: whether each reading waits for a network.
    """

    name: str
    remote: bool = False

    @property
    def local_path(self) -> Path | None:
        """The directory or file of this machine that holds it; None where there is none."""
        return None

    @abstractmethod
    def entries(self) -> Mapping[str, int]:
        """Key → size in bytes of everything in the store, in the store's own order."""

    @abstractmethod
    def read(self, key: str) -> bytes | memoryview:
        """The bytes under a key.

        Raises:
            KeyError: there is nothing under it.
        """

    def read_in_order(self, keys: Iterable[str]) -> Iterator[bytes | memoryview]:
        """The bytes under each key; of a remote store, those to come are fetched meanwhile."""
        if not self.remote:
            yield from map(self.read, keys)
            return
        sizes = self.entries()
        waiting: deque[tuple[Future[bytes | memoryview], int]] = deque()
        ahead = 0
        with ThreadPoolExecutor(_REQUESTS) as pool:
            try:
                for key in keys:
                    size = sizes[key]
                    while waiting and (
                        len(waiting) >= 2 * _REQUESTS or ahead + size > _AHEAD_BYTES
                    ):
                        future, fetched = waiting.popleft()
                        ahead -= fetched
                        yield future.result()
                    waiting.append((pool.submit(self.read, key), size))
                    ahead += size
                while waiting:
                    yield waiting.popleft()[0].result()
            finally:
                for future, _ in waiting:
                    future.cancel()

    def with_sizes(self, sizes: Mapping[str, int]) -> "Source":
        """The same store, of which these entries are known, so that nothing is listed."""
        return self

    @abstractmethod
    def identity(self) -> Any:
        """JSON values that change when the store does, for resuming."""

    def close(self) -> None:  # noqa: B027  # most have nothing open
        """Let go of what is open."""


class DirectorySource(Source):
    """A store in a directory, one file a key."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._root = str(self.path)
        self.name = str(path)
        self._entries: dict[str, int] | None = None
        if not self.path.is_dir():
            raise SourceError(f"{self.name}: no such directory")

    @property
    def local_path(self) -> Path:
        return self.path

    def entries(self) -> Mapping[str, int]:
        if self._entries is None:
            self._entries = {}
            pending: list[tuple[str, str, tuple[str, ...]]] = [("", self._root, ())]
            while pending:
                prefix, folder, links = pending.pop()
                try:
                    with os.scandir(folder) as found:
                        listed = sorted(found, key=lambda entry: entry.name)
                except OSError as error:
                    raise SourceError(f"{folder}: {error.strerror}") from None
                for entry in listed:
                    key = prefix + entry.name
                    if entry.is_dir():
                        inside = links
                        if entry.is_symlink():
                            inside = (*links, self._followed(entry.path, links))
                        pending.append((f"{key}/", entry.path, inside))
                    elif entry.is_file():
                        self._entries[key] = entry.stat().st_size
        return self._entries

    def _followed(self, link: str, links: tuple[str, ...]) -> str:
        """Where a link to a directory leads; refused where that would never end."""
        real = os.path.realpath(link)
        if real in links or f"{os.path.realpath(self._root)}/".startswith(f"{real}/"):
            raise SourceError(f"{link}: this link leads to a directory that it lies in")
        return real

    def read(self, key: str) -> bytes:
        try:
            fd = os.open(f"{self._root}/{key}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise KeyError(key) from None
        try:
            size = os.fstat(fd).st_size
            data = os.read(fd, size)
            while len(data) < size and (more := os.read(fd, size - len(data))):
                data += more  # Linux reads at most 2 GiB a call
            return data
        finally:
            os.close(fd)

    def with_sizes(self, sizes: Mapping[str, int]) -> "DirectorySource":
        known = copy.copy(self)
        known._entries = dict(sizes)
        return known

    def identity(self) -> Any:
        return ["directory", os.path.realpath(self.path)]
