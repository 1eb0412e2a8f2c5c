"""Writing the component stores of a sequence."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar

from upath import UPath

from ncore.data.errors import InvalidDataError
from ncore.data.interval import HalfClosedInterval
from ncore.data.v4.byte_stores import as_path, local_path
from ncore.data.v4.component import GENERIC_DATA, ComponentWriter, store_generic_data
from ncore.data.v4.errors import WriterClosedError
from ncore.data.v4.json_attributes import json_attributes
from ncore.data.v4.node_writer import NodeWriter, check_node_name
from ncore.data.v4.sequence_meta import SEQUENCE_VERSION
from ncore.data.v4.store_writers import DirectoryStoreWriter, ItarStoreWriter, StoreWriter
from ncore.itar.place import absolute_path

if TYPE_CHECKING:
    import zarr

    from ncore.data.v4.sequence_reader import SequenceComponentGroupsReader
    from ncore.data.v4.zarr_group import ComponentGroup

P = ParamSpec("P")
CW = TypeVar("CW", bound=ComponentWriter)
StoreType = Literal["itar", "directory"]


class _Registration:
    """A component instance that is being written."""

    def __init__(
        self, writer: ComponentWriter, node: NodeWriter, meta_data: dict[str, Any]
    ) -> None:
        self.writer = writer
        self.node = node
        self.meta_data = meta_data
        self.finalized = False


class SequenceComponentGroupsWriter:
    """Writes a sequence as one or more component stores, zarr v3.

    The stores are called ``<store_base_name>.ncore4[-<group>].zarr[.itar]`` and
    appear under these names when :meth:`finalize` has written them completely;
    what had such a name before is there until then. As a context manager it
    finalizes at the end, or drops everything if an exception leaves the block,
    also one of :meth:`finalize`.

    Args:
        output_dir_path: directory for the stores, or the URL of one; made if it does not
            exist.
        store_base_name: first part of the stores' names, usually the sequence id.
        sequence_id: id of the sequence.
        sequence_timestamp_interval_us: time range of the sequence, half closed, in
            microseconds. All data lies inside.
        generic_meta_data: JSON values of the user's own about the sequence.
        store_type: ``"itar"`` for one file a store, ``"directory"`` for a zarr
            directory a store.

    Raises:
        InvalidDataError: an argument is not as described.
    """

    def __init__(
        self,
        output_dir_path: UPath | Path | str,
        store_base_name: str,
        sequence_id: str,
        sequence_timestamp_interval_us: HalfClosedInterval,
        generic_meta_data: dict[str, Any],
        store_type: StoreType = "itar",
    ) -> None:
        if store_type not in ("itar", "directory"):
            raise InvalidDataError(f"store_type must be 'itar' or 'directory', not {store_type!r}")
        if not isinstance(sequence_timestamp_interval_us, HalfClosedInterval):
            raise InvalidDataError(f"no HalfClosedInterval: {sequence_timestamp_interval_us!r}")
        check_node_name(store_base_name, "store_base_name")  # no file name may hold more
        if not isinstance(sequence_id, str) or not sequence_id:
            raise InvalidDataError(f"sequence_id must be a non-empty string, not {sequence_id!r}")
        self._output_dir = as_path(output_dir_path)
        local = local_path(output_dir_path)
        # Stores are made when they are needed, from another current directory perhaps.
        self._local_dir = None if local is None else Path(absolute_path(local))
        self._base_name = store_base_name
        self._sequence_id = sequence_id
        self._interval = sequence_timestamp_interval_us
        self._generic_meta_data = json_attributes(generic_meta_data, "generic_meta_data")
        self._store_type: StoreType = store_type
        self._stores: dict[str, tuple[UPath, StoreWriter]] = {}
        self._registered: dict[tuple[str, str], _Registration] = {}
        self._components_finished = False
        self._in_place: set[str] = set()
        self._closed = False

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return (
            f"SequenceComponentGroupsWriter({self._sequence_id!r}, "
            f"{str(self._output_dir / self._base_name)!r}, "
            f"{len(self._registered)} components{state})"
        )

    @staticmethod
    def from_reader(
        output_dir_path: UPath | Path | str,
        store_base_name: str,
        sequence_reader: "SequenceComponentGroupsReader",
        store_type: StoreType = "itar",
    ) -> "SequenceComponentGroupsWriter":
        """A writer of more components for an existing sequence.

        Id, time range and metadata are the reader's, so that the new stores can be
        read together with the old ones. Register the components under group names
        that the existing stores do not use.
        """
        return SequenceComponentGroupsWriter(
            output_dir_path,
            store_base_name,
            sequence_reader.sequence_id,
            sequence_reader.sequence_timestamp_interval_us,
            sequence_reader.generic_meta_data,
            store_type,
        )

    @property
    def sequence_id(self) -> str:
        """Id of the sequence."""
        return self._sequence_id

    @property
    def sequence_timestamp_interval_us(self) -> HalfClosedInterval:
        """Time range of the sequence, in microseconds."""
        return self._interval

    @property
    def generic_meta_data(self) -> dict[str, Any]:
        """JSON values of the user's own about the sequence; a copy."""
        return json_attributes(self._generic_meta_data, "generic_meta_data")

    def get_base_group(self, component_group_name: str | None) -> "ComponentGroup":
        """Root group of a component group's store, which is made if it does not exist.

        Args:
            component_group_name: name of the component group; None or ``""`` for the
                default one.
        """
        return self._root(component_group_name).zarr_group()

    def _root(self, group_name: str | None) -> NodeWriter:
        self._check_open()
        name = group_name or ""
        if name not in self._stores:
            if name:
                check_node_name(name, "component group name")
            path, store = self._create_store(name)
            try:
                NodeWriter(store, "").set_attributes(
                    {
                        "component_group_name": name,
                        "generic_meta_data": self._generic_meta_data,
                        "sequence_id": self._sequence_id,
                        "sequence_timestamp_interval_us": {
                            "start": self._interval.start,
                            "stop": self._interval.stop,
                        },
                        "version": SEQUENCE_VERSION,
                    }
                )
            except BaseException:
                with contextlib.suppress(OSError):
                    store.abort()
                raise
            self._stores[name] = (path, store)
        return NodeWriter(self._stores[name][1], "")

    def _create_store(self, name: str) -> tuple[UPath, StoreWriter]:
        suffix = f"-{name}" if name else ""
        extension = ".zarr.itar" if self._store_type == "itar" else ".zarr"
        file_name = f"{self._base_name}.ncore4{suffix}{extension}"
        path = UPath(self._output_dir) / file_name
        local = self._local_dir
        if local is None:
            if self._store_type == "directory":
                raise InvalidDataError(
                    f"{path}: sequences are written to remote places as 'itar' only"
                )
            return path, ItarStoreWriter(str(path), dict(path.storage_options))
        local.mkdir(parents=True, exist_ok=True)
        place = str(local / file_name)
        if self._store_type == "directory":
            return path, DirectoryStoreWriter(place)
        return path, ItarStoreWriter(place)

    def register_component_writer(
        self,
        component_writer_type: "Callable[Concatenate[zarr.Group, HalfClosedInterval, P], CW]",
        component_instance_name: str,
        group_name: str | None = None,
        generic_meta_data: dict[str, Any] | None = None,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> CW:
        """Add a component instance.

        Args:
            component_writer_type: class of the writer, e.g. ``PosesComponent.Writer``.
            component_instance_name: name of the instance, unique among those of its
                type in the sequence; for sensors the sensor id.
            group_name: component group, hence store, to write it to; None for the
                default one.
            generic_meta_data: JSON values of the user's own about the instance.
            *args: further arguments of the writer's constructor.
            **kwargs: further arguments of the writer's constructor.

        Returns:
            The writer.

        Raises:
            InvalidDataError: the name is empty, cannot name a zarr node (it holds a
                ``/``), or is in use; or the metadata has no JSON form.
        """
        self._check_open()
        kind = component_writer_type
        component_name = check_node_name(kind.get_component_name(), "component name")  # type: ignore[attr-defined]
        check_node_name(component_instance_name, "component instance name")
        key = (component_name, component_instance_name)
        if key in self._registered:
            raise InvalidDataError(
                f"component {component_name!r} has an instance {component_instance_name!r} already"
            )
        meta_data = json_attributes(generic_meta_data or {}, "generic_meta_data")
        component = self._root(group_name).require_group(component_name)
        # Complete from the start, so that an archive recovered from a crash has it.
        attributes = _instance_attributes(kind, component_instance_name, meta_data)
        with component.new_group(component_instance_name, attributes) as node:
            writer = kind(node.zarr_group(), self._interval, *args, **kwargs)
        self._registered[key] = _Registration(writer, node, meta_data)
        return writer

    def finalize(self) -> list[UPath]:
        """Finish all components and let the stores appear under their names.

        Where a store cannot be completed (the disk is full), those before it are in
        place. Call again to complete the others, or :meth:`abort` to drop them.
        An archive is not closed twice: if that was what failed, its ``.partial``
        stays for ``ncore itar recover``, also after :meth:`abort`.

        Returns:
            The paths of the stores, in the order their component groups were first
            used.

        Raises:
            WriterClosedError: the sequence was finalized or aborted before.
        """
        if self._closed or not self._components_finished:
            self._check_open()
            for registered in self._registered.values():
                if not registered.finalized:
                    registered.writer.finalize()
                    registered.finalized = True
            for (_, name), registered in self._registered.items():
                _finish_instance(registered, name)
            self._components_finished = True
        for name, (_, store) in self._stores.items():
            if name not in self._in_place:
                store.finish()
                self._in_place.add(name)
        self._closed = True
        return [path for path, _ in self._stores.values()]

    def abort(self) -> None:
        """Drop everything written; nothing appears, and nothing that was there is touched.

        Stores that are in place, after :meth:`finalize` failed at another, stay.
        """
        if not self._closed:
            self._closed = True
            for name, (_, store) in self._stores.items():
                if name not in self._in_place:
                    with contextlib.suppress(OSError):
                        store.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exception_type is not None:
            self.abort()
        elif not self._closed:
            try:
                self.finalize()
            except BaseException:
                self.abort()
                raise

    def _check_open(self) -> None:
        if self._closed or self._components_finished:
            raise WriterClosedError(
                f"sequence {self._sequence_id!r} was finalized or aborted; to add components to "
                "it, write further stores with SequenceComponentGroupsWriter.from_reader"
            )


def _instance_attributes(
    kind: Any, instance_name: str, meta_data: dict[str, Any]
) -> dict[str, Any]:
    return {
        "component_instance_name": instance_name,
        "component_name": kind.get_component_name(),
        "component_version": kind.get_component_version(),
        "generic_meta_data": meta_data,
    }


def _finish_instance(registered: _Registration, instance_name: str) -> None:
    writer, node = registered.writer, registered.node
    # A user-defined writer may never have called the base class's constructor.
    data = getattr(writer, "_generic_data", {})
    meta_data = {**registered.meta_data, **getattr(writer, "_generic_meta_data", {})}
    if data:
        store_generic_data(node.require_group(GENERIC_DATA), data)
    # User-defined writers set attributes on the same group, at any time.
    own = _instance_attributes(writer, instance_name, meta_data)
    node.set_attributes({**node.attributes(), **own})
