"""Serve files over HTTP with byte ranges and a latency, for the remote benchmarks.

It prints its URL, and then for each line that it reads how many requests there were.

Example::

    python -m benchmarks.store_server 0.02 archive.itar
"""

import sys
from pathlib import Path

from ncore.itar.testing.range_server import RangeServer

if __name__ == "__main__":
    paths = map(Path, sys.argv[2:])
    with RangeServer({path.name: path.read_bytes() for path in paths}) as server:
        server.latency = float(sys.argv[1])
        print(server.url, flush=True)
        for _ in sys.stdin:
            print(len(server.requests), flush=True)
