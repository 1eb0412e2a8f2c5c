"""What lies in a store, node by node: the form that other readers of NCore V4 rely on."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from PIL import Image

from ncore.data import PointCloud
from ncore.data.v4 import (
    CameraLabelsComponent,
    CameraSensorComponent,
    MasksComponent,
    PointCloudsComponent,
    PosesComponent,
    SequenceComponentGroupsReader,
    SequenceLoaderV4,
)
from ncore.data.v4.errors import SequenceFormatError
from tests.data import small_sequence as small

END = small.FRAME_ENDS[0]
BLOSC: dict[str, Any] = {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "blocksize": 0}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The ``zarr.json`` documents of a sequence with every component, by node path."""
    directory = tmp_path_factory.mktemp("stored")
    found: dict[str, dict[str, Any]] = {}
    for path in small.write_everything(small.writer(directory, store_type="directory")):
        for file in Path(path).rglob("zarr.json"):
            name = file.parent.relative_to(Path(path)).as_posix()
            found[name] = json.loads(file.read_bytes())
    return found


def chunks(node: dict[str, Any]) -> list[int]:
    extents: list[int] = node["chunk_grid"]["configuration"]["chunk_shape"]
    return extents


def test_attributes(nodes: dict[str, dict[str, Any]]) -> None:
    def attributes(path: str) -> Any:
        return nodes[path]["attributes"]

    instance = {
        "component_instance_name": "front",
        "component_name": "cameras",
        "component_version": "v1",
        "generic_meta_data": {"serial": 8, "more": "é"},
    }
    assert attributes("cameras/front") == instance
    times = [[end - 50_000, end] for end in small.FRAME_ENDS]
    frames = "cameras/front/frames"
    assert attributes(frames) == {"frames_timestamps_us": times}
    assert attributes(f"{frames}/{END}") == {}
    assert attributes(f"{frames}/{END}/generic_data") == {"index": 0}
    assert attributes(f"{frames}/{END}/image") == {"format": "png"}
    lidar = f"lidars/top/frames/{END}"
    assert attributes(f"{lidar}/ray_bundle") == {"n_rays": 24}
    assert attributes(f"{lidar}/ray_bundle_returns") == {"n_returns": 2}
    mask = f"{lidar}/ray_bundle_returns_valid_mask_packed"
    assert attributes(mask) == {"n_rays": 24, "n_returns": 2}
    # There even where there is nothing in it.
    assert attributes(f"radars/bumper/frames/{END}/generic_data") == {}
    assert attributes("masks/default/cameras/front") == {"mask_names": ["sky", "ego"]}
    assert attributes("masks/default/cameras/front/ego") == {"format": "png"}
    assert attributes("intrinsics/default/cameras/front")["camera_model_type"] == "opencv-pinhole"
    assert attributes("intrinsics/default/lidars/top")["lidar_model_type"] == "row-offset-spinning"
    (first, _) = attributes("cuboids/default/cuboids")["cuboid_track_observations"]
    assert first == {
        "bbox3": {"centroid": [1.0, 2.0, 3.0], "dim": [4.0, 2.0, 1.5], "rot": [0.0, 0.0, 0.1]},
        "class_id": "car",
        "reference_frame_id": "rig",
        "reference_frame_timestamp_us": small.START + 10_000,
        "source": "EXTERNAL",
        "source_version": None,
        "timestamp_us": small.START + 10_000,
        "track_id": "t",
    }
    schema = {"dtype": "uint8", "shape_suffix": [3], "transform_type": "INVARIANT"}
    assert attributes("point_clouds/map/pcs") == {
        "coordinate_unit": "METERS",
        "attribute_schemas": {"rgb": schema},
    }
    assert attributes("point_clouds/map/pcs/1") == {
        "generic_meta_data": {"i": 1},
        "reference_frame_id": "world",
    }
    labels = "camera_labels/depth.z@front/labels"
    assert attributes(labels)["descriptor"] == small.depth_descriptor().to_dict()
    assert attributes(f"{labels}/{END}") == {"generic_meta_data": {"end": END}}
    encoded = f"camera_labels/mask.dynamic@front/labels/{END}"
    assert attributes(encoded) == {"generic_meta_data": {}}
    assert attributes(f"{encoded}/data") == {"format": "png"}
    static = attributes("poses/default/static_poses")
    assert static["('front', 'rig')"]["dtype"] == "float32"
    assert static["('front', 'rig')"]["pose"][3] == [0.0, 0.0, 0.0, 1.0]
    (name, dynamic) = next(iter(attributes("poses/default/dynamic_poses").items()))
    assert name == "('rig', 'world')"
    assert dynamic["timestamps_us"] == small.trajectory()[1].tolist()
    assert (dynamic["dtype"], len(dynamic["poses"])) == ("float64", 5)


