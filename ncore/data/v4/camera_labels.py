"""Label layers of camera images: depth, flow, segmentation, and others."""

import copy
from functools import cached_property
from io import BytesIO
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ncore.data.checks import check
from ncore.data.enums import LabelEncoding
from ncore.data.errors import InvalidDataError
from ncore.data.interval import HalfClosedInterval
from ncore.data.labels import CameraLabelDescriptor
from ncore.data.v4.component import ComponentReader, ComponentWriter
from ncore.data.v4.errors import ComponentNotFoundError, SequenceFormatError
from ncore.data.v4.json_attributes import json_attributes
from ncore.data.v4.nodes import GroupNode, group_node
from ncore.data.v4.quantization import dequantize, quantize
from ncore.data.v4.stored_form import read_timestamps

if TYPE_CHECKING:
    import zarr

_DATA, _LABELS, _TIMESTAMPS = "data", "labels", "timestamps_us"


class CameraLabelsComponent:
    """One label layer of one camera: an array, or an encoded image, for each labelled time."""

    class Writer(ComponentWriter):
        """Writes the labels of one layer.

        Args:
            component_group: the instance's group.
            sequence_timestamp_interval_us: the sequence's time range in microseconds.
            descriptor: what the labels are and how they are stored.

        Raises:
            InvalidDataError: the descriptor is none.
        """

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "camera_labels"

        @staticmethod
        def get_component_version() -> str:
            # docstring inherited
            return "v1"

        def __init__(
            self,
            component_group: "zarr.Group",
            sequence_timestamp_interval_us: HalfClosedInterval,
            descriptor: CameraLabelDescriptor,
        ) -> None:
            super().__init__(component_group, sequence_timestamp_interval_us)
            check(
                isinstance(descriptor, CameraLabelDescriptor),
                f"descriptor must be a CameraLabelDescriptor, not {descriptor!r:.80}",
            )
            self._descriptor = descriptor
            self._timestamps: set[int] = set()
            self._labels = self._node.create_group(_LABELS, {"descriptor": descriptor.to_dict()})

        def store_label(
            self,
            data: "npt.NDArray[Any] | bytes",
            timestamp_us: int,
            generic_meta_data: dict[str, Any] | None = None,
        ) -> None:
            """Add a label; labels may come in any order.

            Args:
                data: with ``RAW`` encoding an array of shape (H, W, *shape_suffix) in
                    exactly the schema's dtype, H and W at least 1; with
                    ``IMAGE_ENCODED`` the bytes of the image, which are not looked at.
                timestamp_us: time of the label in microseconds, inside the sequence;
                    usually the end of the labelled frame.
                generic_meta_data: JSON values of the user's own, by key.

            Raises:
                InvalidDataError: the data is not as described, a value does not fit
                    the quantised dtype, or there is already a label of that time.
                    Nothing is written then.
                TypeError: the timestamp is no integer.
            """
            timestamp = index(timestamp_us)
            where = f"{self._node.path} label {timestamp}"
            self._check_in_sequence(timestamp, "label at")
            if timestamp in self._timestamps:
                raise InvalidDataError(f"{where}: there is already a label of that time")
            meta = {} if generic_meta_data is None else json_attributes(generic_meta_data, where)
            stored = self._encoded(data, where)
            with self._labels.new_group(str(timestamp), {"generic_meta_data": meta}) as label:
                if isinstance(stored, bytes):
                    image_format = self._descriptor.label_schema.encoded_format
                    label.create_blob(_DATA, stored, {"format": image_format})
                else:
                    label.create_array(_DATA, stored)
            self._timestamps.add(timestamp)

        def _encoded(self, data: Any, where: str) -> "npt.NDArray[Any] | bytes":
            schema = self._descriptor.label_schema
            if schema.encoding is LabelEncoding.IMAGE_ENCODED:
                if not isinstance(data, bytes):
                    raise InvalidDataError(
                        f"{where}: an encoded label is given as bytes, not {type(data).__name__}"
                    )
                return data
            if schema.encoding is not LabelEncoding.RAW:
                raise InvalidDataError(
                    f"{where}: labels of encoding {schema.encoding.name} cannot be written"
                )
            if not isinstance(data, np.ndarray):
                raise InvalidDataError(
                    f"{where}: a raw label is given as an array, not {type(data).__name__}"
                )
            suffix = schema.shape_suffix
            if data.ndim != 2 + len(suffix) or data.shape[2:] != suffix or 0 in data.shape[:2]:
                raise InvalidDataError(
                    f"{where}: shape {data.shape} is not (H, W{''.join(f', {n}' for n in suffix)}) "
                    "with H and W at least 1"
                )
            if data.dtype != schema.dtype:
                raise InvalidDataError(f"{where}: dtype {data.dtype} is not {schema.dtype}")
            if schema.quantization is None:
                return data
            return quantize(data, schema.quantization, where)

        def finalize(self) -> None:
            # docstring inherited
            timestamps = np.array(sorted(self._timestamps), dtype=np.uint64)
            self._node.create_array(_TIMESTAMPS, timestamps)

    class Reader(ComponentReader):
        """Reads the labels of one layer."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "camera_labels"

        @staticmethod
        def supports_component_version(version: str) -> bool:
            # docstring inherited
            return version == "v1"

        @cached_property
        def _timestamps(self) -> npt.NDArray[np.uint64]:
            return read_timestamps(self._node, _TIMESTAMPS)

        @cached_property
        def _known(self) -> frozenset[int]:
            return frozenset(self._timestamps.tolist())

        @cached_property
        def label_descriptor(self) -> CameraLabelDescriptor:
            """What the labels are and how they are stored.

            Raises:
                SequenceFormatError: there is no descriptor.
                UnknownNameError: unknown category, encoding or source (a ``KeyError``).
                DataTypeError: an unknown dtype (a ``TypeError``).
                InvalidDataError: a field's value is not allowed (a ``ValueError``).
            """
            stored = self._node.group(_LABELS).attributes.get("descriptor")
            if not isinstance(stored, dict):
                raise SequenceFormatError(f"{self._node!r} has no label descriptor")
            return CameraLabelDescriptor.from_dict(stored)

        @property
        def labels_count(self) -> int:
            """Number of labels, possibly 0."""
            return len(self._timestamps)

        @property
        def timestamps_us(self) -> npt.NDArray[np.uint64]:
            """(M,) uint64 times of the labels in microseconds, sorted; always the same array."""
            return self._timestamps

        class CameraLabelHandle:
            """One label; its data is read when it is asked for.

            Args:
                label_group: group of the label.
                descriptor: descriptor of the layer.
                timestamp_us: time of the label in microseconds.
                generic_meta_data: the label's JSON metadata.
            """

            __slots__ = ("_descriptor", "_generic_meta_data", "_label_group", "_timestamp_us")

            def __init__(
                self,
                label_group: "GroupNode | zarr.Group",
                descriptor: CameraLabelDescriptor,
                timestamp_us: int,
                generic_meta_data: dict[str, Any],
            ) -> None:
                if not isinstance(label_group, GroupNode):
                    label_group = group_node(label_group)
                self._label_group = label_group
                self._descriptor = descriptor
                self._timestamp_us = timestamp_us
                self._generic_meta_data = generic_meta_data

            @property
            def descriptor(self) -> CameraLabelDescriptor:
                """What the label is and how it is stored."""
                return self._descriptor

            @property
            def timestamp_us(self) -> int:
                """Time of the label in microseconds."""
                return self._timestamp_us

            @property
            def generic_meta_data(self) -> dict[str, Any]:
                """The label's JSON metadata."""
                return self._generic_meta_data

            def get_data(self) -> npt.NDArray[Any]:
                """Read and decode the label; each call does so again.

                Returns:
                    The logical values in the schema's dtype, (H, W, *shape_suffix) of
                    a raw label; the pixels of an encoded one as PIL gives them, cast
                    without scaling.

                Raises:
                    PIL.UnidentifiedImageError: the encoded bytes are no image.
                """
                schema = self._descriptor.label_schema
                if schema.encoding is LabelEncoding.IMAGE_ENCODED:
                    # The image says itself what it is; encoded_format is a description.
                    from PIL import Image as PILImage  # slow to import

                    with PILImage.open(BytesIO(self._label_group.read_blob(_DATA))) as image:
                        return np.asarray(image).astype(schema.dtype)
                stored = self._label_group.read_array(_DATA)
                if schema.quantization is not None:
                    return dequantize(stored, schema.quantization, schema.dtype)
                return stored.astype(schema.dtype, copy=False)

            def get_encoded_data(self) -> bytes | None:
                """The bytes of an encoded label, exactly as stored; None for a raw one."""
                if self._descriptor.label_schema.encoding is not LabelEncoding.IMAGE_ENCODED:
                    return None
                return self._label_group.read_blob(_DATA)

        def get_label(self, timestamp_us: int) -> CameraLabelHandle:
            """The label of a time.

            Args:
                timestamp_us: microseconds; exactly the time of a label.

            Raises:
                ComponentNotFoundError: there is no label of that time (a ``KeyError``).
            """
            timestamp = index(timestamp_us)
            if timestamp not in self._known:
                raise ComponentNotFoundError(f"{self._node!r} has no label of {timestamp} us")
            group = self._node.group(f"{_LABELS}/{timestamp}")
            meta = copy.deepcopy(group.attributes.get("generic_meta_data") or {})
            return self.CameraLabelHandle(group, self.label_descriptor, timestamp, meta)
