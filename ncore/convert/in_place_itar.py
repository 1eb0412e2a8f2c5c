"""Convert an archive where it lies: v3 metadata appended, and a new index.

No payload moves, so an archive of any size takes the time that its metadata
takes. v2 tools go on reading it until it is repacked. A crash at any moment
leaves the old archive, which comes back when it is next opened for writing.
"""

import json
import os
import time

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import MemoryStore, WrapperStore

from ncore.convert.errors import LayoutError, TargetError
from ncore.convert.in_place_steps import (
    already_done,
    check_options,
    hierarchy_in_place,
    plan_in_place,
    root_with,
    write_reencoded,
)
from ncore.convert.options import ConvertOptions
from ncore.convert.plan import Plan
from ncore.convert.progress import NoProgress, Progress
from ncore.convert.report import ConversionReport
from ncore.convert.source_itar import ItarSource
from ncore.convert.verify import verify_store
from ncore.itar.errors import ItarError
from ncore.itar.writer import ItarWriter
from ncore.stores.documents import (
    ROOT_V3,
    ROOT_V3_CBOR,
    encode_cbor,
    encode_json,
    inline_consolidated,
)
from ncore.stores.indexed_tar import IndexedTarStore


def convert_archive_in_place(
    path: str | os.PathLike[str],
    options: ConvertOptions | None = None,
    progress: Progress | None = None,
) -> ConversionReport:
    """Give a v2 archive v3 metadata; payloads stay where they are.

    Arrays that must be re-encoded get new chunks behind the old ones.

    Args:
        path: the ``.itar`` archive.
        options: choices of the user; a layout and a selection make no sense here.
        progress: told what is being done.

    Raises:
        UnsupportedError: arrays that cannot be converted; nothing was written.
        VerificationError: values differ; the archive is as it was.
        SourceError: the archive holds no zarr v2 hierarchy.
        TargetError: it cannot be written.
    """
    options = options or ConvertOptions()
    progress = progress or NoProgress()
    check_options(options)
    if options.remove_v2:
        raise LayoutError(
            "--remove-v2: removing members would leave dead space in an archive; "
            "convert it into another one instead"
        )
    started = time.monotonic()
    progress.phase("plan", 0)
    try:
        # Opening it for writing first brings back what a dead writer left undone.
        writer = None if options.dry_run else ItarWriter(path, "r+")
    except ItarError as error:
        raise TargetError(str(error)) from error
    try:
        source = ItarSource(path)
        try:
            hierarchy = hierarchy_in_place(source)
            if hierarchy is None:
                if writer is not None:
                    writer.discard()
                return already_done(source, started)
            plan, report = plan_in_place(source, hierarchy, options)
            if writer is not None:
                write_reencoded(source, plan, options, progress, report, writer.set)
                for key, value in _documents(plan, path).items():
                    writer.set(key, value)
                if options.verify != "none":
                    # What the archive will hold once it is closed, read through zarr.
                    store = _Unclosed(source, writer, plan)
                    verify_store(source, store, plan, options, progress, report)
                writer.close()
        finally:
            source.close()
    except BaseException:
        if writer is not None:
            writer.discard()
        raise
    report.seconds = time.monotonic() - started
    return report


def _documents(plan: Plan, path: str | os.PathLike[str]) -> dict[str, bytes]:
    """Key → value of every metadata member, the root's last."""
    documents = plan.documents()
    nodes = {path: document for path, document in documents.items() if path}
    members = {f"{path}/{ROOT_V3}": encode_json(document) for path, document in nodes.items()}
    if "" not in documents:  # an earlier run made it
        with IndexedTarStore(path) as store:
            root = root_with(json.loads(store.read(ROOT_V3)), nodes)
    elif (root := documents[""])["node_type"] == "group":
        root = {**root, "consolidated_metadata": inline_consolidated(nodes)}
    packed = encode_cbor(root)
    members[ROOT_V3 if packed is None else ROOT_V3_CBOR] = packed or encode_json(root)
    return members


class _Unclosed(WrapperStore[Store]):
    """The archive as it was, with what the writer has added."""

    def __init__(self, source: ItarSource, writer: ItarWriter, plan: Plan) -> None:
        self._source = source
        self._writer = writer
        self._new = {
            f"{path}/{ROOT_V3}" if path else ROOT_V3: encode_json(document)
            for path, document in plan.documents().items()
        }
        super().__init__(MemoryStore(read_only=True))

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        if byte_range is not None:
            raise NotImplementedError("verification reads whole values")
        if key in self._new:
            return prototype.buffer.from_bytes(self._new[key])
        if key in self._source.reader:
            return prototype.buffer.from_bytes(self._source.reader.read(key))
        if key in self._writer:
            return prototype.buffer.from_bytes(self._writer.read(key))
        return None
