"""Metadata documents of a component store: attributes and array forms by node path.

Archives of every generation are served: v2 (``.zgroup``, ``.zattrs``,
``.zarray``) and v3 (``zarr.json``) documents, consolidated by the original
(``.zmetadata.cbor.xz``), by zarr (``.zmetadata``, inline in the root
``zarr.json``), by this project (``zarr.cbor.xz``), or not at all.

Decoding the consolidated map of a long sequence takes longer than everything
else that opening it needs, and most of a map is about frames that a worker
never visits. So documents of local stores are read one by one until enough
have been asked for that the map is the cheaper way.
"""

import lzma
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Protocol

from ncore.data.v4.array_metadata import ArrayMetadata, blob_v2, blob_v3, parse_v2, parse_v3
from ncore.data.v4.byte_stores import ByteStore
from ncore.data.v4.errors import SequenceFormatError
from ncore.stores.documents import (
    CONSOLIDATED_V2,
    CONSOLIDATED_V2_CBOR,
    ROOT_V3,
    ROOT_V3_CBOR,
    checked_v2,
    checked_v3,
    decode_cbor,
    parse_json,
    without_consolidated,
)

# After so many single documents the consolidated map is decoded: the time of
# about 5,000 map entries, so a wrong guess costs at most that once more.
_SINGLE_READS = 256
# Where there is no map, so many single documents are kept, some 25 MB of them: enough
# for what is asked for again and again, while a long sequence is read frame by frame.
_MOST_KEPT = 1 << 13
_ROOT_PREFIX = 1 << 16


class Documents(Protocol):
    """Read access to node metadata; paths have no leading or trailing slash."""

    def attributes(self, path: str) -> dict[str, Any] | None:
        """Attributes of the group or array at ``path``, not to be modified; None if absent."""

    def array(self, path: str) -> ArrayMetadata | None:
        """Form of the array at ``path``; None if there is no array."""

    def blob(self, path: str) -> tuple[str, int] | None:
        """Chunk key and size of the array at ``path`` if it is a blob; see ``array_metadata``."""

    def is_group(self, path: str) -> bool:
        """Whether there is a group at ``path``."""


def open_documents(store: ByteStore, use_consolidated: bool) -> Documents:
    """Find out which generation a store is of.

    An archive that was migrated in place holds both; v3 wins, as in zarr.

    Raises:
        SequenceFormatError: the store's root is no zarr group.
    """
    for documents in (V3Documents(store, use_consolidated), V2Documents(store, use_consolidated)):
        if documents.is_group(""):
            return documents
    raise SequenceFormatError(f"{store.location}: no zarr group at its root")


class _Cached:
    """Single documents, remembered, until the consolidated map takes their place."""

    def __init__(self, store: ByteStore, use_consolidated: bool) -> None:
        self._store = store
        self._use_consolidated = use_consolidated
        self._single: dict[str, dict[str, Any] | None] = {}
        self._map: Mapping[str, dict[str, Any]] | None = None
        self._map_wanted = use_consolidated

    def _get(self, key: str) -> dict[str, Any] | None:
        if self._map is not None:
            return self._map.get(key)
        single = self._single  # in whose place another thread may put another
        if key in single:
            return single[key]
        if self._map_wanted and not (self._store.is_local and len(single) < _SINGLE_READS):
            self._map_wanted = False
            consolidated = self._consolidated()
            if consolidated is not None:
                self._map = consolidated
                self._single = {}
                return consolidated.get(key)
        document = self._read_single(key)
        if len(single) >= _MOST_KEPT:
            self._single = single = {}
        single[key] = document
        return document

    def _consolidated(self) -> Mapping[str, dict[str, Any]] | None:
        raise NotImplementedError

    def _read_single(self, key: str) -> dict[str, Any] | None:
        return _decode_json(self._store, key)

    def __getstate__(self) -> dict[str, Any]:
        # A spawned worker reads what it needs; sending the documents costs more.
        return {"store": self._store, "use_consolidated": self._use_consolidated}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["store"], state["use_consolidated"])  # type: ignore[misc]


