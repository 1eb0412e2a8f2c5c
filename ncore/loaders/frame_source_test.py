import contextlib
import gc
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ncore.data.v4.loader import SequenceLoaderV4
from ncore.data.v4.sequence_reader import SequenceComponentGroupsReader
from ncore.loaders.errors import (
    LoaderArgumentError,
    SampleIndexError,
    UnknownFieldError,
)
from ncore.loaders.frame_source import FrameSource
from ncore.loaders.testing.drives import frame_end_us, image_bytes, ray_count, write_drive

FRAMES = 20


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    return [write_drive(folder, number, FRAMES + number) for number in range(3)]


def test_samples_of_one_camera(drives):
    source = FrameSource(drives, ["front"])
    assert len(source) == 20 + 21 + 22
    assert source.sequence_ids == ["drive-0", "drive-1", "drive-2"]
    assert source.sequence_starts == [0, 20, 41, 63]
    for index, sample in enumerate(source):
        number, frames = source.frame_indices(index)
        frame = frames["front"]
        assert sample["sequence_id"] == f"drive-{number}"
        assert sample["timestamp_us"] == frame_end_us("front", frame)
        assert sample["front"]["timestamps_us"].tolist() == [
            frame_end_us("front", frame) - 10_000,
            frame_end_us("front", frame),
        ]
        assert sample["front"]["image"] == image_bytes(number, "front", frame)
        assert type(sample["front"]["image"]) is bytes


def test_sensors_are_matched_by_their_timestamps(drives):
    source = FrameSource([drives[0]], ["front", "rear", "lidar"])
    assert len(source) == FRAMES // 2  # the lidar has every second frame
    sample = source[3]
    assert sample["rear"]["image"] == image_bytes(0, "rear", 6)
    assert sample["lidar"]["xyz_m"].shape == (ray_count(6), 3)
    assert sample["lidar"]["intensity"].tolist() == [0.5] * ray_count(6)
    # 5 ms away: nearer than the tolerance allows by sensor.
    with pytest.raises(
        LoaderArgumentError, match=r"none of the 20.*'lidar' lacks 20 within 4999 us"
    ):
        FrameSource([drives[0]], ["front", "lidar"], tolerance_us={"lidar": 4_999})
    assert len(FrameSource([drives[0]], ["front", "lidar"], tolerance_us={"lidar": 5_000})) == 10


def test_samples_left_out_are_counted(drives):
    source = FrameSource(drives[:2], ["front", "lidar"])
    assert (len(source), source.dropped) == (21, 20)
    assert source.missing_frames == {"front": 0, "lidar": 20}
    assert "21 samples (20 left out) of front, lidar" in repr(source)
    whole = FrameSource([drives[0]], ["front", "lidar"], missing="none")
    assert (whole.dropped, whole.missing_frames["lidar"]) == (0, 10)
    assert "left out" not in repr(whole)


def test_a_missing_frame_can_be_none(drives):
    source = FrameSource([drives[0]], ["front", "lidar"], missing="none")
    assert len(source) == FRAMES
    batch = source.__getitems__([2, 1, 0])
    assert [sample["lidar"] is None for sample in batch] == [False, True, False]
    assert source[1]["lidar"] is None
    assert source.frame_indices(1) == (0, {"front": 1, "lidar": None})


@pytest.mark.parametrize("reference", ["rear", "lidar"])
def test_any_sensor_can_be_the_reference(drives, reference):
    source = FrameSource([drives[0]], ["front", reference], reference=reference, stride=2)
    assert len(source) == FRAMES // (2 if reference == "rear" else 4)
    times = [sample["timestamp_us"] for sample in source]
    assert times == [int(sample[reference]["timestamps_us"][1]) for sample in source]


def test_fields_are_chosen_by_name_or_callable(drives):
    source = FrameSource(
        [drives[0]],
        {
            "front": ["image_format", "T_sensor_world", "generic/gain"],
            "lidar": ["distance_m", "valid_mask", "raw_xyz_m", "model_element"],
            "rear": lambda sensor, index: (sensor.sensor_id, index),
        },
    )
    sample = source[1]
    assert sample["rear"] == ("rear", 2)
    front = sample["front"]
    assert set(front) == {"timestamps_us", "image_format", "T_sensor_world", "generic/gain"}
    assert front["image_format"] == "jpeg"
    assert front["generic/gain"] == 2
    share = frame_end_us("front", 2) / (FRAMES * 100_000 + 199_999)
    assert front["T_sensor_world"][0, 3] == pytest.approx(10 * share, rel=1e-4)
    lidar = sample["lidar"]
    assert lidar["distance_m"].tolist() == [3.0] * ray_count(2)
    assert lidar["valid_mask"].all()
    assert lidar["raw_xyz_m"].tolist() == [[3, 0, 0]] * ray_count(2)
    assert lidar["model_element"] is None


