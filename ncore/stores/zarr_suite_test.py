"""zarr's own tests of stores, over ours."""

# bazel: size = "medium"

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from zarr.abc.store import Store
from zarr.core.buffer import Buffer, cpu
from zarr.testing.stateful import ZarrHierarchyStateMachine, ZarrStoreStateMachine
from zarr.testing.store import StoreTests

from ncore.itar.writer import ItarWriter
from ncore.stores.indexed_tar import IndexedTarStore
from ncore.stores.write_session import WriteSession


class TestIndexedTarStore(StoreTests[IndexedTarStore, cpu.Buffer]):
    store_cls = IndexedTarStore
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        return {"itar_path": tmp_path / "f.zarr.itar", "mode": "w"}

    @pytest.fixture
    async def store(self, open_kwargs: dict[str, Any]) -> AsyncIterator[IndexedTarStore]:
        store = await self.store_cls.open(**open_kwargs)
        yield store
        store.discard()

    @pytest.fixture
    def store_not_open(self, store_kwargs: dict[str, Any]) -> Iterator[IndexedTarStore]:
        store = self.store_cls(**store_kwargs)
        yield store
        store.discard()

    def _writer(self, store: IndexedTarStore) -> ItarWriter:
        assert isinstance(store._session, WriteSession)
        return store._session.writer

    async def get(self, store: IndexedTarStore, key: str) -> Buffer:
        return self.buffer_cls.from_bytes(self._writer(store).read(key))

    async def set(self, store: IndexedTarStore, key: str, value: Buffer) -> None:
        # Below the store's methods, but not below what keeps its listing.
        store._session.set(key, value.to_bytes())

    def test_store_repr(self, store: IndexedTarStore) -> None:
        assert repr(store) == f"IndexedTarStore('{store.path}', mode='w')"

    def test_store_supports_writes(self, store: IndexedTarStore) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: IndexedTarStore) -> None:
        assert store.supports_listing

    # A second writer of the same archive is refused, so equality is that of readers.
    def test_store_eq(self, store: IndexedTarStore, store_kwargs: dict[str, Any]) -> None:
        assert store == store
        assert store == store.with_read_only(False)
        assert store != store.with_read_only(True)
        store.close()
        path = store_kwargs["itar_path"]
        assert IndexedTarStore(path) == IndexedTarStore(path)
        assert IndexedTarStore(path) != store

    # A store that is being written refuses to be pickled; a read-only one is not written to.
    async def test_serializable_store(self, store: IndexedTarStore) -> None:
        import pickle

        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(store)
        await store.set("foo", self.buffer_cls.from_bytes(b"\x01\x02"))
        store.close()
        reader = IndexedTarStore(store.path, verify_reads=True)
        twin = pickle.loads(pickle.dumps(reader))
        assert twin == reader
        assert twin.read_only
        assert twin.read("foo") == b"\x01\x02"

    # `mode` says what is read-only; there is no second argument that could contradict it.
    @pytest.mark.parametrize("read_only", [True, False])
    async def test_store_open_read_only(self, open_kwargs: dict[str, Any], read_only: bool) -> None:
        path = open_kwargs["itar_path"]
        IndexedTarStore(path, "w").close()
        store = await IndexedTarStore.open(path, mode="r" if read_only else "w")
        assert store._is_open
        assert store.read_only == read_only
        store.close()

    @pytest.mark.parametrize("name", ["test_read_only_store_raises", "test_with_read_only_store"])
    async def test_reading(self, open_kwargs: dict[str, Any], name: str) -> None:
        IndexedTarStore(open_kwargs["itar_path"], "w").close()
        suite = TestIndexedTarStore()
        suite.store_cls = ReadingStore
        await getattr(StoreTests, name)(suite, open_kwargs)

    test_read_only_store_raises = None
    test_with_read_only_store = None


class ReadingStore(IndexedTarStore):
    """Takes the suite's ``read_only=True`` for mode ``r``."""

    def __init__(
        self, itar_path: Path, mode: Any = "r", *, read_only: bool = False, **options: Any
    ) -> None:
        super().__init__(itar_path, "r" if read_only else mode, **options)


# The invariants of the state machines hold in the archive that closing makes, too.


class StoreMachine(ZarrStoreStateMachine):
    def teardown(self) -> None:
        store = self.store.store
        store.close()
        reader = IndexedTarStore(store.path)
        assert reader.dead_bytes == 0
        assert set(reader.keys()) >= {key for key in self.model if "zarr.json" not in key}
        for key, value in self.model.items():
            if "zarr.json" not in key:
                assert reader.read(key) == value.to_bytes()


class HierarchyMachine(ZarrHierarchyStateMachine):
    def teardown(self) -> None:
        import zarr

        self.store.close()
        reader = IndexedTarStore(self.store.path)
        assert reader.dead_bytes == 0
        model = self._sync_iter(self.model.list_prefix(""))
        assert sorted(reader.keys()) == sorted(model)
        members = zarr.open_group(reader, mode="r").members(max_depth=None)
        assert {path for path, _ in members} == self.all_groups | self.all_arrays


@pytest.mark.parametrize("machine", [StoreMachine, HierarchyMachine])
def test_state_machine(machine: Any) -> None:
    def make() -> Any:
        # Hypothesis makes many machines within one test, each with an archive of its own.
        directory = tempfile.TemporaryDirectory()
        store: Store = IndexedTarStore(Path(directory.name) / "f.zarr.itar", "w")
        made = machine(store)
        made.directory = directory
        return made

    run_state_machine_as_test(
        make, settings=settings(max_examples=10, stateful_step_count=25, deadline=None)
    )
