"""Base classes of component writers and readers, for the built-in and for user-defined ones."""

import copy
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ncore.data.errors import InvalidDataError
from ncore.data.interval import HalfClosedInterval
from ncore.data.v4.byte_stores import ByteStore
from ncore.data.v4.errors import SequenceFormatError
from ncore.data.v4.json_attributes import json_attributes
from ncore.data.v4.node_writer import NodeWriter, check_node_name, node_writer
from ncore.data.v4.nodes import GroupNode, group_node

if TYPE_CHECKING:
    import zarr

GENERIC_DATA = "generic_data"


def check_generic_data(data: Any, where: str) -> dict[str, npt.NDArray[Any]]:
    """Return ``data`` if it maps names that zarr nodes can have to arrays.

    NumPy scalars become arrays without dimensions, as the original stores them.

    Raises:
        InvalidDataError: it does not.
    """
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise InvalidDataError(f"{where}: generic data must be a dict of arrays, not {data!r:.60}")
    checked: dict[str, npt.NDArray[Any]] = {}
    for name, value in data.items():
        check_node_name(name, f"{where}: generic data name")
        if not isinstance(value, (np.ndarray, np.generic)):
            raise InvalidDataError(
                f"{where}: generic data {name!r} must be a numpy array, not {type(value).__name__}"
            )
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise InvalidDataError(
                f"{where}: generic data {name!r} is an array of Python objects, which has no "
                "stored form; use a numeric dtype, or fixed-length text such as '<U16'"
            )
        checked[name] = array
    return checked


class ComponentWriter(ABC):
    """Writes one component instance into its group.

    User-defined components derive from this class, name themselves in reverse
    domain order (``"com.myorg.velocity"``) and write into ``self._group``, a
    ``zarr.Group`` (:class:`ncore.data.v4.zarr_group.ComponentGroup`). Their
    constructor passes the first two arguments on and may take more, which
    ``SequenceComponentGroupsWriter.register_component_writer`` hands over.

    Args:
        component_group: the instance's group.
        sequence_timestamp_interval_us: the sequence's time range in microseconds.
    """

    _group: "zarr.Group"

    @staticmethod
    @abstractmethod
    def get_component_name() -> str:
        """Name of the component type, and of the group that holds its instances."""

    @staticmethod
    @abstractmethod
    def get_component_version() -> str:
        """Version of the stored form that this writer makes."""

    def __init__(
        self,
        component_group: "zarr.Group",
        sequence_timestamp_interval_us: HalfClosedInterval,
    ) -> None:
        self._group = component_group
        self._node: NodeWriter = node_writer(component_group)
        self._sequence_timestamp_interval_us = sequence_timestamp_interval_us
        self._generic_data: dict[str, npt.NDArray[Any]] = {}
        self._generic_meta_data: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__qualname__} of {self._node.path!r}>"

    def set_generic_data(
        self,
        data: dict[str, npt.NDArray[Any]],
        meta_data: dict[str, Any] | None = None,
    ) -> None:
        """Add arrays and metadata of the user's own to the instance.

        May be called any number of times before the sequence is finalized; of
        equal names the last one wins, also over metadata given at registration.

        Args:
            data: arrays of any shape and dtype, by name.
            meta_data: JSON values, by key.

        Raises:
            InvalidDataError: something has no stored form.
        """
        where = self._node.path
        checked = check_generic_data(data, where)
        if meta_data is not None:
            self._generic_meta_data.update(json_attributes(meta_data, where))
        self._generic_data.update(checked)

    def finalize(self) -> None:  # noqa: B027 (nothing to do is a fine default)
        """Write what was held back; called once, when the sequence is finalized."""

    def _check_in_sequence(self, timestamp_us: int, what: str) -> None:
        interval = self._sequence_timestamp_interval_us
        if not interval.start <= timestamp_us < interval.stop:
            raise InvalidDataError(
                f"{self._node.path}: {what} {timestamp_us} us lies outside the sequence's time "
                f"range [{interval.start}, {interval.stop})"
            )