def test_a_batch_is_what_its_samples_are(drives):
    source = FrameSource(drives, ["front", "rear", "lidar"])
    indices = [5, 0, len(source) - 1, -1, 5, 17]
    batch = source.__getitems__(indices)
    for index, sample in zip(indices, batch, strict=True):
        single = source[index]
        assert sample["timestamp_us"] == single["timestamp_us"]
        assert sample["sequence_id"] == single["sequence_id"]
        assert sample["front"]["image"] == single["front"]["image"]
        np.testing.assert_array_equal(sample["lidar"]["xyz_m"], single["lidar"]["xyz_m"])
    assert source.__getitems__([]) == []


def test_images_are_decoded_without_a_copy(drives):
    kinds = []

    def decode(data):
        kinds.append(type(data))
        return bytes(data)

    source = FrameSource([drives[0]], ["front"], decode=decode)
    assert source[4]["front"]["image"] == image_bytes(0, "front", 4)
    assert [s["front"]["image"] for s in source.__getitems__([7, 3])] == [
        image_bytes(0, "front", 7),
        image_bytes(0, "front", 3),
    ]
    assert set(kinds) == {memoryview}


def test_what_a_decoder_raises_says_which_frame_it_was(drives):
    def decode(data):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError) as raised:
        FrameSource([drives[0]], ["front"], decode=decode)[3]
    assert "frame 3 of camera 'front' of sequence 'drive-0'" in raised.value.__notes__[0]


def test_what_a_callable_or_transform_raises_says_where(drives):
    def fail(*_):
        return 1 / 0

    for read in (lambda s: s[3], lambda s: s.__getitems__([3])):
        with pytest.raises(ZeroDivisionError) as raised:
            read(FrameSource([drives[1]], {"front": fail}))
        assert raised.value.__notes__ == ["while reading frame 3 of 'front' of sequence 'drive-1'"]
        with pytest.raises(ZeroDivisionError) as raised:
            read(FrameSource([drives[1]], ["front"], transform=fail))
        time = frame_end_us("front", 3)
        assert f"sequence 'drive-1' at {time} us" in raised.value.__notes__[0]


def test_a_transform_sees_the_whole_sample(drives):
    source = FrameSource([drives[0]], ["front"], transform=lambda sample: sample["timestamp_us"])
    assert source[0] == frame_end_us("front", 0)
    assert source.__getitems__([1, 2]) == [frame_end_us("front", 1), frame_end_us("front", 2)]


def test_sequences_are_given_in_any_form(drives, tmp_path):
    loader = SequenceLoaderV4(SequenceComponentGroupsReader(drives[0]))
    # A list of strings is a list of sequences, so one of several stores is a list in it.
    for place in ([drives[0]], loader, [loader], Path(drives[0][0]), drives[0][:1]):
        assert FrameSource(place, ["front"])[2]["front"]["image"] == image_bytes(0, "front", 2)


def test_few_sequences_stay_open(drives):
    source = FrameSource(drives, ["front", "lidar"], max_open_sequences=1)
    for index in (0, len(source) - 1, 12, 0) * 3:
        source[index]
    gc.collect()
    # Of two stores. Lidar frames are mapped, which takes a descriptor; images read once are not.
    links = [link for link in _open_files() if "drives" in link]
    assert len(links) in (0, 3)
    assert [source[i]["sequence_id"] for i in (0, 12, -1)] == ["drive-0", "drive-1", "drive-2"]


def _open_files():
    found = []
    for entry in Path("/proc/self/fd").glob("*"):  # elsewhere than on Linux there are none
        with contextlib.suppress(OSError):
            found.append(str(entry.readlink()))
    return found


def test_it_pickles_to_places_and_frames(drives):
    source = FrameSource(drives, ["front", "lidar"])
    data = pickle.dumps(source)
    assert len(data) < 5_000
    again = pickle.loads(data)
    assert repr(again) == repr(source)
    assert again[7]["front"]["image"] == source[7]["front"]["image"]
    assert repr(FrameSource(drives[:2], ["front", "lidar"])) != repr(source)


