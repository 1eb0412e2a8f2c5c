"""A v3 store in an ``.itar`` archive, as docs/format.md describes it."""

import contextlib
import glob
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from zarr.abc.store import Store

from ncore.convert import target_archive
from ncore.convert.source import Source
from ncore.convert.source_itar import ItarSource
from ncore.convert.target_archive import ArchiveTarget
from ncore.itar.copy_members import copy_members
from ncore.itar.deferred_journal import journal_path
from ncore.itar.errors import ItarError
from ncore.itar.partial_target import partial_path
from ncore.itar.writer import ItarWriter
from ncore.stores.documents import (
    ROOT_V3,
    ROOT_V3_CBOR,
    encode_cbor,
    encode_json,
    inline_consolidated,
)
from ncore.stores.indexed_tar import IndexedTarStore

_REPORT_BYTES = 4 << 20


class ItarTarget(ArchiveTarget):
    """Members in the order in which they are written, documents last, then the index."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._writer: ItarWriter | None = None
        self._documents: Mapping[str, dict[str, Any]] = {}
        self._checked = time.monotonic()

    def begin(
        self, documents: Mapping[str, dict[str, Any]], state: Any, consolidated: bool
    ) -> bool:
        self.acquire()
        self._documents = documents
        if state is not None and self._continue(state):
            return True
        self._journal.clear()
        # Ours alone: what a conversion that died left is no use to anybody.
        for left in (partial_path(self.stage), journal_path(partial_path(self.stage))):
            left.unlink(missing_ok=True)
        self._writer = ItarWriter(self.stage)
        return False

    def write(self, key: str, data: bytes | memoryview) -> None:
        self._open().set(key, data)

    def copy(
        self, source: Source, keys: Mapping[str, str], progress: Callable[[int], None]
    ) -> None:
        writer = self._open()
        if isinstance(source, ItarSource) and source.local:
            # Payloads and stored checksums, from one archive to the other.
            steps = copy_members(source.reader, writer, keys)
        else:
            steps = _copy_each(writer, source, keys)
        done = 0
        for step in steps:
            done += step
            if done >= _REPORT_BYTES:
                progress(done)
                done = 0
        progress(done)

    def checkpoint(self) -> Any:
        if time.monotonic() - self._checked < target_archive.CHECKPOINT_SECONDS:
            return None
        self._checked = time.monotonic()
        writer = self._open()
        members = len(writer)
        # A complete archive, to which the next members are appended: should that be
        # interrupted, opening it again brings back what it is now.
        writer.close()
        self._writer = ItarWriter(self.stage, "r+")
        return {"members": members}

    def finish(self) -> None:
        writer = self._open()
        nodes = {path: document for path, document in self._documents.items() if path}
        for path, document in nodes.items():
            writer.set(f"{path}/{ROOT_V3}", encode_json(document))
        root = self._documents[""]
        if root["node_type"] == "group":
            root = {**root, "consolidated_metadata": inline_consolidated(nodes)}
        packed = encode_cbor(root)
        if packed is None:  # text that CBOR cannot say
            writer.set(ROOT_V3, encode_json(root))
        else:
            writer.set(ROOT_V3_CBOR, packed)
        writer.close()
        self._writer = None

    def staged(self) -> Store:
        return IndexedTarStore(self.stage)

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.discard()
        # A writer that failed as it closed leaves its own files for `ncore itar recover`.
        for left in self.stage.parent.glob(f"{glob.escape(self.stage.name)}*"):
            left.unlink(missing_ok=True)
        self._journal.remove()

    def release(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.suspend()
            self._writer = None
        super().release()

    def _continue(self, state: Any) -> bool:
        try:
            writer = ItarWriter(self.stage, "r+")
        except ItarError:
            return False
        # More members than the journal knows: replacing them would leave dead space behind.
        if len(writer) != state["members"]:
            writer.suspend()
            return False
        self._writer = writer
        return True

    def _open(self) -> ItarWriter:
        assert self._writer is not None
        return self._writer


def _copy_each(writer: ItarWriter, source: Source, keys: Mapping[str, str]) -> Iterator[int]:
    payloads = source.read_in_order(keys.values())
    for key, payload in zip(keys, payloads, strict=True):
        writer.set(key, payload)
        yield len(payload)