def store_generic_data(node: NodeWriter, data: dict[str, npt.NDArray[Any]]) -> None:
    """Write the arrays of a ``generic_data`` group into ``node``."""
    for name, array in data.items():
        node.create_array(name, array)


class ComponentReader(ABC):
    """Reads one component instance from its group.

    User-defined components derive from this class and read from ``self._group``,
    a ``zarr.Group`` (:class:`ncore.data.v4.zarr_group.ComponentGroup`).

    Args:
        component_instance_name: name of the instance.
        component_group: the instance's group.
    """

    # Without a constructor of its own a reader is given the light GroupNode;
    # the zarr group is then made when it is first asked for.
    _node: GroupNode

    @staticmethod
    @abstractmethod
    def get_component_name() -> str:
        """Name of the component type."""

    @staticmethod
    @abstractmethod
    def supports_component_version(version: str) -> bool:
        """Whether this reader understands the stored form ``version``."""

    def __init__(
        self, component_instance_name: str, component_group: "zarr.Group | GroupNode"
    ) -> None:
        self._instance_name = component_instance_name
        if isinstance(component_group, GroupNode):
            self._node = component_group
        else:
            self._node = group_node(component_group)
            self._given_group = component_group

    _given_group: "zarr.Group | None" = None

    @property
    def _group(self) -> "zarr.Group":
        return self._node.zarr_group if self._given_group is None else self._given_group

    @_group.setter
    def _group(self, group: "zarr.Group") -> None:
        self._given_group = group

    def __getstate__(self) -> dict[str, Any]:
        # Zarr groups are made again where they are needed; of caches nothing is sent.
        keep = {"_instance_name", "_node"}
        cached = {
            name
            for kind in type(self).__mro__
            for name, value in vars(kind).items()
            if isinstance(value, cached_property)
        }
        state = {k: v for k, v in vars(self).items() if k not in cached and k != "_given_group"}
        return {**state, **{k: getattr(self, k) for k in keep}}

    def __repr__(self) -> str:
        return f"<{type(self).__qualname__} of {self._node.path!r}>"

    @property
    def component_store(self) -> ByteStore:
        """The store that holds the instance."""
        return self._node.store

    @property
    def instance_name(self) -> str:
        """Name of the instance."""
        return self._instance_name

    @cached_property
    def _instance_attributes(self) -> dict[str, Any]:
        return self._node.attributes

    @property
    def component_version(self) -> str:
        """Version of the instance's stored form, e.g. ``"v1"``.

        Raises:
            SequenceFormatError: the instance was never finalized and has none.
        """
        version = self._instance_attributes.get("component_version")
        if not isinstance(version, str):
            raise SequenceFormatError(f"{self._node!r} has no component_version")
        return version

    @property
    def generic_meta_data(self) -> dict[str, Any]:
        """JSON metadata given by whoever wrote the instance; a copy."""
        return copy.deepcopy(self._instance_attributes.get("generic_meta_data") or {})

    def has_generic_data(self, name: str) -> bool:
        """Whether the instance has generic data ``name``."""
        return self._node.has_group(GENERIC_DATA) and self._node.has_array(f"{GENERIC_DATA}/{name}")

    def get_generic_data_names(self) -> list[str]:
        """Names of the instance's generic data, sorted."""
        # A user-defined component may have an array, not a group, of that name.
        if not self._node.has_group(GENERIC_DATA):
            return []
        return self._node.group(GENERIC_DATA).array_names()

    def get_generic_data(self, name: str) -> npt.NDArray[Any]:
        """The generic data ``name`` of the instance, in its stored shape and dtype.

        Raises:
            ComponentNotFoundError: there is none (a ``KeyError``).
        """
        return self._node.group(GENERIC_DATA).read_array(name)
