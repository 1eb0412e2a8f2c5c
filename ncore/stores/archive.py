"""What is in an archive: its hierarchy, its members and its figures, as tools show them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ncore.itar.errors import ItarKeyError
from ncore.itar.index import Entry
from ncore.itar.reader import ItarReader
from ncore.itar.trailer import end_of_tar
from ncore.stores import documents
from ncore.stores.documents import ROOT_V3_CBOR
from ncore.stores.errors import StoreLocationError
from ncore.stores.hierarchy import Hierarchy
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.listing import children, prefix_range
from ncore.stores.pack_source import open_pack_source


@dataclass
class TopLevel:
    """What lies below one name at the root."""

    name: str
    """"" for the keys right at the root."""
    members: int = 0
    bytes: int = 0


@dataclass
class ArchiveInfo:
    """The figures of an archive. Sizes in bytes."""

    name: str
    zarr_formats: list[int]
    """Formats of the metadata documents in it; empty if it holds no zarr."""
    consolidated: str | None
    """Key of the compressed consolidated metadata, if there is one."""
    file_size: int
    members: int
    groups: int
    arrays: int
    chunks: int
    payload: int
    headers: int
    """Tar headers and the padding of members."""
    end_of_tar: int
    """The zero blocks that end the tar part."""
    index: int
    """As stored, trailer and padding included."""
    index_memory: int
    """What the index occupies once it is read."""
    dead: int
    digests: list[str]
    ratio: float | None
    """Bytes that the stored chunks of fixed-size types decode to, for each byte they take."""
    top_level: list[TopLevel]
    problems: list[str]

    def to_json(self) -> dict[str, Any]:
        """Everything above as JSON values."""
        return {
            "archive": self.name,
            "format": "itar",
            "zarr_formats": self.zarr_formats,
            "consolidated_metadata": self.consolidated,
            "file_bytes": self.file_size,
            "members": self.members,
            "groups": self.groups,
            "arrays": self.arrays,
            "chunks": self.chunks,
            "payload_bytes": self.payload,
            "header_bytes": self.headers,
            "end_of_tar_bytes": self.end_of_tar,
            "index_bytes": self.index,
            "index_memory_bytes": self.index_memory,
            "dead_bytes": self.dead,
            "digests": self.digests,
            "compression_ratio": self.ratio,
            "top_level": [vars(line) for line in self.top_level],
            "problems": self.problems,
        }


def read_hierarchy(store: IndexedTarStore) -> Hierarchy:
    """Return the hierarchy in an archive that is open for reading.

    Consolidated metadata, where it is there and right, is all that is read of the file.
    """
    keys = [key for key in store.sorted_keys() if documents.is_document(key)]
    found = {
        key: documents.parse_json(data)
        for key, data in zip(keys, store.read_many(keys), strict=True)
    }
    return Hierarchy(((entry.key, entry.size) for entry in entries(store.reader)), found)


def read_unpacked_hierarchy(location: str | os.PathLike[str]) -> Hierarchy:
    """Return the hierarchy in a directory or zip file, from all of its metadata documents.

    Raises:
        PackError: there is neither (a ``ValueError``).
        StoreLocationError: there is no zarr in it (a ``ValueError``).
    """
    source = open_pack_source(location)
    try:
        sizes = source.sizes()
        found = {
            key: documents.parse_json(b"".join(source.pieces(key)))
            for key in sorted(sizes)
            if documents.is_document(key)
        }
        hierarchy = Hierarchy(sizes.items(), found)
    finally:
        source.close()
    if not hierarchy.nodes:
        raise StoreLocationError(f"{source.name}: holds no zarr")
    return hierarchy


def entries(reader: ItarReader) -> Iterator[Entry]:
    """Yield every entry in file order, which need not be the order of the index."""
    offsets = reader.index.offsets
    return (reader.index.entry(int(i)) for i in offsets.argsort(kind="stable"))


def describe(store: IndexedTarStore) -> ArchiveInfo:
    """Return the figures of an archive that is open for reading.

    Raises:
        ConsolidatedMetadataError: its consolidated metadata is damaged.
    """
    reader = store.reader
    hierarchy = read_hierarchy(store)
    nodes = hierarchy.nodes.values()
    top: dict[str, TopLevel] = {}
    payload = 0
    for i in range(len(reader.index)):
        key, size = reader.index.key(i), reader.index.span(i)[1]
        name, slash, _ = key.partition("/")
        line = top.setdefault(name if slash else "", TopLevel(name if slash else ""))
        line.members += 1
        line.bytes += size
        payload += size
    members_end = reader.index.members_end()
    dead = reader.dead_bytes
    unencoded = [(n.ratio * n.chunk_bytes, n.chunk_bytes) for n in nodes if n.ratio is not None]
    digests = [name for name in ("crc32c", "md5") if getattr(reader.index, name) is not None]
    tar_end = reader.trailer.index_offset
    problems = [f"{n.path or '/'}: {n.problem}" for n in nodes if n.problem]
    if hierarchy.unowned[0] and nodes:
        problems.append(f"{hierarchy.unowned[0]} members lie outside the hierarchy")
    return ArchiveInfo(
        name=reader.name,
        zarr_formats=sorted({node.zarr_format for node in nodes}),
        consolidated=_consolidated(reader),
        file_size=reader.source.size,
        members=len(reader),
        groups=sum(node.kind == "group" for node in nodes),
        arrays=sum(node.kind == "array" for node in nodes),
        chunks=sum(node.stored_chunks for node in nodes),
        payload=payload,
        headers=max(0, members_end - dead - payload),
        end_of_tar=max(0, tar_end - members_end),
        index=reader.source.size - tar_end,
        index_memory=reader.index.nbytes,
        dead=dead + max(0, tar_end - end_of_tar(members_end)),
        digests=digests,
        ratio=sum(a for a, _ in unencoded) / sum(b for _, b in unencoded) if unencoded else None,
        top_level=sorted(top.values(), key=lambda line: (-line.bytes, line.name)),
        problems=problems,
    )


def _consolidated(reader: ItarReader) -> str | None:
    for key in (ROOT_V3_CBOR, documents.CONSOLIDATED_V2_CBOR, documents.CONSOLIDATED_V2):
        if key in reader:
            return key
    return None


@dataclass
class ListedKey:
    """One line of a listing."""

    key: str
    """A key; of a directory its path with a slash at the end."""
    size: int
    """Bytes; of a directory all below it."""
    offset: int | None = None
    """Where the payload begins; ``None`` for a directory or a document that is no member."""
    crc32c: int | None = None
    md5: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What there is of it as JSON values."""
        found: dict[str, Any] = {"key": self.key, "size": self.size}
        if self.offset is not None:
            found["offset"] = self.offset
        if self.crc32c is not None:
            found["crc32c"] = f"{self.crc32c:08x}"
        if self.md5 is not None:
            found["md5"] = self.md5
        return found


