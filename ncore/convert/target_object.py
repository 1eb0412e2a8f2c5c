"""A v3 store under a prefix of an object store.

Objects cannot be renamed together, so what makes the prefix a zarr, the root's
``zarr.json``, is written last, after everything below it was verified. A journal
object beside the others lets another machine continue.
"""

import contextlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import obstore
from obstore.exceptions import BaseError
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import ObjectStore, WrapperStore

from ncore.convert.errors import TargetError, TargetExistsError
from ncore.convert.source import Source
from ncore.convert.target import REPLACES, Target
from ncore.convert.target_place import check_urls_apart
from ncore.itar.object_url import open_prefix, redact
from ncore.stores.documents import inline_consolidated
from ncore.stores.pack_source import holds_zarr

JOURNAL = ".ncore-converting.jsonl"
_REQUESTS = 16


class ObjectTarget(Target):
    """Objects below a URL's prefix."""

    parallel = True

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.name = redact(url)
        self.store = open_prefix(url, options)
        self._records: list[Any] = []
        self._root = b""
        self._nodes: dict[str, bytes] = {}
        self._overwriting = False

    def exists(self) -> bool:
        keys = self._keys()
        return bool(keys) and JOURNAL not in keys

    def check_place(self, source: Source, overwrite: bool) -> str:
        check_urls_apart(source, self.name)
        keys = self._keys()
        if not keys or JOURNAL in keys:
            return ""
        if not holds_zarr(dict.fromkeys(keys, 0)):
            raise TargetExistsError(
                f"{self.name}: holds {len(keys)} objects and no zarr begins there, so it is not "
                f"replaced; name the new zarr below it ({self.name.rstrip('/')}/NAME.zarr)"
            )
        if not overwrite:
            raise TargetExistsError(f"{self.name} exists; {REPLACES}")
        return f"a zarr of {len(keys)} objects"

    def read_journal(self) -> list[Any]:
        try:
            raw = bytes(obstore.get(self.store, JOURNAL).bytes())
        except FileNotFoundError:
            return []
        self._records = [json.loads(line) for line in raw.splitlines()]
        return list(self._records)

    def append_journal(self, record: Any) -> None:
        self._records.append(record)
        lines = "".join(json.dumps(line) + "\n" for line in self._records)
        self._put(JOURNAL, lines.encode())

    def begin(
        self, documents: Mapping[str, dict[str, Any]], state: Any, consolidated: bool
    ) -> bool:
        nodes = {path: document for path, document in documents.items() if path}
        root = documents[""]
        if consolidated:
            root = {**root, "consolidated_metadata": inline_consolidated(nodes)}
        self._root = json.dumps(root, indent=2).encode()
        self._nodes = {
            f"{path}/zarr.json": json.dumps(document, indent=2).encode()
            for path, document in nodes.items()
        }
        if state is None:
            self._records = []
            # The root's document first: from then on it is no zarr any more.
            stale = sorted(self._keys(), key=lambda key: key not in ("zarr.json", ".zgroup"))
            for start in range(0, len(stale), 1000):
                obstore.delete(self.store, stale[start : start + 1000])
        return state is not None

    def write(self, key: str, data: bytes | memoryview) -> None:
        self._put(key, bytes(data))

    def copy(
        self, source: Source, keys: Mapping[str, str], progress: Callable[[int], None]
    ) -> None:
        def one(item: tuple[str, str]) -> None:
            data = source.read(item[1])
            self._put(item[0], bytes(data))
            progress(len(data))

        with ThreadPoolExecutor(_REQUESTS) as pool:
            for _ in pool.map(one, keys.items(), chunksize=1):
                pass

    def checkpoint(self) -> Any:
        return {}  # what was put is stored

    def finish(self) -> None:
        with ThreadPoolExecutor(_REQUESTS) as pool:
            for _ in pool.map(lambda item: self._put(*item), self._nodes.items()):
                pass

    def staged(self) -> Store:
        return _WithRoot(ObjectStore(self.store, read_only=True), self._root)

    def publish(self, overwrite: bool) -> None:
        self._put("zarr.json", self._root)
        with contextlib.suppress(FileNotFoundError):
            obstore.delete(self.store, JOURNAL)

    def discard(self) -> None:
        for key in self._keys():
            obstore.delete(self.store, key)

    def release(self) -> None:
        pass

    def _keys(self) -> list[str]:
        try:
            return [item["path"] for batch in obstore.list(self.store) for item in batch]
        except (BaseError, OSError) as error:
            raise TargetError(f"{self.name}: {_reason(error)}") from None

    def _put(self, key: str, data: bytes) -> None:
        try:
            obstore.put(self.store, key, data)
        except (BaseError, OSError) as error:
            raise TargetError(f"{self.name}/{key}: {_reason(error)}") from None


class _WithRoot(WrapperStore[ObjectStore[Any]]):
    """A store whose root's document is not written yet."""

    def __init__(self, store: ObjectStore[Any], root: bytes) -> None:
        super().__init__(store)
        self._root = root

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        if key == "zarr.json":
            return prototype.buffer.from_bytes(self._root)
        return await super().get(key, prototype, byte_range)


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
