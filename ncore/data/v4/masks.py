"""Static image masks of cameras, such as the part of the image that shows the ego vehicle."""

from collections.abc import Generator
from io import BytesIO
from typing import TYPE_CHECKING, Self

from ncore.data.errors import InvalidDataError
from ncore.data.interval import HalfClosedInterval
from ncore.data.v4.component import ComponentReader, ComponentWriter
from ncore.data.v4.errors import ComponentNotFoundError
from ncore.data.v4.node_writer import check_node_name
from ncore.data.v4.stored_form import stored_form

if TYPE_CHECKING:
    import zarr
    from PIL import Image as PILImage


class MasksComponent:
    """Mask images by camera id and mask name, stored as PNG."""

    class Writer(ComponentWriter):
        """Writes masks."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "masks"

        @staticmethod
        def get_component_version() -> str:
            # docstring inherited
            return "v1"

        def __init__(
            self,
            component_group: "zarr.Group",
            sequence_timestamp_interval_us: HalfClosedInterval,
        ) -> None:
            super().__init__(component_group, sequence_timestamp_interval_us)
            self._cameras = self._node.create_group("cameras")
            self._stored: set[str] = set()

        def store_camera_masks(
            self, camera_id: str, mask_images: "dict[str, PILImage.Image]"
        ) -> Self:
            """Add the masks of a camera, all at once.

            Args:
                camera_id: id of the camera.
                mask_images: images by mask name, in any mode that PNG can hold.

            Raises:
                InvalidDataError: the camera has masks already, a name cannot name a
                    zarr node, or a value is no PIL image.
            """
            check_node_name(camera_id, "camera id")
            if camera_id in self._stored:
                raise InvalidDataError(f"masks of camera {camera_id!r} are stored already")
            from PIL import Image as PILImage  # slow to import, and readers seldom need it

            encoded = {}
            for name, image in mask_images.items():
                check_node_name(name, "mask name")
                if not isinstance(image, PILImage.Image):
                    raise InvalidDataError(
                        f"mask {name!r} of camera {camera_id!r} must be a PIL image, "
                        f"not {type(image).__name__}"
                    )
                buffer = BytesIO()
                image.save(buffer, format="png")
                encoded[name] = buffer.getvalue()
            attributes = {"mask_names": list(mask_images)}
            with self._cameras.new_group(camera_id, attributes) as camera:
                for name, data in encoded.items():
                    camera.create_blob(name, data, {"format": "png"})
            self._stored.add(camera_id)
            return self

    class Reader(ComponentReader):
        """Reads masks."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "masks"

        @staticmethod
        def supports_component_version(version: str) -> bool:
            # docstring inherited
            return version == "v1"

        def get_camera_mask_names(self, camera_id: str) -> list[str]:
            """Names of the camera's masks, in the order they were stored.

            Raises:
                ComponentNotFoundError: nothing is stored for the camera (a ``KeyError``).
            """
            group = self._node.group(f"cameras/{camera_id}")
            with stored_form(group, "mask_names"):
                return [str(name) for name in group.attributes.get("mask_names", [])]

        def get_camera_mask_image(self, camera_id: str, mask_name: str) -> "PILImage.Image":
            """One mask of a camera, in the mode it was stored in.

            Raises:
                ComponentNotFoundError: there is no such mask (a ``KeyError``).
                ImageDecodeError: its bytes are no image of the stored format (a
                    ``PIL.UnidentifiedImageError``).
                UnknownImageFormatError: PIL does not know that format (a ``KeyError``).
            """
            group = self._node.group(f"cameras/{camera_id}")
            if not group.has_array(mask_name):
                raise ComponentNotFoundError(f"camera {camera_id!r} has no mask {mask_name!r}")
            image_format = group.array_attributes(mask_name).get("format", "png")
            from ncore.data.image_decoding import open_image

            return open_image(group.read_blob(mask_name), image_format)

        def get_camera_mask_images(
            self, camera_id: str
        ) -> "Generator[tuple[str, PILImage.Image], None, None]":
            """Yield the name and image of each of the camera's masks.

            Raises:
                ComponentNotFoundError: nothing is stored for the camera (a ``KeyError``).
            """
            for name in self.get_camera_mask_names(camera_id):
                yield name, self.get_camera_mask_image(camera_id, name)
