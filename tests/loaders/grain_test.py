"""The real Grain over our source."""

# bazel: size = "medium"

import grain
import numpy as np
import pytest

from ncore.loaders.frame_source import FrameSource
from ncore.loaders.testing.drives import image_bytes, write_drive

FRAMES = 12


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    return [write_drive(folder, number, FRAMES) for number in range(2)]


def first_bytes(data):
    return np.frombuffer(data, np.uint8, 16).copy()


def expected_images(source, count=16):
    return [
        image_bytes(number, "front", frames["front"])[:count]
        for number, frames in (source.frame_indices(i) for i in range(len(source)))
    ]


def test_it_is_a_random_access_data_source(drives):
    assert isinstance(FrameSource(drives, ["front"]), grain.sources.RandomAccessDataSource)


def test_a_map_dataset_shuffles_batches_and_resumes(drives):
    source = FrameSource(drives, ["front"], decode=first_bytes)
    dataset = (
        grain.MapDataset.source(source)
        .shuffle(seed=3)
        .map(lambda sample: sample["front"]["image"])
        .batch(5)
    )
    batches = list(dataset)
    images = [row.tobytes() for batch in batches for row in batch]
    assert images != expected_images(source)
    assert sorted(images) == sorted(expected_images(source))

    iterator = iter(dataset.to_iter_dataset())
    next(iterator)
    state = iterator.get_state()
    rest = [batch.tolist() for batch in iterator]
    resumed = iter(dataset.to_iter_dataset())
    resumed.set_state(state)
    assert [batch.tolist() for batch in resumed] == rest == [b.tolist() for b in batches[1:]]


def test_worker_processes_of_its_data_loader_deliver_everything(drives):
    source = FrameSource(drives, ["front", "lidar"], decode=first_bytes)
    sampler = grain.samplers.IndexSampler(
        num_records=len(source),
        shuffle=True,
        seed=1,
        num_epochs=1,
        shard_options=grain.sharding.NoSharding(),
    )
    loader = grain.DataLoader(data_source=source, sampler=sampler, worker_count=2)
    images = [sample["front"]["image"].tobytes() for sample in loader]
    assert sorted(images) == sorted(expected_images(source))
