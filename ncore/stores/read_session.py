"""A finished archive as zarr sees it: chunks from the container, documents from where they lie.

The archive may hold the root's ``zarr.json`` only as ``zarr.cbor.xz``, and it
may hold every document a second time inside consolidated metadata, which is
in one place and mostly already read.
"""

import asyncio
import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import NoReturn

from ncore.itar.errors import ItarClosedError
from ncore.itar.reader import ItarReader
from ncore.itar.remote import RemoteSource
from ncore.stores import documents
from ncore.stores.documents import (
    CONSOLIDATED_V2,
    CONSOLIDATED_V2_CBOR,
    ROOT_V3,
    ROOT_V3_CBOR,
    V2_NAMES,
    Document,
)
from ncore.stores.errors import ConsolidatedMetadataError, ConsolidatedMetadataWarning
from ncore.stores.listing import IndexKeys, prefix_range
from ncore.stores.readable_v2 import first_unreadable

MAP_LEAST = 64 << 10
"""Values of fewer bytes are copied sooner than their pages are mapped."""
_DOCUMENT_ENDS = (ROOT_V3, CONSOLIDATED_V2, *V2_NAMES)


class ReadSession:
    """Logical key -> bytes. The logical keys are the members, but ``zarr.json`` for its CBOR."""

    def __init__(self, reader: ItarReader) -> None:
        self.reader = reader
        # The root's document under its logical name, where only the CBOR is a member.
        self._virtual_root = ROOT_V3_CBOR in reader and ROOT_V3 not in reader

    @property
    def closed(self) -> bool:
        """Whether it can no longer be read."""
        return isinstance(self.reader, _ClosedReader)

    @property
    def is_remote(self) -> bool:
        """Whether values come over a network."""
        return isinstance(self.reader.source, RemoteSource)

    # What every session offers

    def get(self, key: str) -> bytes | None:
        """Return a value, ``None`` if there is none."""
        if key.endswith(_DOCUMENT_ENDS) and documents.is_document(key):
            return self._get_document(key)
        return self.reader.get(key)

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        """Return part of a value that exists."""
        if key.endswith(_DOCUMENT_ENDS) and documents.is_document(key):
            return (self._get_document(key) or b"")[start:stop]
        return self.reader.read_range(key, start, stop)

    def get_mapped(self, key: str, start: int, stop: int) -> bytes | memoryview | None:
        """Return a value or part of it, ``None`` if there is none.

        A large one is a view of the mapped file: decoding it, or copying it to where it
        belongs, is then the only copy that is made.
        """
        if key.endswith(_DOCUMENT_ENDS) and documents.is_document(key):
            data = self._get_document(key)
            return None if data is None else data[start:stop]
        return self.reader.read_or_view(key, start, stop, MAP_LEAST)

    async def get_async(self, key: str, start: int, stop: int) -> bytes | None:
        """Return a value or part of it, for an event loop; ``None`` if there is none."""
        if key.endswith(_DOCUMENT_ENDS) and documents.is_document(key):
            # The first one may fetch the consolidated metadata.
            data = await asyncio.to_thread(self._get_document, key)
            return None if data is None else data[start:stop]
        reader = self.reader
        return await reader.read_async(key, start, stop) if key in reader else None

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return many values; what is remote is fetched together."""
        found: list[bytes | None] = [None] * len(keys)
        plain = []
        for i, key in enumerate(keys):
            if documents.is_document(key):
                found[i] = self._get_document(key)
            elif key in self.reader:
                plain.append(i)
        values = self.reader.read_many([keys[i] for i in plain])
        for i, value in zip(plain, values, strict=True):
            found[i] = value
        return found

    def size(self, key: str) -> int | None:
        """Return the size of a value in bytes, ``None`` if there is none."""
        i = self.reader.index.find(key)
        if i >= 0:
            return self.reader.index.span(i)[1]
        if documents.is_document(key) and (value := self._get_document(key)) is not None:
            return len(value)
        return None

    def exists(self, key: str) -> bool:
        """Return whether there is a value."""
        return self.reader.index.find(key) >= 0 or (self._virtual_root and key == ROOT_V3)

    def sorted_keys(self) -> Sequence[str]:
        """Return the logical keys in order."""
        return self._sorted_keys

    def size_of_prefix(self, prefix: str) -> int:
        """Return the stored bytes of all values below a prefix."""
        members = self._members
        low, high = prefix_range(members, prefix)
        return members.size(low, high)

    def close(self) -> None:
        """Free the archive. Reads under way in other threads end as they would have."""
        if not self.closed:
            reader, self.reader = self.reader, _ClosedReader(self.reader.name)
            reader.close()
            for cached in ("_members", "_sorted_keys", "_v3", "_root_json", "_stated_v2",
                           "_keys_v2", "_trusted_v2", "_consolidated_v2_json"):  # fmt: skip
                self.__dict__.pop(cached, None)

    @cached_property
    def _members(self) -> IndexKeys:
        return IndexKeys(self.reader.index)

    @cached_property
    def _sorted_keys(self) -> Sequence[str]:
        return _Renamed(self._members) if self._virtual_root else self._members

    # Documents

    def _get_document(self, key: str) -> bytes | None:
        if key == ROOT_V3 and self._virtual_root:
            return self._root_json
        if key == CONSOLIDATED_V2:
            return self._consolidated_v2_json
        if key not in self.reader:
            return None
        if not self.reader.in_tail(key):
            known = self._nodes_v3 if key.endswith(ROOT_V3) else self._trusted_v2
            document = known.get(key)
            if document is not None:
                return documents.encode_json(document)
        return self.reader.read(key)

    def _read_documents(self, keys: Sequence[str]) -> dict[str, Document]:
        found = {}
        for key, data in zip(keys, self.reader.read_many(keys), strict=True):
            document = documents.parse_json(data)
            if document is not None:
                found[key] = document
        return found

    def _decode(self, key: str, plain_keys: Sequence[str]) -> Document:
        sizes = sum(self.reader.entry(plain).size for plain in plain_keys)
        return documents.decode_cbor(self.reader.read(key), f"{self.reader.name}: {key}", sizes)

    @cached_property
    def _v3(self) -> tuple[Document, dict[str, Document]]:
        """(the root's document, key -> document of the nodes below); empty where there is no CBOR.

        The consolidated map counts if it names exactly the nodes that have a
        document of their own.
        """
        if not self._virtual_root:
            return {}, {}
        keys = self.reader.index.named(ROOT_V3)
        root = self._decode(ROOT_V3_CBOR, keys)
        name = f"{self.reader.name}: {ROOT_V3_CBOR}"
        if root.get("node_type") != "group":
            return root, {}
        nodes = documents.checked_v3(root, name)
        if nodes is not None and {f"{path}/{ROOT_V3}" for path in nodes} == set(keys):
            return root, {f"{path}/{ROOT_V3}": _plain(nodes[path]) for path in nodes}
        self._warn(f"the consolidated metadata in {ROOT_V3_CBOR} is stale or missing")
        found = self._read_documents(keys)
        by_path = {documents.node_path(key): document for key, document in found.items()}
        root = {**root, "consolidated_metadata": documents.inline_consolidated(by_path)}
        return root, found

    @property
    def _nodes_v3(self) -> dict[str, Document]:
        return self._v3[1]

    @cached_property
    def _root_json(self) -> bytes:
        return documents.encode_json(self._v3[0])

    @cached_property
    def _stated_v2(self) -> dict[str, Document] | None:
        """Key -> document as the consolidated metadata of a v2 archive has it, if there is any."""
        reader = self.reader
        if CONSOLIDATED_V2_CBOR in reader:
            name = f"{reader.name}: {CONSOLIDATED_V2_CBOR}"
            decoded = self._decode(CONSOLIDATED_V2_CBOR, self._keys_v2)
            return documents.checked_v2(decoded, name)
        if CONSOLIDATED_V2 in reader:
            name = f"{reader.name}: {CONSOLIDATED_V2}"
            parsed = documents.parse_json(reader.read(CONSOLIDATED_V2))
            if parsed is None:
                raise ConsolidatedMetadataError(f"{name} is corrupt: it is not a JSON object")
            return documents.checked_v2(parsed, name)
        return None

    @cached_property
    def _keys_v2(self) -> list[str]:
        return self.reader.index.named(*V2_NAMES)

    @cached_property
    def _trusted_v2(self) -> dict[str, Document]:
        """The consolidated documents if they name exactly those that are members, else none."""
        try:
            stated = self._stated_v2
        except ConsolidatedMetadataError:
            return {}  # said when the consolidated metadata itself is asked for
        return stated if stated is not None and set(stated) == set(self._keys_v2) else {}

    @cached_property
    def _consolidated_v2_json(self) -> bytes | None:
        if self.exists(ROOT_V3) or not self.exists(".zgroup"):
            return None
        found = self._stated_v2
        if found is None or set(found) != set(self._keys_v2):
            state = "missing" if found is None else "stale"
            self._warn(f"its consolidated metadata is {state}")
            found = self._read_documents(self._keys_v2)
        unreadable = first_unreadable(found)
        if unreadable is not None:
            # With it among the consolidated documents zarr could open nothing at all.
            self._warn(
                f"zarr-python cannot read {unreadable!r}, so nothing is consolidated; all other "
                "nodes are read as without it (`ncore convert` makes v3 of the whole)"
            )
            return None
        # Parents first and siblings together, whatever the archive's order is.
        ordered = {key: found[key] for key in documents.sorted_paths(found)}
        return documents.encode_json({"metadata": ordered, "zarr_consolidated_format": 1})

    def _warn(self, what: str) -> None:
        warnings.warn(
            f"{self.reader.name}: {what}; every metadata document is read by itself",
            ConsolidatedMetadataWarning,
            stacklevel=2,
        )


class _ClosedReader(ItarReader):
    """What a session has in place of its reader once it is closed: every use says so."""

    def __init__(self, name: str) -> None:
        self._closed_name = name

    def __getattr__(self, attribute: str) -> NoReturn:
        raise ItarClosedError(f"{self._closed_name}: the store is closed; open it again")

    @property
    def name(self) -> str:  # docstring inherited
        return self._closed_name

    def __contains__(self, key: object) -> bool:
        raise ItarClosedError(f"{self._closed_name}: the store is closed; open it again")


class _Renamed(Sequence[str]):
    """Sorted member keys with the root's document under its logical name.

    ``zarr.cbor.xz`` and ``zarr.json`` are neighbours in order unless a key lies between.
    """

    def __init__(self, members: IndexKeys) -> None:
        self._members = members
        self._from = prefix_range(members, ROOT_V3_CBOR)[0]
        self._to = prefix_range(members, ROOT_V3)[0] - 1

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, i):  # type: ignore[no-untyped-def]
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        if i < 0:
            i += len(self)
        if i == self._to:
            return ROOT_V3
        return self._members[i + 1 if self._from <= i < self._to else i]


def _plain(document: Document) -> Document:
    # zarr notes of a nested group that its nodes are elsewhere in the map by an
    # empty map of its own; served alone it would say that the group is empty.
    return documents.without_consolidated(document)