def list_members(
    store: IndexedTarStore,
    path: str = "",
    *,
    recursive: bool = False,
    selected: Callable[[str], bool] | None = None,
) -> list[ListedKey]:
    """Return the keys below a path as zarr sees them, in order.

    Args:
        store: open for reading.
        path: a directory within the zarr, or a key.
        recursive: all keys; by default those right below, and directories.
        selected: which keys to list; of all by default.

    Raises:
        ItarKeyError: there is nothing at ``path``.
    """
    path = path.strip("/")
    keys = store.sorted_keys()
    prefix = path + "/" if path else ""
    low, high = prefix_range(keys, prefix)
    found = []
    if path and store.holds(path):
        found.append(_listed(store, path))
    elif path and low == high:
        raise ItarKeyError(f"{store.name}: nothing at {path!r}")
    if recursive:
        found += [_listed(store, key) for key in keys[low:high] if not selected or selected(key)]
        return found
    for name in children(keys, prefix):
        key = prefix + name
        below = prefix_range(keys, key + "/")
        if store.holds(key):
            found.append(_listed(store, key))
        if below[0] < below[1]:
            found.append(ListedKey(key + "/", store.size_of_prefix(key + "/")))
    return found


def _listed(store: IndexedTarStore, key: str) -> ListedKey:
    if key not in store.reader:
        return ListedKey(key, len(store.read(key)))
    entry = store.reader.entry(key)
    md5 = None if entry.md5 is None else entry.md5.hex()
    return ListedKey(key, entry.size, entry.offset, entry.crc32c, md5)
