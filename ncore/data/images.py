"""Images as the bytes of their files."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from PIL import Image as PILImage


class EncodedImageData:
    """The bytes of an image file, decoded on demand."""

    __slots__ = ("__weakref__", "_data", "_decoded", "_format")

    def __init__(self, encoded_image_data: bytes, encoded_image_format: str) -> None:
        """Wrap bytes.

        Args:
            encoded_image_data: the bytes of the file.
            encoded_image_format: its format, e.g. ``"jpeg"`` or ``"png"``.
        """
        self._data = encoded_image_data
        self._format = encoded_image_format
        self._decoded: PILImage.Image | None = None

    def get_encoded_image_data(self) -> bytes:
        """Return the bytes of the image file."""
        return self._data

    def get_encoded_image_format(self) -> str:
        """Return the format, as it was given."""
        return self._format

    def get_decoded_image(self) -> "PILImage.Image":
        """Return the image, opened once and kept; PIL decodes pixels at first use.

        Raises:
            UnknownImageFormatError: PIL does not know the format (a KeyError).
            ImageDecodeError: the bytes are no image of the format
                (a ``PIL.UnidentifiedImageError``, hence an OSError).
        """
        if self._decoded is None:
            from ncore.data.image_decoding import open_image

            self._decoded = open_image(self._data, self._format)
        return self._decoded


@runtime_checkable
class EncodedImageHandle(Protocol):
    """Something that reads an encoded image when it is asked for it."""

    def get_data(self) -> EncodedImageData:
        """Return the encoded image."""
        ...
