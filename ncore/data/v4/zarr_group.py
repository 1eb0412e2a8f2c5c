"""The ``zarr.Group`` that user-defined components get as ``self._group``.

Components written for the original call zarr 2 on it. Most of those calls are
the same in zarr 3. :class:`ComponentGroup` adds what zarr 3 took away and can
be had honestly: ``create_dataset(name, data=...)`` with its old defaults, a
numcodecs ``compressor``, NumPy scalars in attributes, the length of arrays,
scalar elements, and members in a predictable order. It is a ``zarr.Group`` in
every other respect.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec
from zarr.core.attributes import Attributes
from zarr.core.group import AsyncGroup, GroupMetadata
from zarr.storage import StorePath

from ncore.data.errors import DataTypeError, InvalidDataError
from ncore.data.v4.json_attributes import json_attributes

if TYPE_CHECKING:
    from zarr.abc.store import Store

    from ncore.data.v4.node_writer import NodeWriter

_SHUFFLES = {0: "noshuffle", 1: "shuffle", 2: "bitshuffle"}


class ComponentAttributes(Attributes):
    """Attributes that take NumPy scalars, as those of zarr 2 did."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, json_attributes({key: value}, self._where())[str(key)])

    def put(self, d: dict[str, Any]) -> None:
        # docstring inherited
        super().put(json_attributes(dict(d), self._where()))

    def _where(self) -> str:
        return f"attributes of {self._obj.name}"


class ComponentArray(zarr.Array):  # type: ignore[type-arg]
    """A ``zarr.Array`` with a length and scalar elements, as those of zarr 2 had."""

    def __getitem__(self, selection: Any) -> Any:
        # docstring inherited
        values = super().__getitem__(selection)
        return values[()] if isinstance(values, np.ndarray) and not values.shape else values

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"len() of {self.path!r}, an array without dimensions")
        return self.shape[0]


