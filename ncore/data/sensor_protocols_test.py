import numpy as np
import pytest

from ncore.data.enums import FrameTimepoint
from ncore.data.images import EncodedImageData
from ncore.data.pose_graph import PoseGraphInterpolator
from ncore.data.protocols import (
    CameraSensorProtocol,
    LidarSensorProtocol,
    PointCloudsSourceProtocol,
    RadarSensorProtocol,
    SensorProtocol,
)
from ncore.data.ray_bundle_point_clouds import RayBundleSensorPointCloudsSourceAdapter

FRAMES = np.array([[0, 100], [100, 200], [250, 300], [300, 420]], np.uint64)
MOUNT = np.eye(4, dtype=np.float32)
MOUNT[:3, 3] = 1, 2, 3
DRIVE = np.stack([np.eye(4), np.eye(4)])
DRIVE[1, 0, 3] = 10.0
Edge = PoseGraphInterpolator.Edge


def pose_graph(sensor_id):
    return PoseGraphInterpolator(
        [
            Edge(sensor_id, "rig", MOUNT, None),
            Edge("rig", "world", DRIVE, np.array([0, 1000], np.uint64)),
        ]
    )


class Frames:
    """What all sensors here have in common."""

    def __init__(self, frames=FRAMES, generic_data=None):
        self._frames = frames
        self._pose_graph = pose_graph(self.sensor_id)
        self.generic_data = generic_data or {}
        self.reads = []

    @property
    def frames_count(self):
        return len(self._frames)

    @property
    def frames_timestamps_us(self):
        return self._frames

    def get_frame_generic_data_names(self, frame_index):
        return list(self.generic_data)

    def has_frame_generic_data(self, frame_index, name):
        return name in self.generic_data

    def get_frame_generic_data(self, frame_index, name):
        self.reads.append(name)
        return self.generic_data[name]

    def get_frame_generic_meta_data(self, frame_index):
        return {"frame": frame_index}


class Rays(Frames):
    def get_frame_ray_bundle_count(self, frame_index):
        return 4

    def get_frame_ray_bundle_timestamp_us(self, frame_index):
        self.reads.append("timestamp_us")
        return np.arange(4, dtype=np.uint64)

    def get_frame_ray_bundle_return_valid_mask(self, frame_index, return_index=0):
        self.reads.append(f"valid_mask {return_index}")
        return np.array([True, True, False, True])

    def get_frame_point_cloud(
        self, frame_index, motion_compensation, with_start_points, return_index=0
    ):
        assert motion_compensation
        return self.FramePointCloud(True, None, np.full((4, 3), return_index, np.float32))


class Lidar(Rays, LidarSensorProtocol):
    sensor_id = "lidar"
    model_parameters = None
    model_element = np.zeros((4, 2), np.uint16)

    def get_frame_ray_bundle_model_element(self, frame_index):
        return self.model_element

    def get_frame_ray_bundle_return_intensity(self, frame_index, return_index=0):
        self.reads.append(f"intensity {return_index}")
        return np.full(4, 0.5, np.float32)


class Radar(Rays, RadarSensorProtocol):
    sensor_id = "radar"


class Camera(Frames, CameraSensorProtocol):
    sensor_id = "camera"

    def get_frame_handle(self, frame_index):
        class Handle:
            def get_data(self):
                return EncodedImageData(b"P5 2 1 255 \x07\x09", "ppm")

        return Handle()


@pytest.fixture
def lidar():
    return Lidar()


def test_times_of_frames(lidar):
    assert lidar.get_frames_timestamps_us().tolist() == [100, 200, 300, 420]
    starts = lidar.get_frames_timestamps_us(FrameTimepoint.START)
    assert starts.tolist() == [0, 100, 250, 300]
    assert lidar.get_frame_timestamp_us(1, FrameTimepoint.START) == 100
    assert lidar.get_frame_timestamp_us(-1) == 420
    with pytest.raises(IndexError, match="'lidar' with 4 frames"):
        lidar.get_frame_timestamp_us(4)


@pytest.mark.parametrize(
    ("time", "relative", "index"),
    [
        (0, 1.0, 0),
        (149, 1.0, 0),
        (150, 1.0, 1),  # equally close: the later frame
        (9999, 1.0, 3),
        (-5, 1.0, 0),
        (175, 0.0, 2),
        (212, 0.5, 1),
        (213, 0.5, 2),
        (np.uint64(150), 1.0, 1),
    ],
)
def test_closest_frame(lidar, time, relative, index):
    assert lidar.get_closest_frame_index(time, relative) == index


def test_closest_frame_of_none(lidar):
    with pytest.raises(ValueError, match="no frames"):
        Lidar(FRAMES[:0]).get_closest_frame_index(5)
    with pytest.raises(AssertionError, match="relative_frame_time"):
        lidar.get_closest_frame_index(5, 1.5)


def test_index_ranges(lidar):
    assert lidar.get_frame_index_range() == range(4)
    assert lidar.get_frame_index_range(-2) == range(2, 4)
    assert lidar.get_frame_index_range(None, None, -1) == range(3, -1, -1)
    assert Lidar(FRAMES[:0]).get_frame_index_range() == range(0)


