"""Compare what was written with what the source holds.

The v3 side is read by zarr itself, from the staged store. The v2 side is
decoded by numcodecs alone, since zarr 3 cannot open every v2 array and reads
some wrongly. Values are compared bit by bit, so that NaNs and signed zeros count.
"""

import json
import math
import random
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore

from ncore.convert.errors import VerificationError
from ncore.convert.options import ConvertOptions
from ncore.convert.plan import ArrayPlan, Plan
from ncore.convert.progress import Progress
from ncore.convert.read_v2 import V2Reader
from ncore.convert.report import ConversionReport
from ncore.convert.source import Source
from ncore.convert.stored_chunks import Region, block_region, first_missing, touched_blocks
from ncore.convert.translation import Action, Form
from ncore.convert.v3_values import to_v3_values

_REGION_BYTES = 16 << 20
_REGION_CHUNKS = 4096
_SPARSE = 8  # places for chunks that are looked at, at most, for each chunk that is there
_SAMPLES = 5
_ALIVE = 3  # v2 values, v3 values and a copy that compares them


def verify_store(
    source: Source,
    store: Store,
    plan: Plan,
    options: ConvertOptions,
    progress: Progress,
    report: ConversionReport,
) -> None:
    """Verify a staged store as the options ask, and say so in the report.

    Raises:
        VerificationError: naming what differs.
        ChunkDecodeError: a chunk of the source is damaged.
    """
    progress.phase("verify", sum(array.size for array in plan.arrays))
    verifier = Verifier(
        source,
        store,
        plan,
        sample=options.verify == "sample",
        allow_pickle=options.translation.allow_pickle,
        memory=options.memory,
    )
    verifier.run(options.jobs, progress.advance)
    for line in report.arrays:
        if line.action in (Action.COPY, Action.REENCODE):
            line.verified = options.verify


