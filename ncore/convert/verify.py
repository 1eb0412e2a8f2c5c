"""Compare what was written with what the source holds.

The v3 side is read by zarr itself, from the staged store. The v2 side is
decoded by numcodecs alone, since zarr 3 cannot open every v2 array and reads
some wrongly. Values are compared bit by bit, so that NaNs and signed zeros count.
"""

import json
import math
import random
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from ncore.convert.errors import VerificationError
from ncore.convert.plan import ArrayPlan, Plan
from ncore.convert.read_v2 import Region, V2Reader, regions
from ncore.convert.source import Source
from ncore.convert.translation import Action, Form
from ncore.convert.v3_values import to_v3_values

_REGION_BYTES = 16 << 20
_SAMPLES = 3


class Verifier:
    """Verifies one staged store against its source.

    Args:
        source: the v2 store.
        store: the v3 store, opened for reading.
        plan: what was to be written.
        sample: look at a few chunks of each array only.
        allow_pickle: unpickle pickled objects.
    """

    def __init__(
        self, source: Source, store: Store, plan: Plan, *, sample: bool, allow_pickle: bool
    ) -> None:
        self._source = source
        self._store = store
        self._plan = plan
        self._sample = sample
        self._allow_pickle = allow_pickle

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
        with ThreadPoolExecutor(max(1, jobs)) as pool:
            for size in pool.map(self._array, self._plan.arrays):
                progress(size)

    def _array(self, plan: ArrayPlan) -> int:
        document = plan.translation.document
        what = f"array {plan.path or '/'!r}"
        if document is None:
            self._untouched(plan)
            return plan.size
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
        self._values(plan, array, what)
        return plan.size

    def _values(self, plan: ArrayPlan, array: Any, what: str) -> None:
        v2 = plan.array
        root = f"{self._plan.root}/" if self._plan.root else ""
        reader = V2Reader(
            self._source,
            root + plan.prefix,
            v2,
            plan.node.keys,
            allow_pickle=self._allow_pickle,
        )
        form = plan.translation.form
        assert plan.translation.document is not None
        missing: object = plan.translation.document["fill_value"]
        if v2.object_codec == "vlen-bytes":
            missing = b""
        elif v2.object_codec and v2.fill_value not in (None, 0):
            missing = str(v2.fill_value)
        for region in self._regions(reader):
            if v2.fill_value is None and not all(map(reader.exists, reader.touching(region))):
                continue  # v2 leaves these elements undefined
            want = to_v3_values(reader.region(region), form, missing=missing)
            try:
                got = array[...] if form is Form.BLOB else array[region]
            except Exception as error:
                raise VerificationError(f"{what}: zarr cannot read it: {error}") from error
            if not _equal(want, np.asarray(got, dtype=_kept(array))):
                place = ",".join(f"{r.start}:{r.stop}" for r in region)
                raise VerificationError(f"{what}: values differ in [{place}]")

    def _regions(self, reader: V2Reader) -> Iterator[Region]:
        array = reader.array
        chunks = tuple(max(1, c) for c in array.chunks)
        if self._sample and array.shape:
            every = list(np.ndindex(array.grid)) if math.prod(array.grid) < 4096 else None
            random_ = random.Random(array.path)
            picked = {tuple(0 for _ in array.grid), tuple(n - 1 for n in array.grid)}
            for _ in range(_SAMPLES):
                picked.add(
                    random_.choice(every)
                    if every
                    else tuple(random_.randrange(max(1, n)) for n in array.grid)
                )
            for coords in sorted(picked):
                if all(0 <= i < n for i, n in zip(coords, array.grid, strict=True)):
                    yield tuple(
                        slice(i * c, min((i + 1) * c, n))
                        for i, c, n in zip(coords, chunks, array.shape, strict=True)
                    )
            return
        if array.fill_value is None and len(reader._keys) < math.prod(array.grid):
            block = chunks  # chunk by chunk, so that only undefined ones are left out
        else:
            block = _grown(chunks, array.shape, max(1, array.dtype.itemsize))
        for _, region in regions(array.shape, block):
            yield region

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
        if room < 2:
            break
        count = -(-shape[axis] // block[axis])
        block[axis] *= max(1, min(count, room))
    return tuple(block)
