"""Forking and pickling: ours beside zarr's ZipStore, which is the other archive in one file.

Not to blame, but to show that the hazards are real: should ZipStore lose one,
the test that pins it fails and can go.
"""

import multiprocessing
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.core.buffer import cpu
from zarr.core.sync import sync
from zarr.storage import ZipStore

from ncore.stores.indexed_tar import IndexedTarStore

VALUES = {f"c/{i}": bytes([i]) * 200_000 for i in range(60)}


def fill(store: Any) -> Any:
    for key, value in VALUES.items():
        sync(store.set(key, cpu.Buffer.from_bytes(value)))
    store.close()


def reads_itar(store: IndexedTarStore, rounds: int) -> int:
    return sum(store.read(key) != value for _ in range(rounds) for key, value in VALUES.items())


def reads_zip(store: ZipStore, rounds: int) -> int:
    wrong = 0
    for _ in range(rounds):
        for key, value in VALUES.items():
            try:
                # Below zarr's event loop, which a fork stops in any store.
                with store._zf.open(key) as file:
                    wrong += file.read() != value
            except Exception:
                wrong += 1
    return wrong


def forked(reads: Any, store: Any, rounds: int) -> int:
    """Read in four forked children at once; return how many reads were wrong."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    children = [context.Process(target=lambda: queue.put(reads(store, rounds))) for _ in range(4)]
    for child in children:
        child.start()
    wrong = sum(queue.get() for _ in children)
    for child in children:
        child.join()
    return wrong


def test_after_a_fork(tmp_path: Path) -> None:
    fill(IndexedTarStore(tmp_path / "f.itar", "w"))
    store = IndexedTarStore(tmp_path / "f.itar", index_tail_read_size=None)
    assert forked(reads_itar, store, 5) == 0

    fill(ZipStore(tmp_path / "f.zip", mode="w"))
    zipped = sync(ZipStore.open(tmp_path / "f.zip", mode="r"))
    assert any(forked(reads_zip, zipped, 5) for _ in range(20))


def test_pickling_a_writable_store(tmp_path: Path) -> None:
    store = IndexedTarStore(tmp_path / "f.itar", "w")
    zarr.create_array(store, data=np.arange(5))
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(store)
    store.close()
    assert zarr.open_array(IndexedTarStore(tmp_path / "f.itar"), mode="r")[4] == 4

    writable = sync(ZipStore.open(tmp_path / "f.zip", mode="w"))
    for key, value in VALUES.items():
        sync(writable.set(key, cpu.Buffer.from_bytes(value)))
    size = (tmp_path / "f.zip").stat().st_size
    twin = pickle.loads(pickle.dumps(writable))
    try:
        sync(twin._ensure_open())
    except zipfile.BadZipFile:
        # zarr 3.4 refuses to open it a second time.
        assert (tmp_path / "f.zip").stat().st_size == size
    else:
        # Before, the copy opened the file for writing as its original did, and emptied it.
        assert (tmp_path / "f.zip").stat().st_size < size
        twin.close()
    writable.close()
