"""Where a v3 hierarchy is written to, step by step and without harm on the way.

A target is staged beside its final place, can be continued after an
interruption, read back before anybody else sees it, and then published in one
step.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zarr.abc.store import Store

from ncore.convert.errors import TargetError, TargetExistsError
from ncore.convert.source import Source

REPLACES = "--overwrite (from Python: overwrite=True) replaces it"


class Target(ABC):
    """A v3 store under construction.

    The calls come in this order: `exists`, `read_journal`, `begin`, any number of
    `copy`, `write`, `checkpoint` and `append_journal`, then `finish`, `staged`
    and `publish`.

    Attributes:
        name: what the user called it, for messages.
        container: what it makes, in a word.
        parallel: whether `write` may be called by several threads at once.
    """

    name: str
    container: str = "archive"
    parallel: bool = False

    @abstractmethod
    def exists(self) -> bool:
        """Whether something lies at the final place."""

    def check_place(self, source: Source, overwrite: bool) -> str:
        """Look at what lies at the final place, before anything is written.

        Args:
            source: what is read; it must never be what is replaced.
            overwrite: whether a zarr that lies there may be replaced.

        Returns:
            What would be replaced, in a few words; empty where there is nothing.

        Raises:
            SourceError: the target is the source, contains it or lies inside it.
            TargetExistsError: something lies there that may not be replaced.
        """
        if not self.exists():
            return ""
        if not overwrite:
            raise TargetExistsError(f"{self.name} exists; {REPLACES}")
        return "what lies there"

    def check(self, keys: Iterable[str]) -> None:  # noqa: B027  # most take any key
        """Look at all keys that are to be stored here, before anything is written.

        Raises:
            UnstorableKeyError: one of them cannot be.
        """

    @abstractmethod
    def read_journal(self) -> list[Any]:
        """The records of an interrupted run; empty if there was none."""

    @abstractmethod
    def append_journal(self, record: Any) -> None:
        """Store a record durably; what was written before it is on disk by then."""

    @abstractmethod
    def begin(
        self, documents: Mapping[str, dict[str, Any]], state: Any, consolidated: bool
    ) -> bool:
        """Start writing, or continue.

        Args:
            documents: node path → ``zarr.json`` document, breadth first.
            state: what `checkpoint` last returned; None to start anew.
            consolidated: whether the root is to carry consolidated metadata.

        Returns:
            Whether it continues; False where it starts anew, whatever the state.
        """

    @abstractmethod
    def write(self, key: str, data: bytes | memoryview) -> None:
        """Store bytes under a key."""

    @abstractmethod
    def copy(
        self, source: Source, keys: Mapping[str, str], progress: Callable[[int], None]
    ) -> None:
        """Store entries of a source unchanged.

        Args:
            source: where they are.
            keys: key here → key there.
            progress: told of bytes that are done.
        """

    def hand_out(self, keys: Iterable[str]) -> Any:
        """Prepare for others to copy entries, by `copy_share` of a target of the same place.

        Args:
            keys: of the entries.

        Returns:
            What they need to know, small and able to be pickled; None where only one
            process can write, as into an archive.
        """
        return None

    def copy_share(self, known: Any, source: Source, keys: Mapping[str, str]) -> None:
        """Copy entries durably for the target that handed them out.

        Nothing is seen of an entry before it is complete, by whichever of several
        processes that were given the same ones.

        Args:
            known: what `hand_out` returned.
            source: where the entries are.
            keys: key here → key there.
        """
        raise NotImplementedError

    def link(
        self, source: Source, keys: Mapping[str, str], progress: Callable[[int], None]
    ) -> None:
        """Like `copy`, but give the source's files a second name.

        Raises:
            TargetError: source and target are not directories of one file system.
        """
        raise TargetError(f"{self.name}: --link takes a directory as target")

    @abstractmethod
    def checkpoint(self) -> Any:
        """Make everything so far durable.

        Returns:
            JSON values from which `begin` can continue; None where that would cost
            more than it saves just now.
        """

    @abstractmethod
    def finish(self) -> None:
        """Complete the staged store: metadata, index, sync."""

    @abstractmethod
    def staged(self) -> Store:
        """The staged store, opened for reading."""

    @abstractmethod
    def publish(self, overwrite: bool) -> None:
        """Put the staged store in its final place, in one step."""

    @abstractmethod
    def discard(self) -> None:
        """Remove the staged store and its journal."""

    def abandon(self) -> None:  # noqa: B027  # what is staged far away is left for another run
        """Remove what is staged unless another run could continue it."""

    @abstractmethod
    def release(self) -> None:
        """Let go of what is open; the staged store stays for another run."""
