"""Zarr entry filters beside dandi-cli's matcher, in one run.

Example::

    python benchmarks/select_filters.py --peer-python ~/dandi/bin/python

`--peer-python` is the interpreter of an environment that holds dandi-cli; both
sides get the same keys and filters, take turns, and must select the same keys.
"""

# bazel: data = ["select_peer.py"]

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from ncore.select.filters import make_zarr_entry_filter, parse_zarr_filter
from ncore.select.selection import ZarrSelection

FILTERS = (
    "glob:**/.z*",
    "glob:0/**/1/[0-3]",
    "path:1/0",
    "glob:labels/*/2/**",
    "regex:^2/.*/7$",
)

# (pattern, unit, end): the path is the unit repeated, then the end, which no match can reach.
ADVERSARIAL = (
    ("**/a/**/b/**/c*", "a/b/", "d"),
    ("**/a/**/a/**/a/**/a/**/a/**/b", "a/", "c"),
    ("**/*a/**/*a/**/*a/**/*a/**/*a/**/*a/**/*a/**/*a/**/b", "a/", "c"),
    ("**/a/a/a/a/a/a/a/b/**", "a/", "c"),
    ("**/*a*a*a*b/**/c", "aaaaaaaa/", "c"),
    ("*a*a*a*a*a*a*a*a*b", "a", ""),
)


def paths(count: int) -> list[str]:
    """Keys as a multiscale OME-Zarr with labels has them: level/t/c/z/y/x and metadata."""
    keys = [".zgroup", ".zattrs", "labels/.zgroup", "labels/nuclei/.zattrs"]
    for level in ("0", "1", "2", "labels/nuclei/0", "labels/nuclei/2"):
        keys += [f"{level}/.zarray", f"{level}/.zattrs"]
    levels = ("0", "0", "0", "0", "1", "2", "labels/nuclei/0", "labels/nuclei/2")
    index = 0
    while len(keys) < count:
        level = levels[index % len(levels)]
        chunk = index // len(levels)
        x, y, z, c = chunk % 16, chunk // 16 % 16, chunk // 256 % 64, chunk // 16384 % 3
        keys.append(f"{level}/{chunk // 49152}/{c}/{z}/{y}/{x}")
        index += 1
    return keys[:count]


def ask_peer(python: str, **request: Any) -> dict[str, Any]:
    process = subprocess.run(
        [python, "-W", "ignore", str(Path(__file__).with_name("select_peer.py"))],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "DANDI_NO_ET": "1", "NO_ET": "1"},
    )
    answer: dict[str, Any] = json.loads(process.stdout)
    return answer


def predicate(specs: list[str], keys: list[str]) -> tuple[float, list[str]]:
    """The call that dandi-cli's users know: one predicate, asked key by key."""
    matches = make_zarr_entry_filter([f for spec in specs for f in parse_zarr_filter(spec)])
    start = time.perf_counter()
    selected = [key for key in keys if matches(key)]
    return time.perf_counter() - start, selected


def batch(specs: list[str], keys: list[str]) -> tuple[float, list[str]]:
    selection = ZarrSelection.from_flags(specs)
    start = time.perf_counter()
    selected = list(selection.filter_paths(keys))
    return time.perf_counter() - start, selected


def compare_paths(peer_python: str, keys_file: Path, repeats: int) -> list[dict[str, Any]]:
    """Print a table; return the ratios."""
    ratios: list[dict[str, Any]] = []
    keys = keys_file.read_text().split("\n")
    print(f"\n{len(keys):,} keys, seconds (median of {repeats}), ratio = dandi-cli / ncore\n")
    print("| filters | selected | dandi-cli | predicate | ratio | filter_paths | ratio |")
    print("|---|---|---|---|---|---|---|")
    for specs in (list(FILTERS), *([spec] for spec in FILTERS)):
        times: dict[str, list[float]] = {"peer": [], "predicate": [], "batch": []}
        for _ in range(repeats):
            peer = ask_peer(peer_python, kind="match_paths", specs=specs, keys_file=str(keys_file))
            times["peer"].append(peer["seconds"])
            for name, function in (("predicate", predicate), ("batch", batch)):
                seconds, selected = function(specs, keys)
                times[name].append(seconds)
                fingerprint = hashlib.sha256("\n".join(selected).encode()).hexdigest()
                if fingerprint != peer["digest"]:
                    raise SystemExit(f"{specs}: the two sides select different keys")
        theirs, one, many = (statistics.median(times[name]) for name in times)
        label = "all five" if len(specs) > 1 else f"`{specs[0]}`"
        for how, ours in (("predicate", one), ("filter_paths", many)):
            what = f"filters over {len(keys):,} keys, {label.strip('`')}, {how}"
            ratios.append({"what": what, "beside": "dandi-cli", "ratio": theirs / ours})
        print(
            f"| {label} | {peer['selected']:,} | {theirs:.2f} | {one:.3f} | {theirs / one:.1f} "
            f"| {many:.3f} | {theirs / many:.1f} |",
            flush=True,
        )
    return ratios


def compare_adversarial(peer_python: str, limit: float) -> None:
    print(f"\nOne adversarial key, milliseconds (dandi-cli stopped after {limit:.0f} s)\n")
    print("| glob | characters in the key | dandi-cli | ncore |")
    print("|---|---|---|---|")
    for pattern, unit, end in ADVERSARIAL:
        gave_up = False
        for repeat in (8, 16, 32, 64, 1_000, 100_000):
            path = unit * repeat + end
            theirs = "not tried"
            if not gave_up:
                answer = ask_peer(
                    peer_python, kind="match_one", pattern=pattern, path=path, limit=limit
                )
                seconds = answer["seconds"]
                gave_up = not isinstance(seconds, float)
                theirs = f"{seconds * 1e3:.2f}" if isinstance(seconds, float) else "> limit"
                theirs = seconds if isinstance(seconds, str) else theirs
            matches = make_zarr_entry_filter(parse_zarr_filter(f"glob:{pattern}"))
            start = time.perf_counter()
            assert not matches(path)
            ours = time.perf_counter() - start
            print(f"| `{pattern}` | {len(path):,} | {theirs} | {ours * 1e3:.3f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", required=True, help="Python that can import dandi")
    parser.add_argument("--count", type=int, default=1_000_000, help="number of keys")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=10.0, help="seconds for one hard key")
    parser.add_argument("--json", type=Path, help="write the ratios to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keys_file = Path(folder, "keys")
        keys_file.write_text("\n".join(paths(args.count)))
        peer = ask_peer(args.peer_python, kind="match_one", pattern="a", path="a", limit=1)
        print(f"{peer['version']} beside ncore, Python {platform.python_version()}")
        print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs")
        ratios = compare_paths(args.peer_python, keys_file, args.repeats)
    compare_adversarial(args.peer_python, args.limit)
    if args.json:
        args.json.write_text(json.dumps({"ratios": ratios}, indent=1))


if __name__ == "__main__":
    main()
