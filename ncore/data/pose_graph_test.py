import pickle

import numpy as np
import pytest

from ncore.data.errors import InvalidDataError
from ncore.data.pose_graph import PoseGraphInterpolator
from ncore.data.pose_interpolator import PoseInterpolator

Edge = PoseGraphInterpolator.Edge
TIMES = np.array([100, 200, 400], np.uint64)


def at(x, y=0.0, turn=0.0, dtype=np.float64):
    cosine, sine = np.cos(turn), np.sin(turn)
    pose = np.eye(4)
    pose[:2, :2] = [[cosine, -sine], [sine, cosine]]
    pose[:2, 3] = x, y
    return pose.astype(dtype)


POSES = np.stack([at(0), at(10, turn=1.0), at(10, 40, turn=1.0)])


@pytest.fixture
def graph():
    return PoseGraphInterpolator(
        [
            Edge("lidar", "rig", at(1, 2, dtype=np.float32), None),
            Edge("rig", "world", POSES, TIMES),
            Edge("camera", "rig", at(5, turn=0.5), None),
        ]
    )


def test_interpolation():
    interpolator = PoseInterpolator(POSES, TIMES)
    result = interpolator.interpolate_to_timestamps([100, 150, 300], np.float64)
    np.testing.assert_allclose(result, [at(0), at(5, turn=0.5), at(10, 20, turn=1.0)], atol=1e-12)
    assert interpolator.interpolate_to_timestamps(150).shape == (1, 4, 4)
    assert interpolator.interpolate_to_timestamps([]).shape == (0, 4, 4)
    assert interpolator.in_range([100, 400])
    assert not interpolator.in_range(99)
    with pytest.raises(ValueError, match=r"401.*100 to 400"):
        interpolator.interpolate_to_timestamps([150, 401])
    with pytest.raises(ValueError, match="shape"):
        interpolator.interpolate_to_timestamps([[150]])


@pytest.mark.parametrize(
    ("rotation", "message"),
    [
        (np.diag([-1, 1, 1]), "pose 1 .* is -1,"),
        (np.zeros((3, 3)), "pose 1 .* is 0,"),
        (np.full((3, 3), 0.1), "pose 1 has no rotation"),
        (np.diag([1, 1, np.nan]), "pose 1 holds values that are not finite"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_mirror_images_and_singular_matrices_are_refused(rotation, message, dtype):
    poses = POSES.astype(dtype)
    poses[1, :3, :3] = rotation
    with pytest.raises(InvalidDataError, match=message):
        PoseInterpolator(poses, TIMES)
    with pytest.raises(InvalidDataError, match=f"^pose of 'a' in 'b': {message}"):
        Edge("a", "b", poses, TIMES)


def test_rotations_of_any_scale_are_taken():
    poses = POSES.copy()
    poses[:, :3, :3] *= 0.01
    result = PoseInterpolator(poses, TIMES).interpolate_to_timestamps([100, 150], np.float64)
    np.testing.assert_allclose(result, [at(0), at(5, turn=0.5)], atol=1e-12)


def test_extrapolation_keeps_velocities():
    interpolator = PoseInterpolator(POSES, TIMES)
    times = np.array([0, 50, 150, 400, 500])
    result = interpolator.extrapolate_to_timestamps(times, dtype=np.float64)
    expected = [
        at(-10, turn=-1.0),
        at(-5, turn=-0.5),
        at(5, turn=0.5),
        at(10, 40, turn=1.0),
        at(10, 60, turn=1.0),
    ]
    np.testing.assert_allclose(result, expected, atol=1e-12)
    with pytest.raises(ValueError, match="start exceeds the limit of 49 us"):
        interpolator.extrapolate_to_timestamps(np.array([50]), 49)
    with pytest.raises(ValueError, match="end exceeds"):
        interpolator.extrapolate_to_timestamps(np.array([2_000_000]))
    with pytest.raises(TypeError, match="integers"):
        interpolator.extrapolate_to_timestamps(np.array([1.5]))


@pytest.mark.parametrize(
    ("poses", "times", "message"),
    [
        (POSES[:1], TIMES[:1], "two timestamps"),
        (POSES[:2], TIMES, "shape"),
        (POSES[:, :3], TIMES, "shape"),
        # Unsigned differences wrap around: this went unnoticed in NVIDIA's ncore.
        (POSES, TIMES[::-1], "400 is followed by 200"),
        (POSES, np.array([1, 1, 2], np.uint64), "1 is followed by 1"),
        (POSES * np.nan, TIMES, "finite"),
    ],
)
def test_refused_trajectories(poses, times, message):
    with pytest.raises(ValueError, match=message):
        PoseInterpolator(poses, times)
    with pytest.raises(AssertionError, match=f"'rig' in 'world'.*{message}"):
        Edge("rig", "world", poses, times)


def test_evaluation_along_paths(graph):
    times = np.array([[100, 150], [300, 400]], np.uint64)
    poses = graph.evaluate_poses("lidar", "world", times)
    assert poses.shape == (2, 2, 4, 4)
    assert poses.dtype == np.float64
    np.testing.assert_allclose(poses[0, 1], at(5, turn=0.5) @ at(1, 2), atol=1e-6)
    back = graph.evaluate_poses("world", "lidar", times)
    np.testing.assert_allclose(poses @ back, np.tile(np.eye(4), (2, 2, 1, 1)), atol=1e-5)
    single = graph.evaluate_poses("camera", "lidar", np.array(0, np.uint64))
    assert single.shape == (4, 4)
    assert graph.evaluate_poses("lidar", "rig", times).dtype == np.float32
    same = graph.evaluate_poses("rig", "rig", times)
    assert same.dtype == np.float32
    np.testing.assert_array_equal(same, np.tile(np.eye(4), (2, 2, 1, 1)))
    same[:] = 0
    assert graph.evaluate_poses("rig", "rig", times)[0, 0, 0, 0] == 1


def test_no_times(graph):
    for source, target in (("lidar", "world"), ("world", "lidar"), ("camera", "lidar")):
        assert graph.evaluate_poses(source, target, np.zeros((2, 0), np.uint64)).shape == (
            2,
            0,
            4,
            4,
        )


def test_repeated_times_give_what_single_ones_give(graph):
    rng = np.random.default_rng(0)
    times = rng.choice(np.arange(100, 401, 7, dtype=np.uint64), (3, 700))
    poses = graph.evaluate_poses("camera", "world", times)
    singles = np.array([graph.evaluate_poses("camera", "world", t) for t in times[:, ::50].flat])
    np.testing.assert_array_equal(poses[:, ::50].reshape(-1, 4, 4), singles)


def test_times_that_cannot_be_evaluated(graph):
    with pytest.raises(ValueError, match=r"'rig' in 'world'.*time 50.0 .*100 to 400"):
        graph.evaluate_poses("world", "camera", np.array([50], np.uint64))
    with pytest.raises(AssertionError, match="integer"):
        graph.evaluate_poses("world", "camera", np.array([150.5]))
    # Where nothing moves, any time will do.
    assert graph.evaluate_poses("lidar", "camera", np.array([50])).shape == (1, 4, 4)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [("moon", "world", "Source node moon"), ("world", "moon", r"Target node moon.*camera, lidar")],
)
def test_unknown_frames(graph, source, target, message):
    with pytest.raises(KeyError, match=message):
        graph.evaluate_poses(source, target, np.array([150]))


def test_static_paths(graph):
    assert graph.is_static("lidar", "camera")
    assert not graph.is_static("lidar", "world")


def test_edges(graph):
    assert graph.nodes == {"lidar", "rig", "world", "camera"}
    edge = graph.get_edge("lidar", "rig")
    assert graph.get_edge("rig", "lidar") is None
    assert graph.get_edge("rig", "lidar", normalized=True) is edge
    assert graph.get_edge("lidar", "world") is None
    assert graph.normalized_edge_map["lidar", "rig"] is edge
    assert graph.normalize_node_pair("rig", "lidar") == ("lidar", "rig")
    np.testing.assert_allclose(
        edge.get_T("rig", "lidar", np.array([1])) @ at(1, 2), at(0)[None], atol=1e-6
    )
    with pytest.raises(KeyError):
        edge.get_T("rig", "world", np.array([1]))


def test_the_empty_graph_says_so():
    graph = PoseGraphInterpolator([])
    assert graph.nodes == set()
    with pytest.raises(KeyError, match="it is empty"):
        graph.evaluate_poses("rig", "world", np.array([1]))


FIXED = at(1)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["ab", "cd"], r"not fully connected.*\['a', 'b'\] to \['c', 'd'\]"),
        (["ab", "ab"], "more than one pose"),
        (["ab", "ba"], "more than one pose"),
        (["aa"], "cycles"),
        (["ab", "bc", "ca"], "3 poses connect 3 frames"),
        (["ab", "cd", "de", "ec"], "not fully connected"),
    ],
)
def test_only_trees(pairs, message):
    with pytest.raises(ValueError, match=message):
        PoseGraphInterpolator([Edge(a, b, FIXED, None) for a, b in pairs])


