"""A v3 store under a prefix of an object store.

Objects cannot be renamed together, so what makes the prefix a zarr, the root's
``zarr.json``, is written last, after everything below it was verified. Where
something is to be replaced, the new store is first written and verified under
``.ncore-converting/`` inside the prefix; only then it is copied, inside the
object store, over the old one. A journal object lets another machine continue.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import obstore
from obstore.exceptions import BaseError
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import ObjectStore, WrapperStore

from ncore.convert.errors import ResumeError, TargetError, TargetExistsError
from ncore.convert.source import Source
from ncore.convert.target import REPLACES, Target
from ncore.convert.target_place import check_urls_apart
from ncore.itar.object_options import reason_of
from ncore.itar.object_url import open_prefix, redact
from ncore.stores.documents import inline_consolidated
from ncore.stores.pack_source import holds_zarr

STAGE = ".ncore-converting"
JOURNAL = f"{STAGE}.jsonl"
STAGED_JOURNAL = f"{STAGE}/journal.jsonl"
_REQUESTS = 16
_DELETED_AT_ONCE = 1000
_SWITCHING = {"switching": True}
# Without these a prefix is no zarr to any reader.
_ROOTS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata", "zarr.cbor.xz")


class ObjectTarget(Target):
    """Objects below a URL's prefix."""

    container = "prefix"
    parallel = True

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.name = redact(url)
        self.store = open_prefix(url, options)
        self._stage = open_prefix(f"{url.rstrip('/')}/{STAGE}", options)
        self._records: list[Any] = []
        self._root = b""
        self._nodes: dict[str, bytes] = {}
        self._at = ""  # where the new store is written: here, or below STAGE

    def exists(self) -> bool:
        keys = self._keys()
        return JOURNAL not in keys and any(not _is_staged(key) for key in keys)

    def check_place(self, source: Source, overwrite: bool) -> str:
        check_urls_apart(source, self.name)
        every = self._keys()
        keys = [key for key in every if not _is_staged(key)]
        if not keys or JOURNAL in keys:
            return ""
        # An interrupted replacement begins by taking the root's documents away.
        if STAGED_JOURNAL not in every and not holds_zarr(dict.fromkeys(keys, 0)):
            raise TargetExistsError(
                f"{self.name}: holds {len(keys)} objects and no zarr begins there, so it is not "
                f"replaced; name the new zarr below it ({self.name.rstrip('/')}/NAME.zarr)"
            )
        if not overwrite:
            raise TargetExistsError(f"{self.name} exists; {REPLACES}")
        return f"a zarr of {len(keys)} objects"

    def read_journal(self) -> list[Any]:
        for journal in (JOURNAL, STAGED_JOURNAL):
            try:
                raw = bytes(obstore.get(self.store, journal).bytes())
            except FileNotFoundError:
                continue
            except (BaseError, OSError) as error:
                raise TargetError(f"{self.name}: {reason_of(error, self.name)}") from None
            self._at = "" if journal == JOURNAL else f"{STAGE}/"
            self._records = [json.loads(line) for line in raw.splitlines()]
            break
        return [record for record in self._records if record != _SWITCHING]

    def append_journal(self, record: Any) -> None:
        self._records.append(record)
        lines = "".join(json.dumps(line) + "\n" for line in self._records)
        self._put(STAGED_JOURNAL if self._at else JOURNAL, lines.encode())

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
        if state is not None:
            return True
        if _SWITCHING in self._records:
            raise ResumeError(
                f"{self.name}: another conversion was interrupted while it replaced what is there; "
                "finish that one first, with its own source and options, or remove the prefix"
            )
        self._records = []
        keys = self._keys()
        unfinished = JOURNAL in keys  # then all that is here was made by that run
        self._delete(key for key in keys if unfinished or _is_staged(key))
        replacing = not unfinished and any(not _is_staged(key) for key in keys)
        self._at = f"{STAGE}/" if replacing else ""
        return False

    def write(self, key: str, data: bytes | memoryview) -> None:
        self._put(self._at + key, bytes(data))

    def copy(
        self, source: Source, keys: Mapping[str, str], progress: Callable[[int], None]
    ) -> None:
        def one(item: tuple[str, str]) -> None:
            data = source.read(item[1])
            self.write(item[0], data)
            progress(len(data))

        _all_at_once(one, keys.items())

    def hand_out(self, keys: Iterable[str]) -> str:
        return self._at

    def copy_share(self, known: str, source: Source, keys: Mapping[str, str]) -> None:
        self._at = known
        self.copy(source, keys, lambda size: None)

    def checkpoint(self) -> Any:
        return {}  # what was put is stored

    def finish(self) -> None:
        _all_at_once(lambda item: self.write(*item), self._nodes.items())

    def staged(self) -> Store:
        store = self._stage if self._at else self.store
        return _WithRoot(ObjectStore(store, read_only=True), self._root)

    def publish(self, overwrite: bool) -> None:
        if self._at:
            self._switch()
        self._put("zarr.json", self._root)
        if self._at:
            # The journal goes first: what is staged is of no use without it.
            self._delete([STAGED_JOURNAL])
            self._delete(key for key in self._keys() if _is_staged(key))
        else:
            self._delete([JOURNAL])

    def _switch(self) -> None:
        """Replace the old store by the staged one; repeated from the start if interrupted."""
        self.append_journal(_SWITCHING)
        keys = self._keys()
        new = {key.removeprefix(self._at) for key in keys if key.startswith(self._at)}
        new.discard(STAGED_JOURNAL.removeprefix(self._at))
        old = {key for key in keys if not _is_staged(key)}
        self._delete(old & {*_ROOTS})
        self._delete(old - new - {*_ROOTS})

        def move(key: str) -> None:
            try:
                obstore.copy(self.store, self._at + key, key, overwrite=True)
            except (BaseError, OSError) as error:
                raise TargetError(f"{self.name}/{key}: {reason_of(error, self.name)}") from None

        _all_at_once(move, new)

    def discard(self) -> None:
        self._delete(key for key in self._keys() if not self._at or _is_staged(key))

    def release(self) -> None:
        pass

    def _keys(self) -> list[str]:
        try:
            return [item["path"] for batch in obstore.list(self.store) for item in batch]
        except (BaseError, OSError) as error:
            raise TargetError(f"{self.name}: {reason_of(error, self.name)}") from None

    def _put(self, key: str, data: bytes) -> None:
        try:
            obstore.put(self.store, key, data)
        except (BaseError, OSError) as error:
            raise TargetError(f"{self.name}/{key}: {reason_of(error, self.name)}") from None

    def _delete(self, keys: Iterable[str]) -> None:
        """Delete objects; the documents that make a zarr of them first."""
        doomed = sorted(keys, key=lambda key: key not in _ROOTS)
        try:
            for start in range(0, len(doomed), _DELETED_AT_ONCE):
                obstore.delete(self.store, doomed[start : start + _DELETED_AT_ONCE])
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise TargetError(
                f"{self.name}: cannot delete: {reason_of(error, self.name)}"
            ) from None


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


def _is_staged(key: str) -> bool:
    return key.startswith(f"{STAGE}/")


def _all_at_once(work: Callable[[Any], None], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(_REQUESTS) as pool:
        for _ in pool.map(work, items, chunksize=1):
            pass