class Verifier:
    """Verifies one staged store against its source.

    Args:
        source: the v2 store.
        store: the v3 store, opened for reading.
        plan: what was to be written.
        sample: look at a few chunks of each array only.
        allow_pickle: unpickle pickled objects.
        memory: bytes that values in flight may take.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        plan: Plan,
        *,
        sample: bool,
        allow_pickle: bool,
        memory: int,
    ) -> None:
        self._source = source
        self._store = store
        self._plan = plan
        self._sample = sample
        self._allow_pickle = allow_pickle
        self._memory = memory

    def run(self, jobs: int, progress: Callable[[int], None]) -> None:
        """Verify groups, arrays and everything else.

        Raises:
            VerificationError: naming what differs.
        """
        for path, document in self._plan.groups.items():
            found = self._document(path)
            found.pop("consolidated_metadata", None)
            self._same(f"group {path or '/'!r}", "metadata", document, found)
        at = f"{self._plan.root}/" if self._plan.root else ""
        for key in self._plan.others:
            self._same(key, "bytes", self._source.read(at + key), self._bytes(key))
        # Arrays are opened one after the other, while the regions of those before are compared.
        waiting: deque[tuple[Future[None], int, int]] = deque()
        alive = 0
        with ThreadPoolExecutor(max(1, jobs)) as pool:
            try:
                for compare, size, nbytes in self._comparisons():
                    while waiting and (
                        len(waiting) >= 4 * jobs or _ALIVE * (alive + nbytes) > self._memory
                    ):
                        alive -= _done(waiting.popleft(), progress)
                    waiting.append((pool.submit(compare), size, nbytes))
                    alive += nbytes
                while waiting:
                    _done(waiting.popleft(), progress)
            finally:
                for future, _, _ in waiting:
                    future.cancel()

    def _comparisons(self) -> Iterator[tuple[Callable[[], None], int, int]]:
        """What is to be compared: a function that does, stored and decoded size of it."""
        for plan in self._plan.arrays:
            if plan.translation.document is None:
                yield partial(self._untouched, plan), plan.size, 0
                continue
            reader, array = self._open(plan)
            regions = self._regions(reader)
            share, rest = divmod(plan.size, max(1, len(regions)))
            for region in regions:
                compare = partial(self._values, plan, reader, array, region)
                count = math.prod(r.stop - r.start for r in region)
                yield compare, share + rest, count * max(1, plan.array.dtype.itemsize)
                rest = 0
            if not regions:
                yield _nothing, rest, 0

    def _open(self, plan: ArrayPlan) -> tuple[V2Reader, Any]:
        """Both sides of an array, once their metadata are known to be equal."""
        document = plan.translation.document
        what = _name(plan)
        self._same(what, "metadata", document, self._document(plan.path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                array = zarr.open_array(self._store, path=plan.path, mode="r", zarr_format=3)
            except Exception as error:
                raise VerificationError(f"{what}: zarr cannot open it: {error}") from error
        shape = (
            (plan.array.dtype.itemsize,) if plan.translation.form is Form.BLOB else plan.array.shape
        )
        self._same(what, "shape", tuple(shape), tuple(array.shape))
        root = f"{self._plan.root}/" if self._plan.root else ""
        reader = V2Reader(
            self._source,
            root + plan.prefix,
            plan.array,
            plan.node.keys,
            allow_pickle=self._allow_pickle,
            memory=self._memory,
        )
        return reader, array

    def _values(self, plan: ArrayPlan, reader: V2Reader, array: Any, region: Region) -> None:
        v2, what, form = plan.array, _name(plan), plan.translation.form
        if v2.fill_value is None and not all(map(reader.exists, reader.touching(region))):
            return  # v2 leaves these elements undefined
        assert plan.translation.document is not None
        missing: object = plan.translation.document["fill_value"]
        if v2.object_codec == "vlen-bytes":
            missing = b""
        elif v2.object_codec and v2.fill_value not in (None, 0):
            missing = str(v2.fill_value)
        want = to_v3_values(reader.region(region), form, missing=missing)
        try:
            if array.shape == () and want.dtype.hasobject:
                got = self._only_text(plan)
            else:
                got = array[...] if form is Form.BLOB else array[region]
        except Exception as error:
            raise VerificationError(f"{what}: zarr cannot read it: {error}") from error
        if not _equal(want, np.asarray(got, dtype=_kept(array))):
            place = ",".join(f"{r.start}:{r.stop}" for r in region)
            raise VerificationError(f"{what}: values differ in [{place}]")

    def _only_text(self, plan: ArrayPlan) -> np.ndarray[Any, Any]:
        """The one text or bytes of a 0-d array, NULs at its end included.

        zarr 3.1 loses those, though not of an array of one dimension over the same bytes.
        """
        document = dict(plan.translation.document or {})
        document |= {"shape": [1], "dimension_names": None, "attributes": {}}
        document["chunk_grid"] = {"name": "regular", "configuration": {"chunk_shape": [1]}}
        key = "c" if document["chunk_key_encoding"]["name"] == "default" else "0"
        document["chunk_key_encoding"] = {"name": "v2", "configuration": {"separator": "."}}
        entries = {"zarr.json": json.dumps(document).encode()}
        found = sync(self._store.get(plan.prefix + key, default_buffer_prototype()))
        if found is not None:
            entries["0"] = found.to_bytes()
        buffer = default_buffer_prototype().buffer
        store = MemoryStore({name: buffer.from_bytes(data) for name, data in entries.items()})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = zarr.open_array(store, mode="r", zarr_format=3)[0:1]
        return np.asarray(values, dtype=object).reshape(())

    def _regions(self, reader: V2Reader) -> list[Region]:
        """What to compare: as much as there are chunks, however large the array is."""
        array = reader.array
        stored = reader.stored
        block = tuple(max(1, c) for c in array.chunks)
        if not self._sample and stored:
            grown = _grown(block, array.shape, max(1, array.dtype.itemsize))
            blocks = touched_blocks(array, stored, grown)
            full = math.prod(g // b for g, b in zip(grown, block, strict=True))
            # Where few chunks are there, most of a block would be looked for in vain; and where
            # chunks may be undefined, only chunk by chunk can they be left out.
            defined = array.fill_value is not None or len(stored) == math.prod(array.grid)
            if defined and len(blocks) * full <= _SPARSE * len(stored):
                stored, block = blocks, grown
        elif len(stored) > _SAMPLES:
            picked = random.Random(array.path).sample(stored[1:-1], _SAMPLES - 2)
            stored = [stored[0], *sorted(picked), stored[-1]]
        regions = [block_region(array.shape, block, coords) for coords in stored]
        missing = first_missing(array, reader.stored)
        if missing is not None:
            # One element stands for all that were never written: their value is metadata.
            starts = [i * c for i, c in zip(missing, array.chunks, strict=True)]
            regions.append(tuple(slice(start, start + 1) for start in starts))
        return regions

    def _untouched(self, plan: ArrayPlan) -> None:
        if plan.translation.action is not Action.KEEP:
            return
        root = f"{self._plan.root}/" if self._plan.root else ""
        for key in plan.node.keys:
            there = self._source.read(root + plan.prefix + key)
            self._same(plan.prefix + key, "bytes", there, self._bytes(plan.prefix + key))

    def _document(self, path: str) -> dict[str, Any]:
        key = f"{path}/zarr.json" if path else "zarr.json"
        document: dict[str, Any] = json.loads(self._bytes(key))
        return document

    def _bytes(self, key: str) -> bytes:
        found = sync(self._store.get(key, default_buffer_prototype()))
        if found is None:
            raise VerificationError(f"{key!r} was not written")
        return found.to_bytes()

    @staticmethod
    def _same(what: str, aspect: str, want: Any, got: Any) -> None:
        if aspect == "metadata":
            # Text, so that 1 and 1.0 differ, and the order of attributes counts.
            want, got = json.dumps(want), json.dumps(got)
        if want != got:
            raise VerificationError(f"{what}: its {aspect} differs from the source")


def _nothing() -> None:
    pass


def _done(waiting: tuple[Future[None], int, int], progress: Callable[[int], None]) -> int:
    future, size, nbytes = waiting
    future.result()
    progress(size)
    return nbytes


def _name(plan: ArrayPlan) -> str:
    return f"array {plan.path or '/'!r}"


def _kept(array: Any) -> Any:
    dtype = array.dtype
    return object if dtype.kind in "TO" else dtype


def _equal(want: np.ndarray[Any, Any], got: np.ndarray[Any, Any]) -> bool:
    if want.shape != got.shape:
        return False
    if want.dtype.hasobject or got.dtype.hasobject:
        return bool(want.tolist() == got.tolist())
    if want.dtype != got.dtype:
        return False
    return want.tobytes() == got.tobytes()


def _grown(chunks: tuple[int, ...], shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Whole chunks in blocks of about `_REGION_BYTES`: zarr reads many at once better."""
    block = list(chunks)
    for axis in reversed(range(len(block))):
        room = _REGION_BYTES // max(1, math.prod(block) * itemsize)
        chunks_so_far = math.prod(b // c for b, c in zip(block, chunks, strict=True))
        room = min(room, _REGION_CHUNKS // chunks_so_far)
        if room < 2:
            break
        count = -(-shape[axis] // block[axis])
        block[axis] *= max(1, min(count, room))
    return tuple(block)
