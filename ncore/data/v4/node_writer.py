"""Groups, arrays and blobs of a new component store, written without zarr.

Every node's document is written when the node is made, complete; one that
changes later (a sensor's list of frames, an instance's attributes) is written
again. Archive stores hold documents back until they are closed, so none of
this leaves dead space.
"""

import contextlib
import json
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ncore.data.errors import InvalidDataError
from ncore.data.v4.array_writer import (
    array_document,
    chunk_shape,
    encoded_chunks,
    group_document,
    is_core_dtype,
)
from ncore.data.v4.json_attributes import encode_json
from ncore.data.v4.store_writers import StoreWriter, ZarrStoreWriter

if TYPE_CHECKING:
    import zarr

    from ncore.data.v4.zarr_group import ComponentGroup


def check_node_name(name: Any, what: str) -> str:
    """Return ``name`` if a zarr node can have it.

    Raises:
        InvalidDataError: it is empty, holds a ``/`` (it would name a node in
            another group) or a NUL, or is reserved by zarr or by file systems.
    """
    if not isinstance(name, str) or not name:
        raise InvalidDataError(f"{what} must be a non-empty string, not {name!r}")
    if "/" in name or "\0" in name:
        raise InvalidDataError(f"{what} {name!r} must not hold '/' or NUL: it names one zarr node")
    if not name.strip("."):
        raise InvalidDataError(f"{what} {name!r} is a relative path, not a name")
    if name.startswith(("__", ".z")) or name in ("zarr.json", "zarr.cbor.xz"):
        raise InvalidDataError(f"{what} {name!r} is reserved by zarr")
    return name


class NodeWriter:
    """Makes nodes below one group of a store that is being written.

    Args:
        store: the store.
        path: node path of the group, which must exist; ``""`` for the root.
    """

    __slots__ = ("path", "store")

    def __init__(self, store: StoreWriter, path: str) -> None:
        self.store = store
        self.path = path

    def _join(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def _document_key(self, name: str = "") -> str:
        path = self._join(name) if name else self.path
        return f"{path}/zarr.json" if path else "zarr.json"

    def create_group(self, name: str, attributes: dict[str, Any] | None = None) -> "NodeWriter":
        """Make the sub-group ``name``, whose parent must exist."""
        document = group_document(attributes)
        self.store.write(self._document_key(name), encode_json(document, self._join(name)))
        return NodeWriter(self.store, self._join(name))

    @contextlib.contextmanager
    def new_group(
        self, name: str, attributes: dict[str, Any] | None = None
    ) -> "Iterator[NodeWriter]":
        """Make the sub-group ``name``, to be filled in the ``with`` block.

        If that fails (the disk is full, zarr cannot store a dtype), nothing stays of it:
        readers would take it for complete, and it could not be written again.
        """
        try:
            yield self.create_group(name, attributes)
        except BaseException:
            with contextlib.suppress(OSError):
                self.store.remove(self._join(name))
            raise

    def require_group(self, name: str) -> "NodeWriter":
        """The sub-group ``name``, made if it does not exist."""
        if self.store.read(self._document_key(name)) is None:
            return self.create_group(name)
        return NodeWriter(self.store, self._join(name))

    def attributes(self) -> dict[str, Any]:
        """The attributes that the group has now, whoever set them."""
        raw = self.store.read(self._document_key())
        attributes: dict[str, Any] = {} if raw is None else json.loads(raw).get("attributes", {})
        return attributes

    def set_attributes(self, attributes: dict[str, Any]) -> None:
        """Replace the group's attributes."""
        document = group_document(attributes)
        self.store.write(self._document_key(), encode_json(document, self.path))

    def create_array(
        self,
        name: str,
        data: npt.NDArray[Any],
        *,
        rows_apart: bool = False,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """Store ``data`` as the array ``name``: Blosc LZ4, one chunk.

        Args:
            name: name of the array.
            data: values of any shape. Dtypes beyond the zarr v3 core (dates,
                text, structures) are stored as zarr-python stores them, which
                other implementations may not read.
            rows_apart: one chunk for each row instead of one for all.
            attributes: JSON attributes.

        Raises:
            InvalidDataError: ``data`` is no array, or zarr cannot store its dtype.
        """
        check_node_name(name, "array name")
        if not isinstance(data, np.ndarray):
            raise InvalidDataError(
                f"{self._join(name)}: must be a numpy array, not {type(data).__name__}"
            )
        chunks = chunk_shape(data.shape, rows_apart)
        if not is_core_dtype(data.dtype):
            self._create_through_zarr(name, data, chunks, attributes)
            return
        compressed = data.ndim > 0  # as the original: nothing to gain on one number
        document = array_document(data.shape, data.dtype, chunks, compressed, attributes)
        prefix = self._join(name)
        self.store.write(self._document_key(name), encode_json(document, prefix))
        for key, value in encoded_chunks(data, chunks, compressed):
            self.store.write(f"{prefix}/{key}", value)

    def create_blob(self, name: str, data: bytes, attributes: dict[str, Any] | None = None) -> None:
        """Store ``data``, every byte of it, as the array ``name``: 1-D ``uint8``, uncompressed."""
        check_node_name(name, "array name")
        size = len(data)
        document = array_document(
            (size,), np.dtype("uint8"), (max(1, size),), compressed=False, attributes=attributes
        )
        prefix = self._join(name)
        self.store.write(self._document_key(name), encode_json(document, prefix))
        if size:
            self.store.write(f"{prefix}/c/0", data)

    def _create_through_zarr(
        self,
        name: str,
        data: npt.NDArray[Any],
        chunks: tuple[int, ...],
        attributes: dict[str, Any] | None,
    ) -> None:
        if data.dtype.hasobject:
            raise InvalidDataError(
                f"{self._join(name)}: arrays of Python objects ({data.dtype}) cannot be stored; "
                "use a numeric dtype, or fixed-length text such as '<U16'"
            )
        with warnings.catch_warnings():
            # That the data type is no core one is the caller's choice, and documented.
            warnings.simplefilter("ignore")
            try:
                self.zarr_group().create_array(
                    name,
                    data=np.asarray(data, order="C"),
                    chunks=chunks,
                    attributes=attributes or {},
                    config={"write_empty_chunks": True},
                )
            except (ValueError, TypeError) as error:
                raise InvalidDataError(
                    f"{self._join(name)}: zarr cannot store dtype {data.dtype}: {error}"
                ) from error

    def zarr_group(self) -> "ComponentGroup":
        """The group as zarr sees it."""
        from ncore.data.v4.zarr_group import new_component_group

        return new_component_group(self.store.zarr_store(), self.path, self.attributes(), self)


def node_writer(group: "zarr.Group") -> NodeWriter:
    """A writer of nodes into ``group``."""
    writer: NodeWriter | None = getattr(group, "node_writer", None)
    return writer or NodeWriter(ZarrStoreWriter(group.store), group.path)
