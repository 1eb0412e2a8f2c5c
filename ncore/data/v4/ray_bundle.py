"""What lidar and radar components share: frames of rays with any number of returns each."""

from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt

from ncore.data.checks import check_array
from ncore.data.errors import InvalidDataError
from ncore.data.v4.errors import SequenceFormatError
from ncore.data.v4.node_writer import NodeWriter
from ncore.data.v4.nodes import GroupNode
from ncore.data.v4.sensor import BaseSensorComponentReader, BaseSensorComponentWriter

_RAYS, _RETURNS = "ray_bundle", "ray_bundle_returns"
_VALID = "ray_bundle_returns_valid_mask_packed"
_UNIT_NORM_TOLERANCE = 1e-4  # of the squared norm


class BaseRayBundleSensorComponentWriter(BaseSensorComponentWriter):
    """Writes frames of rays and their returns."""

    def _store_frame(
        self,
        rays: dict[str, npt.NDArray[Any]],
        returns: dict[str, npt.NDArray[np.float32]],
        frame_timestamps_us: npt.NDArray[np.uint64],
        generic_data: dict[str, npt.NDArray[Any]],
        generic_meta_data: dict[str, Any],
    ) -> None:
        """Check everything, then write the frame.

        Args:
            rays: arrays of length N, among them ``direction`` and ``timestamp_us``.
            returns: (R, N) float32 arrays, NaN where a return is absent.
            frame_timestamps_us: as of ``store_frame``.
            generic_data: as of ``store_frame``.
            generic_meta_data: as of ``store_frame``.
        """
        start, end = self._check_frame_times(frame_timestamps_us)
        where = f"{self._node.path} frame {end}"
        n_rays = _check_rays(rays, start, end, where)
        n_returns, valid = _check_returns(returns, n_rays, where)
        data, meta = self._check_generic(generic_data, generic_meta_data)
        with self._new_frame(start, end, data, meta) as frame:
            ray_group = frame.create_group(_RAYS, {"n_rays": n_rays})
            for name, values in rays.items():
                ray_group.create_array(name, values)
            return_group = frame.create_group(_RETURNS, {"n_returns": n_returns})
            for name, values in returns.items():
                # Loaders ask for one return at a time, nearly always the first.
                return_group.create_array(name, values, rows_apart=True)
            _create_mask(frame, valid)


def _create_mask(frame: NodeWriter, valid: npt.NDArray[np.bool_]) -> None:
    n_returns, n_rays = valid.shape
    frame.create_array(
        _VALID, np.packbits(valid), attributes={"n_rays": n_rays, "n_returns": n_returns}
    )


def _check_rays(rays: dict[str, npt.NDArray[Any]], start: int, end: int, where: str) -> int:
    direction, timestamps = rays["direction"], rays["timestamp_us"]
    check_array(f"{where}: direction", direction, (None, 3), np.float32)
    n_rays = len(direction)
    check_array(f"{where}: timestamp_us", timestamps, (n_rays,), np.uint64)
    if n_rays and not start <= int(timestamps.min()) <= int(timestamps.max()) <= end:
        raise InvalidDataError(
            f"{where}: ray timestamps [{timestamps.min()}, {timestamps.max()}] us lie outside "
            f"the frame's [{start}, {end}]"
        )
    squared = np.einsum("ij,ij->i", direction, direction)
    # Negated, so that NaN does not pass.
    if not np.all(np.abs(squared - 1.0) < _UNIT_NORM_TOLERANCE):
        raise InvalidDataError(f"{where}: directions must have unit length")
    return n_rays


def _check_returns(
    returns: dict[str, npt.NDArray[np.float32]], n_rays: int, where: str
) -> tuple[int, npt.NDArray[np.bool_]]:
    distance = returns["distance_m"]
    check_array(f"{where}: distance_m", distance, (None, n_rays), np.float32)
    absent = np.isnan(distance)
    if np.any(distance < 0):
        raise InvalidDataError(f"{where}: distances must not be negative")
    for name, values in returns.items():
        check_array(f"{where}: {name}", values, distance.shape, np.float32)
        if not np.array_equal(np.isnan(values), absent):
            raise InvalidDataError(
                f"{where}: {name} and distance_m must be NaN for the same returns, the absent ones"
            )
    return len(distance), ~absent


