"""One side of the checksum benchmark; run by `transfer_dandi.py`, which imports neither."""

# bazel: optional = ["zarr_checksum"]

import hashlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any


def entries(layout: str, count: int) -> list[tuple[str, int, str]]:
    """Entries in key order: 1,000 in a directory, or each in one of its own."""
    pattern = "{0}/{1}{2}" if layout == "wide" else "{0}/{1}/{2}/0"
    made = []
    for i in range(count):
        path = pattern.format(i // 1000, i % 1000 // 100, i % 100)
        made.append((path, 1024 + i, hashlib.md5(b"%d" % i).hexdigest()))
    made.sort()
    return made


def zarr_checksum(made: list[tuple[str, int, str]]) -> Any:
    """The package ``zarr_checksum``."""
    from zarr_checksum.tree import ZarrChecksumTree  # type: ignore[import-not-found,unused-ignore]

    tree = ZarrChecksumTree()
    for path, size, digest in made:
        tree.add_leaf(path=Path(path), size=size, digest=digest)
    return tree.process()


def ncore(made: list[tuple[str, int, str]]) -> Any:
    """Ours."""
    from ncore.transfer.checksum import ZarrEntry, compute_zarr_checksum

    return compute_zarr_checksum(ZarrEntry(*entry) for entry in made)


def main() -> None:
    """Measure one side and print it."""
    side, layout, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    made = entries(layout, count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun, cpu = time.perf_counter(), time.process_time()
    found = {"zarr_checksum": zarr_checksum, "ncore": ncore}[side](made)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    told = {"checksum": str(found), "seconds": seconds, "cpu": cpu, "megabytes": used / 1024}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
