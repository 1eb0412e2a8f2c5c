"""Timing contenders by turns, for the store's benchmarks: nothing but the standard library."""

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence


def contest(
    contenders: Mapping[str, Callable[[str], object]],
    keys: Sequence[str],
    rounds: int,
    batch: int = 25,
) -> dict[str, float]:
    """Return the seconds that each contender needs for all keys, in their order.

    They take turns every few keys, in a shuffled order, so that a machine that is slow for
    a while is slow for all of them; and each is elsewhere in the keys, so that none finds
    in the processor's cache what another has just read. Of each batch the median of the
    rounds counts. The first round warms up and is not counted.
    """
    batches = [keys[i : i + batch] for i in range(0, len(keys), batch)]
    taken: dict[str, list[list[float]]] = {name: [[] for _ in batches] for name in contenders}
    order = list(enumerate(contenders))
    rng = random.Random(0)
    gc.disable()
    for turn in range(rounds + 1):
        gc.collect()
        for step in range(len(batches)):
            rng.shuffle(order)
            for place, name in order:
                number = (step + place * len(batches) // len(order)) % len(batches)
                call = contenders[name]
                start = time.perf_counter()
                for key in batches[number]:
                    call(key)
                seconds = time.perf_counter() - start
                if turn:
                    taken[name][number].append(seconds)
    gc.enable()
    return {name: sum(map(statistics.median, times)) for name, times in taken.items()}
