"""What targets that are one local file have in common: staging, journal, publication."""

import os
from pathlib import Path
from typing import Any

from ncore.convert.errors import SourceError, TargetExistsError
from ncore.convert.journal import Journal
from ncore.convert.target import Target
from ncore.itar.durable import sync_file

CHECKPOINT_SECONDS = 20.0
"""An archive is completed, to be continued, at most so often: its index is written each time."""


class ArchiveTarget(Target):
    """A file, until published ``.NAME.ncore-converting`` beside its place."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = str(path)
        self.path = Path(path).absolute()
        self.stage = self.path.with_name(f".{self.path.name}.ncore-converting")
        self._journal = Journal(self.path.with_name(f".{self.path.name}.ncore-journal"))

    def exists(self) -> bool:
        return self.path.exists() or self.path.is_symlink()

    def read_journal(self) -> list[Any]:
        return self._journal.records()

    def append_journal(self, record: Any) -> None:
        self._journal.append(record)

    def acquire(self) -> None:
        """Make the directory and keep other writers out."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._journal.acquire()

    def publish(self, overwrite: bool) -> None:
        if self.path.is_dir() and not self.path.is_symlink():
            raise TargetExistsError(f"{self.name} is a directory: remove it or choose another name")
        if overwrite:
            self.stage.replace(self.path)
        else:
            try:
                # Unlike a rename, a link never replaces what appeared meanwhile.
                os.link(self.stage, self.path)
            except FileExistsError:
                raise TargetExistsError(
                    f"{self.name}: appeared while it was being written"
                ) from None
            except OSError:  # a file system without links
                self.stage.replace(self.path)
            self.stage.unlink(missing_ok=True)
        sync_file(self.path.parent)
        self._journal.remove()

    def release(self) -> None:
        self._journal.release()

    def check_apart(self, source: Path) -> None:
        """Refuse to write an archive over the one that is being read.

        Raises:
            SourceError: both are the same file.
        """
        if self.path.exists() and self.path.samefile(source):
            raise SourceError(
                f"{self.name} is the source itself; --in-place converts it where it is"
            )
