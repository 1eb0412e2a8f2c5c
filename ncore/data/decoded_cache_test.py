import os
import subprocess
import sys
import threading

import pytest

from ncore.data.decoded_cache import DecodedValueCache


def test_equal_input_gives_the_same_object_until_it_is_dropped():
    decoded = []
    cache = DecodedValueCache(lambda value: decoded.append(value) or dict(value), max_size=2)
    first = cache({"a": 1, "b": 2})
    assert cache({"b": 2, "a": 1}) is first
    cache({"c": 3})
    assert cache({"a": 1, "b": 2}) is first  # used again, so {"c": 3} is the oldest
    cache({"d": 4})
    assert len(cache) == 2
    assert cache({"a": 1, "b": 2}) is first
    cache({"c": 3})
    assert len(decoded) == 4


def test_sizes():
    cache = DecodedValueCache(dict, max_size=None)
    for value in range(300):
        cache({"a": value})
    assert len(cache) == 300
    cache.max_size = 5
    assert len(cache) == 5
    cache.clear()
    assert len(cache) == 0
    cache.max_size = 0
    assert cache({"a": 1}) is not cache({"a": 1})
    assert len(cache) == 0
    with pytest.raises(ValueError, match="max_size"):
        cache.max_size = -1


def test_threads_share_one_object():
    cache = DecodedValueCache(dict)
    barrier = threading.Barrier(8)
    seen = []

    def decode():
        barrier.wait()
        seen.append(cache({"a": 1}))

    threads = [threading.Thread(target=decode) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(value) for value in seen}) == 1


FORK_WHILE_INSIDE = """
import os, threading
from ncore.data.decoded_cache import DecodedValueCache

inside, leave = threading.Event(), threading.Event()

def key(value):
    return value

class Slow(str):
    def __hash__(self):
        inside.set()
        leave.wait()
        return 1

cache = DecodedValueCache(str, key=key)
thread = threading.Thread(target=cache, args=(Slow("slow"),))
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    os._exit(cache("quick") != "quick")
status = os.waitpid(child, 0)[1]
leave.set()
thread.join()
assert status == 0, status
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_while_a_thread_is_inside_goes_on():
    paths = os.pathsep.join(filter(None, sys.path))
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK_WHILE_INSIDE],
        env={**os.environ, "PYTHONPATH": paths},
        timeout=60,
        check=True,
    )
