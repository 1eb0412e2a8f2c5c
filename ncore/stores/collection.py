"""Python's garbage collection, put off while a large document is decoded."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collection() -> Iterator[None]:
    """Put garbage collection off within the block.

    A decoder makes containers by the hundred thousand and frees none; looking for
    garbage among them meanwhile, over and over, doubles its time. Threads may do so at
    the same time: whoever found collection switched on switches it on again.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
