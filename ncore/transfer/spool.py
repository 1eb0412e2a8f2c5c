"""A queue of planned actions that grows on disk, not in memory.

Planning runs ahead of transferring, so that totals are known early and a guard
can look at the whole plan; a million planned entries must not cost memory for
it. So beyond a limit they wait in an unnamed temporary file.
"""

import asyncio
import json
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import IO

from ncore.transfer.actions import Action, ActionKind
from ncore.transfer.backend import Entry
from ncore.transfer.digests import Digest

_IN_MEMORY = 20_000


class ActionSpool:
    """One writer appends batches, one reader takes them, in order.

    Args:
        in_memory: Actions to keep before the file is used.
    """

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._limit = in_memory
        self._held = 0
        self._queue: deque[Sequence[Action]] = deque()
        self._file: IO[bytes] | None = None
        self._written = 0
        self._read = 0
        self._changed = asyncio.Event()
        self._closed = False
        self._error: BaseException | None = None

    def append(self, batch: Sequence[Action]) -> None:
        """Add a batch behind the others."""
        if not batch:
            return
        if self._written == self._read and self._held < self._limit:
            self._queue.append(batch)
            self._held += len(batch)
        else:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="ncore-plan-")  # noqa: SIM115
            line = json.dumps(batch, separators=(",", ":")).encode() + b"\n"
            self._file.seek(self._written)
            self._file.write(line)
            self._written += len(line)
        self._changed.set()

    def end(self, error: BaseException | None = None) -> None:
        """Say that no more comes; the reader ends, or meets the error."""
        self._closed = True
        self._error = error
        self._changed.set()

    async def batches(self) -> AsyncIterator[Sequence[Action]]:
        """Yield batches until the writer has ended."""
        while True:
            if self._queue:
                batch = self._queue.popleft()
                self._held -= len(batch)
                yield batch
            elif self._file is not None and self._read < self._written:
                self._file.seek(self._read)
                line = self._file.readline()
                self._read += len(line)
                yield [_action(fields) for fields in json.loads(line)]
            elif self._closed:
                if self._error is not None:
                    raise self._error
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def close(self) -> None:
        """Give the file up."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _entry(fields: list[object] | None) -> Entry | None:
    if fields is None:
        return None
    key, size, digest, mtime, etag = fields
    return Entry(key, size, Digest(*digest) if digest else None, mtime, etag)  # type: ignore[arg-type,misc]


def _action(fields: list[object]) -> Action:
    kind, key, reason, source, target = fields
    return Action(
        ActionKind(str(kind)),
        key,  # type: ignore[arg-type]
        reason,  # type: ignore[arg-type]
        _entry(source),  # type: ignore[arg-type]
        _entry(target),  # type: ignore[arg-type]
    )
