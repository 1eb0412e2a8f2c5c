"""What a writer writes into, by mode and place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from ncore.itar.deferred_journal import DeferredJournal
from ncore.itar.errors import ItarOptionError
from ncore.itar.files import Files, WritableFile
from ncore.itar.in_place_target import InPlaceTarget
from ncore.itar.index import Index
from ncore.itar.partial_target import PartialTarget
from ncore.itar.upload_target import UploadTarget

WriteMode = Literal["w", "x", "r+", "a"]


class Target(Protocol):
    """Where the file being written lies, and how it becomes the archive."""

    @property
    def file(self) -> WritableFile:
        """The file being written."""
        ...

    @property
    def deferred(self) -> DeferredJournal | None:
        """Where deferred values are kept meanwhile, if anywhere."""
        ...

    @property
    def index(self) -> Index | None:
        """The entries that are there already."""
        ...

    @property
    def start(self) -> int:
        """Where in the file the first new member goes."""
        ...

    def publish(self) -> None:
        """Make the complete, synced file the archive."""
        ...

    def abandon(self) -> None:
        """Give up: leave what ``recover`` can use, or bring the old archive back."""
        ...

    def discard(self) -> None:
        """Undo everything."""
        ...

    def close(self) -> None:
        """Free file and lock."""
        ...


def open_target(
    path: Path | str,
    location: str,
    name: str,
    mode: WriteMode,
    options: Mapping[str, Any],
    files: Files,
) -> Target:
    """Begin an archive, or changing one; see :class:`~ncore.itar.writer.ItarWriter`.

    Args:
        path: what ``location`` names: the local file itself, or a URL without credentials.
        location: as it was given.
        name: how messages call it.
        mode: one of :data:`WriteMode`.
        options: of a URL.
        files: the file system.

    Raises:
        ItarOptionError: an archive at a URL cannot be changed.
    """
    if not isinstance(path, Path):
        if mode in ("r+", "a"):
            raise ItarOptionError(
                f"{path}: an archive at a URL cannot be changed, only written anew"
            )
        return UploadTarget(location, options, files, exclusive=mode == "x")
    if mode == "r+" or (mode == "a" and path.exists()):
        return InPlaceTarget(path, name, files)
    return PartialTarget(path, name, files, exclusive=mode != "w")
