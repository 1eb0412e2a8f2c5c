"""An archive at a URL: made here, verified, then sent in one piece."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from zarr.abc.store import Store

from ncore.convert.errors import TargetError, TargetExistsError
from ncore.convert.source import Source
from ncore.convert.target import Target
from ncore.convert.target_archive import ArchiveTarget
from ncore.convert.target_place import check_urls_apart
from ncore.itar.errors import ItarError, ItarExistsError
from ncore.itar.location import open_source, upload
from ncore.itar.object_url import redact


class UploadTarget(Target):
    """A local archive target whose publication is an upload.

    Args:
        url: where the archive goes.
        make: makes the local target for a path.
        options: of the remote place.
        spool: where the archive is made; by default ``NCORE_SPOOL_DIR`` or the
            system's directory for temporary files. An interrupted conversion is
            continued there.
    """

    def __init__(
        self,
        url: str,
        make: Callable[[Path], ArchiveTarget],
        options: Mapping[str, Any] | None = None,
        spool: str | os.PathLike[str] | None = None,
    ) -> None:
        self.name = redact(url)
        self._url = url
        self._options = dict(options or {})
        base = Path(spool or os.environ.get("NCORE_SPOOL_DIR") or tempfile.gettempdir())
        place = hashlib.sha256(url.encode()).hexdigest()[:24]
        self._folder = base / f"ncore-convert-{os.getuid()}-{place}"
        self._local = make(self._folder / self._url.rpartition("/")[2])

    def exists(self) -> bool:
        try:
            source = open_source(self._url, **self._options)
            try:
                source.read_tail(512)
            finally:
                source.close()
        except ItarError as error:
            if isinstance(error, FileNotFoundError):
                return False
            raise TargetError(str(error)) from error
        return True

    def check_place(self, source: Source, overwrite: bool) -> str:
        check_urls_apart(source, self.name)
        return super().check_place(source, overwrite)

    def check(self, keys: Iterable[str]) -> None:
        self._local.check(keys)

    def read_journal(self) -> list[Any]:
        return self._local.read_journal()

    def append_journal(self, record: Any) -> None:
        self._local.append_journal(record)

    def begin(
        self, documents: Mapping[str, dict[str, Any]], state: Any, consolidated: bool
    ) -> bool:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._local.begin(documents, state, consolidated)

    def write(self, key: str, data: bytes | memoryview) -> None:
        self._local.write(key, data)

    def copy(
        self, source: Source, keys: Mapping[str, str], progress: Callable[[int], None]
    ) -> None:
        self._local.copy(source, keys, progress)

    def checkpoint(self) -> Any:
        return self._local.checkpoint()

    def finish(self) -> None:
        self._local.finish()

    def staged(self) -> Store:
        return self._local.staged()

    def publish(self, overwrite: bool) -> None:
        try:
            upload(self._local.stage, self._url, self._options, overwrite=overwrite)
        except ItarExistsError:
            raise TargetExistsError(f"{self.name}: appeared while it was being written") from None
        except ItarError as error:
            raise TargetError(str(error)) from error
        self._local.discard()
        shutil.rmtree(self._folder, ignore_errors=True)

    def discard(self) -> None:
        self._local.discard()
        shutil.rmtree(self._folder, ignore_errors=True)

    def abandon(self) -> None:
        self._local.abandon()

    def release(self) -> None:
        self._local.release()
