"""What the planner and the executor ask of a place where entries lie.

A *root* is one zarr (or one plain file, or one folder) at one place. Its
*entries* are the files of it, each under a *key*: the path relative to the
root, ``/`` between components, no leading slash. A backend lists them, reads
them and, when it is a target, writes and deletes them. It decides nothing: what
is copied is the planner's, when and how often the executor's business.

All methods run on one event loop. A backend raises only errors of
:mod:`ncore.transfer.errors` for what a user can meet: the executor retries
:class:`~ncore.transfer.errors.TransientError` and reports every other one
against its entry. Keys that come from outside are hostile until
:func:`ncore.transfer.keys.check_key` has passed them.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from ncore.transfer.digests import Digest
from ncore.transfer.errors import TransferError

Bytes = bytes | bytearray
"""What was read: a buffer that whoever receives it only reads."""


class Entry(NamedTuple):
    """One file of a root, as a listing tells of it.

    Attributes:
        key: Path relative to the root, ``/`` between components.
        size: Number of bytes; -1 where a listing cannot know (HTTP without a
            length).
        digest: Digest of the bytes, or None where listing does not give one.
        mtime: Seconds since the epoch, or None.
        etag: Opaque version token for this backend's own use (conditional
            reads, ``If-Match``); never compared across backends.
    """

    key: str
    size: int
    digest: Digest | None = None
    mtime: float | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do, and how it likes to be used.

    Attributes:
        writable: ``write`` and ``delete`` work.
        list_digest: Algorithm of the digests that ``list`` gives, None if
            it gives none (a directory) or not for every entry.
        write_digest: Algorithm that :attr:`Payload.digest` must have before
            ``write`` is called (DANDI: ``"md5"``); None if none is needed.
        write_batch: How many payloads ``prepare`` likes at once; 0 if it does
            nothing.
        delete_batch: How many entries one ``delete`` call may carry.
        concurrency: Reads or writes under way at once unless the user says.
        exclusive_names: A key cannot be a file and a directory at once, so
            conflicts are deleted before writing.
        cheap_digests: ``digests`` computes without the network.
        list_ranges: ``list`` seeks with ``after`` at the cost of one request,
            so that the planner may split and skip key ranges.
    """

    writable: bool = False
    list_digest: str | None = None
    write_digest: str | None = None
    write_batch: int = 0
    delete_batch: int = 1000
    concurrency: int = 16
    exclusive_names: bool = True
    cheap_digests: bool = False
    list_ranges: bool = False
    published_whole: bool = False


@dataclass
class Payload:
    """The bytes of one entry on their way to a target.

    The executor makes it; whichever way a target takes the bytes, they have
    been checked against the source's digest when the last one is handed over:
    ``stream`` raises instead of ending when they are wrong, so a target that
    commits only after the stream has ended never commits wrong bytes.

    Attributes:
        key: Key to write.
        size: Number of bytes (-1 if unknown until the end).
        digest: Digest of the bytes, in the algorithm the target's
            capabilities ask for when they ask for one; else what is known.
        mtime: Modification time at the source, seconds since the epoch.
        replaces: What the target's listing showed under this key, or None
            when the plan is to create it: a target that can refuse to
            overwrite must then refuse.
        data: All bytes when they are few (already checked), else None.
        open: Makes a fresh stream; call :meth:`stream`.
    """

    key: str
    size: int
    digest: Digest | None
    mtime: float | None
    replaces: Entry | None
    data: Bytes | None
    open: Callable[[int, Iterable[bytes]], AsyncIterator[Bytes]]

    def stream(self, offset: int = 0, prior: Iterable[bytes] = ()) -> AsyncIterator[Bytes]:
        """Return a fresh stream of the bytes from ``offset`` on, checked at its end.

        Args:
            offset: Bytes that the target already has of an earlier attempt.
            prior: Those bytes, for the digest; consumed in a thread.
        """
        return self.open(offset, prior)


@dataclass(frozen=True)
class Outcome:
    """What happened to a target, as told to :meth:`Target.finish`.

    Attributes:
        mode: ``"full"``, ``"patch"``, ``"subtree"`` or ``"copy"``.
        complete: The target now holds exactly the source's entries (full
            mode, no filter, no error), so whole-root checksums must agree.
        written: Entries created or replaced.
        deleted: Entries deleted.
        failed: Entries that failed.
    """

    mode: str
    complete: bool
    written: int
    deleted: int
    failed: int


