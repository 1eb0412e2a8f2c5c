"""Point clouds that do not come from a ray sensor, such as reconstructed scene points."""

import copy
from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ncore.data.checks import check_array
from ncore.data.errors import DataTypeError, InvalidDataError, UnknownNameError
from ncore.data.interval import HalfClosedInterval
from ncore.data.json_codec import DataClassJsonMixin, dtype_field, enum_field, json_field
from ncore.data.point_cloud import PointCloud
from ncore.data.v4.component import (
    GENERIC_DATA,
    ComponentReader,
    ComponentWriter,
    check_generic_data,
    store_generic_data,
)
from ncore.data.v4.errors import ComponentNotFoundError, PointCloudIndexError
from ncore.data.v4.json_attributes import json_attributes
from ncore.data.v4.node_writer import check_node_name
from ncore.data.v4.stored_form import read_timestamps, stored_form

if TYPE_CHECKING:
    import zarr

_XYZ = "xyz"
_TIMESTAMPS = "pc_timestamps_us"


def _time(value: Any, where: str) -> int:
    try:
        return index(value)
    except TypeError:
        raise DataTypeError(
            f"{where}: the time of the reference frame must be an integer, not {value!r:.40}"
        ) from None


def _suffix(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)):
        raise InvalidDataError(f"{value!r} is no list of lengths")
    return tuple(value)


