"""Mutated bytes through everything that reads an archive; ``python -m tests.fuzz`` goes on longer.

``NCORE_FUZZ_SECONDS`` makes it go on for so long a target; by default it takes a moment.
"""

import os
import random
import time
import tracemalloc

import pytest

from tests.fuzz.__main__ import NAMES
from tests.fuzz.mutation import mutate
from tests.fuzz.targets import TARGETS

SECONDS = float(os.environ.get("NCORE_FUZZ_SECONDS", "1"))
SEED = int(os.environ.get("NCORE_FUZZ_SEED", "1"))


def test_every_target_can_be_named() -> None:
    assert tuple(TARGETS) == NAMES


@pytest.mark.timeout(SECONDS * 5 + 300)
@pytest.mark.parametrize("name", NAMES)
def test_only_the_documented_error(name: str) -> None:
    rng = random.Random(SEED)
    target = TARGETS[name]
    corpus = target.seeds()
    for seed in corpus:
        target.run(seed)
    end = time.monotonic() + SECONDS
    cases = 0
    tracemalloc.start()
    try:
        while cases < 100 or time.monotonic() < end:
            data = mutate(rng.choice(corpus), rng, corpus)
            cases += 1
            try:
                target.run(data)
            except Exception as error:
                error.add_note(f"case {cases} of seed {SEED}: {data[:200]!r}")
                raise
        # xz takes 94 MB of it, where an archive is written.
        most = 160 << 20 if name == "recovery" else 64 << 20
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
    print(f"{cases} cases")