def test_relative_paths_mean_what_they_meant(tmp_path, monkeypatch):
    path = write_drive(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = [os.path.relpath(store) for store in path]
    sources = [FrameSource([names], ["front"]), FrameSource([[Path(n) for n in names]], ["front"])]
    images = [source[0]["front"]["image"] for source in sources]
    data = pickle.dumps(sources)
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir("sub")
    assert [source[0]["front"]["image"] for source in pickle.loads(data)] == images


def test_threads_and_forked_children_may_read_it(drives):
    source = FrameSource(drives, ["front", "lidar"])
    expected = [sample["front"]["image"] for sample in source]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: source[i]["front"]["image"], range(len(source))))
    assert found == expected
    child = os.fork()
    if child == 0:
        same = [s["front"]["image"] for s in source.__getitems__(range(len(source)))] == expected
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_sequence_that_was_replaced_by_a_shorter_one_is_noticed(tmp_path):
    paths = write_drive(tmp_path, 0, 20)
    data = pickle.dumps(FrameSource([paths], ["front"]))
    write_drive(tmp_path, 0, 10)
    source = pickle.loads(data)
    with pytest.raises(OSError, match=r"'drive-0'.*'front'.*fewer frames"):
        source[15]
    with pytest.raises(OSError, match="fewer frames"):
        source.__getitems__([3, 15])


@pytest.mark.parametrize("index", [20, -21, 10**30])
def test_an_index_out_of_range_is_refused(drives, index):
    source = FrameSource(drives[0][:1], ["front"])
    with pytest.raises(SampleIndexError):
        source[index]
    with pytest.raises(SampleIndexError):
        source.__getitems__([0, index])
    with pytest.raises(TypeError):
        source[1.5]


@pytest.mark.parametrize(
    ("sensors", "arguments", "error", "message"),
    [
        (["nose"], {}, LoaderArgumentError, "'drive-0'.*'nose'.*front, rear"),
        ([], {}, LoaderArgumentError, "no sensors"),
        (["front", "front"], {}, LoaderArgumentError, "twice"),
        (["front"], {"reference": "rear"}, LoaderArgumentError, "'rear'"),
        (["front"], {"stride": 0}, LoaderArgumentError, "stride"),
        (["front"], {"stride": "3"}, LoaderArgumentError, "stride '3'"),
        (["front"], {"missing": "drop"}, LoaderArgumentError, "missing"),
        (["front"], {"tolerance_us": -1}, LoaderArgumentError, "tolerance_us.*not -1"),
        (["front"], {"tolerance_us": {"front": "x"}}, LoaderArgumentError, "tolerance_us.*'x'"),
        (["front"], {"tolerance_us": {"rear": 1}}, LoaderArgumentError, "'rear'"),
        ({"front": ["xyz_m"]}, {}, UnknownFieldError, "'xyz_m'.*image_format"),
        ({"lidar": ["image"]}, {}, UnknownFieldError, "'image'.*intensity"),
    ],
)
def test_wrong_arguments_are_explained(drives, sensors, arguments, error, message):
    with pytest.raises(error, match=message):
        FrameSource([drives[0]], sensors, **arguments)


def test_no_sequences_and_no_sequence_are_explained():
    with pytest.raises(LoaderArgumentError, match="no sequences"):
        FrameSource([], ["front"])
    with pytest.raises(LoaderArgumentError, match="42"):
        FrameSource([42], ["front"])


def test_reading_frames_imports_neither_zarr_nor_decoders(drives):
    code = (
        "import sys\n"
        "from ncore.loaders.frame_source import FrameSource\n"
        "wanted = {'front': None, 'lidar': ['raw_xyz_m']}\n"
        f"FrameSource({drives!r}, wanted).__getitems__([0, 1, 25])\n"
        "heavy = {'zarr', 'scipy', 'PIL', 'torch', 'grain', 'jax', 'tensorflow', 'xarray', 'dask',"
        " 'obstore', 'aiohttp', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)), len(sys.modules))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    ).stdout
    assert output.startswith("[] ")


def test_threads_that_push_each_others_sequences_out(drives):
    """With a KeyError, now and then, where one let go of what another was letting go of."""
    places = [list(drive) for drive in drives * 4]
    source = FrameSource(places, ["front"], max_open_sequences=2)

    def read(seed):
        for index in np.random.default_rng(seed).integers(len(source), size=100).tolist():
            number, frames = source.frame_indices(index)
            expected = image_bytes(number % len(drives), "front", frames["front"])
            assert source[index]["front"]["image"] == expected
            assert len(source._sequences._open) <= 2 + 6

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(read, range(6)))
    finally:
        sys.setswitchinterval(interval)
    _ = source[0], source[len(source) - 1], source[0]
    assert len(source._sequences._open) == 2
