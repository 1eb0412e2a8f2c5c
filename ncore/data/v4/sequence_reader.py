"""Reading the component stores of a sequence."""

import copy
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ncore.data.errors import InvalidDataError
from ncore.data.interval import HalfClosedInterval
from ncore.data.v4.byte_stores import as_path, open_byte_store
from ncore.data.v4.component import ComponentReader
from ncore.data.v4.documents import open_documents
from ncore.data.v4.errors import SequenceError, SequenceFormatError
from ncore.data.v4.nodes import GroupNode
from ncore.data.v4.sequence_meta import (
    SEQUENCE_VERSION,
    SequenceMeta,
    meta_store_paths,
    store_md5,
)
from ncore.itar.object_url import redact

if TYPE_CHECKING:
    from upath import UPath

_logger = logging.getLogger(__name__)

CR = TypeVar("CR", bound=ComponentReader)


class DuplicateInstanceError(SequenceFormatError, AssertionError):
    """Two stores hold a component instance of the same type and name."""


class SequenceComponentGroupsReader:
    """The component stores of one sequence, read together.

    Reading takes no lock and keeps no file position: a reader may be used from
    any number of threads, and in forked workers as it is. It pickles to the
    paths of its stores, which is what spawned workers need.

    Args:
        component_group_paths: paths of ``.zarr.itar`` files, zarr directories, URLs of
            such, or sequence meta files (``.json``) that stand for the stores they
            name.
        open_consolidated: use consolidated metadata where a store has it. Stores
            without any are read either way.
        itar_index_tail_read_size: bytes to read from the end of an archive at opening.
        max_threads: stores to open at the same time; None to decide.

    Raises:
        InvalidDataError: there are no paths (an ``AssertionError``).
        FileNotFoundError: there is nothing at one of the paths.
        SequenceFormatError: a store is no NCore V4 component store, or the stores are
            not all of one sequence, or two of them are of one component group (a
            ``RuntimeError``).
    """

    @staticmethod
    def expand_component_group_paths(
        component_group_paths: "Sequence[UPath | Path | str]",
    ) -> "list[UPath]":
        """Replace sequence meta files among the paths by the stores they name."""
        return _upaths(_store_places(component_group_paths))

    def __init__(
        self,
        component_group_paths: "Sequence[UPath | Path | str]",
        open_consolidated: bool = True,
        itar_index_tail_read_size: int = 1 << 20,
        max_threads: int | None = None,
    ) -> None:
        if isinstance(component_group_paths, (str, Path)):
            component_group_paths = [component_group_paths]
        self._paths = _store_places(component_group_paths)
        if not self._paths:
            raise InvalidDataError("no component stores given")
        self._open_consolidated = open_consolidated
        self._tail_read_size = itar_index_tail_read_size
        # Opening a local store takes less than starting a thread.
        remote = sum("://" in str(path) for path in self._paths)
        threads = max_threads if max_threads is not None else min(remote, 16)
        if threads > 1 and len(self._paths) > 1:
            with ThreadPoolExecutor(threads) as pool:
                self._roots = list(pool.map(self._open_root, self._paths))
        else:
            self._roots = [self._open_root(path) for path in self._paths]
        self._unreadable: dict[tuple[str, str], Exception] = {}
        self._check_stores()

    def __repr__(self) -> str:
        # A signed URL stays out of notebooks and logs.
        places = (root.store.location for root in self._roots)
        stores = ", ".join(redact(place) if "://" in place else place for place in places)
        return f"SequenceComponentGroupsReader({self.sequence_id!r}, {stores})"

    def _open_root(self, path: "UPath | Path") -> GroupNode:
        store = open_byte_store(path, self._tail_read_size)
        return GroupNode(store, open_documents(store, self._open_consolidated), "")

    def _check_stores(self) -> None:
        first: dict[str, Any] = {}
        group_names: dict[str, str] = {}
        for root in self._roots:
            location = root.store.location
            attributes = root.attributes
            if attributes.get("version") != SEQUENCE_VERSION:
                raise SequenceFormatError(
                    f"{location}: no NCore V4 component store (version "
                    f"{attributes.get('version')!r}, expected {SEQUENCE_VERSION!r})"
                )
            for key in ("sequence_id", "sequence_timestamp_interval_us", "generic_meta_data"):
                if key not in attributes:
                    raise SequenceFormatError(f"{location}: no {key} among its attributes")
                if first.setdefault(key, attributes[key]) != attributes[key]:
                    raise SequenceFormatError(
                        f"{location}: {key} differs from that of {self._roots[0].store.location}; "
                        "these are stores of different sequences"
                    )
            name = attributes.get("component_group_name") or ""
            if not isinstance(name, str):
                raise SequenceFormatError(f"{location}: component group name {name!r:.100}")
            other = group_names.setdefault(name, location)
            if other != location:
                raise SequenceFormatError(
                    f"{location}: component group {name!r} is also that of {other}"
                )
        if len(group_names) != len(self._roots):
            raise SequenceFormatError("a component store is given more than once")
        interval = first["sequence_timestamp_interval_us"]
        try:
            self._interval = HalfClosedInterval(interval["start"], interval["stop"])
        except (TypeError, KeyError, ValueError) as error:
            raise SequenceFormatError(
                f"{self._roots[0].store.location}: no time range: {interval!r:.100} ({error})"
            ) from None
        self._sequence_id = str(first["sequence_id"])
        self._generic_meta_data: dict[str, Any] = first["generic_meta_data"]

    def __getstate__(self) -> dict[str, Any]:
        state = dict(vars(self))
        state["_unreadable"] = {}  # exceptions need not pickle
        return state

    def reload_resources(self) -> None:
        """Open remote stores again.

        Workers may call it, as they had to with the original; of local stores there
        is nothing to reload and it returns at once.
        """
        for root in self._roots:
            root.store.reload()

    @property
    def sequence_id(self) -> str:
        """Id of the sequence."""
        return self._sequence_id

    @property
    def sequence_timestamp_interval_us(self) -> HalfClosedInterval:
        """Time range of the sequence, half closed, in microseconds."""
        return self._interval

    @property
    def generic_meta_data(self) -> dict[str, Any]:
        """JSON values given by whoever wrote the sequence; a copy."""
        return copy.deepcopy(self._generic_meta_data)

    @property
    def component_store_paths(self) -> "list[UPath]":
        """Paths of the stores, in the order they were given."""
        return _upaths(self._paths)

    @property
    def is_local(self) -> bool:
        """Whether all stores are local, so that a read costs microseconds, not a request."""
        return all(root.store.is_local for root in self._roots)

    @property
    def unreadable_instances(self) -> dict[tuple[str, str], Exception]:
        """Why instances could not be opened, by component and instance name.

        Filled by :meth:`open_component_readers`, which leaves such instances out.
        """
        return dict(self._unreadable)

    def open_component_readers(self, component_reader_type: type[CR]) -> dict[str, CR]:
        """Open all instances of a component type.

        Instances of a version that the reader does not support, and instances that
        cannot be opened, are left out; the latter with a warning in the log, see
        :attr:`unreadable_instances`.

        Args:
            component_reader_type: class of the reader, e.g. ``PosesComponent.Reader``.

        Returns:
            The readers by instance name, sorted.

        Raises:
            DuplicateInstanceError: two stores hold an instance of the same name (a
                ``RuntimeError`` and an ``AssertionError``).
        """
        component_name = component_reader_type.get_component_name()
        readers: dict[str, CR] = {}
        for root in self._roots:
            for name, node in _instances(root, component_name):
                try:
                    version = _version(node)
                    if not component_reader_type.supports_component_version(version):
                        _logger.info("%r: version %r is not supported", node, version)
                        continue
                    if name in readers:
                        raise DuplicateInstanceError(
                            f"{node!r}: another store has an instance of this type and name"
                        )
                    readers[name] = _open_reader(component_reader_type, name, node)
                except DuplicateInstanceError:
                    raise
                except Exception as error:  # one bad instance must not hide its siblings
                    self._unreadable[component_name, name] = error
                    _logger.warning("%r cannot be opened and is left out: %s", node, error)
        return dict(sorted(readers.items()))

    def get_sequence_meta(self) -> SequenceMeta:
        """Describe the sequence: its stores with MD5 checksums, and their components.

        Reads every byte of every store for the checksums.
        """
        return SequenceMeta(
            sequence_id=self._sequence_id,
            sequence_timestamp_interval_us=SequenceMeta.TimestampInterval(
                self._interval.start, self._interval.stop
            ),
            generic_meta_data=self.generic_meta_data,
            version=SEQUENCE_VERSION,
            component_stores=[
                SequenceMeta.ComponentStoreMeta(
                    path=path.name, md5=store_md5(path), components=_components(root)
                )
                for path, root in zip(self._paths, self._roots, strict=True)
            ],
        )

    def close(self) -> None:
        """Release the stores' file handles."""
        for root in self._roots:
            root.store.close()