class ComponentGroup(zarr.Group):
    """A ``zarr.Group`` that also understands the zarr 2 calls of older components.

    Attributes:
        node_writer: writes into the same group without zarr; None when reading.
    """

    node_writer: "NodeWriter | None" = None

    @property
    def attrs(self) -> ComponentAttributes:
        # docstring inherited
        return ComponentAttributes(self)

    def __getitem__(self, path: str) -> Any:
        # docstring inherited
        return _wrap(super().__getitem__(path))

    def create_group(self, name: str, **kwargs: Any) -> "ComponentGroup":
        # docstring inherited
        if kwargs.get("attributes"):
            kwargs["attributes"] = json_attributes(dict(kwargs["attributes"]), name)
        return ComponentGroup(super().create_group(name, **kwargs)._async_group)

    def require_group(self, name: str, **kwargs: Any) -> "ComponentGroup":
        # docstring inherited
        return ComponentGroup(super().require_group(name, **kwargs)._async_group)

    def create_array(self, name: str, **kwargs: Any) -> Any:
        # docstring inherited
        if kwargs.get("attributes"):
            kwargs["attributes"] = json_attributes(dict(kwargs["attributes"]), name)
        return _wrap(super().create_array(name, **kwargs))

    def create_dataset(
        self,
        name: str,
        *,
        data: Any = None,
        shape: Any = None,
        dtype: Any = None,
        chunks: Any = True,
        compressor: Any = "default",
        fill_value: Any = 0,
        overwrite: bool = False,
        attributes: dict[str, Any] | None = None,
        **unsupported: Any,
    ) -> Any:
        """Create an array as zarr 2 did.

        Args:
            name: name of the array.
            data: initial values; anything ``numpy.asarray`` takes.
            shape: shape, if there is no ``data``.
            dtype: dtype; default is that of ``data``, else float64.
            chunks: True for zarr's guess, False or None for one chunk, an int or
                a tuple for that chunk shape.
            compressor: ``"default"`` (Blosc LZ4, level 5, byte shuffle), None, a
                numcodecs ``Blosc``, ``Zstd`` or ``GZip``, or a zarr 3 codec.
            fill_value: value of what is not written.
            overwrite: replace an existing array.
            attributes: attributes of the array.

        Returns:
            The new ``zarr.Array``.

        Raises:
            DataTypeError: an option that has no counterpart in zarr v3
                (``filters``, ``object_codec``, ``order``, ...).
            InvalidDataError: neither data nor shape is given.
        """
        wrong = sorted(key for key, value in unsupported.items() if value not in (None, [], "C"))
        if wrong:
            raise DataTypeError(
                f"create_dataset({name!r}): {', '.join(wrong)} cannot be given here; "
                "call create_array() with zarr 3's arguments"
            )
        if data is not None:
            data = np.asarray(data, dtype=dtype)
            shape, dtype = data.shape, data.dtype
        if shape is None:
            raise InvalidDataError(f"create_dataset({name!r}): data or shape must be given")
        shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)
        dtype = np.dtype("float64" if dtype is None else dtype)
        options: dict[str, Any] = {
            "chunks": _chunks(chunks, shape),
            "compressors": _codec(compressor, dtype),
            "overwrite": overwrite,
            "attributes": attributes or {},
            # zarr 2 stored every chunk, whatever its values.
            "config": {"write_empty_chunks": True},
        }
        if dtype.kind in "biufc":
            options["fill_value"] = 0 if fill_value is None else fill_value
        if data is not None:
            return self.create_array(name, data=data, **options)
        return self.create_array(name, shape=shape, dtype=dtype, **options)

    def array(self, name: str, data: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Create an array from ``data``, as zarr 2 did; see :meth:`create_dataset`."""
        return self.create_dataset(name, data=data, **kwargs)

    def zeros(self, name: str, **kwargs: Any) -> Any:
        """Create an array of zeros; see :meth:`create_dataset`."""
        return self.create_dataset(name, fill_value=0, **kwargs)

    def ones(self, name: str, **kwargs: Any) -> Any:
        """Create an array of ones; see :meth:`create_dataset`."""
        return self.create_dataset(name, fill_value=1, **kwargs)

    def full(self, name: str, fill_value: Any, **kwargs: Any) -> Any:
        """Create an array filled with ``fill_value``; see :meth:`create_dataset`."""
        return self.create_dataset(name, fill_value=fill_value, **kwargs)

    def empty(self, name: str, **kwargs: Any) -> Any:
        """Create an array whose values do not matter; see :meth:`create_dataset`."""
        return self.create_dataset(name, **kwargs)

    def require_dataset(
        self, name: str, *, shape: Any, dtype: Any = None, exact: bool = False, **kwargs: Any
    ) -> Any:
        """The array ``name``, created if it does not exist; see :meth:`create_dataset`."""
        if name not in self:
            return self.create_dataset(name, shape=shape, dtype=dtype, **kwargs)
        return self.require_array(name, shape=shape, dtype=dtype, exact=exact)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(super().__iter__()))

    def keys(self) -> Generator[str, None]:
        # docstring inherited
        yield from sorted(super().keys())

    def items(self) -> Iterator[tuple[str, Any]]:
        """Members by name, sorted."""
        for key in self:
            yield key, self[key]

    def values(self) -> Iterator[Any]:
        """Members in the order of their names."""
        for key in self:
            yield self[key]

    def group_keys(self) -> Generator[str, None]:
        # docstring inherited
        yield from sorted(super().group_keys())

    def array_keys(self) -> Generator[str, None]:
        # docstring inherited
        yield from sorted(super().array_keys())

    def groups(self) -> Generator[tuple[str, Any], None]:
        # docstring inherited
        for name, group in sorted(super().groups(), key=lambda item: item[0]):
            yield name, _wrap(group)

    def arrays(self) -> Generator[tuple[str, Any], None]:
        # docstring inherited
        for name, array in sorted(super().arrays(), key=lambda item: item[0]):
            yield name, _wrap(array)


def open_component_group(store: "Store", path: str) -> ComponentGroup:
    """Open an existing group for reading."""
    return ComponentGroup(zarr.open_group(store, path=path, mode="r")._async_group)


def new_component_group(
    store: "Store", path: str, attributes: dict[str, Any], writer: "NodeWriter"
) -> ComponentGroup:
    """The group at ``path``, which exists and has ``attributes``, for writing through zarr.

    Args:
        store: the store that holds the group.
        path: its node path.
        attributes: its attributes.
        writer: writes into the same group without zarr.
    """
    metadata = GroupMetadata(attributes=attributes, zarr_format=3)
    place = StorePath(store, path)
    group = ComponentGroup(AsyncGroup(metadata=metadata, store_path=place))
    object.__setattr__(group, "node_writer", writer)  # zarr's groups are frozen
    return group


def _wrap(member: Any) -> Any:
    if isinstance(member, zarr.Group):
        return ComponentGroup(member._async_group)
    return ComponentArray(member._async_array) if isinstance(member, zarr.Array) else member


def _chunks(chunks: Any, shape: tuple[int, ...]) -> Any:
    if chunks is True:
        return "auto"
    if chunks is False or chunks is None:
        return tuple(max(1, n) for n in shape)
    if isinstance(chunks, (int, np.integer)):
        return (int(chunks),) * len(shape)
    # zarr 2 took None, and less than all dimensions, for "the whole dimension".
    given = (*chunks, *[None] * (len(shape) - len(chunks)))
    return tuple(max(1, n if c is None else int(c)) for c, n in zip(given, shape, strict=True))


def _codec(compressor: Any, dtype: np.dtype[Any]) -> Any:
    if compressor is None or isinstance(
        compressor, (BloscCodec, GzipCodec, ZstdCodec, tuple, list)
    ):
        return compressor
    if isinstance(compressor, str) and compressor == "default":
        return BloscCodec(typesize=dtype.itemsize, cname="lz4", clevel=5, shuffle="shuffle")
    config = compressor.get_config() if hasattr(compressor, "get_config") else {}
    kind = config.get("id")
    if kind == "blosc":
        shuffle = config["shuffle"]
        if shuffle == -1:  # numcodecs' AUTOSHUFFLE
            shuffle = 2 if dtype.itemsize == 1 else 1
        return BloscCodec(
            typesize=dtype.itemsize,
            cname=config["cname"],
            clevel=config["clevel"],
            shuffle=_SHUFFLES[shuffle],  # type: ignore[arg-type]
            blocksize=config["blocksize"],
        )
    if kind == "zstd":
        return ZstdCodec(level=config["level"], checksum=config.get("checksum", False))
    if kind == "gzip":
        return GzipCodec(level=config["level"])
    raise DataTypeError(
        f"compressor {compressor!r} has no zarr v3 counterpart known here; "
        "call create_array(compressors=...) with a zarr 3 codec"
    )