class BaseRayBundleSensorComponentReader(BaseSensorComponentReader):
    """Reads frames of rays; N is a frame's number of rays, R its number of returns a ray."""

    def _group_of(self, timestamp_us: int, name: str) -> GroupNode:
        return self._node.group(f"{self._require_frame(timestamp_us)}/{name}")

    def _count(self, timestamp_us: int, group: str, key: str) -> int:
        count = self._group_of(timestamp_us, group).attributes.get(key)
        if type(count) is not int or count < 0:
            raise SequenceFormatError(f"{self._node!r}: frame {timestamp_us} has no {key}")
        return count

    def get_frame_ray_bundle_count(self, timestamp_us: int) -> int:
        """N, the frame's number of rays, possibly 0.

        Raises:
            ComponentNotFoundError: there is no such frame (a ``KeyError``).
        """
        return self._count(timestamp_us, _RAYS, "n_rays")

    def get_frame_ray_bundle_data_names(self, timestamp_us: int) -> list[str]:
        """Names of the frame's per-ray arrays, sorted."""
        return self._group_of(timestamp_us, _RAYS).array_names()

    def has_frame_ray_bundle_data(self, timestamp_us: int, name: str) -> bool:
        """Whether the frame has the per-ray array ``name``."""
        return self._node.has_array(f"{self._require_frame(timestamp_us)}/{_RAYS}/{name}")

    def get_frame_ray_bundle_data(self, timestamp_us: int, name: str) -> npt.NDArray[Any]:
        """A per-ray array.

        Args:
            timestamp_us: the frame's id.
            name: ``"direction"`` ((N, 3) float32 unit vectors in the sensor's frame at
                the time of each ray), ``"timestamp_us"`` ((N,) uint64 microseconds),
                for structured lidars ``"model_element"`` ((N, 2) uint16 row and
                column), or the name of an additional array.

        Raises:
            ComponentNotFoundError: there is no such frame, or no such array (a ``KeyError``).
        """
        return self._node.read_array(f"frames/{index(timestamp_us)}/{_RAYS}/{name}")

    def get_frame_ray_bundle_return_count(self, timestamp_us: int) -> int:
        """R, the number of returns a ray can have, possibly 0.

        Raises:
            ComponentNotFoundError: there is no such frame (a ``KeyError``).
        """
        return self._count(timestamp_us, _RETURNS, "n_returns")

    def get_frame_ray_bundle_return_data_names(self, timestamp_us: int) -> list[str]:
        """Names of the frame's per-return arrays, sorted."""
        return self._group_of(timestamp_us, _RETURNS).array_names()

    def has_frame_ray_bundle_return_data(self, timestamp_us: int, name: str) -> bool:
        """Whether the frame has the per-return array ``name``."""
        return self._node.has_array(f"{self._require_frame(timestamp_us)}/{_RETURNS}/{name}")

    def get_frame_ray_bundle_return_data(
        self, timestamp_us: int, name: str, return_index: int | None = None
    ) -> npt.NDArray[Any]:
        """A per-return array; absent returns are NaN.

        Args:
            timestamp_us: the frame's id.
            name: ``"distance_m"`` (float32 metres), for lidars ``"intensity"`` (float32
                in [0, 1]), or the name of an additional array.
            return_index: which return, negative to count from the last; None for all.

        Returns:
            (N,) for one return, (R, N) for all.

        Raises:
            ComponentNotFoundError: there is no such frame, or no such array (a ``KeyError``).
            IndexRangeError: there is no such return (an ``IndexError``).
        """
        path = f"frames/{index(timestamp_us)}/{_RETURNS}/{name}"
        if return_index is None:
            return self._node.read_array(path)
        return self._node.read_row(path, index(return_index))

    def get_frame_ray_bundle_return_valid_mask(self, timestamp_us: int) -> npt.NDArray[np.bool_]:
        """(R, N) bool, whether each return is there.

        Raises:
            ComponentNotFoundError: there is no such frame (a ``KeyError``).
        """
        path = f"frames/{index(timestamp_us)}/{_VALID}"
        packed = self._node.read_array(path)
        attributes = self._node.array_attributes(path)
        n_returns, n_rays = attributes.get("n_returns"), attributes.get("n_rays")
        if (
            type(n_returns) is not int
            or type(n_rays) is not int
            or packed.shape != (-(-n_returns * n_rays // 8),)
        ):
            raise SequenceFormatError(
                f"{self._node!r}: frame {timestamp_us}: a mask of {packed.size} bytes for "
                f"{n_returns!r} returns of {n_rays!r} rays"
            )
        bits = np.unpackbits(packed, count=n_returns * n_rays)
        return bits.view(np.bool_).reshape(n_returns, n_rays)
