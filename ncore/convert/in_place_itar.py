"""Convert an archive where it lies: v3 metadata appended, and a new index.

No payload moves, so an archive of any size takes the time that its metadata
takes. v2 tools go on reading it until it is repacked. A crash at any moment
leaves the old archive, which comes back when it is next opened for writing.
"""

import os
import time
from collections.abc import Mapping

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import MemoryStore, WrapperStore

from ncore.convert.errors import LayoutError, TargetError
from ncore.convert.hierarchy import read_hierarchy
from ncore.convert.options import ConvertOptions
from ncore.convert.plan import Plan, make_plan, refuse_unsupported, report_array
from ncore.convert.progress import NoProgress, Progress
from ncore.convert.reencode import reencode
from ncore.convert.report import ConversionReport
from ncore.convert.source_itar import ItarSource
from ncore.convert.translation import Action
from ncore.convert.verify import Verifier
from ncore.itar.errors import ItarError
from ncore.itar.writer import ItarWriter
from ncore.stores.documents import (
    ROOT_V3,
    ROOT_V3_CBOR,
    encode_cbor,
    encode_json,
    inline_consolidated,
)


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
    if options.layout.asks or options.selected is not None:
        raise LayoutError("another layout or a selection cannot be had in place: name a target")
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
            plan = make_plan(source, read_hierarchy(source), options, "")
            report = _report(plan, source.name, options.dry_run)
            if writer is not None:
                refuse_unsupported(plan, source.name)
                _write(writer, source, plan, options, progress, report)
                if options.verify != "none":
                    _verify(writer, source, plan, options, progress, report)
                writer.close()
        finally:
            source.close()
    except BaseException:
        if writer is not None:
            writer.discard()
        raise
    report.seconds = time.monotonic() - started
    return report


def _report(plan: Plan, name: str, dry_run: bool) -> ConversionReport:
    return ConversionReport(
        source=name,
        target=name,
        dry_run=dry_run,
        arrays=[report_array(array) for array in plan.arrays],
        groups=len(plan.groups),
        others=len(plan.others),
        bytes=sum(array.size for array in plan.arrays),
        warnings=plan.warnings,
        hints=plan.hints,
    )


def _write(
    writer: ItarWriter,
    source: ItarSource,
    plan: Plan,
    options: ConvertOptions,
    progress: Progress,
    report: ConversionReport,
) -> None:
    todo = [
        (array, line)
        for array, line in zip(plan.arrays, report.arrays, strict=True)
        if array.translation.action is Action.REENCODE
    ]
    progress.phase("convert", sum(array.size for array, _ in todo))
    for array, line in todo:
        began = time.monotonic()
        for key, data, _ in reencode(
            array,
            source,
            "",
            jobs=options.jobs,
            memory=options.memory,
            allow_pickle=options.translation.allow_pickle,
        ):
            writer.set(array.prefix + key, data)
            line.bytes_written += len(data)
        progress.advance(array.size)
        report.bytes_written += line.bytes_written
        line.seconds = time.monotonic() - began
    for key, value in _documents(plan).items():
        writer.set(key, value)


def _documents(plan: Plan) -> dict[str, bytes]:
    """Key → value of every metadata member, the root's last."""
    documents = plan.documents()
    nodes = {path: document for path, document in documents.items() if path}
    members = {f"{path}/{ROOT_V3}": encode_json(document) for path, document in nodes.items()}
    root = documents[""]
    if root["node_type"] == "group":
        root = {**root, "consolidated_metadata": inline_consolidated(nodes)}
    packed = encode_cbor(root)
    members[ROOT_V3 if packed is None else ROOT_V3_CBOR] = packed or encode_json(root)
    return members


def _verify(
    writer: ItarWriter,
    source: ItarSource,
    plan: Plan,
    options: ConvertOptions,
    progress: Progress,
    report: ConversionReport,
) -> None:
    """Read through zarr what the archive will hold once it is closed."""
    progress.phase("verify", report.bytes)
    new = {
        f"{path}/{ROOT_V3}" if path else ROOT_V3: encode_json(document)
        for path, document in plan.documents().items()
    }
    store = _Unclosed(source, writer, new)
    sample = options.verify == "sample"
    allow = options.translation.allow_pickle
    Verifier(source, store, plan, sample=sample, allow_pickle=allow).run(
        options.jobs, progress.advance
    )
    for line in report.arrays:
        if line.action in (Action.COPY, Action.REENCODE):
            line.verified = options.verify


class _Unclosed(WrapperStore[Store]):
    """The archive as it was, with what the writer has added."""

    def __init__(self, source: ItarSource, writer: ItarWriter, new: Mapping[str, bytes]) -> None:
        self._source = source
        self._writer = writer
        self._new = new
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
