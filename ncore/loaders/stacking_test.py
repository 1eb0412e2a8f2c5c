import numpy as np
import pytest

from ncore.loaders.errors import LoaderArgumentError
from ncore.loaders.stacking import stack_samples


def test_what_can_be_stacked_is_stacked_and_the_rest_listed():
    batch = stack_samples(
        [
            {"id": "a", "n": 1, "pose": np.eye(4), "points": np.zeros((2, 3)), "pair": (1.5, b"x")},
            {"id": "b", "n": 2, "pose": np.eye(4), "points": np.zeros((3, 3)), "pair": (2.5, b"y")},
        ]
    )
    assert batch["id"] == ["a", "b"]
    assert batch["n"].tolist() == [1, 2]
    assert batch["pose"].shape == (2, 4, 4)
    assert [len(points) for points in batch["points"]] == [2, 3]
    assert batch["pair"][0].tolist() == [1.5, 2.5]
    assert batch["pair"][1] == [b"x", b"y"]


def test_missing_frames_and_other_dtypes_make_lists():
    assert stack_samples([{"lidar": None}, {"lidar": {"x": 1}}]) == {"lidar": [None, {"x": 1}]}
    stacked = stack_samples([np.zeros(2, np.uint8), np.zeros(2, np.int16)])
    assert [array.dtype for array in stacked] == [np.uint8, np.int16]


def test_dicts_of_different_keys_are_listed_and_lose_nothing():
    metas = [{"gain": 1}, {"gain": 2, "night": True}, {}]
    assert stack_samples([{"meta": meta} for meta in metas]) == {"meta": metas}
    assert stack_samples([{"meta": meta} for meta in metas[::-1]]) == {"meta": metas[::-1]}


def test_no_samples_make_no_batch():
    with pytest.raises(LoaderArgumentError, match="no samples"):
        stack_samples([])
