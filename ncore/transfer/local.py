"""Local directories as source and target."""

import asyncio
import contextlib
import errno
import os
import stat
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from pathlib import Path

from ncore.transfer.backend import (
    Capabilities,
    DeleteFailure,
    Entry,
    Outcome,
    Payload,
)
from ncore.transfer.digests import Digest, digest_of, hasher
from ncore.transfer.errors import (
    AccessDeniedError,
    DigestMismatchError,
    EntryChangedError,
    EntryExistsError,
    EntryNotFoundError,
    TransferError,
)
from ncore.transfer.filesystem import Hop, is_kept_as
from ncore.transfer.keys import check_key, show_key
from ncore.transfer.local_listing import entry_of, walk
from ncore.transfer.local_writing import Writer

_PAGE = 1000
_CHUNK = 1 << 20
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # never wait for a named pipe
_DIGESTS_AT_ONCE = 64
_IN_THREAD = 1 << 18  # writing so many bytes takes longer than a hop


class LocalBackend:
    """A directory.

    Args:
        root: The directory.
        must_exist: Listing a missing directory is an error (a source) rather
            than empty (a target to be made).
        follow_links: Links to directories are part of it (a source); a target
            lists them as entries, and nothing is written through them.
        skip_names: Names of files and directories that are not part of it.
        only: This one file of it, and no other, is listed and written.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        must_exist: bool = False,
        follow_links: bool = False,
        skip_names: frozenset[str] = frozenset(),
        only: str | None = None,
    ) -> None:
        self.root = self.local_path = Path(root)
        self.only = only
        self.url = str(root) if only is None else str(self.root / only)
        self.capabilities = Capabilities(writable=True, cheap_digests=True, concurrency=32)
        self._must_exist = must_exist
        self._follow_links = follow_links
        self._skip_names = skip_names
        self._writer = Writer(self.root, only)
        self._hop = Hop()

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """List files in pages, in key order; symbolic links as their targets."""
        if self.only is not None:
            path = self.root / self.only
            is_there = os.path.lexists(path) and not (path.is_dir() and not path.is_symlink())
            if is_there and self.only.startswith(prefix) and self.only > after:
                yield [entry_of(self.only, str(path))]
            return
        entries = walk(
            str(self.root),
            prefix,
            after,
            follow_links=self._follow_links,
            skip_names=self._skip_names,
        )
        while True:
            try:
                page = await self._hop.thread(lambda: list(islice(entries, _PAGE)))
            except FileNotFoundError:
                if self._must_exist:
                    raise EntryNotFoundError(f"{self.url}: no such directory") from None
                return
            except OSError as e:
                raise _error(e, self.url) from e
            if not page:
                return
            yield page

    async def stat(self, key: str) -> Entry | None:
        """Return one entry; a link to a directory counts as a file in a target."""
        try:
            check_key(key)
            path = self.root / key
            try:
                status = path.stat() if self._follow_links else path.lstat()
            except FileNotFoundError:
                status = path.lstat()  # a link to nothing is listed too
            if not is_kept_as(self.root, key):
                return None
        except (TransferError, FileNotFoundError, NotADirectoryError):
            return None
        except OSError as e:
            raise _error(e, key) from e
        if stat.S_ISDIR(status.st_mode):
            return None
        if not stat.S_ISREG(status.st_mode):
            return Entry(key, -1)
        return Entry(key, status.st_size, None, status.st_mtime)

    async def has_directory(self, path: str) -> bool:
        """Return whether a directory is there, also an empty one."""
        return (self.root / path).is_dir() and is_kept_as(self.root, path)

    async def read(self, entry: Entry) -> bytes:
        """Return a file's bytes."""
        return await self._hop.run(self._read, entry)

    def _read(self, entry: Entry) -> bytes:
        try:
            with open(self._open(entry), "rb", buffering=0) as f:
                data = f.read(entry.size + 1) or b""
                while len(data) < entry.size and (more := f.read(entry.size + 1 - len(data))):
                    data += more
        except OSError as e:
            raise _error(e, entry.key) from e
        if len(data) != entry.size:
            raise _changed(entry)
        return data

    def _open(self, entry: Entry) -> int:
        fd = os.open(f"{self.root}/{entry.key}", _READ)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise TransferError(f"{show_key(entry.key)!r} is not a regular file")
        if status.st_size != entry.size or entry.mtime not in (None, status.st_mtime):
            os.close(fd)
            raise _changed(entry)
        return fd

    async def stream(self, entry: Entry, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield a file's bytes from ``offset`` on."""
        try:
            fd = self._open(entry)
        except OSError as e:
            raise _error(e, entry.key) from e
        try:
            while offset < entry.size:
                data = await self._hop.run(os.pread, fd, _CHUNK, offset)
                if not data:
                    raise _changed(entry)
                offset += len(data)
                yield data
        except OSError as e:
            raise _error(e, entry.key) from e
        finally:
            os.close(fd)

    async def digests(
        self, entries: Sequence[Entry], algorithm: str
    ) -> Sequence[Digest | TransferError]:
        """Hash files, several at once in threads."""

        def hash_some(some: Sequence[Entry]) -> list[Digest | TransferError]:
            return [self._digest(entry, algorithm) for entry in some]

        groups = [
            entries[i : i + _DIGESTS_AT_ONCE] for i in range(0, len(entries), _DIGESTS_AT_ONCE)
        ]
        done = await asyncio.gather(*(self._hop.thread(hash_some, group) for group in groups))
        return [digest for group in done for digest in group]

    def _digest(self, entry: Entry, algorithm: str) -> Digest | TransferError:
        try:
            if 0 <= entry.size <= _CHUNK:
                return digest_of(self._read(entry), algorithm)
            h = hasher(algorithm, entry.size)
            with open(self._open(entry), "rb", buffering=0) as f:
                while data := f.read(_CHUNK):
                    h.update(data)
            return Digest(algorithm, h.hexdigest())
        except TransferError as e:
            return e
        except OSError as e:
            return _error(e, entry.key)

    async def start(self) -> None:
        """Make the directory, and lock it against other transfers."""
        self._writer.open()

    async def prepare(self, payloads: Sequence[Payload]) -> None:
        """Do nothing."""

    async def write(self, payload: Payload) -> Digest | None:
        """Write one file: in the staging directory, then renamed."""
        replace = payload.replaces is not None
        try:
            if payload.data is not None:
                call = self._hop.thread if len(payload.data) >= _IN_THREAD else self._hop.run
                await call(
                    self._writer.write, payload.key, payload.data, payload.mtime, replace=replace
                )
            else:
                await self._write_large(payload, replace)
        except OSError as e:
            if isinstance(e, TransferError):
                raise
            raise _error(e, payload.key) from e
        return None

    async def _write_large(self, payload: Payload, replace: bool) -> None:
        version = f"{payload.size} {payload.digest}"
        part = self._writer.open_part(payload.key, version)
        try:
            # Without a digest nothing would show that the old bytes are right.
            if payload.digest is None or part.size > payload.size:
                part.truncate()
            prior = part.prior() if part.size else ()
            async for chunk in payload.stream(part.size, prior):
                await self._hop.run(part.append, chunk)
            self._writer.finish_part(part, payload.key, payload.mtime, replace=replace)
        except (DigestMismatchError, EntryChangedError):
            self._writer.discard_part(part)
            raise
        except BaseException:
            if not part.size:
                self._writer.discard_part(part)  # nothing to go on with
            raise
        finally:
            part.close()

    async def delete(self, entries: Sequence[Entry]) -> Sequence[DeleteFailure]:
        """Delete files and the directories that this leaves empty."""
        self._writer.open()
        failures = []
        for entry in entries:
            try:
                await self._hop.run(self._writer.delete, entry.key)
            except TransferError as e:
                failures.append(DeleteFailure(entry.key, e))
            except OSError as e:
                failures.append(DeleteFailure(entry.key, _error(e, entry.key)))
        return failures

    async def finish(self, outcome: Outcome) -> None:
        """Bring everything onto the disk and let go of the lock."""
        if outcome.written or outcome.deleted:
            await self._hop.thread(self._writer.sync)
        self._writer.close(keep_parts=outcome.failed > 0)

    async def abort(self) -> None:
        """Keep only the parts of large files, which the next run goes on with."""
        self._writer.close(keep_parts=True)

    async def close(self) -> None:
        """Let go of threads and descriptors."""
        with contextlib.suppress(OSError):
            self._writer.close(keep_parts=True)
        self._hop.close()


def _changed(entry: Entry) -> EntryChangedError:
    return EntryChangedError(f"{show_key(entry.key)!r} changed while it was being read")


def _error(e: OSError, key: str) -> TransferError:
    if isinstance(e, TransferError):
        return e
    what = f"{show_key(key)!r}: {e.strerror or e}"
    if isinstance(e, FileNotFoundError):
        return EntryNotFoundError(what)
    if isinstance(e, PermissionError):
        return AccessDeniedError(what)
    if isinstance(e, NotADirectoryError):
        return EntryExistsError(f"{show_key(key)!r}: a file is where a directory should be")
    if e.errno == errno.ENOSPC:
        return TransferError(f"{what}; free some space and run again: what is there is kept")
    return TransferError(what)
