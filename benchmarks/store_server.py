"""Serve one file over HTTP with byte ranges and a latency, for the remote benchmarks.

Example::

    python -m benchmarks.store_server archive.itar 0.02
"""

import sys
import threading
from pathlib import Path

from ncore.itar.testing.range_server import RangeServer

if __name__ == "__main__":
    path = Path(sys.argv[1])
    with RangeServer({path.name: path.read_bytes()}) as server:
        server.latency = float(sys.argv[2])
        print(f"{server.url}/{path.name}", flush=True)
        threading.Event().wait()
