"""What is written is what is read, in every storage form, by our reader and by zarr."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from upath import UPath

from ncore.data import FrameTimepoint, HalfClosedInterval, LabelCategory, LabelType
from ncore.data.errors import InvalidDataError
from ncore.data.v4 import (
    CameraSensorComponent,
    LidarSensorComponent,
    PosesComponent,
    SequenceComponentGroupsReader,
    SequenceComponentGroupsWriter,
    SequenceLoaderV4,
)
from ncore.data.v4.errors import SequenceFormatError, WriterClosedError
from ncore.errors import NcoreError
from ncore.itar.reader import ItarReader
from ncore.stores.indexed_tar import IndexedTarStore
from tests.data import small_sequence as small


@pytest.fixture(params=["itar", "directory"])
def paths(request: pytest.FixtureRequest, tmp_path: Path) -> list[UPath]:
    return small.write_everything(small.writer(tmp_path / "out", store_type=request.param))


def test_store_names(paths: list[UPath]) -> None:
    ends = {path.name.removesuffix(".itar") for path in paths}
    assert ends == {"s.ncore4-calibration.zarr", "s.ncore4.zarr", "s.ncore4-rays.zarr"}
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(p.name for p in paths)


@pytest.mark.parametrize("consolidated", [True, False])
def test_sequence(paths: list[UPath], consolidated: bool) -> None:
    loader = small.read(paths, open_consolidated=consolidated)
    assert loader.sequence_id == "sequence-1"
    assert loader.generic_meta_data == {"place": "☀", "n": 1}
    assert loader.sequence_timestamp_interval_us == small.INTERVAL
    assert loader.sequence_paths == paths
    assert loader.camera_ids == ["front"]
    assert loader.lidar_ids == ["top"]
    assert loader.radar_ids == ["bumper"]
    assert loader.point_clouds_ids == ["map"]
    assert loader.camera_labels_ids == ["depth.z@front", "mask.dynamic@front"]


def test_camera(paths: list[UPath]) -> None:
    camera = small.read(paths).get_camera_sensor("front")
    assert camera.model_parameters == small.camera_model()
    assert {name: image.mode for name, image in camera.get_mask_images().items()} == {
        "sky": "L",
        "ego": "1",
    }
    for i, end in enumerate(small.FRAME_ENDS):
        assert camera.get_frame_timestamp_us(i) == end
        assert camera.get_frame_timestamp_us(i, FrameTimepoint.START) == end - 50_000
        data = camera.get_frame_data(i)
        assert data.get_encoded_image_data() == small.encoded_image(i)
        assert data.get_encoded_image_format() == "png"
        assert tuple(camera.get_frame_image_array(i)[0, 0]) == (i, 2, 3)
        assert camera.get_frame_generic_meta_data(i) == {"index": i}
        np.testing.assert_array_equal(camera.get_frame_generic_data(i, "gain"), [1.5, i])
    np.testing.assert_array_equal(
        camera.get_frame_data(-1).get_encoded_image_data(), small.encoded_image(2)
    )


def test_lidar(paths: list[UPath]) -> None:
    lidar = small.read(paths).get_lidar_sensor("top")
    assert lidar.model_parameters == small.lidar_model()
    for i, end in enumerate(small.FRAME_ENDS):
        frame = small.ray_frame(end)
        assert lidar.get_frame_ray_bundle_count(i) == small.N_RAYS
        assert lidar.get_frame_ray_bundle_return_count(i) == 2
        np.testing.assert_array_equal(lidar.get_frame_ray_bundle_direction(i), frame["direction"])
        np.testing.assert_array_equal(
            lidar.get_frame_ray_bundle_timestamp_us(i), frame["timestamp_us"]
        )
        np.testing.assert_array_equal(
            lidar.get_frame_ray_bundle_model_element(i), frame["model_element"]
        )
        for r in (0, 1, -1):
            distance = frame["distance_m"][r]
            found = lidar.get_frame_ray_bundle_return_distance_m(i, r)
            np.testing.assert_array_equal(found, distance)
            np.testing.assert_array_equal(
                lidar.get_frame_ray_bundle_return_intensity(i, r), frame["intensity"][r]
            )
            np.testing.assert_array_equal(
                lidar.get_frame_ray_bundle_return_valid_mask(i, r), ~np.isnan(distance)
            )
            cloud = lidar.get_frame_point_cloud(i, False, True, r)
            np.testing.assert_array_equal(cloud.xyz_m_end, frame["direction"] * distance[:, None])
        with pytest.raises(IndexError):
            lidar.get_frame_ray_bundle_return_distance_m(i, 2)
        with pytest.raises(IndexError):
            lidar.get_frame_ray_bundle_return_valid_mask(i, 2)
        np.testing.assert_array_equal(lidar.get_frame_generic_data(i, "rgb")[:, 0], i)


def test_point_clouds(paths: list[UPath]) -> None:
    loader = small.read(paths)
    native = loader.get_point_clouds_source("map")
    assert native.pcs_count == 2
    cloud = native.get_pc(1)
    assert cloud.reference_frame_id == "world"
    assert cloud.reference_frame_timestamp_us == small.START + 1
    np.testing.assert_array_equal(cloud.xyz, np.arange(15).reshape(5, 3))
    np.testing.assert_array_equal(cloud.get_attribute("rgb"), np.ones((5, 3)))
    np.testing.assert_array_equal(native.get_pc_generic_data(1, "cov"), np.eye(3))
    assert native.get_pc_generic_meta_data(1) == {"i": 1}
    with pytest.raises(IndexError):
        native.get_pc(2)
    lidar = loader.get_point_clouds_source("top", return_index=1)
    assert lidar.pcs_count == 3
    assert lidar.get_pc(0).points_count == small.N_RAYS
    assert loader.get_point_clouds_source("bumper").pcs_count == 3


def test_labels_and_cuboids(paths: list[UPath]) -> None:
    loader = small.read(paths)
    (depth,) = loader.query_camera_labels("front", label_type=LabelType.DEPTH_Z_M)
    assert depth.labels_count == 3
    assert depth.label_timestamps_us.tolist() == small.FRAME_ENDS
    label = depth.get_label(small.FRAME_ENDS[1])
    assert label.generic_meta_data == {"end": small.FRAME_ENDS[1]}
    assert label.get_data().dtype == np.float32
    np.testing.assert_allclose(label.get_data(), 12.34, atol=0.005)
    (mask,) = loader.query_camera_labels("front", label_category=LabelCategory.MASK)
    assert mask.get_label(small.FRAME_ENDS[0]).get_encoded_data() == small.encoded_image(1)
    assert len(loader.query_camera_labels("front")) == 2
    assert loader.query_camera_labels("front", LabelType.DEPTH_Z_M, LabelCategory.MASK) == []
    assert [o.track_id for o in loader.get_cuboid_track_observations()] == ["t", "u"]
    early = HalfClosedInterval(small.START, small.START + 20_000)
    assert [o.track_id for o in loader.get_cuboid_track_observations(early)] == ["t"]


def test_poses(paths: list[UPath]) -> None:
    loader = small.read(paths)
    assert loader.pose_graph.nodes == {"rig", "world", "front", "top", "bumper"}
    camera = loader.get_camera_sensor("front")
    assert camera.T_sensor_rig is not None
    assert camera.T_sensor_rig[2, 3] == 1
    both = camera.get_frames_T_sensor_target("world", np.array([[0, 1], [2, -1]]), None)
    assert both.shape == (2, 2, 2, 4, 4)
    other = loader.pose_graph
    camera.set_pose_graph(other)
    assert camera.pose_graph is other


def test_component_generic_data(paths: list[UPath]) -> None:
    reader = SequenceComponentGroupsReader(paths)
    camera = reader.open_component_readers(CameraSensorComponent.Reader)["front"]
    assert camera.generic_meta_data == {"serial": 8, "more": "é"}
    assert camera.get_generic_data_names() == ["vignette"]
    assert camera.has_generic_data("vignette")
    np.testing.assert_array_equal(camera.get_generic_data("vignette"), np.ones((3, 4)))
    with pytest.raises(KeyError):
        camera.get_generic_data("nothing")
    assert camera.component_version == "v1"


def test_zarr_reads_everything(paths: list[UPath]) -> None:
    """Every array through zarr, without a call of ours; consolidated and not."""
    reader = SequenceComponentGroupsReader(paths)
    for path, root in zip(paths, reader._roots, strict=True):
        store: Any = str(path)
        if path.suffix == ".itar":
            store = IndexedTarStore(str(path))
        arrays = 0
        for consolidated in (True, False):
            group = zarr.open_group(store, mode="r", use_consolidated=consolidated)
            assert group.metadata.zarr_format == 3
            assert group.attrs["version"] == "v4"
            for name, member in group.members(max_depth=None):
                if isinstance(member, zarr.Array):
                    direct = root.read_array(name)
                    through_zarr = np.asarray(member[...])
                    assert direct.dtype == through_zarr.dtype
                    assert direct.shape == through_zarr.shape
                    assert direct.tobytes() == through_zarr.tobytes()
                    arrays += 1
        assert arrays > 0


def test_archives_have_no_dead_space(tmp_path: Path) -> None:
    for path in small.write_everything(small.writer(tmp_path)):
        with ItarReader(str(path)) as reader:
            assert reader.dead_bytes == 0
            assert all(reader.verify(key) for key in reader)
            names = reader.keys()
        assert len(names) == len(set(names))
        assert "zarr.json" not in names  # the root's document is zarr.cbor.xz only
        assert "zarr.cbor.xz" in names


def test_sequence_meta_file_stands_for_the_stores(paths: list[UPath]) -> None:
    reader = SequenceComponentGroupsReader(paths)
    meta = reader.get_sequence_meta()
    file = paths[0].parent / "sequence-1.json"
    file.write_text(json.dumps(meta.to_dict(), indent=2))
    assert type(meta).from_dict(json.loads(file.read_text())) == meta
    assert SequenceComponentGroupsReader.expand_component_group_paths([file]) == paths
    loader = SequenceLoaderV4(SequenceComponentGroupsReader([file]))
    assert loader.get_sequence_meta() == meta.to_dict()


def test_more_components_for_an_existing_sequence(tmp_path: Path) -> None:
    first = small.write_everything(small.writer(tmp_path))
    reader = SequenceComponentGroupsReader(first)
    more = SequenceComponentGroupsWriter.from_reader(UPath(tmp_path), "more", reader)
    assert more.sequence_id == reader.sequence_id
    assert more.generic_meta_data == reader.generic_meta_data
    more.register_component_writer(LidarSensorComponent.Writer, "rear", "extra")
    loader = small.read([*first, *more.finalize()])
    assert loader.lidar_ids == ["rear", "top"]


def test_stores_of_different_sequences_are_refused(tmp_path: Path) -> None:
    first = small.write_everything(small.writer(tmp_path / "a"))
    other = SequenceComponentGroupsWriter(
        UPath(tmp_path / "b"), "s", "sequence-2", small.INTERVAL, {}, "itar"
    )
    other.get_base_group("other")
    with pytest.raises(SequenceFormatError, match="different sequences") as caught:
        SequenceComponentGroupsReader([*first, *other.finalize()])
    assert isinstance(caught.value, RuntimeError)
    with pytest.raises(RuntimeError, match=r"component group .* is also that of|more than once"):
        SequenceComponentGroupsReader([first[0], first[0]])


def test_nothing_appears_before_finalize(tmp_path: Path) -> None:
    for store_type in ("itar", "directory"):
        out = tmp_path / store_type
        old = small.write_everything(small.writer(out, store_type=store_type))
        contents = {path: small.read(old).sequence_id for path in old}
        again = small.writer(out, store_type=store_type)
        small.write_poses(again)
        assert {path: small.read(old).sequence_id for path in old} == contents
        again.abort()
        again.abort()
        assert sorted(out.iterdir()) == sorted(Path(path) for path in old)
        with pytest.raises(WriterClosedError):
            again.finalize()


def test_context_manager(tmp_path: Path) -> None:
    with small.writer(tmp_path / "a") as sequence:
        small.write_poses(sequence)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["s.ncore4.zarr.itar"]

    def fail() -> None:
        with small.writer(tmp_path / "b") as sequence:
            small.write_poses(sequence)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list((tmp_path / "b").iterdir()) == []


class Failing(PosesComponent.Writer):
    """A user-defined writer with a bug."""

    def finalize(self) -> None:
        raise RuntimeError("a bug")


@pytest.mark.parametrize("store_type", ["itar", "directory"])
def test_finalizing_that_fails_leaves_nothing(tmp_path: Path, store_type: str) -> None:
    sequence = small.writer(tmp_path, store_type=store_type)
    sequence.register_component_writer(PosesComponent.Writer, "a", "one")
    sequence.register_component_writer(Failing, "b", "two")
    with pytest.raises(RuntimeError, match="a bug"), sequence:
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(WriterClosedError):
        sequence.finalize()


@pytest.mark.parametrize("store_type", ["itar", "directory"])
@pytest.mark.parametrize("again", [True, False])
def test_a_store_that_cannot_be_completed(
    tmp_path: Path, store_type: str, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence = small.writer(tmp_path, store_type=store_type)
    sequence.register_component_writer(PosesComponent.Writer, "default", "one")
    for name in ("two", "three"):
        sequence.register_component_writer(CameraSensorComponent.Writer, name, name)

    def full() -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sequence._stores["two"][1], "finish", full)
        for _ in range(2):
            with pytest.raises(OSError, match="no space left"):
                sequence.finalize()
    suffix = ".itar" if store_type == "itar" else ""
    names = [f"s.ncore4-{name}.zarr{suffix}" for name in ("one", "two", "three")]
    assert [(tmp_path / name).exists() for name in names] == [True, False, False]
    with pytest.raises(WriterClosedError):
        sequence.register_component_writer(CameraSensorComponent.Writer, "late")
    if again:
        assert [path.name for path in sequence.finalize()] == names
        assert small.read([UPath(tmp_path / name) for name in names]).camera_ids == ["three", "two"]
    else:
        sequence.abort()
    left = names if again else names[:1]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(left)


def test_directories_by_name(tmp_path: Path) -> None:
    with SequenceComponentGroupsWriter(
        str(tmp_path / "new"), "s", "id", small.INTERVAL, {}
    ) as sequence:
        assert str(tmp_path / "new/s") in repr(sequence)
        sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    paths = [str(tmp_path / "new/s.ncore4.zarr.itar")]
    assert SequenceLoaderV4(SequenceComponentGroupsReader(paths)).camera_ids == ["front"]


@pytest.mark.parametrize("store_type", ["itar", "directory"])
def test_another_current_directory_on_the_way(
    tmp_path: Path, store_type: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sequence = small.writer(Path("out"), store_type=store_type)
    sequence.register_component_writer(PosesComponent.Writer, "default", "one")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front", "two")
    camera.store_frame(b"x", "png", small.frame_times(small.FRAME_ENDS[0]), {}, {})
    paths = sequence.finalize()
    assert [path.parent.name for path in paths] == ["out", "out"]
    monkeypatch.chdir(tmp_path)
    assert small.read(paths).camera_ids == ["front"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_closed_writer_says_so(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    sequence.finalize()
    with pytest.raises(WriterClosedError, match="from_reader"):
        sequence.finalize()
    with pytest.raises(WriterClosedError):
        sequence.register_component_writer(CameraSensorComponent.Writer, "rear")
    with pytest.raises((RuntimeError, OSError, ValueError)):
        camera.store_frame(b"x", "png", small.frame_times(small.FRAME_ENDS[0]), {}, {})


def test_arguments_are_checked(tmp_path: Path) -> None:
    make: Any = SequenceComponentGroupsWriter
    with pytest.raises(InvalidDataError, match="store_type"):
        make(UPath(tmp_path), "s", "id", small.INTERVAL, {}, "zip")
    with pytest.raises(InvalidDataError, match="store_base_name"):
        make(UPath(tmp_path), "../s", "id", small.INTERVAL, {})
    with pytest.raises(InvalidDataError, match="HalfClosedInterval"):
        make(UPath(tmp_path), "s", "id", (0, 1), {})
    with pytest.raises(InvalidDataError, match="JSON"):
        make(UPath(tmp_path), "s", "id", small.INTERVAL, {"x": object()})
    with pytest.raises(FileNotFoundError, match="no such component store") as caught:
        SequenceComponentGroupsReader([tmp_path / "missing.zarr.itar"])
    assert isinstance(caught.value, NcoreError)
    file = tmp_path / "x.json"
    file.write_text('{"component_stores": [{"path": "../secret.zarr.itar"}]}')
    with pytest.raises(SequenceFormatError, match="does not lie in"):
        SequenceComponentGroupsReader([file])
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(SequenceFormatError, match="no NCore V4"):
        SequenceComponentGroupsReader([tmp_path / "other.zarr"])
