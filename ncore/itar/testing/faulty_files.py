"""A file system for tests that dies at a chosen operation, and loses what was not synced.

Operations are carried out on the real files, so that the code under test can
look at them, and recorded. After the "crash" the directory is put into a state
that a power cut at that moment could have left.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ncore.itar.files import OS_FILES, Buffer, WritableFile

Loss = Literal["nothing", "unsynced", "some"]


class Crash(BaseException):
    """The process is dead. Nothing it does from here on has an effect."""


class _State:
    """One file's content on the disk, and what is still on its way there."""

    def __init__(self, content: bytes) -> None:
        self.synced = bytearray(content)
        self.waiting: list[tuple[int, bytes] | int] = []  # (offset, data), or a size to cut to

    def apply(self, change: tuple[int, bytes] | int) -> None:
        if isinstance(change, int):
            del self.synced[change:]
            self.synced += bytes(change - len(self.synced))
            return
        offset, data = change
        self.synced += bytes(max(0, offset - len(self.synced)))
        self.synced[offset : offset + len(data)] = data


class FaultyFiles:
    """Files that fail at the ``fail_at``-th changing operation (counted from 0).

    Attributes:
        done: how many changing operations were begun.
    """

    def __init__(
        self,
        root: Path,
        fail_at: int = -1,
        error: BaseException | None = None,
        sticky: bool = False,
    ) -> None:
        """Begin.

        Args:
            root: the directory; everything in it counts as synced.
            fail_at: which operation fails; -1 for none.
            error: what it raises; a :class:`Crash` by default. After another error the
                process lives on.
            sticky: whether all later operations raise it, too.
        """
        self.root = root
        self.done = 0
        self._fail_at = fail_at
        self._error = error
        self._sticky = sticky
        self._dead = False
        self._names = {path: _State(path.read_bytes()) for path in root.iterdir() if path.is_file()}
        self._synced_names = dict(self._names)
        self._torn: list[tuple[_State, tuple[int, bytes]]] = []

    def step(self, torn: tuple[_State, tuple[int, bytes]] | None = None) -> None:
        """Begin an operation; raises if it is the one that fails."""
        if self._dead:
            raise Crash
        at = self.done
        self.done += 1
        if at == self._fail_at or (self._sticky and 0 <= self._fail_at < at):
            if self._error is not None:
                raise self._error
            self._dead = True
            if torn is not None:
                self._torn.append(torn)
            raise Crash

    def create(self, path: Path) -> WritableFile:
        self.step()
        state = self._names.get(path)
        if state is None:
            state = self._names[path] = _State(b"")
        else:
            state.waiting.append(0)
        return _FaultyFile(self, state, OS_FILES.create(path))

    def open(self, path: Path) -> WritableFile:
        if self._dead:
            raise Crash
        return _FaultyFile(self, self._names[path], OS_FILES.open(path))

    def replace(self, source: Path, target: Path) -> None:
        self.step()
        OS_FILES.replace(source, target)
        self._names[target] = self._names.pop(source)

    def link(self, source: Path, target: Path) -> None:
        self.step()
        OS_FILES.link(source, target)
        self._names[target] = self._names[source]

    def unlink(self, path: Path) -> None:
        self.step()
        OS_FILES.unlink(path)
        self._names.pop(path, None)

    def fsync_dir(self, path: Path) -> None:
        self.step()
        self._synced_names = dict(self._names)

    def crash(self, loss: Loss, rng: random.Random) -> None:
        """Put the directory into a state that the crash could have left.

        Args:
            loss: ``nothing``: the process was killed, the machine lives. ``unsynced``:
                everything not synced is gone. ``some``: of what was not synced each write
                arrived, or a part of it, or not; names changed or not.
            rng: makes the choices.
        """
        for state, (offset, data) in self._torn:
            if loss != "unsynced":
                state.waiting.append((offset, data[: rng.randrange(len(data) + 1)]))
        names = self._names
        if loss == "unsynced" or (loss == "some" and rng.random() < 0.5):
            names = self._synced_names
        for state in {
            id(state): state for state in [*self._names.values(), *names.values()]
        }.values():
            for change in state.waiting:
                if loss == "nothing" or (loss == "some" and rng.random() < 0.6):
                    if loss == "some" and not isinstance(change, int) and rng.random() < 0.3:
                        offset, data = change
                        change = offset, data[: rng.randrange(len(data) + 1)]
                    state.apply(change)
        for path in self.root.iterdir():
            path.unlink()
        for path, state in names.items():
            path.write_bytes(state.synced)


class _FaultyFile:
    def __init__(self, files: FaultyFiles, state: _State, inner: WritableFile) -> None:
        self._files = files
        self._state = state
        self._inner = inner

    def pwrite(self, buffers: Sequence[Buffer], offset: int) -> None:
        data = b"".join(bytes(buffer) for buffer in buffers)
        self._files.step((self._state, (offset, data)))
        self._inner.pwrite([data], offset)
        self._state.waiting.append((offset, data))

    def truncate(self, size: int) -> None:
        self._files.step()
        self._inner.truncate(size)
        self._state.waiting.append(size)

    def fsync(self) -> None:
        self._files.step()
        for change in self._state.waiting:
            self._state.apply(change)
        self._state.waiting.clear()

    def pread(self, size: int, offset: int) -> bytes:
        return self._inner.pread(size, offset)

    def size(self) -> int:
        return self._inner.size()

    def close(self) -> None:
        self._inner.close()
