"""Opening image bytes with Pillow (imported here, and only when needed)."""

import io

from PIL import Image, UnidentifiedImageError

from ncore.data.errors import DataError, UnknownNameError

# Names people use for formats that Pillow knows under another one.
_ALIASES = {"JPG": "JPEG", "TIF": "TIFF"}


class UnknownImageFormatError(UnknownNameError):
    """Pillow knows no image format of this name."""


class ImageDecodeError(DataError, UnidentifiedImageError):
    """The bytes are no image of the expected format."""


def open_image(data: bytes, image_format: str | None) -> Image.Image:
    """Return an image whose pixels Pillow decodes at first use.

    Args:
        data: the bytes of an image file.
        image_format: the only format accepted; ``None``: any.

    Raises:
        UnknownImageFormatError: Pillow does not know the format.
        ImageDecodeError: the bytes are no image of the format.
    """
    formats = None
    if image_format is not None:
        name = str(image_format).upper()  # stored metadata may hold anything
        name = _ALIASES.get(name, name)
        Image.init()
        if name not in Image.OPEN:
            raise UnknownImageFormatError(f"Pillow cannot read the image format {image_format!r}")
        formats = [name]
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError:
        wanted = f"{image_format} image" if image_format is not None else "image"
        raise ImageDecodeError(f"{len(data)} bytes cannot be read as {wanted}") from None
