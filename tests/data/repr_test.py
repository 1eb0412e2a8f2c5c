"""What a person at a prompt sees of a sequence and its parts."""

import numpy as np
import pytest

from ncore.data.interval import HalfClosedInterval
from ncore.data.v4.cameras import CameraSensorComponent
from ncore.data.v4.loader import SequenceLoaderV4
from ncore.data.v4.sequence_reader import SequenceComponentGroupsReader
from ncore.data.v4.sequence_writer import SequenceComponentGroupsWriter
from ncore.itar.testing.range_server import RangeServer


@pytest.fixture
def written(tmp_path):
    interval = HalfClosedInterval(0, 1000)
    writer = SequenceComponentGroupsWriter(tmp_path, "base", "clip-1", interval, {})
    camera = writer.register_component_writer(CameraSensorComponent.Writer, "front")
    camera.store_frame(b"x", "jpeg", np.array([1, 2], np.uint64), {}, {})
    assert repr(camera) == "<CameraSensorComponent.Writer of 'cameras/front'>"
    base = str(tmp_path / "base")
    assert repr(writer) == f"SequenceComponentGroupsWriter('clip-1', {base!r}, 1 components)"
    (path,) = writer.finalize()
    assert repr(writer).endswith("1 components, closed)")
    return path


def test_a_sequence_says_what_it_is(written):
    reader = SequenceComponentGroupsReader([written])
    assert repr(reader) == f"SequenceComponentGroupsReader('clip-1', {written})"
    loader = SequenceLoaderV4(reader)
    assert repr(loader) == "SequenceLoaderV4('clip-1', 1 cameras, 0 lidars, 0 radars)"
    assert repr(loader.get_camera_sensor("front")) == "CameraSensor('front', 1 frames)"
    (part,) = reader.open_component_readers(CameraSensorComponent.Reader).values()
    assert repr(part) == "<CameraSensorComponent.Reader of 'cameras/front'>"


def test_signatures_of_urls_are_not_shown(written):
    with RangeServer({"x.zarr.itar": written.read_bytes()}) as server:
        reader = SequenceComponentGroupsReader([f"{server.url}/x.zarr.itar?X-Amz-Signature=abc"])
        assert "abc" not in repr(reader)
        assert "x.zarr.itar" in repr(reader)
