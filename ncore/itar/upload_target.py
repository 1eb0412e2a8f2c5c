"""Modes w and x for a URL: write to a local file, upload it when it is complete."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncore.itar.errors import ItarError, ItarExistsError, ItarIOError, ItarNotFoundError
from ncore.itar.files import Files
from ncore.itar.location import check_writable, open_source, upload
from ncore.itar.object_url import redact


class UploadTarget:
    """A new archive in a temporary directory (``TMPDIR`` says where), bound for a URL."""

    deferred = None
    index = None
    start = 0

    def __init__(
        self, url: str, options: Mapping[str, Any], files: Files, *, exclusive: bool
    ) -> None:
        """Begin an empty local file.

        Args:
            url: where the archive will be.
            options: as for :func:`~ncore.itar.location.open_source`.
            files: the file system.
            exclusive: refuse to replace an archive, now and when publishing.

        Raises:
            ItarExistsError: ``exclusive`` and there is one.
            ItarOptionError: nothing can be written at such a URL.
        """
        check_writable(url)
        self.name = redact(url)
        self._url = url
        self._options = dict(options)
        self._exclusive = exclusive
        if exclusive and self._exists():
            raise ItarExistsError(f"{self.name}: already exists")
        self._directory = Path(tempfile.mkdtemp(prefix="ncore-itar-"))
        self._path = self._directory / "archive.itar"
        self.file = files.create(self._path)
        self._keep = False

    def publish(self) -> None:
        """Upload the complete file.

        Raises:
            ItarExistsError: exclusive, and someone else made an archive there meanwhile.
            ItarIOError: the upload failed. The message says where the finished file is.
        """
        self.file.close()
        try:
            upload(self._path, self._url, self._options, overwrite=not self._exclusive)
        except ItarError as error:
            self._keep = True
            kind = type(error) if isinstance(error, ItarExistsError) else ItarIOError
            raise kind(f"{error}. The finished archive is kept as {self._path}") from None

    def discard(self) -> None:
        """Nothing to undo: the file goes with :meth:`close`."""

    def abandon(self) -> None:
        """Nothing to undo, and nothing to recover from another place."""

    def close(self) -> None:
        """Remove the local file, unless it is all that is left of a finished archive."""
        self.file.close()
        if not self._keep:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _exists(self) -> bool:
        source = open_source(self._url, **self._options)
        try:
            source.read_tail(1)
        except ItarNotFoundError:
            return False
        finally:
            source.close()
        return True
