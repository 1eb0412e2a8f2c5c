"""An fsspec file system inside an archive: ``itar::s3://bucket/recording.zarr.itar``.

Whatever speaks fsspec can look inside, also where no zarr is involved. The names are
the store's: metadata appears as ``zarr.json`` where an archive keeps it compressed.
"""

from typing import Any

import fsspec
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from ncore.itar.errors import ItarOptionError, ItarReadOnlyError
from ncore.itar.fsspec_source import FsspecSource
from ncore.itar.location import open_source
from ncore.itar.reader import DEFAULT_TAIL, ItarReader
from ncore.itar.source import ByteSource
from ncore.stores.errors import StoreNotFoundError
from ncore.stores.listing import children, prefix_range
from ncore.stores.read_session import ReadSession

_LOCAL = (None, "file", "local")


class ItarFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The values of one ``.itar`` archive as read-only files.

    Example::

        fs = fsspec.filesystem("itar", fo="recording.zarr.itar")
        fs.find("cameras")
        with fsspec.open("itar://zarr.json::s3://bucket/recording.zarr.itar") as file:
            ...
    """

    protocol = "itar"
    root_marker = ""
    cachable = False  # the same name may be another archive later

    def __init__(
        self,
        fo: str = "",
        target_protocol: str | None = None,
        target_options: dict[str, Any] | None = None,
        index_tail_read_size: int | None = DEFAULT_TAIL,
        **kwargs: Any,
    ) -> None:
        """Open an archive.

        Args:
            fo: path or URL of the archive; of a chained URL what stands behind ``itar::``.
            target_protocol: how fsspec calls the file system that holds it. Given by
                chained URLs; without one ``fo`` is what
                :class:`~ncore.stores.indexed_tar.IndexedTarStore` takes.
            target_options: for that file system, or for the client.
            index_tail_read_size: bytes to read at opening (:class:`~ncore.itar.reader.ItarReader`).
            **kwargs: for fsspec.

        Raises:
            ItarNotFoundError: there is no such archive (a ``FileNotFoundError``).
            ItarFormatError: it is not an itar archive, or a damaged one.
            ItarOptionError: no archive is named, or its file system cannot be used.
        """
        super().__init__(**kwargs)
        if not isinstance(fo, str) or not fo:
            raise ItarOptionError(
                "no archive named: give its path or URL as fo, or chain it: itar::s3://bucket/a.itar"
            )
        self.fo = fo
        source = _source(fo, target_protocol, dict(target_options or {}))
        self._session = ReadSession(ItarReader(source, index_tail_read_size))

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(part) for part in path]
        return str(path).removeprefix("itar://").strip("/")

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        # docstring inherited
        key = self._strip_protocol(path)
        size = self._session.size(key)
        if size is not None:
            return {"name": key, "size": size, "type": "file"}
        keys = self._session.sorted_keys()
        low, high = prefix_range(keys, f"{key}/" if key else "")
        if low == high and key:
            raise StoreNotFoundError(f"{self.fo}: no file or directory {key!r}")
        return {"name": key, "size": 0, "type": "directory"}

    def exists(self, path: str, **kwargs: Any) -> bool:
        # docstring inherited
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        # docstring inherited
        key = self._strip_protocol(path)
        if self.info(key)["type"] == "file":
            names = [key]
        else:
            prefix = f"{key}/" if key else ""
            names = [prefix + name for name in children(self._session.sorted_keys(), prefix)]
        return [self.info(name) for name in names] if detail else names

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        # docstring inherited
        key = self._strip_protocol(path)
        size = self._session.size(key)
        if size is None:
            raise StoreNotFoundError(f"{self.fo}: no file {key!r}")
        if start is None and end is None:
            return self._session.get(key) or b""
        first, last, _ = slice(start, end).indices(size)
        return self._session.get_range(key, first, last)

    def cat(
        self, path: Any, recursive: bool = False, on_error: str = "raise", **kwargs: Any
    ) -> Any:
        """Return the bytes of one file, or of many by name; remote ones are fetched together.

        Raises:
            FileNotFoundError: there is no such file, unless ``on_error`` is ``omit`` or ``return``.
        """
        if isinstance(path, str) and not recursive and not set("*?[") & set(path):
            return self.cat_file(path, **kwargs)
        names = [path] if isinstance(path, str) else list(path)
        if recursive or any(set("*?[") & set(name) for name in names):
            expanded = self.expand_path(names, recursive=recursive)
            names = [name for name in expanded if self._session.exists(name)]  # no directories
        keys = [self._strip_protocol(name) for name in names]
        found: dict[str, Any] = {}
        for name, key, data in zip(names, keys, self._session.get_many(keys), strict=True):
            if data is not None:
                found[name] = data
            elif on_error == "raise":
                raise StoreNotFoundError(f"{self.fo}: no file {key!r}")
            elif on_error == "return":
                found[name] = StoreNotFoundError(f"{self.fo}: no file {key!r}")
        return found

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        if mode != "rb":
            raise ItarReadOnlyError(f"{self.fo}: files in an archive are opened for reading")
        return _MemberFile(self, path, self.info(path)["size"], **kwargs)

    def __repr__(self) -> str:
        return f"ItarFileSystem({self._session.reader.name!r})"


class _MemberFile(AbstractBufferedFile):  # type: ignore[misc]
    """A file in an archive."""

    def __init__(self, fs: ItarFileSystem, path: str, size: int, **kwargs: Any) -> None:
        kwargs.pop("size", None)
        super().__init__(fs, path, "rb", size=size, **kwargs)

    def _fetch_range(self, start: int, end: int) -> bytes:
        return bytes(self.fs.cat_file(self.path, start, end))


def _source(fo: str, protocol: str | None, options: dict[str, Any]) -> ByteSource:
    if protocol in _LOCAL:
        return open_source(fo, **options)
    url = fo if "://" in fo else f"{protocol}://{fo}"
    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError:
        # Without s3fs, gcsfs and the like the clients that come with ncore do.
        return open_source(url, **options)
    except ValueError as error:
        raise ItarOptionError(f"{url}: {error}") from None
    return FsspecSource(url, options)
