"""Poses between frames of reference, along the paths of a tree."""

from collections import deque
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.data.checks import check
from ncore.data.distinct_times import distinct_times
from ncore.data.errors import InvalidDataError, UnknownNameError
from ncore.data.pose_interpolator import PoseInterpolator
from ncore.data.rigid import pose_inverse, se3_inverse

Array = npt.NDArray[Any]
NodePair = tuple[str, str]

# From this many times on it pays to look for repeated ones: the rays of a lidar
# column share their time.
_REPEATS_WORTHWHILE = 512


class PoseGraphInterpolator:
    """Evaluates poses between any two connected frames of reference.

    The frames are nodes and the poses edges of a tree; ``T_source_target`` maps
    coordinates in the source frame to coordinates in the target frame.
    """

    class Edge:
        """The pose between two frames: fixed, or a trajectory."""

        def __init__(
            self,
            source_node: str,
            target_node: str,
            T_source_target: Array,  # noqa: N803
            timestamps_us: Array | None,
        ) -> None:
            """Create an edge.

            Args:
                source_node: source frame.
                target_node: target frame, another one.
                T_source_target: ``(4, 4)`` if fixed, ``(N, 4, 4)`` with ``N >= 2`` if not,
                    metres; floating, or it becomes float64.
                timestamps_us: ``None`` if fixed, else integers ``(N,)``, strictly
                    increasing, microseconds.

            Raises:
                InvalidDataError: wrong shapes, timestamps that do not increase, or a
                    trajectory with poses that are mirror images or singular.
            """
            poses = np.asarray(T_source_target)
            if poses.dtype.kind != "f":
                poses = poses.astype(np.float64)
            self.source_node = source_node
            self.target_node = target_node
            self.T_source_target = poses
            self.timestamps_us = timestamps_us
            self.interpolator: PoseInterpolator | None = None
            name = f"pose of {source_node!r} in {target_node!r}"
            if timestamps_us is None:
                check(poses.shape == (4, 4), f"{name}: must have shape (4, 4), not {poses.shape}")
                return
            try:
                self.interpolator = PoseInterpolator(poses, timestamps_us)
            except InvalidDataError as error:
                raise InvalidDataError(f"{name}: {error}") from None

        @property
        def is_static(self) -> bool:
            """Whether the pose is the same at all times."""
            return self.interpolator is None

        def get_T(  # noqa: N802
            self, source_node: str, target_node: str, timestamps_us: Array
        ) -> Array:
            """Return the pose between the edge's two frames, in either direction.

            Args:
                source_node: one of the two frames.
                target_node: the other one.
                timestamps_us: integer times, any shape ``(*batch,)``, microseconds.

            Returns:
                Shape ``(*batch, 4, 4)``, dtype of the edge's poses.

            Raises:
                UnknownNameError: the frames are not those of the edge (a KeyError).
                InvalidDataError: times outside the trajectory, or not integers; or the
                    inverse of a fixed pose that is singular.
            """
            times = _integer_times(timestamps_us)
            T = self._evaluate(source_node, target_node, times.reshape(-1))  # noqa: N806
            batch = np.broadcast_to(T, (times.size, 4, 4))
            return np.array(batch).reshape(*times.shape, 4, 4)

        def _evaluate(self, source_node: str, target_node: str, times: Array) -> Array:
            """Return ``(4, 4)`` if fixed, else ``(N, 4, 4)`` for times ``(N,)``."""
            pair = (source_node, target_node)
            own = (self.source_node, self.target_node)
            if pair not in (own, own[::-1]):
                raise UnknownNameError(
                    f"the edge between {own[0]!r} and {own[1]!r} knows no pose from "
                    f"{source_node!r} to {target_node!r}"
                )
            T = self.T_source_target  # noqa: N806
            try:
                if self.interpolator is None:
                    return T if pair == own else self._inverse
                T = self.interpolator.interpolate_to_timestamps(times, T.dtype)  # noqa: N806
            except InvalidDataError as error:
                raise InvalidDataError(f"pose of {own[0]!r} in {own[1]!r}: {error}") from None
            return T if pair == own else se3_inverse(T, unbatch=False)

        @cached_property
        def _inverse(self) -> Array:
            # Only asked for when it is needed: what stands for an unknown pose, such as
            # zeros, shall not take the other poses of the graph along.
            return pose_inverse(self.T_source_target)

    def __init__(self, edges: list[Edge]) -> None:
        """Build the graph; without edges it has no nodes and can evaluate nothing.

        Args:
            edges: poses that connect all their frames into one tree.

        Raises:
            InvalidDataError: the edges do not connect all frames, or connect some of
                them in two ways (a ValueError).
        """
        self._edges: dict[NodePair, PoseGraphInterpolator.Edge] = {}
        self._neighbors: dict[str, dict[str, PoseGraphInterpolator.Edge]] = {}
        self._paths: dict[NodePair, list[str]] = {}
        for edge in edges:
            pair = self.normalize_node_pair(edge.source_node, edge.target_node)
            if pair in self._edges or pair[0] == pair[1]:
                raise InvalidDataError(
                    "Pose graph contains cycles: there is more than one pose between "
                    f"{pair[0]!r} and {pair[1]!r}"
                )
            self._edges[pair] = edge
            for node, other in (pair, pair[::-1]):
                self._neighbors.setdefault(node, {})[other] = edge
        self._check_tree()

    @property
    def nodes(self) -> set[str]:
        """The names of all frames."""
        return set(self._neighbors)

    @staticmethod
    def normalize_node_pair(node_a: str, node_b: str) -> NodePair:
        """Return the two names in alphabetical order."""
        return (node_a, node_b) if node_a <= node_b else (node_b, node_a)

    @property
    def normalized_edge_map(self) -> dict[NodePair, Edge]:
        """All edges by the alphabetically ordered names of their frames."""
        return dict(self._edges)

    def get_edge(self, source_node: str, target_node: str, normalized: bool = False) -> Edge | None:
        """Return the edge between two frames, if there is one.

        Args:
            source_node: source frame of the edge.
            target_node: target frame of the edge.
            normalized: take an edge in the opposite direction, too.
        """
        edge = self._edges.get(self.normalize_node_pair(source_node, target_node))
        if edge is None or normalized or edge.source_node == source_node:
            return edge
        return None

    def is_static(self, source_node: str, target_node: str) -> bool:
        """Whether the pose between two frames is the same at all times.

        Raises:
            UnknownNameError: a frame is not in the graph (a KeyError).
        """
        path = self._path(source_node, target_node)
        return all(self._neighbors[a][b].is_static for a, b in pairwise(path))

    def evaluate_poses(self, source_node: str, target_node: str, timestamps_us: Array) -> Array:
        """Return the poses between two frames at some times.

        Args:
            source_node: source frame.
            target_node: target frame.
            timestamps_us: integer times, any shape ``(*batch,)``, microseconds.

        Returns:
            ``T_source_target``, shape ``(*batch, 4, 4)``, metres, in the common dtype of all
            poses between the frames (float32 if source and target are the same).

        Raises:
            UnknownNameError: a frame is not in the graph (a KeyError).
            InvalidDataError: times outside a trajectory, or not integers; or a fixed pose
                on the path is needed in its other direction, and is singular.
        """
        path = self._path(source_node, target_node)
        times = _integer_times(timestamps_us)
        flat, inverse = times.reshape(-1), None
        if times.size >= _REPEATS_WORTHWHILE and not self.is_static(source_node, target_node):
            flat, inverse = distinct_times(flat)
        T: Array = np.eye(4, dtype=np.float32)  # noqa: N806
        for step, (node, other) in enumerate(pairwise(path)):
            T_step = self._neighbors[node][other]._evaluate(node, other, flat)  # noqa: N806
            T = T_step @ T if step else T_step  # noqa: N806
        if inverse is not None:
            T = T.take(inverse, axis=0)  # noqa: N806
        elif T.ndim == 2:
            T = np.array(np.broadcast_to(T, (times.size, 4, 4)))  # noqa: N806
        return T.reshape(*times.shape, 4, 4)

    def _path(self, source_node: str, target_node: str) -> list[str]:
        """Return the nodes on the way from source to target, both included."""
        pair = (source_node, target_node)
        path = self._paths.get(pair)
        if path is not None:
            return path
        for role, node in (("Source", source_node), ("Target", target_node)):
            if node not in self._neighbors:
                known = ", ".join(sorted(self._neighbors)) or "no nodes, it is empty"
                raise UnknownNameError(f"{role} node {node} not in pose graph (it has: {known})")
        previous = self._spanning_tree(target_node)
        path = [source_node]
        while path[-1] != target_node:
            path.append(previous[path[-1]])
        self._paths[pair] = path
        return path

    def _spanning_tree(self, root: str) -> dict[str, str]:
        """Return for each node that can be reached from the root the next one towards it."""
        towards = {root: root}
        queue = deque([root])
        while queue:
            node = queue.popleft()
            for other in self._neighbors[node]:
                if other not in towards:
                    towards[other] = node
                    queue.append(other)
        return towards

    def _check_tree(self) -> None:
        if not self._edges:
            return
        reached = self._spanning_tree(next(iter(self._neighbors)))
        if len(reached) < len(self._neighbors):
            lost = sorted(set(self._neighbors) - set(reached))
            raise InvalidDataError(
                f"Pose graph is not fully connected: no poses lead from {sorted(reached)} to {lost}"
            )
        if len(self._edges) >= len(self._neighbors):
            raise InvalidDataError(
                f"Pose graph contains cycles: {len(self._edges)} poses connect "
                f"{len(self._neighbors)} frames"
            )


def _integer_times(timestamps_us: Any) -> Array:
    times = np.asarray(timestamps_us)
    check(
        times.dtype.kind in "iu" or times.size == 0,
        f"Timestamps must be of integer type (microseconds), not {times.dtype}",
    )
    return times
