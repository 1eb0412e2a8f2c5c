"""What targets that are one local file have in common: staging, journal, publication."""

import os
from functools import partial
from pathlib import Path
from typing import Any

from ncore.convert.errors import TargetExistsError
from ncore.convert.journal import Journal
from ncore.convert.source import Source
from ncore.convert.target import Target
from ncore.convert.target_place import check_apart, check_replaceable
from ncore.itar.durable import sync_file
from ncore.itar.permissions import inherit_permissions
from ncore.stores.replaceable import replaceable_archive

CHECKPOINT_SECONDS = 20.0
"""An archive is completed, to be continued, at most so often: its index is written each time."""


class ArchiveTarget(Target):
    """A file, until published ``.NAME.ncore-converting`` beside its place.

    Attributes:
        zipped: whether it is a zip file, not an itar.
    """

    zipped = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = str(path)
        # A link is followed, as by any program that writes a file.
        self.path = Path(os.path.realpath(path))
        self.stage = self.path.with_name(f".{self.path.name}.ncore-converting")
        self._journal = Journal(self.path.with_name(f".{self.path.name}.ncore-journal"))

    def exists(self) -> bool:
        return self.path.exists()

    def read_journal(self) -> list[Any]:
        return self._journal.records()

    def append_journal(self, record: Any) -> None:
        self._journal.append(record)

    def acquire(self) -> None:
        """Make the directory and keep other writers out."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._journal.acquire()

    def publish(self, overwrite: bool) -> None:
        self._check_replaceable(overwrite)  # it may have appeared meanwhile
        if overwrite:
            inherit_permissions(self.path, self.stage)
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

    def abandon(self) -> None:
        if self._journal.held and not any("arrays" in r for r in self._journal.records()):
            self.discard()

    def release(self) -> None:
        self._journal.release()

    def check_place(self, source: Source, overwrite: bool) -> str:
        for path in (self.path, self.stage):
            check_apart(source, path, self.name)
        return self._check_replaceable(overwrite)

    def _check_replaceable(self, overwrite: bool) -> str:
        look = partial(replaceable_archive, zipped=self.zipped)
        return check_replaceable(self.path, self.name, overwrite, look)