@pytest.mark.parametrize(
    ("path", "dtype", "shape", "chunk"),
    [
        (f"lidars/top/frames/{END}/ray_bundle/direction", "float32", [24, 3], [24, 3]),
        (f"lidars/top/frames/{END}/ray_bundle/timestamp_us", "uint64", [24], [24]),
        (f"lidars/top/frames/{END}/ray_bundle/model_element", "uint16", [24, 2], [24, 2]),
        (f"lidars/top/frames/{END}/ray_bundle_returns/distance_m", "float32", [2, 24], [1, 24]),
        (f"lidars/top/frames/{END}/ray_bundle_returns/intensity", "float32", [2, 24], [1, 24]),
        (f"lidars/top/frames/{END}/ray_bundle_returns_valid_mask_packed", "uint8", [6], [6]),
        (f"lidars/top/frames/{END}/generic_data/rgb", "uint8", [24, 3], [24, 3]),
        ("point_clouds/map/pcs/0/xyz", "float32", [4, 3], [4, 3]),
        ("point_clouds/map/pcs/0/rgb", "uint8", [4, 3], [4, 3]),
        ("point_clouds/map/pc_timestamps_us", "uint64", [2], [2]),
        (f"camera_labels/depth.z@front/labels/{END}/data", "uint16", [6, 8], [6, 8]),
        ("camera_labels/depth.z@front/timestamps_us", "uint64", [3], [3]),
        ("cameras/front/generic_data/vignette", "float32", [3, 4], [3, 4]),
    ],
)
def test_arrays(
    nodes: dict[str, dict[str, Any]], path: str, dtype: str, shape: list[int], chunk: list[int]
) -> None:
    node = nodes[path]
    assert (node["data_type"], node["shape"], chunks(node)) == (dtype, shape, chunk)
    size = np.dtype(dtype).itemsize
    (order, blosc) = node["codecs"]
    assert order.get("configuration", {}).get("endian") == ("little" if size > 1 else None)
    assert blosc == {"name": "blosc", "configuration": {**BLOSC, "typesize": size}}
    assert node["fill_value"] == 0
    assert node["chunk_key_encoding"]["configuration"] == {"separator": "/"}


def test_chunks_are_compressed_as_their_metadata_say(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path, store_type="directory")
    poses = sequence.register_component_writer(PosesComponent.Writer, "default")
    data = np.arange(5000, dtype=np.uint32)
    poses.set_generic_data({"x": data})
    (path,) = sequence.finalize()
    chunk = (Path(path) / "poses/default/generic_data/x/c/0").read_bytes()
    # A Blosc header: version, version of the compressor, flags, typesize, nbytes, ...
    flags, typesize = chunk[2], chunk[3]
    assert (flags & 0b101, flags >> 5, typesize) == (0b100, 1, 4)  # bit shuffle, LZ4
    assert int.from_bytes(chunk[4:8], "little") == data.nbytes
    assert len(chunk) < data.nbytes / 4


@pytest.mark.parametrize(
    "path",
    [
        f"cameras/front/frames/{END}/image",
        "masks/default/cameras/front/sky",
        f"camera_labels/mask.dynamic@front/labels/{END}/data",
    ],
)
def test_blobs(nodes: dict[str, dict[str, Any]], path: str) -> None:
    node = nodes[path]
    (size,) = node["shape"]
    assert size > 0
    assert chunks(node) == [size]
    assert node["data_type"] == "uint8"
    assert node["codecs"] == [{"name": "bytes"}]


def test_numbers_without_dimensions_are_not_compressed(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path, store_type="directory")
    poses = sequence.register_component_writer(PosesComponent.Writer, "default")
    poses.set_generic_data({"one": np.array(2.5), "none": np.zeros((0, 2))})
    (path,) = sequence.finalize()
    root = zarr.open_group(str(path), mode="r")
    one, none = (root[f"poses/default/generic_data/{name}"] for name in ("one", "none"))
    assert isinstance(one, zarr.Array)
    assert isinstance(none, zarr.Array)
    assert one.compressors == ()
    assert (none.shape, none.chunks) == ((0, 2), (1, 2))
    assert root["poses/default/static_poses"].attrs.asdict() == {}
    assert root["poses/default/dynamic_poses"].attrs.asdict() == {}
    data = Path(path) / "poses/default/generic_data"
    assert sorted(p.relative_to(data).as_posix() for p in data.rglob("*") if p.is_file()) == [
        "none/zarr.json",
        "one/c",
        "one/zarr.json",
        "zarr.json",
    ]


