import numpy as np
import pytest

from ncore.data.point_cloud import PointCloud
from ncore.data.pose_graph import PoseGraphInterpolator

Kind = PointCloud.AttributeTransformType
XYZ = np.arange(12, dtype=np.float32).reshape(4, 3)
QUARTER_TURN = np.array(
    [[0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1]], dtype=np.float32
)


@pytest.fixture
def graph():
    moving = np.stack([np.eye(4), np.eye(4)])
    moving[1, :3, 3] = 100, 0, 0
    edge = PoseGraphInterpolator.Edge
    return PoseGraphInterpolator(
        [
            edge("lidar", "rig", QUARTER_TURN, None),
            edge("rig", "world", moving, np.array([0, 100], np.uint64)),
        ]
    )


@pytest.fixture
def loads():
    return []


@pytest.fixture
def cloud(loads):
    def attribute(name, values, kind):
        def load():
            loads.append(name)
            return values

        return PointCloud.Attribute(load, kind)

    attributes = {
        "ring": attribute("ring", np.arange(4, dtype=np.uint8), Kind.INVARIANT),
        "normal": attribute("normal", XYZ, Kind.DIRECTION),
        "target": attribute("target", XYZ, Kind.POINT),
        "flat": attribute("flat", np.arange(4.0), Kind.DIRECTION),
    }
    return PointCloud(XYZ, "lidar", 0, PointCloud.CoordinateUnit.METERS, attributes)


def test_attributes_are_loaded_when_they_are_asked_for(cloud, loads):
    assert cloud.points_count == 4
    assert cloud.xyz is XYZ
    assert cloud.attribute_names == ["ring", "normal", "target", "flat"]
    assert cloud.get_attribute_transform_type("normal") == Kind.DIRECTION
    assert loads == []
    np.testing.assert_array_equal(cloud.get_attribute("ring"), range(4))
    assert loads == ["ring"]
    assert not cloud.has_attribute("color")
    with pytest.raises(KeyError, match=r"color.*ring"):
        cloud.get_attribute("color")


def test_transform(cloud, graph, loads):
    moved = cloud.transform("world", 0, graph)
    assert loads == []
    rotation, translation = QUARTER_TURN[:3, :3], QUARTER_TURN[:3, 3]
    np.testing.assert_allclose(moved.xyz, XYZ @ rotation.T + translation)
    np.testing.assert_allclose(moved.get_attribute("normal"), XYZ @ rotation.T)
    np.testing.assert_allclose(moved.get_attribute("target"), moved.xyz)
    np.testing.assert_array_equal(moved.get_attribute("ring"), range(4))
    assert (moved.reference_frame_id, moved.reference_frame_timestamp_us) == ("world", 0)
    assert moved.coordinate_unit is cloud.coordinate_unit
    assert cloud.xyz is XYZ
    with pytest.raises(ValueError, match=r"flat.*\(4,\).*DIRECTION"):
        moved.get_attribute("flat")


def test_transforms_chain_and_return(cloud, graph):
    there = cloud.transform("world", 0, graph).transform("rig", 100, graph)
    expected = XYZ @ QUARTER_TURN[:3, :3].T + QUARTER_TURN[:3, 3] - [100, 0, 0]
    np.testing.assert_allclose(there.xyz, expected)
    np.testing.assert_allclose(there.transform("lidar", 0, graph).xyz, XYZ, atol=1e-5)
    assert cloud.transform("lidar", 0, graph) is cloud
    # The rig as anchor moves along, so nothing changes between two times.
    np.testing.assert_allclose(cloud.transform("lidar", 100, graph, "rig").xyz, XYZ, atol=1e-5)


def test_where_the_graph_does_not_reach(cloud, graph):
    with pytest.raises(KeyError, match="moon"):
        cloud.transform("moon", 0, graph)
    with pytest.raises(ValueError, match="500"):
        cloud.transform("world", 500, graph, "rig")
    with pytest.raises(ValueError, match="-5"):
        cloud.transform("rig", -5, graph)


def test_without_points(graph):
    empty = PointCloud(np.zeros((0, 3), np.float32), "lidar", 0, PointCloud.CoordinateUnit(1), {})
    assert empty.points_count == 0
    assert empty.transform("world", 0, graph).xyz.shape == (0, 3)


def test_it_is_immutable(cloud):
    with pytest.raises(AttributeError):
        cloud.reference_frame_id = "world"
