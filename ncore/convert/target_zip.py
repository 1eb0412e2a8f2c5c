"""A v3 store in a zip file, ``.zip`` or ``.ozx``.

Members are stored, not deflated, and metadata comes first, breadth first, as
RFC-9 of OME-NGFF wants it (https://ngff.openmicroscopy.org/rfc/9/): a reader
finds the whole hierarchy at the beginning of the file and of its directory.
"""

import base64
import contextlib
import json
import os
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zarr.abc.store import Store
from zarr.core.sync import sync
from zarr.storage import ZipStore

from ncore.convert import target_archive
from ncore.convert.source import Source
from ncore.convert.target_archive import ArchiveTarget
from ncore.itar.durable import sync_file
from ncore.stores.documents import inline_consolidated


class ZipTarget(ArchiveTarget):
    """Every `checkpoint` leaves a complete zip file behind, to which a later run appends."""

    zipped = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._zip: zipfile.ZipFile | None = None
        self._checked = time.monotonic()
        # RFC-9 asks for zip64 in every .ozx, however small it is.
        self._zip64 = self.path.suffix == ".ozx"

    def begin(
        self, documents: Mapping[str, dict[str, Any]], state: Any, consolidated: bool
    ) -> bool:
        self.acquire()
        if state is not None and self._restore(state):
            return True
        self._journal.clear()
        self._zip = zipfile.ZipFile(self.stage, "w", zipfile.ZIP_STORED)
        comment = self._comment(documents)
        if comment:
            self._zip.comment = comment
        for path, document in documents.items():
            if not path and consolidated:
                nodes = {path: document for path, document in documents.items() if path}
                document = {**document, "consolidated_metadata": inline_consolidated(nodes)}
            key = f"{path}/zarr.json" if path else "zarr.json"
            self.write(key, json.dumps(document, indent=2).encode())
        return False

    def write(self, key: str, data: bytes | memoryview) -> None:
        info = zipfile.ZipInfo(key)  # of 1980, so that equal stores are equal files
        info.external_attr = 0o644 << 16
        info.file_size = len(data)
        with self._open().open(info, "w", force_zip64=self._zip64) as member:
            member.write(data)

    def copy(
        self, source: Source, keys: Mapping[str, str], progress: Callable[[int], None]
    ) -> None:
        for here, data in zip(keys, source.read_in_order(keys.values()), strict=True):
            self.write(here, data)
            progress(len(data))

    def checkpoint(self) -> Any:
        if time.monotonic() - self._checked < target_archive.CHECKPOINT_SECONDS:
            return None
        self._checked = time.monotonic()
        archive = self._open()
        end = archive.start_dir
        archive.close()
        sync_file(self.stage)
        with self.stage.open("rb") as file:
            file.seek(end)
            directory = file.read()
        self._zip = zipfile.ZipFile(self.stage, "a", zipfile.ZIP_STORED)
        return {"end": end, "directory": base64.b64encode(directory).decode()}

    def finish(self) -> None:
        self._open().close()
        self._zip = None
        sync_file(self.stage)

    def staged(self) -> Store:
        return sync(ZipStore.open(self.stage, mode="r"))

    def discard(self) -> None:
        self.release()
        self.stage.unlink(missing_ok=True)
        self._journal.remove()

    def release(self) -> None:
        if self._zip is not None:
            archive, self._zip = self._zip, None
            with contextlib.suppress(OSError):  # of a full disk; `finish` has closed a whole one
                archive.close()
        super().release()

    def _restore(self, state: Any) -> bool:
        """Put back the directory that later members have overwritten."""
        try:
            with self.stage.open("r+b") as file:
                if file.seek(0, os.SEEK_END) < state["end"]:
                    return False
                file.seek(state["end"])
                file.write(base64.b64decode(state["directory"]))
                file.truncate()
            self._zip = zipfile.ZipFile(self.stage, "a", zipfile.ZIP_STORED)
        except (FileNotFoundError, zipfile.BadZipFile):
            return False
        return True

    def _comment(self, documents: Mapping[str, dict[str, Any]]) -> bytes:
        """What tells readers of OME-Zarr that metadata comes first; empty for other zips."""
        ome = documents[""].get("attributes", {}).get("ome")
        if Path(self.path).suffix != ".ozx" or not isinstance(ome, dict):
            return b""
        about = {"centralDirectory": {"jsonFirst": True}}
        return json.dumps(
            {"ome": {"version": ome.get("version", "0.5"), "zipFile": about}}
        ).encode()

    def _open(self) -> zipfile.ZipFile:
        assert self._zip is not None
        return self._zip