class PointCloudsComponent:
    """Point clouds with attributes of one schema, in the order they were stored."""

    @dataclass(frozen=True)
    class AttributeSchema(DataClassJsonMixin):
        """Form of an attribute of every point.

        Args:
            transform_type: what a change of the frame of reference does to it.
            dtype: NumPy dtype, or what :class:`numpy.dtype` makes one of.
            shape_suffix: lengths behind the number of points; ``()`` for one value a point.

        Raises:
            InvalidDataError: an argument has the wrong type.
        """

        transform_type: PointCloud.AttributeTransformType = enum_field(
            PointCloud.AttributeTransformType
        )
        dtype: "np.dtype[Any]" = dtype_field()
        shape_suffix: tuple[int, ...] = json_field(list, _suffix, default=())

        def __post_init__(self) -> None:
            if not isinstance(self.transform_type, PointCloud.AttributeTransformType):
                raise InvalidDataError(
                    f"transform_type must be an AttributeTransformType, not {self.transform_type!r}"
                )
            # As the original, take what names a dtype, and lengths in any form.
            try:
                dtype = np.dtype(self.dtype) if self.dtype is not None else None
            except (TypeError, ValueError):
                dtype = None
            if dtype is None:
                raise InvalidDataError(f"dtype must be a numpy.dtype, not {self.dtype!r}")
            try:
                suffix = tuple(index(n) for n in self.shape_suffix)
            except TypeError:
                suffix = (-1,)
            if min(suffix, default=0) < 0:
                raise InvalidDataError(
                    f"shape_suffix must be a tuple of lengths, not {self.shape_suffix!r}"
                )
            object.__setattr__(self, "dtype", dtype)
            object.__setattr__(self, "shape_suffix", suffix)

    class Writer(ComponentWriter):
        """Writes point clouds.

        Args:
            component_group: the instance's group.
            sequence_timestamp_interval_us: the sequence's time range in microseconds.
            coordinate_unit: unit of all coordinates.
            attribute_schemas: form of the attributes that every cloud has, by name.

        Raises:
            InvalidDataError: no such unit or schema, or a name that no attribute can have.
        """

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "point_clouds"

        @staticmethod
        def get_component_version() -> str:
            # docstring inherited
            return "v1"

        def __init__(
            self,
            component_group: "zarr.Group",
            sequence_timestamp_interval_us: HalfClosedInterval,
            coordinate_unit: PointCloud.CoordinateUnit,
            attribute_schemas: "dict[str, PointCloudsComponent.AttributeSchema] | None" = None,
        ) -> None:
            super().__init__(component_group, sequence_timestamp_interval_us)
            self._schemas = dict(attribute_schemas or {})
            if not isinstance(coordinate_unit, PointCloud.CoordinateUnit):
                raise InvalidDataError(f"no CoordinateUnit: {coordinate_unit!r}")
            for name, schema in self._schemas.items():
                check_node_name(name, "point cloud attribute name")
                if name in (_XYZ, GENERIC_DATA):
                    raise InvalidDataError(f"no point cloud attribute may be called {name!r}")
                if not isinstance(schema, PointCloudsComponent.AttributeSchema):
                    raise InvalidDataError(f"attribute {name!r}: no AttributeSchema: {schema!r}")
            self._timestamps: list[int] = []
            self._clouds = self._node.create_group(
                "pcs",
                {
                    "coordinate_unit": coordinate_unit.name,
                    "attribute_schemas": {n: s.to_dict() for n, s in self._schemas.items()},
                },
            )

        def store_pc(
            self,
            xyz: npt.NDArray[np.float32],
            reference_frame_id: str,
            reference_frame_timestamp_us: int,
            attributes: dict[str, npt.NDArray[Any]] | None = None,
            generic_data: dict[str, npt.NDArray[Any]] | None = None,
            generic_meta_data: dict[str, Any] | None = None,
        ) -> None:
            """Add a point cloud of N points; N may be 0.

            Args:
                xyz: (N, 3) float32 coordinates in the reference frame, in the
                    instance's coordinate unit.
                reference_frame_id: frame of reference of the coordinates.
                reference_frame_timestamp_us: time at which that frame is meant, in
                    microseconds, inside the sequence.
                attributes: an array of shape (N, *shape_suffix) for each attribute of
                    the instance's schema.
                generic_data: arrays of the user's own, of any shape, by name.
                generic_meta_data: JSON values of the user's own, by key.

            Raises:
                InvalidDataError: an array is not as described. Nothing is written then.
                DataTypeError: the timestamp is no integer (a ``TypeError``).
            """
            where = f"{self._node.path} point cloud {len(self._timestamps)}"
            check_array(f"{where}: xyz", xyz, (None, 3), np.float32)
            if not isinstance(reference_frame_id, str) or not reference_frame_id:
                raise InvalidDataError(f"{where}: no frame of reference: {reference_frame_id!r}")
            timestamp = _time(reference_frame_timestamp_us, where)
            self._check_in_sequence(timestamp, "reference frame at")
            given = attributes or {}
            if given.keys() != self._schemas.keys():
                raise InvalidDataError(
                    f"{where}: attributes {sorted(given)} given, {sorted(self._schemas)} expected"
                )
            for name, schema in self._schemas.items():
                shape = (len(xyz), *schema.shape_suffix)
                check_array(f"{where}: attribute {name!r}", given[name], shape, schema.dtype)
            data = check_generic_data(generic_data, where)
            meta = {} if generic_meta_data is None else json_attributes(generic_meta_data, where)

            with self._clouds.new_group(
                str(len(self._timestamps)),
                {"generic_meta_data": meta, "reference_frame_id": reference_frame_id},
            ) as cloud:
                cloud.create_array(_XYZ, xyz)
                for name, values in given.items():
                    cloud.create_array(name, values)
                store_generic_data(cloud.create_group(GENERIC_DATA), data)
            self._timestamps.append(timestamp)

        def finalize(self) -> None:
            # docstring inherited
            self._node.create_array(_TIMESTAMPS, np.array(self._timestamps, dtype=np.uint64))

    class Reader(ComponentReader):
        """Reads point clouds by index, from 0."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "point_clouds"

        @staticmethod
        def supports_component_version(version: str) -> bool:
            # docstring inherited
            return version == "v1"

        @cached_property
        def _timestamps(self) -> npt.NDArray[np.uint64]:
            return read_timestamps(self._node, _TIMESTAMPS)

        @cached_property
        def _schemas(self) -> "dict[str, PointCloudsComponent.AttributeSchema]":
            stored = self._node.group("pcs").attributes.get("attribute_schemas", {})
            decode = PointCloudsComponent.AttributeSchema.from_dict
            with stored_form(self._node, "attribute_schemas"):
                return {name: decode(stored[name]) for name in sorted(stored)}

        @property
        def coordinate_unit(self) -> PointCloud.CoordinateUnit:
            """Unit of the coordinates of all clouds.

            Raises:
                UnknownNameError: the stored unit is none that is known (a ``KeyError``).
            """
            name = self._node.group("pcs").attributes.get("coordinate_unit")
            try:
                return PointCloud.CoordinateUnit[name]  # type: ignore[misc]
            except (KeyError, TypeError):
                raise UnknownNameError(f"{self._node!r}: coordinate unit {name!r}") from None

        @property
        def pcs_count(self) -> int:
            """Number of point clouds, possibly 0."""
            return len(self._timestamps)

        @property
        def pc_timestamps_us(self) -> npt.NDArray[np.uint64]:
            """(M,) uint64 reference times in microseconds; always the same array."""
            return self._timestamps

        @property
        def attribute_names(self) -> list[str]:
            """Names of the attributes that every cloud has, sorted."""
            return list(self._schemas)

        def get_attribute_schema(self, name: str) -> "PointCloudsComponent.AttributeSchema":
            """Form of the attribute ``name``.

            Raises:
                ComponentNotFoundError: there is none (a ``KeyError``).
            """
            try:
                return self._schemas[name]
            except KeyError:
                raise ComponentNotFoundError(
                    f"{self._node!r} has no attribute {name!r}, only {self.attribute_names}"
                ) from None

        def _cloud(self, pc_index: int) -> str:
            path = f"pcs/{index(pc_index)}"
            if not self._node.has_group(path):
                raise PointCloudIndexError(
                    f"{self._node!r} has no point cloud {pc_index}, only {self.pcs_count}"
                )
            return path

        def get_pc_xyz(self, pc_index: int) -> npt.NDArray[np.float32]:
            """(N, 3) float32 coordinates of a cloud, in its reference frame.

            Raises:
                PointCloudIndexError: there is no such cloud (a ``KeyError`` and ``IndexError``).
            """
            return self._node.read_array(f"{self._cloud(pc_index)}/{_XYZ}")

        def get_pc_attribute(self, pc_index: int, name: str) -> npt.NDArray[Any]:
            """An attribute of a cloud, (N, *shape_suffix) in the dtype of its schema.

            Raises:
                ComponentNotFoundError: no such cloud or attribute (a ``KeyError``).
            """
            schema = self.get_attribute_schema(name)
            values = self._node.read_array(f"{self._cloud(pc_index)}/{name}")
            return values.astype(schema.dtype, copy=False)

        def get_pc_reference_frame_id(self, pc_index: int) -> str:
            """Frame of reference of a cloud's coordinates.

            Raises:
                PointCloudIndexError: there is no such cloud (a ``KeyError`` and ``IndexError``).
            """
            cloud = self._node.group(self._cloud(pc_index))
            with stored_form(cloud, "reference_frame_id"):
                return str(cloud.attributes["reference_frame_id"])

        def get_pc_reference_frame_timestamp_us(self, pc_index: int) -> int:
            """Time at which a cloud's frame of reference is meant, microseconds.

            Raises:
                PointCloudIndexError: there is no such cloud (a ``KeyError`` and ``IndexError``).
            """
            self._cloud(pc_index)
            return int(self._timestamps[pc_index])

        def get_pc_generic_data_names(self, pc_index: int) -> list[str]:
            """Names of a cloud's generic data, sorted.

            Raises:
                PointCloudIndexError: there is no such cloud (a ``KeyError`` and ``IndexError``).
            """
            return self._node.group(f"{self._cloud(pc_index)}/{GENERIC_DATA}").array_names()

        def has_pc_generic_data(self, pc_index: int, name: str) -> bool:
            """Whether a cloud has generic data ``name``.

            Raises:
                PointCloudIndexError: there is no such cloud (a ``KeyError`` and ``IndexError``).
            """
            return self._node.has_array(f"{self._cloud(pc_index)}/{GENERIC_DATA}/{name}")

        def get_pc_generic_data(self, pc_index: int, name: str) -> npt.NDArray[Any]:
            """A cloud's generic data ``name``, in its stored shape and dtype.

            Raises:
                ComponentNotFoundError: no such cloud or data (a ``KeyError``).
            """
            return self._node.read_array(f"{self._cloud(pc_index)}/{GENERIC_DATA}/{name}")

        def get_pc_generic_meta_data(self, pc_index: int) -> dict[str, Any]:
            """A cloud's JSON metadata; a copy.

            Raises:
                PointCloudIndexError: there is no such cloud (a ``KeyError`` and ``IndexError``).
            """
            attributes = self._node.group(self._cloud(pc_index)).attributes
            return copy.deepcopy(attributes.get("generic_meta_data") or {})
