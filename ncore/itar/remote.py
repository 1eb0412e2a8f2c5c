"""What every remote source has in common: few requests, many at once, one unchanged object."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ncore.itar.coalesce import coalesce, cut
from ncore.itar.errors import ItarChangedError, ItarClosedError
from ncore.itar.read_ahead import ReadAhead


@dataclass(frozen=True)
class RemoteTuning:
    """How a remote source shapes its requests. Sizes in bytes."""

    coalesce_gap: int = 64 << 10
    """Ranges this close share a request: a round trip costs more than these bytes."""
    coalesce_most: int = 8 << 20
    """A request that joins ranges is not larger than this."""
    concurrency: int = 16
    """Requests under way at once."""
    read_ahead: int = 16 << 20
    """Bytes fetched ahead of a reader that goes in order; 0 switches it off."""


TUNING_OPTIONS = frozenset(RemoteTuning.__dataclass_fields__)


@dataclass(frozen=True)
class Version:
    """What tells one state of an object from the next."""

    size: int
    etag: str | None = None
    last_modified: str | None = None

    @property
    def strong_etag(self) -> str | None:
        """The entity tag, if it is fit for ``If-Match`` (RFC 9110 §13.1.1)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else None

    def check(self, now: "Version", name: str) -> None:
        """Raise ItarChangedError unless ``now`` is the same state."""
        same = now.size == self.size and (
            now.etag == self.etag
            if self.etag and now.etag
            else now.last_modified == self.last_modified
        )
        if not same:
            raise changed(name)


def changed(name: str) -> ItarChangedError:
    """Return the error for an object that is no longer what was opened."""
    return ItarChangedError(
        f"{name}: the object was replaced since it was opened; open it again to read the new one"
    )


class RemoteSource(ABC):
    """A ByteSource over a network; see :class:`~ncore.itar.source.ByteSource`.

    Subclasses say how one range is fetched. Threads and forked children may all
    read; each process makes its own pool.
    """

    _pool: ThreadPoolExecutor | None

    def __init__(self, name: str, tuning: RemoteTuning) -> None:
        self._name = name
        self._tuning = tuning
        self._version: Version | None = None
        self._closed = False
        self._start()

    @abstractmethod
    def _open(self, tail: int) -> tuple[bytes, Version]:
        """Return the last ``tail`` bytes (or all) and the object's state, in one request."""

    @abstractmethod
    def _get(self, start: int, stop: int, version: Version) -> bytes:
        """Return the bytes [start, stop) of that state of the object.

        Raises:
            ItarChangedError: it is in another state now.
        """

    @property
    def name(self) -> str:  # docstring inherited
        return self._name

    @property
    def size(self) -> int:  # docstring inherited
        return self._opened().size

    def read_tail(self, size: int) -> bytes:  # docstring inherited
        self._check_open()
        data, self._version = self._open(size)
        return data

    def read(self, offset: int, size: int) -> bytes:  # docstring inherited
        if size == 0:
            return b""
        if self._tuning.read_ahead:
            data = self._ahead().read(offset, size)
            if data is not None:
                return data
        return self._fetch(offset, offset + size)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:  # docstring inherited
        requests = coalesce(ranges, self._tuning.coalesce_gap, self._tuning.coalesce_most)
        if len(requests) == 1:
            return cut(requests, [self._fetch(requests[0].start, requests[0].stop)], ranges)
        pool = self._threads()
        futures = [pool.submit(self._fetch, r.start, r.stop) for r in requests]
        try:
            return cut(requests, [f.result() for f in futures], ranges)
        finally:
            for future in futures:
                future.cancel()

    async def read_async(self, offset: int, size: int) -> bytes:
        """Like :meth:`read`, for an event loop."""
        import asyncio  # which a reader of local files does without

        return await asyncio.get_running_loop().run_in_executor(
            self._threads(), self._fetch, offset, offset + size
        )

    async def read_many_async(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Like :meth:`read_many`, for an event loop."""
        import asyncio

        requests = coalesce(ranges, self._tuning.coalesce_gap, self._tuning.coalesce_most)
        loop, pool = asyncio.get_running_loop(), self._threads()
        answers = await asyncio.gather(
            *(loop.run_in_executor(pool, self._fetch, r.start, r.stop) for r in requests)
        )
        return cut(requests, answers, ranges)

    def close(self) -> None:  # docstring inherited
        self._closed = True
        if self._pool is not None and self._pid == os.getpid():
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    def _fetch(self, start: int, stop: int) -> bytes:
        if start == stop:
            return b""
        self._check_open()
        data = self._get(start, stop, self._opened())
        if len(data) != stop - start:
            raise changed(self._name)
        return data

    def _opened(self) -> Version:
        if self._version is None:
            raise ItarClosedError(f"{self._name}: nothing was read of it yet")
        return self._version

    def _check_open(self) -> None:
        if self._closed:
            raise ItarClosedError(f"{self._name}: the archive is closed")

    # What belongs to one process: threads and what they have under way.

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._pool = None
        self._reading_ahead: ReadAhead | None = None

    def _own(self) -> None:
        if self._pid != os.getpid():  # forked: the parent's threads are not here
            self._start()

    def _threads(self) -> ThreadPoolExecutor:
        self._own()
        with self._lock:
            self._check_open()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._tuning.concurrency, "ncore-read")
            return self._pool

    def _ahead(self) -> ReadAhead:
        self._own()
        if self._reading_ahead is None:
            self._reading_ahead = ReadAhead(
                self._submit, self.size, self._tuning.read_ahead, self._tuning.coalesce_gap
            )
        return self._reading_ahead

    def _submit(self, start: int, stop: int) -> "Future[bytes]":
        return self._threads().submit(self._fetch, start, stop)
