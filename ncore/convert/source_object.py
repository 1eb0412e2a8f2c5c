"""A v2 store under a prefix of an object store, or behind a web server that lists nothing."""

import copy
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import obstore
from obstore.exceptions import BaseError

from ncore.convert.errors import SourceError, V2MetadataError
from ncore.convert.hierarchy import ZARRAY
from ncore.convert.source import Source
from ncore.convert.v2_metadata import load_json, parse_v2_array
from ncore.itar.object_options import reason_of
from ncore.itar.object_url import open_prefix, redact

_REQUESTS = 32  # under way at once when chunks are asked for one by one
_MOST_ASKED = 2_000_000

T = TypeVar("T")


class ObjectSource(Source):
    """Every object below a URL's prefix."""

    remote = True

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.name = redact(url)
        self.store = open_prefix(url, options)
        self._entries: dict[str, int] | None = None

    def entries(self) -> Mapping[str, int]:
        if self._entries is None:
            self._entries = self._asked(lambda: self._list())
        return self._entries

    def read(self, key: str) -> bytes:
        try:
            return bytes(self._asked(lambda: obstore.get(self.store, key).bytes()))
        except FileNotFoundError:
            raise KeyError(key) from None

    def with_sizes(self, sizes: Mapping[str, int]) -> "ObjectSource":
        known = copy.copy(self)
        known._entries = dict(sizes)
        return known

    def identity(self) -> Any:
        digest = hashlib.sha256(json.dumps(sorted(self.entries().items())).encode())
        return ["objects", self.name, digest.hexdigest()]

    def _list(self) -> dict[str, int]:
        found = {}
        for batch in obstore.list(self.store):
            for item in batch:
                if not item["path"].endswith("/"):
                    found[item["path"]] = item["size"]
        if not found:
            raise SourceError(f"{self.name}: there is nothing under this prefix")
        return dict(sorted(found.items()))

    def _asked(self, request: Callable[[], T]) -> T:
        try:
            return request()
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"{self.name}: {reason_of(error, self.name)}") from None


class WebSource(ObjectSource):
    """A store behind ``http(s)``: its consolidated metadata tell which chunks to ask for."""

    def _list(self) -> dict[str, int]:
        documents = self._documents()
        found = {key: len(raw) for key, raw in documents.items()}
        asked: list[str] = []
        count = 0
        for key, raw in documents.items():
            path, _, name = key.rpartition("/")
            if name != ZARRAY:
                continue
            try:
                array = parse_v2_array(path, load_json(raw, key))
            except V2MetadataError:
                continue  # the plan says what is wrong with it
            count += math.prod(array.grid)
            if count > _MOST_ASKED:
                raise SourceError(
                    f"{self.name}: a web server lists nothing, so each chunk is asked for, and "
                    f"there could be more than {_MOST_ASKED}; convert parts of it, or download it"
                )
            at = f"{path}/" if path else ""
            asked += (at + array.chunk_key(coords) for coords in _indices(array.grid))
        with ThreadPoolExecutor(_REQUESTS) as pool:
            for key, size in zip(asked, pool.map(self._size, asked, chunksize=16), strict=True):
                if size is not None:
                    found[key] = size
        return found

    def _documents(self) -> dict[str, bytes]:
        try:
            consolidated = load_json(self.read(".zmetadata"), ".zmetadata")
        except KeyError:
            return self._root_documents()
        documents = consolidated.get("metadata")
        if not isinstance(documents, dict):
            raise SourceError(f"{self.name}/.zmetadata holds no metadata")
        self._known = {key: json.dumps(value).encode() for key, value in documents.items()}
        return self._known

    def _root_documents(self) -> dict[str, bytes]:
        """Of a single array; the members of a group cannot be found without a list."""
        documents = {}
        for name in (ZARRAY, ".zattrs"):
            try:
                documents[name] = self.read(name)
            except KeyError:
                continue
        if ZARRAY not in documents:
            raise SourceError(
                f"{self.name}: a web server lists nothing, and there is no .zmetadata here; "
                "consolidate the metadata, or give the URL of one array"
            )
        return documents

    def read(self, key: str) -> bytes:
        known = getattr(self, "_known", {}).get(key)
        return super().read(key) if known is None else known

    def _size(self, key: str) -> int | None:
        try:
            return int(self._asked(lambda: obstore.head(self.store, key))["size"])
        except FileNotFoundError:
            return None


def _indices(grid: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    return itertools.product(*map(range, grid))
