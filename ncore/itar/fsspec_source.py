"""An archive on any file system that fsspec knows: the fallback where obstore has no client."""

from collections.abc import Mapping
from typing import Any

from ncore.itar.errors import (
    ItarAccessError,
    ItarError,
    ItarIOError,
    ItarNotFoundError,
    ItarOptionError,
)
from ncore.itar.object_url import redact
from ncore.itar.remote import RemoteSource, RemoteTuning, Version, changed


class FsspecSource(RemoteSource):
    """A ByteSource over an fsspec URL (``sftp://``, ``hdfs://``, ``memory://``, chains)."""

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        tuning: RemoteTuning | None = None,
    ) -> None:
        """Make it.

        Raises:
            ItarOptionError: fsspec has no such protocol, or cannot use the options.
        """
        import fsspec

        self._url = url
        self._options = dict(options or {})
        super().__init__(redact(url), tuning or RemoteTuning())
        try:
            self._fs, self._path = fsspec.core.url_to_fs(url, **self._options)
        except (ValueError, ImportError, TypeError) as error:
            raise ItarOptionError(f"{self.name}: {error}") from None
        except Exception as error:  # some connect already
            raise self._translate(error) from None

    def _open(self, tail: int) -> tuple[bytes, Version]:
        try:
            version = self._state()
            start = max(0, version.size - tail)
            return self._cat(start, version.size), version
        except Exception as error:
            raise self._translate(error) from None

    def _get(self, start: int, stop: int, version: Version) -> bytes:
        try:
            return self._cat(start, stop)
        except Exception as error:
            raise self._translate(error) from None

    def _state(self) -> Version:
        info = self._fs.info(self._path)
        if info.get("type") == "directory":
            raise IsADirectoryError
        return Version(int(info["size"]), info.get("ETag") or info.get("etag"))

    def _cat(self, start: int, stop: int) -> bytes:
        return bytes(self._fs.cat_file(self._path, start=start, end=stop)) if stop > start else b""

    def _translate(self, error: Exception) -> ItarError:
        if isinstance(error, ItarError):
            return error
        if isinstance(error, FileNotFoundError):
            if self._version is not None:
                return changed(self.name)
            return ItarNotFoundError(f"{self.name}: no such file")
        if isinstance(error, PermissionError):
            return ItarAccessError(f"{self.name}: access is refused; check the credentials")
        return ItarIOError(
            f"{self.name}: cannot be read ({type(error).__name__}); check the address and the "
            "network"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return FsspecSource, (self._url, self._options, self._tuning)