class DeleteFailure(NamedTuple):
    """One entry that could not be deleted."""

    key: str
    error: TransferError


@runtime_checkable
class Source(Protocol):
    """Where entries are listed and read.

    Attributes:
        url: The root's place for messages, without credentials.
        capabilities: What it can do.
    """

    url: str
    capabilities: Capabilities

    def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Sequence[Entry]]:
        """List entries in pages, ordered by key (code points = UTF-8 bytes).

        Args:
            prefix: Only keys that start with this exact string. ``"0/"`` never
                gives ``01/x``, whatever the server's own idea of a prefix.
            after: Only keys greater than this one.

        Yields:
            Non-empty sequences of entries. Every key that lies under the
            prefix is listed, also one that is hostile: the planner refuses it
            by name. A root that is not there lists nothing when it is a
            target not yet made, and raises when it is a source.

        Raises:
            EntryNotFoundError: The root is not there.
        """
        ...

    async def stat(self, key: str) -> Entry | None:
        """Return one entry by its exact key, None if there is none."""
        ...

    async def read(self, entry: Entry) -> Bytes:
        """Return all bytes of one entry, unchecked.

        Used when ``entry.size`` is small.

        Raises:
            EntryChangedError: The backend can tell that this is no longer the
                entry that was listed.
        """
        ...

    def stream(self, entry: Entry, offset: int = 0) -> AsyncIterator[Bytes]:
        """Yield the bytes of one entry from ``offset`` on, unchecked."""
        ...

    async def digests(
        self, entries: Sequence[Entry], algorithm: str
    ) -> Sequence[Digest | TransferError]:
        """Return each entry's digest without moving it over a network.

        In the order of ``entries``; an entry that cannot be read gives its
        error. A backend that would have to download raises
        ``UnsupportedError``; the planner then takes equal sizes to be
        different content.
        """
        ...

    async def close(self) -> None:
        """Release connections and handles. May be called twice."""
        ...


@runtime_checkable
class Target(Source, Protocol):
    """Where entries are also written and deleted.

    The order of calls: ``list``/``stat``/``digests`` while planning (a dry run
    ends here and has changed nothing), ``start``, then ``delete`` of
    conflicts, ``prepare`` and ``write``, ``delete`` of what is too many,
    ``finish``, ``close``. After an interruption ``abort`` comes instead of
    ``finish``.
    """

    async def start(self) -> None:
        """Make the target ready to be written (create the directory, asset)."""
        ...

    async def prepare(self, payloads: Sequence[Payload]) -> None:
        """Learn what will be written next (DANDI: presign a batch of PUTs)."""
        ...

    async def write(self, payload: Payload) -> Digest | None:
        """Write one entry, all or nothing, under its final key.

        Returns:
            The digest that the target itself reports for what it now holds
            (compared with the payload's), or None if it reports none.

        Raises:
            EntryExistsError: ``payload.replaces`` is None and something
                stands there.
            UnsafeKeyError: The key cannot be written safely here.
        """
        ...

    async def delete(self, entries: Sequence[Entry]) -> Sequence[DeleteFailure]:
        """Delete entries; one that is already gone is no failure."""
        ...

    async def finish(self, outcome: Outcome) -> None:
        """Make what was written last and count (finalize, sync, close).

        Also called, without ``start``, when there was nothing to do: an earlier
        run may have been interrupted before this.

        Raises:
            TransferError: The target's own check failed (a checksum that
                differs from ours).
        """
        ...

    async def abort(self) -> None:
        """Leave no half-written entry; what was written whole may stay."""
        ...


@dataclass
class Root:
    """One zarr, plain file or folder that a location stands for.

    A location may stand for several (a DANDI folder holds many assets).

    Attributes:
        backend: Lists and reads it.
        path: Where it lies below what the user named, ``/`` between
            components: what a download creates in the output directory
            (``"x.ome.zarr"``; with ``--preserve-tree`` ``tree_path``). Of a
            plain file it ends in the file's name, which is also the key of
            the backend's one entry.
        tree_path: Its path from the top of the dandiset, bucket or server.
        is_zarr: Filters apply. A plain file is copied whole.
        kind: ``"zarr"``, ``"file"`` or ``"folder"``.
        extra: Facts a report may show (``{"dandiset": "000108"}``).
        size: Bytes of the whole, where what opened it told.
    """

    backend: Source
    path: str
    tree_path: str
    is_zarr: bool = True
    kind: str = "zarr"
    extra: dict[str, str] = field(default_factory=dict)
    size: int | None = None
