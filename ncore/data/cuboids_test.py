import dataclasses

import numpy as np
import pytest

from ncore.data.cuboids import BBox3, CuboidTrackObservation
from ncore.data.enums import LabelSource
from ncore.data.pose_graph import PoseGraphInterpolator

BOX = BBox3((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), (0.0, 0.0, 0.5))
CUBOID = CuboidTrackObservation("t", "automobile", 5, "lidar", 6, BOX, LabelSource.EXTERNAL)
STORED = {
    "bbox3": {"centroid": [1.0, 2.0, 3.0], "dim": [4.0, 5.0, 6.0], "rot": [0.0, 0.0, 0.5]},
    "class_id": "automobile",
    "reference_frame_id": "lidar",
    "reference_frame_timestamp_us": 6,
    "source": "EXTERNAL",
    "source_version": None,
    "timestamp_us": 5,
    "track_id": "t",
}


def test_stored_form_and_back():
    assert CUBOID.to_dict() == STORED
    assert CuboidTrackObservation.from_dict(STORED) == CUBOID
    assert CuboidTrackObservation.from_json(CUBOID.to_json()) == CUBOID


def test_box_as_array():
    array = BOX.to_array()
    assert array.dtype == np.float32
    assert BBox3.from_array(array) == BOX
    with pytest.raises(ValueError, match=r"\(9,\)"):
        BBox3.from_array(array[None])


@pytest.mark.parametrize(
    "change",
    [
        {"track_id": 3},
        {"timestamp_us": np.uint64(5)},
        {"bbox3": None},
        {"source": None},
        {"source": 77},
        {"source_version": 1},
    ],
)
def test_refused_arguments(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        dataclasses.replace(CUBOID, **change)


@pytest.mark.parametrize("centroid", [(1, 2, 3), [1.0, 2.0, 3.0], (1.0, 2.0)])
def test_boxes_are_tuples_of_floats(centroid):
    with pytest.raises(AssertionError, match="centroid"):
        BBox3(centroid, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def test_unknown_source_name_is_a_key_error():
    with pytest.raises(KeyError, match="ORACLE"):
        CuboidTrackObservation.from_dict({**STORED, "source": "ORACLE"})


def test_move_to_another_frame():
    moving = np.stack([np.eye(4), np.eye(4)])
    moving[1, 0, 3] = 10.0
    sensor = np.eye(4, dtype=np.float32)
    sensor[2, 3] = 2.0
    edge = PoseGraphInterpolator.Edge
    graph = PoseGraphInterpolator(
        [
            edge("lidar", "rig", sensor, None),
            edge("rig", "world", moving, np.array([0, 10], np.uint64)),
        ]
    )
    in_world = CUBOID.transform("world", 0, graph)
    assert in_world.bbox3.centroid == pytest.approx((7.0, 2.0, 5.0))
    assert in_world.bbox3.rot == pytest.approx((0.0, 0.0, 0.5))
    assert in_world.bbox3.dim == BOX.dim
    assert (in_world.reference_frame_id, in_world.reference_frame_timestamp_us) == ("world", 0)
    assert in_world.timestamp_us == CUBOID.timestamp_us
    later = CUBOID.transform("lidar", 10, graph)
    assert later.bbox3.centroid == pytest.approx((-3.0, 2.0, 3.0))
    assert CUBOID.transform("lidar", 6, graph) is CUBOID
    with pytest.raises(KeyError, match="nowhere"):
        CUBOID.transform("nowhere", 6, graph)
