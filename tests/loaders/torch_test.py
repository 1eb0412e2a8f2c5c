"""The real PyTorch ``DataLoader`` over our source."""

# bazel: optional = ["torch"]
# bazel: tags = ["manual"]
# bazel: size = "medium"

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from ncore.loaders.epochs import EpochSampler
from ncore.loaders.frame_source import FrameSource
from ncore.loaders.resume import ResumableLoader
from ncore.loaders.stacking import stack_samples
from ncore.loaders.testing.drives import image_bytes, write_drive

torch = pytest.importorskip(
    "torch", reason="torch is not installed: deps/torch.in says how it gets here"
)
from torch.utils.data import DataLoader  # noqa: E402

FRAMES = 24


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    return [write_drive(folder, number, FRAMES) for number in range(2)]


def first_bytes(data):
    return np.frombuffer(data, np.uint8, 16).copy()


def expected_images(source):
    return [
        image_bytes(number, "front", frames["front"])
        for number, frames in (source.frame_indices(i) for i in range(len(source)))
    ]


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_deliver_what_the_source_holds(drives, context):
    source = FrameSource(drives, ["front", "rear", "lidar"])
    loader = DataLoader(
        source,
        batch_size=5,
        num_workers=2,
        multiprocessing_context=context,
        persistent_workers=True,
        collate_fn=stack_samples,
        timeout=120,
    )
    for _ in range(2):  # the second epoch is read by the same workers
        batches = list(loader)
        images = [image for batch in batches for image in batch["front"]["image"]]
        assert images == expected_images(source)
        points = [cloud for batch in batches for cloud in batch["lidar"]["xyz_m"]]
        for index, cloud in enumerate(points):
            np.testing.assert_array_equal(cloud, source[index]["lidar"]["xyz_m"])


def test_torch_collates_decoded_images_itself(drives):
    source = FrameSource(drives, ["front"], decode=first_bytes)
    batch = next(iter(DataLoader(source, batch_size=4)))
    assert isinstance(batch["front"]["image"], torch.Tensor)
    assert batch["front"]["image"].shape == (4, 16)
    assert batch["timestamp_us"].dtype == torch.int64
    assert batch["sequence_id"] == ["drive-0"] * 4


def test_batches_are_read_in_one_call(drives):
    class Counting(FrameSource):
        calls = 0

        def __getitems__(self, indices):
            Counting.calls += 1
            return super().__getitems__(indices)

        def __getitem__(self, index):
            raise AssertionError("read one by one")

    loader = DataLoader(Counting(drives, ["front"]), batch_size=16)
    assert len(list(loader)) == Counting.calls == 3


def test_shuffled_epochs_are_shared_out_between_ranks(drives):
    source = FrameSource(
        drives, ["front"], transform=lambda s: (s["sequence_id"], s["timestamp_us"])
    )
    seen, orders = [], []
    for epoch in range(2):
        order = []
        for rank in range(2):
            sampler = EpochSampler(len(source), seed=9, rank=rank, world_size=2)
            sampler.set_epoch(epoch)
            order += map(tuple, DataLoader(source, batch_size=None, sampler=sampler))
        seen.append(sorted(order))
        orders.append(order)
    assert seen[0] == seen[1] == sorted(source)
    assert orders[0] != orders[1]


def make_loader(drives, workers):
    source = FrameSource(drives, ["front"], decode=first_bytes)
    sampler = EpochSampler(len(source), seed=4)
    loader = DataLoader(source, batch_size=5, sampler=sampler, num_workers=workers)
    return ResumableLoader(loader, sampler, 5)


@pytest.mark.parametrize(("workers", "stop"), [(0, 3), (2, 4), (2, 10)])
def test_a_run_resumes_exactly_where_it_was_saved(drives, workers, stop):
    def key(batch):
        return batch["timestamp_us"].tolist(), batch["sequence_id"]

    whole = make_loader(drives, 0)
    expected = [key(batch) for _ in range(2) for batch in whole]

    first, seen = make_loader(drives, workers), []
    while len(seen) < stop:
        for batch in first:
            seen.append(key(batch))
            if len(seen) == stop:  # by now the workers have read batches beyond this one
                break
    state = pickle.loads(pickle.dumps(first.state_dict()))
    resumed = make_loader(drives, workers)
    resumed.load_state_dict(state)
    while resumed.epoch < 2:
        seen += [key(batch) for batch in resumed]
    assert seen == expected


def test_two_processes_of_torch_distributed_share_an_epoch(drives, tmp_path):
    code = (
        "import os, sys, torch.distributed as dist\n"
        "from torch.utils.data import DataLoader\n"
        "from ncore.loaders import EpochSampler, FrameSource\n"
        "rank = int(sys.argv[1])\n"
        "dist.init_process_group('gloo', init_method=sys.argv[2], rank=rank, world_size=2)\n"
        f"source = FrameSource({drives!r}, ['front'])\n"
        "sampler = EpochSampler(len(source), seed=2, rank=dist.get_rank(),\n"
        "                       world_size=dist.get_world_size())\n"
        "mine = [(b['sequence_id'], b['timestamp_us'])\n"
        "        for b in DataLoader(source, batch_size=None, sampler=sampler)]\n"
        "found = [None, None]\n"
        "dist.all_gather_object(found, mine)\n"
        "print(len(found[0]), len(found[1]), len(set(found[0]) | set(found[1])))\n"
        "dist.destroy_process_group()\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "GLOO_SOCKET_IFNAME": "lo",
    }
    address = f"file://{tmp_path}/rendezvous"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(rank), address],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs == [f"{FRAMES} {FRAMES} {2 * FRAMES}\n"] * 2
