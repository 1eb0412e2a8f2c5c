"""Camera images, stored as the encoded bytes that the recorder produced."""

from operator import index
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from ncore.data.errors import InvalidDataError
from ncore.data.images import EncodedImageData
from ncore.data.v4.nodes import GroupNode
from ncore.data.v4.sensor import BaseSensorComponentReader, BaseSensorComponentWriter

if TYPE_CHECKING:
    from PIL import Image as PILImage

_IMAGE = "image"


class CameraSensorComponent:
    """Frames of one camera: an encoded image each, with start and end of its exposure."""

    class Writer(BaseSensorComponentWriter):
        """Writes the frames of one camera."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "cameras"

        @staticmethod
        def get_component_version() -> str:
            # docstring inherited
            return "v1"

        def store_frame(
            self,
            image_binary_data: bytes,
            image_format: str,
            frame_timestamps_us: npt.NDArray[np.uint64],
            generic_data: dict[str, npt.NDArray[Any]],
            generic_meta_data: dict[str, Any],
        ) -> Self:
            """Add a frame; frames may come in any order.

            Args:
                image_binary_data: the encoded image (``bytes``, or any bytes-like
                    object, such as a uint8 array). Stored and returned byte for byte.
                image_format: format by the name that PIL gives it, e.g. ``"jpeg"``.
                frame_timestamps_us: (2,) uint64 start and end of the exposure, in
                    microseconds. The end is the frame's id.
                generic_data: arrays of the user's own, by name.
                generic_meta_data: JSON values of the user's own, by key.

            Raises:
                InvalidDataError: the times lie outside the sequence, are not in
                    order or not strictly between those of the frames before and
                    after; or an argument has no stored form. Nothing is written then.
            """
            image = _as_bytes(image_binary_data, self._node.path)
            if not isinstance(image_format, str):
                raise InvalidDataError(
                    f"{self._node.path}: image_format must be a string, not {image_format!r:.40}"
                )
            start, end = self._check_frame_times(frame_timestamps_us)
            data, meta = self._check_generic(generic_data, generic_meta_data)
            with self._new_frame(start, end, data, meta) as frame:
                frame.create_blob(_IMAGE, image, {"format": image_format})
            return self

    class Reader(BaseSensorComponentReader):
        """Reads the frames of one camera."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "cameras"

        @staticmethod
        def supports_component_version(version: str) -> bool:
            # docstring inherited
            return version == "v1"

        class EncodedImageDataHandle:
            """A frame's image that has not been read yet; picklable.

            Args:
                frame: group of the frame.
            """

            __slots__ = ("_frame",)

            def __init__(self, frame: GroupNode) -> None:
                self._frame = frame

            def get_data(self) -> EncodedImageData:
                """Read the image; each call reads again.

                Raises:
                    ComponentNotFoundError: the frame has no image (a ``KeyError``).
                """
                return _read_image(self._frame, _IMAGE)

        def get_frame_handle(self, timestamp_us: int) -> EncodedImageDataHandle:
            """A handle to the image of the frame that ends at ``timestamp_us``.

            Raises:
                ComponentNotFoundError: there is no such frame (a ``KeyError``).
            """
            return self.EncodedImageDataHandle(self._node.group(self._require_frame(timestamp_us)))

        def get_frame_data(self, timestamp_us: int) -> EncodedImageData:
            """The encoded image of the frame that ends at ``timestamp_us``.

            Raises:
                ComponentNotFoundError: there is no such frame (a ``KeyError``).
            """
            return _read_image(self._node, f"frames/{index(timestamp_us)}/{_IMAGE}")

        def locate_frame_data(self, timestamp_us: int) -> tuple[str, int] | None:
            """Where the image of the frame that ends at ``timestamp_us`` lies as it is.

            Returns:
                Key in ``component_store`` and size in bytes, for those who read many
                images at once; None if it is stored in another form, which
                ``get_frame_data`` reads.
            """
            return self._node.locate_blob(f"frames/{index(timestamp_us)}/{_IMAGE}")

        def get_frame_image(self, timestamp_us: int) -> "PILImage.Image":
            """The decoded image of the frame that ends at ``timestamp_us``.

            Raises:
                ComponentNotFoundError: there is no such frame (a ``KeyError``).
                PIL.UnidentifiedImageError: the bytes are no image of the stored format.
            """
            return self.get_frame_data(timestamp_us).get_decoded_image()


def _as_bytes(data: Any, where: str) -> bytes:
    if isinstance(data, bytes):
        return data
    try:
        view = memoryview(data)
    except TypeError:
        view = None
    # OpenCV, for one, encodes into arrays. Of wider items nobody could say what they mean.
    if view is None or view.itemsize != 1:
        given = getattr(data, "dtype", type(data).__name__)
        raise InvalidDataError(f"{where}: an encoded image is given as bytes, not {given}")
    return view.tobytes()


def _read_image(node: GroupNode, name: str) -> EncodedImageData:
    data, attributes = node.read_blob_with_attributes(name)
    return EncodedImageData(data, attributes.get("format", ""))
