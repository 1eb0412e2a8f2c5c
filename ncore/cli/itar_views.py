"""What ``ncore itar`` shows to people. All keys are somebody else's text."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ncore.cli.output import counted, printable
from ncore.itar.recover import RecoveryReport
from ncore.itar.repack import RepackReport
from ncore.itar.sizes import human_size
from ncore.itar.verify import VerifyReport
from ncore.stores.archive import ArchiveInfo, ListedKey
from ncore.stores.hierarchy import Hierarchy, Node
from ncore.stores.pack import PackReport
from ncore.stores.recovery import ZarrRecoveryReport
from ncore.stores.unpack import UnpackReport

_TOP_SHOWN = 20
_PROBLEMS_SHOWN = 20


def info(found: ArchiveInfo) -> RenderableType:
    """The figures of an archive."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(justify="right")
    facts.add_column(style="dim")

    def fact(name: str, value: object, note: str = "") -> None:
        facts.add_row(name, Text(printable(str(value))), Text(printable(note)))

    formats = ", ".join(map(str, found.zarr_formats)) or "none"
    fact("zarr format", formats, f"consolidated: {found.consolidated or 'no'}")
    fact("file", human_size(found.file_size), f"{found.file_size:,} bytes")
    fact(
        "members",
        f"{found.members:,}",
        f"{counted(found.groups, 'group')}, {counted(found.arrays, 'array')}, "
        f"{counted(found.chunks, 'chunk')}",
    )
    fact("payload", human_size(found.payload), _share(found.payload, found.file_size))
    fact("headers, padding", human_size(found.headers), _share(found.headers, found.file_size))
    per_key = f", {found.index / found.members:.1f} bytes a key" if found.members else ""
    fact(
        "index",
        human_size(found.index),
        f"{_share(found.index, found.file_size)}{per_key}; {human_size(found.index_memory)} "
        "in memory",
    )
    fact("digests", ", ".join(found.digests) or "none")
    dead = "" if not found.dead else "goes with ncore itar repack"
    fact("dead space", human_size(found.dead), dead)
    if found.ratio is not None:
        fact("compression", f"{found.ratio:.2f}", "bytes decoded for each byte stored")
    parts: list[RenderableType] = [Text(printable(found.name), style="bold"), facts]
    if found.top_level:
        top = Table(box=box.SIMPLE_HEAD)
        for name in ("top level", "members", "size", ""):
            top.add_column(name, justify="left" if name == "top level" else "right")
        for line in found.top_level[:_TOP_SHOWN]:
            top.add_row(
                Text(printable(line.name + "/" if line.name else "(the root's own)")),
                f"{line.members:,}",
                human_size(line.bytes),
                _share(line.bytes, found.payload),
            )
        parts.append(top)
        if len(found.top_level) > _TOP_SHOWN:
            parts.append(Text(f"and {len(found.top_level) - _TOP_SHOWN} more; --json has all"))
    parts += [Text(printable(f"note: {line}"), style="yellow") for line in found.problems]
    return Group(*parts)


def listing(listed: Sequence[ListedKey], *, long: bool) -> Iterator[str]:
    """The lines of ``ls``."""
    width = max((len(str(line.size)) for line in listed), default=0)
    offset_width = max((len(str(line.offset or "")) for line in listed), default=0)
    for line in listed:
        key = printable(line.key)
        if not long:
            yield key
            continue
        offset = "" if line.offset is None else str(line.offset)
        crc32c = "-" * 8 if line.crc32c is None else f"{line.crc32c:08x}"
        yield f"{line.size:>{width}}  {offset:>{offset_width}}  {crc32c}  {key}"


def tree(hierarchy: Hierarchy, path: str, name: str, depth: int | None) -> Text:
    """The nodes below a path, one a line, never cut to the terminal's width."""
    root = hierarchy.nodes.get(path)
    shown = _node(root, path or name) if root else Text(printable(path or name))
    # Not recursive: a hierarchy may be as deep as its author likes.
    waiting = _branches(hierarchy, path, "") if depth != 0 else []
    while waiting:
        node, above, stem, last = waiting.pop()
        shown.append("\n" + stem + ("└── " if last else "├── "), style="dim")
        shown.append_text(_node(node, node.path[len(above) :].lstrip("/")))
        stem += "    " if last else "│   "
        if depth is None or len(stem) // 4 < depth:
            waiting += _branches(hierarchy, node.path, stem)
    return shown


def _branches(hierarchy: Hierarchy, path: str, stem: str) -> list[tuple[Node, str, str, bool]]:
    """Return (node, path above, what its line begins with, whether it is the last) in reverse."""
    nodes = hierarchy.children(path)
    return [(node, path, stem, node is nodes[-1]) for node in reversed(nodes)]


def packed(report: PackReport) -> str:
    """What ``pack`` did."""
    if report.archive_bytes is None:
        return (
            f"would pack {counted(report.members, 'file')}, {human_size(report.bytes)}, into "
            f"{report.target}; nothing was written"
        )
    return (
        f"{report.target}: {counted(report.members, 'member')}, "
        f"{human_size(report.bytes)} of payload, "
        f"{human_size(report.archive_bytes)} in all, no dead space"
    )


