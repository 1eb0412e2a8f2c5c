"""``.zmetadata.cbor.xz`` by the names that users of NVIDIA's ncore know.

An :class:`~ncore.stores.indexed_tar.IndexedTarStore` needs none of this: it
writes the key at ``close()`` and serves it as zarr's own consolidated metadata.
These are for directories and other stores.
"""

from typing import Any

import zarr
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import StorePath, WrapperStore
from zarr.storage._common import make_store_path

from ncore.itar.errors import ItarOptionError
from ncore.stores import documents
from ncore.stores.documents import CONSOLIDATED_V2, CONSOLIDATED_V2_CBOR, V2_NAMES
from ncore.stores.errors import ConsolidatedMetadataError, StoreLocationError
from ncore.stores.indexed_tar import IndexedTarStore


class ConsolidatedCompressedMetadataStore(WrapperStore[Store]):
    """A v2 hierarchy whose metadata documents come from one compressed key, read once."""

    def __init__(self, store: Store, metadata_key: str = CONSOLIDATED_V2_CBOR) -> None:
        """Read and check the consolidated metadata.

        Args:
            store: holds the hierarchy.
            metadata_key: where the compressed metadata lies in it.

        Raises:
            ConsolidatedMetadataError: the key is missing or damaged, or of an unknown format.
        """
        super().__init__(store)
        name = f"{store}: {metadata_key}"
        data = sync(store.get(metadata_key, default_buffer_prototype()))
        if data is None:
            raise ConsolidatedMetadataError(
                f"{name} is missing; open the group with zarr.open_group, or write it with "
                "consolidate_compressed_metadata"
            )
        decoded = documents.decode_cbor(data.to_bytes(), name, 0)
        found = documents.checked_v2(decoded, name)
        ordered = {key: found[key] for key in documents.sorted_paths(found)}
        self._documents = {key: documents.encode_json(value) for key, value in ordered.items()}
        self._documents[CONSOLIDATED_V2] = documents.encode_json(
            {"metadata": ordered, "zarr_consolidated_format": 1}
        )

    def _with_store(self, store: Store) -> "ConsolidatedCompressedMetadataStore":
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._store = store
        return twin

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        # docstring inherited
        document = self._documents.get(key)
        if document is not None and byte_range is None:
            return prototype.buffer.from_bytes(document)
        return await self._store.get(key, prototype, byte_range)

    @property
    def read_only(self) -> bool:
        # docstring inherited
        return True


def consolidate_compressed_metadata(store: Any, metadata_key: str = CONSOLIDATED_V2_CBOR) -> None:
    """Write all v2 metadata documents of a store into one compressed key.

    Args:
        store: a store that can be listed and written, or a path to one.
        metadata_key: where to write.

    Raises:
        ConsolidatedMetadataError: a document is no JSON object.
    """
    place: StorePath = sync(make_store_path(store, mode="a"))
    if isinstance(place.store, IndexedTarStore) and metadata_key == CONSOLIDATED_V2_CBOR:
        return  # it does so by itself when it is closed
    sync(_consolidate(place, metadata_key))


async def _consolidate(place: StorePath, metadata_key: str) -> None:
    found: dict[str, documents.Document] = {}
    prefix = f"{place.path}/" if place.path else ""
    async for key in place.store.list_prefix(prefix):
        if key.rpartition("/")[2] not in V2_NAMES:
            continue
        data = await place.store.get(key, default_buffer_prototype())
        document = None if data is None else documents.parse_json(data.to_bytes())
        if document is None:
            raise ConsolidatedMetadataError(f"{place.store}: {key} is not a JSON object")
        found[key.removeprefix(prefix)] = document
    ordered = {key: found[key] for key in documents.sorted_paths(found)}
    packed = documents.encode_cbor({"zarr_consolidated_format": 1, "metadata": ordered})
    if packed is None:
        raise ConsolidatedMetadataError(f"{place.store}: its metadata cannot be written as CBOR")
    buffer = default_buffer_prototype().buffer.from_bytes(packed)
    await place.store.set(prefix + metadata_key, buffer)


def open_compressed_consolidated(
    store: Any, metadata_key: str = CONSOLIDATED_V2_CBOR, mode: str = "r", **kwargs: Any
) -> zarr.Group:
    """Open a group whose metadata is read from its compressed consolidated form alone.

    Args:
        store: a store, or a path to one.
        metadata_key: where the compressed metadata lies.
        mode: only ``r``: a change would not reach the consolidated form.
        **kwargs: for :func:`zarr.open_group`.

    Raises:
        ConsolidatedMetadataError: the key is missing or damaged, or of an unknown format.
        ItarOptionError: another mode (a ``ValueError``).
        StoreLocationError: a path inside a store (a ``ValueError``).
    """
    if mode != "r":
        raise ItarOptionError(
            f"mode {mode!r} is not r; to change a group open it with zarr.open_group"
        )
    place: StorePath = sync(make_store_path(store, mode="r"))
    if place.path:
        raise StoreLocationError(f"{place}: open the whole store and give path= for a group within")
    if sync(place.store.exists(documents.ROOT_V3)):
        return zarr.open_group(place.store, mode="r", use_consolidated=True, **kwargs)
    wrapped = ConsolidatedCompressedMetadataStore(place.store, metadata_key)
    return zarr.open_group(wrapped, mode="r", zarr_format=2, use_consolidated=True, **kwargs)