def test_poses_at_frames(lidar):
    end = lidar.get_frames_T_sensor_target("world", 1)
    assert end.shape == (4, 4)
    np.testing.assert_allclose(end[:3, 3], [3, 2, 3])
    both = lidar.get_frames_T_source_target("lidar", "world", np.array([[0, 1], [2, 3]]), None)
    assert both.shape == (2, 2, 2, 4, 4)
    np.testing.assert_allclose(both[1, 1, :, 0, 3], [4, 5.2])
    back = lidar.get_frames_T_source_sensor("world", [1], FrameTimepoint.END)
    np.testing.assert_allclose(back[0] @ end, np.eye(4), atol=1e-6)
    with pytest.raises(IndexError):
        lidar.get_frames_T_sensor_target("world", [7])


def test_mounting_pose(lidar):
    np.testing.assert_array_equal(lidar.T_sensor_rig, MOUNT)
    lidar.set_pose_graph(PoseGraphInterpolator([Edge("lidar", "world", MOUNT, None)]))
    assert lidar.T_sensor_rig is None
    lidar.set_pose_graph(PoseGraphInterpolator([]))
    assert lidar.T_sensor_rig is None


def test_mounting_pose_that_changes(lidar):
    """NVIDIA's ncore evaluates it at a time that it never set."""
    swinging = Edge("lidar", "rig", DRIVE, np.array([0, 1000], np.uint64))
    lidar.set_pose_graph(PoseGraphInterpolator([swinging]))
    assert lidar.T_sensor_rig is None
    assert lidar.get_frames_T_sensor_target("rig", [0, 1]).shape == (2, 4, 4)


def test_images():
    camera = Camera()
    assert camera.get_frame_data(0).get_encoded_image_format() == "ppm"
    assert camera.get_frame_image(0).size == (2, 1)
    np.testing.assert_array_equal(camera.get_frame_image_array(0), [[7, 9]])


def test_structure_is_recognised(lidar):
    assert isinstance(lidar, SensorProtocol)
    assert isinstance(lidar, LidarSensorProtocol)
    assert not isinstance(Camera(), LidarSensorProtocol)
    assert isinstance(RayBundleSensorPointCloudsSourceAdapter(lidar), PointCloudsSourceProtocol)


def test_point_clouds_of_a_lidar(lidar):
    source = RayBundleSensorPointCloudsSourceAdapter(lidar, return_index=1)
    assert source.point_clouds_source_id == "lidar"
    assert source.pcs_count == 4
    assert source.pc_timestamps_us.tolist() == [100, 200, 300, 420]
    assert source.get_pc_index_range(1) == range(1, 4)
    assert source.get_pc_generic_meta_data(2) == {"frame": 2}
    cloud = source.get_pc(-1)
    assert (cloud.reference_frame_id, cloud.reference_frame_timestamp_us) == ("lidar", 420)
    assert cloud.coordinate_unit is cloud.CoordinateUnit.METERS
    assert cloud.attribute_names == ["timestamp_us", "valid_mask", "intensity", "model_element"]
    assert lidar.reads == []
    assert cloud.get_attribute("intensity").shape == (4,)
    assert cloud.get_attribute("valid_mask").tolist() == [True, True, False, True]
    assert lidar.reads == ["intensity 1", "valid_mask 1"]
    assert (cloud.xyz == 1).all()
    with pytest.raises(IndexError):
        source.get_pc(4)


def test_point_clouds_of_a_radar_and_of_an_unmodelled_lidar(lidar):
    cloud = RayBundleSensorPointCloudsSourceAdapter(Radar()).get_pc(0)
    assert cloud.attribute_names == ["timestamp_us", "valid_mask"]
    lidar.model_element = None
    cloud = RayBundleSensorPointCloudsSourceAdapter(lidar).get_pc(0)
    assert "model_element" not in cloud.attribute_names


def test_promoted_generic_data():
    promotion = RayBundleSensorPointCloudsSourceAdapter.GenericDataPromotion
    kinds = type(promotion((3,)).transform_type)
    lidar = Lidar(
        generic_data={
            "RGB": np.zeros((4, 3), np.uint8),
            "velocity": np.ones((4, 3)),
            "intensity": np.ones(4),
            "wrong": np.ones(5),
        }
    )
    cloud = RayBundleSensorPointCloudsSourceAdapter(lidar).get_pc(0)
    assert cloud.attribute_names[4:] == ["rgb"]
    assert cloud.get_attribute("rgb").dtype == np.uint8
    source = RayBundleSensorPointCloudsSourceAdapter(
        lidar,
        promote_generic_data={
            "Velocity": promotion((3,), kinds.DIRECTION),
            "intensity": promotion(()),
            "wrong": promotion(()),
            "absent": promotion(()),
        },
    )
    cloud = source.get_pc(0)
    assert cloud.attribute_names[4:] == ["velocity", "wrong"]
    assert cloud.get_attribute_transform_type("velocity") is kinds.DIRECTION
    assert cloud.get_attribute("intensity")[0] == 0.5  # the sensor's own
    with pytest.raises(ValueError, match=r"'wrong' of 'lidar'.*\(5,\).*\(4,\)"):
        cloud.get_attribute("wrong")
    assert source.get_pc_generic_data_names(0) == list(lidar.generic_data)
    assert source.has_pc_generic_data(0, "RGB")
    assert source.get_pc_generic_data(0, "RGB").shape == (4, 3)
