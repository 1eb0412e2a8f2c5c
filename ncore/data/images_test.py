import io

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from ncore.data.image_decoding import open_image
from ncore.data.images import EncodedImageData, EncodedImageHandle
from ncore.errors import NcoreError

PIXELS = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)


def encoded(image_format):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, image_format)
    return file.getvalue()


PNG = encoded("png")


def test_bytes_and_image():
    image = EncodedImageData(PNG, "png")
    assert image.get_encoded_image_data() == PNG
    assert image.get_encoded_image_format() == "png"
    np.testing.assert_array_equal(np.asarray(image.get_decoded_image()), PIXELS)
    assert image.get_decoded_image() is image.get_decoded_image()


@pytest.mark.parametrize("name", ["jpeg", "JPEG", "jpg"])
def test_names_of_jpeg(name):
    assert EncodedImageData(encoded("jpeg"), name).get_decoded_image().size == (10, 10)


@pytest.mark.parametrize(("data", "name"), [(PNG, "jpeg"), (b"", "png"), (b"no image", "png")])
def test_bytes_of_another_kind(data, name):
    with pytest.raises(UnidentifiedImageError, match=f"{len(data)} bytes .* {name}") as caught:
        EncodedImageData(data, name).get_decoded_image()
    assert isinstance(caught.value, NcoreError)


def test_unknown_format():
    with pytest.raises(KeyError, match="'holo'"):
        EncodedImageData(PNG, "holo").get_decoded_image()


def test_any_format():
    assert open_image(PNG, None).format == "PNG"
    with pytest.raises(OSError, match="cannot be read as image"):
        open_image(b"x", None)


def test_handle_protocol():
    class Handle:
        def get_data(self):
            return EncodedImageData(PNG, "png")

    assert isinstance(Handle(), EncodedImageHandle)
    assert not isinstance(object(), EncodedImageHandle)
