"""One loader in threads, forked and spawned workers, over archives, directories, zips and HTTP."""

import multiprocessing
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from upath import UPath

from ncore.data.v4 import (
    CameraSensorComponent,
    LidarSensorComponent,
    SequenceComponentGroupsReader,
    SequenceLoaderV4,
)
from ncore.itar.testing.range_server import RangeServer
from tests.data import small_sequence as small


def everything(loader: SequenceLoaderV4) -> list[Any]:
    """Something of every part of a sequence, comparable."""
    camera = loader.get_camera_sensor("front")
    lidar = loader.get_lidar_sensor("top")
    (depth, mask) = loader.query_camera_labels("front")
    return [
        loader.sequence_id,
        [camera.get_frame_data(i).get_encoded_image_data() for i in range(3)],
        [camera.get_frame_generic_meta_data(i) for i in range(3)],
        [lidar.get_frame_point_cloud(i, True, True).xyz_m_end.tobytes() for i in range(3)],
        [lidar.get_frame_ray_bundle_return_intensity(i, 1).tobytes() for i in range(3)],
        camera.get_frames_T_sensor_target("world", np.arange(3)).tobytes(),
        camera.model_parameters.to_dict(),
        {name: np.asarray(image).tobytes() for name, image in camera.get_mask_images().items()},
        loader.get_point_clouds_source("map").get_pc(1).xyz.tobytes(),
        [o.to_dict() for o in loader.get_cuboid_track_observations()],
        depth.get_label(small.FRAME_ENDS[0]).get_data().tobytes(),
        mask.get_label(small.FRAME_ENDS[0]).get_encoded_data(),
    ]


@pytest.fixture(scope="module", params=["itar", "directory"])
def paths(request: pytest.FixtureRequest, tmp_path_factory: Any) -> list[UPath]:
    out = tmp_path_factory.mktemp("sequence")
    return small.write_everything(small.writer(out, store_type=request.param))


def _answer(loader: SequenceLoaderV4, reload: bool, connection: Any) -> None:
    if reload:
        loader.reload_resources()
    connection.send(everything(loader))
    connection.close()


@pytest.mark.parametrize(
    ("method", "used_before"), [("fork", True), ("fork", False), ("spawn", True)]
)
def test_worker_processes(paths: list[UPath], method: str, used_before: bool) -> None:
    wanted = everything(small.read(paths))
    loader = small.read(paths)
    if used_before:
        everything(loader)
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(loader, used_before, sender))
    process.start()
    sender.close()
    assert receiver.poll(60)
    assert receiver.recv() == wanted
    process.join(60)
    assert process.exitcode == 0
    assert everything(loader) == wanted


def test_threads(paths: list[UPath]) -> None:
    loader = small.read(paths)
    wanted = everything(small.read(paths))
    with ThreadPoolExecutor(8) as pool:
        assert all(found == wanted for found in pool.map(lambda _: everything(loader), range(24)))


def test_pickling_sends_paths_and_not_data(paths: list[UPath]) -> None:
    loader = small.read(paths)
    before = len(pickle.dumps(loader))
    wanted = everything(loader)
    data = pickle.dumps(loader)
    assert len(data) < before + 6_000
    assert everything(pickle.loads(data)) == wanted
    handle = loader.get_camera_sensor("front").get_frame_handle(1)
    again = pickle.loads(pickle.dumps(handle)).get_data()
    assert again.get_encoded_image_data() == small.encoded_image(1)


def test_reload_resources_changes_nothing(paths: list[UPath]) -> None:
    loader = small.read(paths)
    wanted = everything(loader)
    loader.reload_resources()
    assert everything(loader) == wanted
    loader._reader.close()