def test_static_edges_have_one_pose():
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        Edge("a", "b", POSES, None)
    assert Edge("a", "b", np.eye(4, dtype=int), None).T_source_target.dtype == np.float64


@pytest.mark.parametrize(
    "rotation",
    [np.diag([-1.0, 1, 1]), 2 * np.eye(3), [[1.0, 0.5, 0], [0, 1, 0], [0, 0, 1]]],
    ids=["mirrored", "scaled", "sheared"],
)
def test_inverse_of_a_fixed_pose_that_is_not_rigid(rotation):
    """The original transposes the rotation part, whatever it is."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = [1, 2, 3]
    graph = PoseGraphInterpolator([Edge("cam", "rig", pose, None)])
    time = np.array(0)
    np.testing.assert_array_equal(graph.evaluate_poses("cam", "rig", time), pose)
    back = graph.evaluate_poses("rig", "cam", time)
    np.testing.assert_allclose(back @ pose, np.eye(4), atol=1e-12)
    back[:] = 0
    assert graph.evaluate_poses("rig", "cam", time).any()


@pytest.mark.parametrize("rotation", [np.zeros((3, 3)), np.diag([1.0, 1, 0])])
def test_a_singular_fixed_pose_has_no_inverse(rotation):
    pose = np.eye(4)
    pose[:3, :3] = rotation
    edges = [Edge("cam", "rig", pose, None), Edge("rig", "world", np.eye(4), None)]
    graph = PoseGraphInterpolator(edges)
    time = np.array(0)
    np.testing.assert_array_equal(graph.evaluate_poses("cam", "world", time), pose)
    assert graph.evaluate_poses("world", "rig", time).shape == (4, 4)
    with pytest.raises(ValueError, match="'cam' in 'rig': the pose is singular"):
        graph.evaluate_poses("world", "cam", time)


def test_pickling_for_worker_processes(graph):
    times = np.array([150])
    before = graph.evaluate_poses("lidar", "world", times)
    copy = pickle.loads(pickle.dumps(graph))
    np.testing.assert_array_equal(copy.evaluate_poses("lidar", "world", times), before)