def _store_places(paths: "Sequence[UPath | Path | str]") -> "list[UPath | Path]":
    places: list[UPath | Path] = []
    for path in paths:
        place = as_path(path)
        places.extend(meta_store_paths(place) if place.suffix == ".json" else [place])
    return places


def _upaths(places: "Sequence[UPath | Path]") -> "list[UPath]":
    from upath import UPath

    return [UPath(place) for place in places]


def _instances(root: GroupNode, component_name: str) -> list[tuple[str, GroupNode]]:
    if not root.has_group(component_name):
        return []
    component = root.group(component_name)
    return [(name, component.group(name)) for name in component.group_names()]


def _version(node: GroupNode) -> str:
    version = node.attributes.get("component_version")
    if not isinstance(version, str):
        raise SequenceFormatError(
            f"{node!r} has no component_version: it was not finalized, or is no component"
        )
    return version


def _open_reader(reader_type: type[CR], name: str, node: GroupNode) -> CR:
    make: Callable[[str, Any], CR] = reader_type
    # A constructor that we do not know may use its group in any way that zarr allows.
    known = reader_type.__init__ is ComponentReader.__init__
    return make(name, node if known else node.zarr_group)


def _components(root: GroupNode) -> dict[str, dict[str, SequenceMeta.ComponentInstanceMeta]]:
    components: dict[str, dict[str, SequenceMeta.ComponentInstanceMeta]] = {}
    for component_name in root.group_names():
        for name, node in _instances(root, component_name):
            try:
                version = _version(node)
            except SequenceError as error:
                _logger.warning("%s", error)
                continue
            components.setdefault(component_name, {})[name] = SequenceMeta.ComponentInstanceMeta(
                version=version,
                generic_meta_data=copy.deepcopy(node.attributes.get("generic_meta_data") or {}),
            )
    return components