def test_consolidated_map_takes_over(paths: list[UPath], monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = everything(small.read(paths))
    monkeypatch.setattr("ncore.data.v4.documents._SINGLE_READS", 3)
    loader = small.read(paths)
    assert everything(loader) == wanted
    assert all(root.documents._map for root in loader._reader._roots)  # type: ignore[attr-defined]


def test_single_documents_do_not_pile_up(
    paths: list[UPath], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = everything(small.read(paths))
    monkeypatch.setattr("ncore.data.v4.documents._MOST_KEPT", 5)
    loader = small.read(paths, open_consolidated=False)
    assert everything(loader) == wanted
    documents: list[Any] = [root.documents for root in loader._reader._roots]  # type: ignore[attr-defined]
    assert all(0 < len(d._single) <= 5 for d in documents)


def test_documents_dropped_by_another_thread(paths: list[UPath]) -> None:
    loader = small.read(paths, open_consolidated=False)
    wanted = everything(loader)

    class Dropped(dict[str, Any]):
        def __contains__(self, key: object) -> bool:
            found = super().__contains__(key)
            documents._single = {}  # between the question and the look-up
            return found

    for root in loader._reader._roots:  # type: ignore[attr-defined]
        documents: Any = root.documents
        kept = dict(documents._single)
        for key, document in kept.items():
            documents._single = Dropped(kept)
            assert documents._get(key) == document
    assert everything(loader) == wanted


@pytest.mark.parametrize("consolidated", [True, False])
def test_reading_frame_by_frame_keeps_memory_flat(
    tmp_path: Path, consolidated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ncore.data.v4.documents._MOST_KEPT", 100)
    count = 600
    sequence = small.writer(tmp_path)
    camera = sequence.register_component_writer(CameraSensorComponent.Writer, "front")
    lidar = sequence.register_component_writer(LidarSensorComponent.Writer, "top")
    for i in range(count):
        start = small.START + 1000 * i
        times = np.array([start, start + 900], np.uint64)
        camera.store_frame(bytes(3000), "png", times, {}, {"i": i})
        frame = small.ray_frame(start + 900, 100)
        frame |= {"timestamp_us": np.full(100, start, np.uint64), "frame_timestamps_us": times}
        lidar.store_frame(**frame, generic_data={}, generic_meta_data={})
    loader = small.read(sequence.finalize(), open_consolidated=consolidated)
    front, top = loader.get_camera_sensor("front"), loader.get_lidar_sensor("top")

    def read(frames: range) -> int:
        for i in frames:
            assert len(front.get_frame_data(i).get_encoded_image_data()) == 3000
            assert front.get_frame_generic_meta_data(i) == {"i": i}
            assert top.get_frame_point_cloud(i, False, True).xyz_m_end.shape == (100, 3)
            assert top.get_frame_ray_bundle_model_element(i) is not None
            assert top.get_frame_ray_bundle_return_valid_mask(i).all()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = read(range(count // 2))
        after = read(range(count // 2, count))
    finally:
        tracemalloc.stop()
    # Frames of 3 KB and more, of which hundreds would be noticed.
    assert after - before < 100_000


def test_reading_imports_no_zarr(paths: list[UPath]) -> None:
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from tests.data.workers_test import everything
for name in [n for n in sys.modules if n == "zarr" or n.startswith(("zarr.", "ncore."))]:
    del sys.modules[name]  # the helpers of this test import it for writing
from ncore.data.v4 import SequenceComponentGroupsReader, SequenceLoaderV4
everything(SequenceLoaderV4(SequenceComponentGroupsReader({[str(p) for p in paths]!r})))
assert "zarr" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_over_http(tmp_path: Path) -> None:
    local = small.write_everything(small.writer(tmp_path))
    with RangeServer({path.name: path.read_bytes() for path in local}) as server:
        remote = [UPath(f"{server.url}/{path.name}") for path in local]
        reader = SequenceComponentGroupsReader(remote)
        assert everything(SequenceLoaderV4(reader)) == everything(small.read(local))
        cameras = reader.open_component_readers(CameraSensorComponent.Reader)
        assert cameras["front"]._group["frames"].attrs["frames_timestamps_us"]
        reader.reload_resources()
        assert everything(SequenceLoaderV4(reader)) == everything(small.read(local))


def test_zip_stores(tmp_path: Path) -> None:
    paths = small.write_everything(small.writer(tmp_path, store_type="directory"))
    zips = []
    for path in paths:
        target = tmp_path / f"{path.name}.zip"
        with zipfile.ZipFile(target, "w") as archive:
            for file in sorted(Path(path).rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(path))
        zips.append(UPath(target))
    assert everything(small.read(zips)) == everything(small.read(paths))


def test_relative_paths_mean_what_they_meant(
    paths: list[UPath], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(paths[0].parent)
    loader = small.read([UPath(path.name) for path in paths])
    data = pickle.dumps(loader)
    wanted = everything(loader)
    monkeypatch.chdir("/")
    assert everything(pickle.loads(data)) == wanted