def test_lists_of_times_that_are_empty(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path, store_type="directory")
    sequence.register_component_writer(
        CameraLabelsComponent.Writer, "x", descriptor=small.depth_descriptor()
    )
    sequence.register_component_writer(
        PointCloudsComponent.Writer, "m", coordinate_unit=PointCloud.CoordinateUnit.METERS
    )
    (path,) = sequence.finalize()
    root = zarr.open_group(str(path), mode="r")
    for name in ("camera_labels/x/timestamps_us", "point_clouds/m/pc_timestamps_us"):
        array = root[name]
        assert isinstance(array, zarr.Array)
        assert (array.shape, array.chunks, array.dtype) == ((0,), (1,), np.dtype("uint64"))
    assert "descriptor" in root["camera_labels/x/labels"].attrs
    assert "generic_data" not in root["camera_labels/x"]  # type: ignore[operator]


def test_order_in_which_things_were_stored(tmp_path: Path) -> None:
    """Times are sorted, whatever came first; names of masks are not."""
    sequence = small.writer(tmp_path)
    image = Image.new("1", (2, 2))
    masks = sequence.register_component_writer(MasksComponent.Writer, "default")
    masks.store_camera_masks("front", dict.fromkeys(("sky", "ego", "hood"), image))
    labels = sequence.register_component_writer(
        CameraLabelsComponent.Writer, "x", descriptor=small.depth_descriptor()
    )
    offsets = [900_000, 5, 77, 123_456, 13, 500_001]
    for offset in offsets:
        labels.store_label(np.ones((1, 1), np.float32), small.START + offset)
    reader = SequenceComponentGroupsReader(sequence.finalize())
    (found,) = reader.open_component_readers(MasksComponent.Reader).values()
    assert found.get_camera_mask_names("front") == ["sky", "ego", "hood"]
    assert [name for name, _ in found.get_camera_mask_images("front")] == ["sky", "ego", "hood"]
    (layer,) = reader.open_component_readers(CameraLabelsComponent.Reader).values()
    assert (layer.timestamps_us - np.uint64(small.START)).tolist() == sorted(offsets)


def test_generic_data_given_in_steps(tmp_path: Path) -> None:
    sequence = small.writer(tmp_path)
    poses = sequence.register_component_writer(
        PosesComponent.Writer, "default", None, {"k": 1, "kept": 1}
    )
    poses.set_generic_data({"x": np.arange(3), "y": np.arange(2)}, {"k": 2})
    poses.set_generic_data({"x": np.arange(4)}, {"late": [1]})
    poses.set_generic_data({})
    reader = SequenceComponentGroupsReader(sequence.finalize())
    (found,) = reader.open_component_readers(PosesComponent.Reader).values()
    assert found.get_generic_data_names() == ["x", "y"]
    assert len(found.get_generic_data("x")) == 4
    assert found.generic_meta_data == {"k": 2, "kept": 1, "late": [1]}


def test_md5_of_a_directory(tmp_path: Path) -> None:
    """Depth first, by lower-cased path: the name of each entry, then the content of files."""
    sequence = small.writer(tmp_path, store_type="directory")
    for name in ("b", "A", "a_", "B2"):
        camera = sequence.register_component_writer(CameraSensorComponent.Writer, name)
        camera.store_frame(name.encode(), "png", small.frame_times(END), {}, {})
    (path,) = sequence.finalize()
    reader = SequenceComponentGroupsReader([path])
    (store,) = reader.get_sequence_meta().component_stores
    digest = hashlib.md5(usedforsecurity=False)

    def add(directory: Path) -> None:
        for entry in sorted(directory.iterdir(), key=lambda entry: str(entry).lower()):
            digest.update(entry.name.encode())
            if entry.is_dir():
                add(entry)
            else:
                digest.update(entry.read_bytes())

    add(Path(path))
    assert store.md5 == digest.hexdigest()
    names = [p.name for p in sorted(Path(path, "cameras").iterdir(), key=lambda p: str(p).lower())]
    assert names[:3] == ["A", "a_", "b"]


def test_stores_that_do_not_go_together(tmp_path: Path) -> None:
    paths = []
    for i, (group, instance) in enumerate([("one", "p"), ("one", "q"), ("two", "p")]):
        sequence = small.writer(tmp_path / str(i))
        sequence.register_component_writer(PosesComponent.Writer, instance, group)
        paths += sequence.finalize()
    with pytest.raises(SequenceFormatError, match=r"component group 'one' is also that of"):
        SequenceComponentGroupsReader(paths[:2])
    with pytest.raises(SequenceFormatError, match="more than once"):
        SequenceComponentGroupsReader([paths[0], paths[0]])
    reader = SequenceComponentGroupsReader([paths[0], paths[2]])
    with pytest.raises(AssertionError, match="another store has an instance") as caught:
        reader.open_component_readers(PosesComponent.Reader)
    assert isinstance(caught.value, RuntimeError)
    with pytest.raises(AssertionError, match="another store"):
        SequenceLoaderV4(reader)