class V2Documents(_Cached):
    """Documents of a zarr v2 hierarchy."""

    def attributes(self, path: str) -> dict[str, Any] | None:
        prefix = f"{path}/" if path else ""
        attributes = self._get(f"{prefix}.zattrs")
        if attributes is None and (self.is_group(path) or self._get(f"{prefix}.zarray")):
            return {}
        return attributes

    def array(self, path: str) -> ArrayMetadata | None:
        document = self._get(f"{path}/.zarray" if path else ".zarray")
        if document is None:
            return None
        return parse_v2(document, f"{self._store.location}: array {path!r}")

    def blob(self, path: str) -> tuple[str, int] | None:
        document = self._get(f"{path}/.zarray")
        size = None if document is None else blob_v2(document)
        return None if size is None else (f"{path}/0", size)

    def is_group(self, path: str) -> bool:
        return self._get(f"{path}/.zgroup" if path else ".zgroup") is not None

    def _consolidated(self) -> Mapping[str, dict[str, Any]] | None:
        for key, decode in ((CONSOLIDATED_V2_CBOR, _decode_cbor), (CONSOLIDATED_V2, _decode_json)):
            document = decode(self._store, key)
            if document is not None:
                return checked_v2(document, f"{self._store.location}: {key}")
        return None


class V3Documents(_Cached):
    """Documents of a zarr v3 hierarchy; the key of a document here is its node path."""

    def attributes(self, path: str) -> dict[str, Any] | None:
        document = self._get(path)
        if document is None:
            return None
        attributes = document.get("attributes")
        return attributes if isinstance(attributes, dict) else {}

    def array(self, path: str) -> ArrayMetadata | None:
        document = self._get(path)
        if document is None or document.get("node_type") != "array":
            return None
        return parse_v3(document, f"{self._store.location}: array {path!r}")

    def blob(self, path: str) -> tuple[str, int] | None:
        document = self._get(path)
        size = None if document is None else blob_v3(document)
        return None if size is None else (f"{path}/c/0", size)

    def is_group(self, path: str) -> bool:
        document = self._get(path)
        return document is not None and document.get("node_type") == "group"

    def _read_single(self, key: str) -> dict[str, Any] | None:
        if key:
            return _decode_json(self._store, f"{key}/zarr.json")
        raw = self._store.read(ROOT_V3_CBOR)
        root = None if raw is None else _root_without_map(raw)
        return root or self._root()

    def _root(self) -> dict[str, Any] | None:
        return _decode_cbor(self._store, ROOT_V3_CBOR) or _decode_json(self._store, ROOT_V3)

    def _consolidated(self) -> Mapping[str, dict[str, Any]] | None:
        root = self._root()
        if root is None:
            return None
        nodes = checked_v3(root, f"{self._store.location}: root metadata")
        return None if nodes is None else {**nodes, "": without_consolidated(root)}


def _decode_cbor(store: ByteStore, key: str) -> dict[str, Any] | None:
    raw = store.read(key)
    return None if raw is None else decode_cbor(raw, f"{store.location}: {key}", 0)


def _decode_json(store: ByteStore, key: str) -> dict[str, Any] | None:
    raw = store.read(key)
    if raw is None:
        return None
    document = parse_json(raw)
    if document is None:
        raise SequenceFormatError(f"{store.location}: {key} holds no JSON object")
    return document


def _root_without_map(raw: bytes) -> dict[str, Any] | None:
    """The root document up to its consolidated metadata, if everything else comes before.

    Writers put the map behind the attributes, so the first few kilobytes hold
    all that opening a sequence asks of the root. None where that is not so.
    """
    import cbor2

    try:
        head = lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(raw, _ROOT_PREFIX)
        if not head or head[0] >> 5 != 5:  # CBOR major type 5: a map
            return None
        count = head[0] & 0x1F
        if count > 23:  # a root document has few members
            return None
        stream = BytesIO(head)
        stream.seek(1)
        decoder = cbor2.CBORDecoder(stream)
        document: dict[str, Any] = {}
        for _ in range(count):
            key = decoder.decode()
            if key == "consolidated_metadata":
                break
            document[key] = decoder.decode()
    except (lzma.LZMAError, cbor2.CBORError, EOFError, TypeError, ValueError):
        return None
    if "attributes" not in document:
        return None
    # Only groups carry consolidated metadata.
    return {"node_type": "group", **document}
