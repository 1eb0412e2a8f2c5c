"""A camera's encoded images, read many at a time and as fast as the file allows."""

from collections.abc import Sequence
from typing import Protocol

from ncore.data.sensor_protocols import CameraSensorProtocol
from ncore.data.v4.byte_stores import ItarByteStore
from ncore.data.v4.cameras import CameraSensorComponent
from ncore.data.v4.loader_sensors import CameraSensor
from ncore.itar.repeated_reads import RepeatedReads
from ncore.itar.source import FileSource
from ncore.loaders.errors import SequenceChangedError

_Span = tuple[int, int]


class EncodedImages(Protocol):
    """The encoded images of one camera by frame index."""

    def read(self, index: int) -> bytes:
        """Return the bytes of one image."""
        ...

    def read_many(self, indices: Sequence[int]) -> list[bytes]:
        """Return the bytes of many images."""
        ...

    def view_many(self, indices: Sequence[int]) -> Sequence[bytes | memoryview]:
        """Return many images, without copying them where they lie in a local file."""
        ...


def encoded_images(camera: CameraSensorProtocol) -> EncodedImages:
    """Return the fastest way to a camera's images."""
    if not isinstance(camera, CameraSensor):
        return _AnyCamera(camera)
    reader = camera.camera_reader
    store = reader.component_store
    if isinstance(store, ItarByteStore):
        source = store.reader.source
        if isinstance(source, FileSource):
            return _MappedImages(reader, store, source)
    return _StoredImages(reader)


class _AnyCamera:
    """Images one after the other, from anything that is a camera."""

    def __init__(self, camera: CameraSensorProtocol) -> None:
        self._camera = camera

    def read(self, index: int) -> bytes:
        return self._camera.get_frame_data(index).get_encoded_image_data()

    def read_many(self, indices: Sequence[int]) -> list[bytes]:
        return [self.read(index) for index in indices]

    def view_many(self, indices: Sequence[int]) -> Sequence[bytes | memoryview]:
        return self.read_many(indices)


class _StoredImages:
    """Images as values of a component store; remote ones of a batch are fetched together."""

    def __init__(self, reader: CameraSensorComponent.Reader) -> None:
        self._reader = reader
        self._ends: list[int] = reader.frames_timestamps_us[:, 1].tolist()

    def read(self, index: int) -> bytes:
        return self._reader.get_frame_data(self._ends[index]).get_encoded_image_data()

    def read_many(self, indices: Sequence[int]) -> list[bytes]:
        found: list[bytes | None] = [None] * len(indices)
        located = [self._reader.locate_frame_data(self._ends[index]) for index in indices]
        together = [at for at, place in enumerate(located) if place is not None]
        keys = [place[0] for place in located if place is not None]
        for at, data in zip(together, self._reader.component_store.read_many(keys), strict=True):
            place = located[at]
            if data is not None and place is not None and len(data) == place[1]:
                found[at] = data
        return [
            self.read(index) if data is None else data
            for index, data in zip(indices, found, strict=True)
        ]

    def view_many(self, indices: Sequence[int]) -> Sequence[bytes | memoryview]:
        return self.read_many(indices)


class _MappedImages(_StoredImages):
    """Images in a local archive; a decoder sees them where the file is mapped.

    What may not be in memory yet is asked for first, all ranges of a batch at once,
    because a mapped page that is merely touched is fetched with few neighbours.
    """

    def __init__(
        self, reader: CameraSensorComponent.Reader, store: ItarByteStore, source: FileSource
    ) -> None:
        super().__init__(reader)
        self._archive = store.reader
        self._source = source
        self._spans: list[_Span | None] = [None] * len(self._ends)
        self._repeated = RepeatedReads(source, len(self._ends))

    def read(self, index: int) -> bytes:
        span = self._spans[index] or self._locate(index)
        return super().read(index) if span is None else self._repeated.read(index, *span)

    def read_many(self, indices: Sequence[int]) -> list[bytes]:
        self._source.will_need(self._unread(indices))
        return [self.read(index) for index in indices]

    def view_many(self, indices: Sequence[int]) -> Sequence[bytes | memoryview]:
        self._source.will_need(self._unread(indices))
        found: list[bytes | memoryview] = []
        for index in indices:
            span = self._spans[index] or self._locate(index)
            self._repeated.see(index)
            found.append(super().read(index) if span is None else self._source.view(*span))
        return found

    def _locate(self, index: int) -> _Span | None:
        """Offset and size of an image; None if it is stored in another form."""
        place = self._reader.locate_frame_data(self._ends[index])
        if place is None:
            return None
        key, size = place
        number = self._archive.index.find(key)
        if number < 0:
            return None  # an image of nothing but fill values
        span = self._archive.index.span(number)
        if span[1] != size:
            return None  # said by the reader of the whole array
        if sum(span) > self._source.size:
            raise SequenceChangedError(f"{self._source.name}: {key!r} lies behind its end")
        self._spans[index] = span
        return span

    def _unread(self, indices: Sequence[int]) -> list[_Span]:
        """Where those of them lie that have not been asked for yet."""
        new = (index for index in indices if not self._repeated.seen(index))
        spans = (self._spans[index] or self._locate(index) for index in new)
        return [span for span in spans if span is not None]
