"""The peer's half of the filter benchmarks; run by select_filters.py with dandi-cli's Python.

Reads one JSON request from standard input, prints one JSON answer. It runs where
ncore is not installed, so it imports nothing of it.
"""

# bazel: optional = ["dandi"]

import hashlib
import json
import signal
import sys
import time
from pathlib import Path

from dandi import __version__
from dandi.zarr_filter import make_zarr_entry_filter, parse_zarr_filter


def match_paths(specs: list[str], keys_file: str) -> dict[str, object]:
    keys = Path(keys_file).read_text().split("\n")
    matches = make_zarr_entry_filter([f for spec in specs for f in parse_zarr_filter(spec)])
    start = time.perf_counter()
    selected = [key for key in keys if matches(key)]
    seconds = time.perf_counter() - start
    fingerprint = hashlib.sha256("\n".join(selected).encode()).hexdigest()
    return {"seconds": seconds, "selected": len(selected), "digest": fingerprint}


def match_one(pattern: str, path: str, limit: float) -> dict[str, object]:
    matches = make_zarr_entry_filter(parse_zarr_filter(f"glob:{pattern}"))

    def give_up(signum: int, frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, limit)
    start = time.perf_counter()
    try:
        matches(path)
    except TimeoutError:
        return {"seconds": None}
    except RecursionError:
        return {"seconds": "RecursionError"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return {"seconds": time.perf_counter() - start}


request = json.load(sys.stdin)
kind = request.pop("kind")
answer = {"match_paths": match_paths, "match_one": match_one}[kind](**request)
print(
    json.dumps({**answer, "version": f"dandi-cli {__version__}, Python {sys.version.split()[0]}"})
)
