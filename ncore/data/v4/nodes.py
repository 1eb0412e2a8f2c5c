"""Groups as component readers see them: attributes, arrays and blobs by name."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ncore.data.v4.array_metadata import ArrayMetadata
from ncore.data.v4.array_reader import read_array, read_blob, read_row
from ncore.data.v4.byte_stores import ByteStore, OpenZarrByteStore, iter_names
from ncore.data.v4.documents import Documents, open_documents
from ncore.data.v4.errors import ComponentNotFoundError

if TYPE_CHECKING:
    import zarr

    from ncore.data.v4.zarr_group import ComponentGroup


class GroupNode:
    """A group of a component store, read without zarr.

    Attributes:
        store: the component store.
        path: node path of the group, ``""`` for the root.
    """

    __slots__ = ("__dict__", "documents", "path", "store")

    def __init__(self, store: ByteStore, documents: Documents, path: str) -> None:
        self.store = store
        self.documents = documents
        self.path = path

    def __repr__(self) -> str:
        return f"<GroupNode {self.store.location} /{self.path}>"

    def _join(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    @property
    def attributes(self) -> dict[str, Any]:
        """The group's attributes; shared, so callers copy what they hand out."""
        return self.documents.attributes(self.path) or {}

    def group(self, name: str) -> "GroupNode":
        """The sub-group ``name``, which may be a relative path.

        Raises:
            ComponentNotFoundError: there is none (a ``KeyError``).
        """
        path = self._join(name)
        if not self.documents.is_group(path):
            raise self._missing("group", name)
        return GroupNode(self.store, self.documents, path)

    def has_group(self, name: str) -> bool:
        """Whether there is a sub-group ``name``."""
        return self.documents.is_group(self._join(name))

    def has_array(self, name: str) -> bool:
        """Whether there is an array ``name``."""
        return self.documents.array(self._join(name)) is not None

    def group_names(self) -> list[str]:
        """Names of the sub-groups, sorted."""
        return [name for name in iter_names(self.store, self.path) if self.has_group(name)]

    def array_names(self) -> list[str]:
        """Names of the arrays in this group, sorted."""
        return [name for name in iter_names(self.store, self.path) if self.has_array(name)]

    def array_metadata(self, name: str) -> ArrayMetadata:
        """Form of the array ``name``.

        Raises:
            ComponentNotFoundError: there is none (a ``KeyError``).
        """
        metadata = self.documents.array(self._join(name))
        if metadata is None:
            raise self._missing("array", name)
        return metadata

    def array_attributes(self, name: str) -> dict[str, Any]:
        """Attributes of the array ``name``; shared."""
        return self.documents.attributes(self._join(name)) or {}

    def read_array(self, name: str) -> npt.NDArray[Any]:
        """The whole array ``name``."""
        return read_array(self.array_metadata(name), self.store, self._join(name))

    def read_row(self, name: str, row: int) -> npt.NDArray[Any]:
        """Element ``row`` of the first dimension of the array ``name``."""
        return read_row(self.array_metadata(name), self.store, self._join(name), row)

    def read_blob(self, name: str) -> bytes:
        """The bytes of the array ``name``, see :func:`ncore.data.v4.array_reader.read_blob`."""
        return self.read_blob_with_attributes(name)[0]

    def read_blob_with_attributes(self, name: str) -> tuple[bytes, dict[str, Any]]:
        """The bytes and the attributes (shared) of the array ``name``."""
        # The hot path of camera frames: everything here counts against a bare pread.
        path = f"{self.path}/{name}" if self.path else name
        documents = self.documents
        blob = documents.blob(path)
        if blob is not None:
            data = self.store.read(blob[0])
            if data is not None and len(data) == blob[1]:
                return data, documents.attributes(path) or {}
        metadata = self.array_metadata(name)
        return read_blob(metadata, self.store, path), documents.attributes(path) or {}

    def locate_blob(self, name: str) -> tuple[str, int] | None:
        """Key and size of the value that is the array ``name`` byte for byte, if one is."""
        return self.documents.blob(self._join(name))

    def _missing(self, what: str, name: str) -> ComponentNotFoundError:
        return ComponentNotFoundError(
            f"{self.store.location}: no {what} {name!r} in group '/{self.path}'"
        )

    @cached_property
    def zarr_group(self) -> "ComponentGroup":
        """The same group as zarr sees it, read-only."""
        from ncore.data.v4.zarr_group import open_component_group

        return open_component_group(self.store.zarr_store(), self.path)


def group_node(group: "zarr.Group") -> GroupNode:
    """``group`` as the built-in readers see it."""
    store = OpenZarrByteStore(group.store)
    return GroupNode(store, open_documents(store, use_consolidated=True), group.path)
