"""The Blosc codec, loaded when the first compressed array is met."""

from functools import cache
from typing import Any


@cache
def load_blosc() -> Any:
    """Return ``numcodecs.blosc``, set to compress and decompress in the calling thread.

    zarr sets the same when it is imported: Blosc's own threads are no faster on
    chunks of a few megabytes, much slower on a busy machine, and in the way of
    callers who have threads themselves.
    """
    from numcodecs import blosc

    blosc.use_threads = False
    return blosc
