"""What readers and loaders refuse, skip and copy."""

import json
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from ncore.data import PointCloud
from ncore.data.errors import IndexRangeError
from ncore.data.v4 import (
    CameraLabelsComponent,
    CameraSensorComponent,
    LidarSensorComponent,
    PointCloudsComponent,
    SequenceComponentGroupsReader,
)
from ncore.data.v4.errors import SequenceFormatError
from tests.data import small_sequence as small

END = small.FRAME_ENDS[0]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[UPath]:
    return small.write_everything(small.writer(tmp_path_factory.mktemp("rules")))


def test_returns_that_there_are_not(paths: list[UPath]) -> None:
    lidar = small.read(paths).get_lidar_sensor("top")
    last = lidar.get_frame_ray_bundle_return_valid_mask(0, -1)
    np.testing.assert_array_equal(last, lidar.get_frame_ray_bundle_return_valid_mask(0, 1))
    for index in (2, -3):
        with pytest.raises(IndexRangeError, match="has 2 returns a ray, so none of index"):
            lidar.get_frame_ray_bundle_return_valid_mask(0, index)


def test_times_without_label(paths: list[UPath]) -> None:
    reader = SequenceComponentGroupsReader(paths)
    layer = reader.open_component_readers(CameraLabelsComponent.Reader)["depth.z@front"]
    with pytest.raises(AssertionError, match=f"has no label of {END + 1} us") as caught:
        layer.get_label(END + 1)
    assert isinstance(caught.value, KeyError)


def test_what_is_handed_out_may_be_changed(paths: list[UPath]) -> None:
    reader = SequenceComponentGroupsReader(paths)
    camera = reader.open_component_readers(CameraSensorComponent.Reader)["front"]
    camera.frames_timestamps_us[:] = 0
    camera.get_frame_generic_meta_data(END)["index"] = "changed"
    camera.generic_meta_data.clear()
    reader.generic_meta_data.clear()
    assert camera.frames_timestamps_us[0, 1] == END
    assert camera.get_frame_generic_meta_data(END) == {"index": 0}
    assert camera.generic_meta_data
    assert reader.generic_meta_data


def test_slices_of_point_clouds(paths: list[UPath]) -> None:
    for name, count in (("map", 2), ("top", 3)):
        source = small.read(paths).get_point_clouds_source(name)
        assert source.get_pc_index_range() == range(count)
        assert source.get_pc_index_range(1) == range(1, count)
        assert source.get_pc_index_range(None, None, 2) == range(0, count, 2)


def test_versions_of_the_future_are_skipped(tmp_path: Path) -> None:
    class Future(CameraSensorComponent.Writer):
        @staticmethod
        def get_component_version() -> str:
            return "v2"

    sequence = small.writer(tmp_path)
    sequence.register_component_writer(Future, "new")
    sequence.register_component_writer(CameraSensorComponent.Writer, "old")
    reader = SequenceComponentGroupsReader(sequence.finalize())
    assert list(reader.open_component_readers(CameraSensorComponent.Reader)) == ["old"]
    assert reader.unreadable_instances == {}


def test_stored_point_clouds_come_before_those_of_a_sensor(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    small.write_poses(sequence)
    sequence.register_component_writer(LidarSensorComponent.Writer, "top")
    clouds = sequence.register_component_writer(
        PointCloudsComponent.Writer, "top", coordinate_unit=PointCloud.CoordinateUnit.METERS
    )
    clouds.store_pc(np.zeros((1, 3), np.float32), "world", small.START)
    assert small.read(sequence.finalize()).get_point_clouds_source("top").pcs_count == 1


def test_a_mask_that_does_not_fit_its_rays(tmp_path: Path) -> None:
    (path,) = _lidar_directory(tmp_path)
    frames = Path(path) / f"lidars/top/frames/{END}"
    file = frames / "ray_bundle_returns_valid_mask_packed/zarr.json"
    document = json.loads(file.read_bytes())
    document["attributes"]["n_rays"] = 7
    file.write_text(json.dumps(document))
    lidar = SequenceComponentGroupsReader([path], open_consolidated=False)
    found = lidar.open_component_readers(LidarSensorComponent.Reader)["top"]
    with pytest.raises(SequenceFormatError, match="a mask of 6 bytes for 2 returns of 7 rays"):
        found.get_frame_ray_bundle_return_valid_mask(END)


def _lidar_directory(directory: Path) -> list[UPath]:
    sequence = small.writer(directory, store_type="directory")
    lidar = sequence.register_component_writer(LidarSensorComponent.Writer, "top")
    lidar.store_frame(**small.ray_frame(END), generic_data={}, generic_meta_data={})
    return sequence.finalize()


def test_meta_files_name_no_absolute_paths(tmp_path: Path) -> None:
    (path,) = _lidar_directory(tmp_path / "other")
    file = tmp_path / "sequence.json"
    file.write_text(json.dumps({"component_stores": [{"path": str(path)}]}))
    with pytest.raises(SequenceFormatError, match="does not lie in the file's directory"):
        SequenceComponentGroupsReader([file])