def unpacked(report: UnpackReport) -> str:
    """What ``unpack`` did."""
    if not report.written:
        return (
            f"would unpack {report.files:,} files, {human_size(report.bytes)}, into "
            f"{report.target}; nothing was written"
        )
    return f"{report.target}: {report.files:,} files, {human_size(report.bytes)}"


def verified(report: VerifyReport, decoded: int | None, *, payloads: bool) -> str:
    """What ``verify`` found."""
    lines = [
        f"{problem.kind:8}  {problem.key or '-'}: {problem.message}"
        for problem in report.problems[:_PROBLEMS_SHOWN]
    ]
    if len(report.problems) > _PROBLEMS_SHOWN:
        lines.append(f"and {len(report.problems) - _PROBLEMS_SHOWN} more; --json has all")
    looked = [counted(report.members, "header")]
    if payloads:
        for name, there in (("CRC-32C", report.with_crc32c), ("MD5", report.with_md5)):
            if there:
                looked.append(f"{name} of {human_size(report.payload_bytes)}")
        if not report.with_crc32c and not report.with_md5:
            looked.append("no checksums to compare (ncore itar repack adds them)")
    if decoded is not None:
        looked.append(f"{counted(decoded, 'chunk')} decoded")
    if report.dead_bytes:
        looked.append(f"{human_size(report.dead_bytes)} of dead space")
    state = "good" if report.ok else counted(len(report.problems), "problem")
    return "\n".join([*lines, f"{report.name}: {state} ({', '.join(looked)})"])


def repacked(report: RepackReport) -> str:
    """What ``repack`` did."""
    return (
        f"{report.output}: {counted(report.members, 'member')}, {human_size(report.size_before)} → "
        f"{human_size(report.size_after)}, {report.dead_bytes:,} dead bytes gone"
    )


def recovered(report: RecoveryReport, hierarchy: ZarrRecoveryReport | None) -> str:
    """What ``recover`` found, and lost."""
    lines = []
    if report.intact:
        lines.append(f"{report.source} is a finished archive with a good index")
    if report.deferred:
        lines.append(f"{len(report.deferred):,} metadata documents are from the writer's journal")
    if report.superseded:
        lines.append(f"{report.superseded:,} members were superseded by later ones of their key")
    if report.cut_key is not None:
        lines.append(
            f"lost: {report.cut_key!r}, inside which the file ends ({report.cut_missing:,} bytes "
            "are missing)"
        )
    for start, stop in report.gaps[:_PROBLEMS_SHOWN]:
        lines.append(f"lost: whatever was in the damaged bytes {start:,} to {stop:,}")
    if len(report.gaps) > _PROBLEMS_SHOWN:
        lines.append(f"and {len(report.gaps) - _PROBLEMS_SHOWN} more such spans; --json has all")
    if report.unusable:
        lines.append(
            f"lost: {counted(len(report.unusable), 'member')} with names that cannot be keys"
        )
    found = f"{counted(report.members, 'member')}, {human_size(report.payload_bytes)}"
    if hierarchy is None:
        return "\n".join(
            [*lines, f"{report.source}: {found} can be recovered; nothing was written"]
        )
    if hierarchy.made_groups:
        lines.append(
            f"{len(hierarchy.made_groups)} groups lost their metadata and were made anew without "
            "attributes"
        )
    nodes = f"{len(hierarchy.nodes):,} groups and arrays" if hierarchy.nodes else "NO ZARR in it"
    lines.append(f"{report.output}: {found}, {nodes}")
    if report.spent:
        lines.append(f"no longer needed, once that is found good: {', '.join(report.spent)}")
    return "\n".join(lines)


def upsets_terminal(data: bytes) -> bool:
    """Whether bytes are better not shown on a terminal."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return True
    return printable(text.replace("\t", " "), multiline=True) != text.replace("\t", " ")


def _node(node: Node, name: str) -> Text:
    text = Text(printable(name), style="bold" if node.kind == "group" else "")
    facts = []
    if node.kind == "array" and not node.problem:
        facts.append(f"{_extent(node.shape)} {node.dtype}")
        if node.shards is not None:
            facts.append(f"shards {_extent(node.shards)}")
        facts.append(f"chunks {_extent(node.chunks)}")
        if node.codecs:
            facts.append(" → ".join(node.codecs))
        size = human_size(node.chunk_bytes)
        if node.logical is not None:
            size += f" of {human_size(node.logical)}"
        if node.ratio is not None:
            size += f" (x{node.ratio:.2f})"
        if node.total_chunks is not None and node.stored_chunks != node.total_chunks:
            size += f", {node.stored_chunks:,} of {node.total_chunks:,} chunks"
        facts.append(size)
    elif node.kind == "group" and node.attributes:
        facts.append(f"{node.attributes} attribute{'s' * (node.attributes > 1)}")
    if facts:
        text.append("  " + "  ".join(printable(fact) for fact in facts), style="dim")
    if node.problem:
        text.append("  " + printable(node.problem), style="bold red")
    return text


def _extent(shape: tuple[int, ...] | None) -> str:
    return "()" if not shape else "x".join(map(str, shape))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""
