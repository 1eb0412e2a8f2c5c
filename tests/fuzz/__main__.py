"""Fuzzes what reads an archive for as long as you like.

Example::

    python -m tests.fuzz                       # every target for a minute of CPU time
    python -m tests.fuzz index --seconds 3600
    python -m tests.fuzz index --replay FILE

With atheris (``pip install atheris``) mutation is led by the coverage of ncore; without
it, or with ``--random``, it is random. An input that gets anything but the documented
error is written to ``--artifacts`` and the exit code is 1. The corpus grows in ``--corpus``,
where it is given.
"""

# bazel: optional = ["atheris"]

import argparse
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

# Under atheris these imports must come later, when it can instrument them.
NAMES = (
    "index", "archive", "composed", "members", "recovery", "consolidated", "deferred", "tail",
)  # fmt: skip
CASE_MOST = 20
"""Seconds of CPU time after which a case hangs. libFuzzer would count those it was stopped."""


def counted(
    run: Callable[[bytes], None], seconds: float, artifacts: Path, name: str
) -> Callable[[bytes], None]:
    """Return ``run`` that counts, ends the process in time, and keeps what fails."""
    cases = 0
    start = time.process_time()

    def too_long(*_: object) -> None:
        raise TimeoutError(f"one case took {CASE_MOST} s of CPU time")

    signal.signal(signal.SIGVTALRM, too_long)

    def one(data: bytes) -> None:
        nonlocal cases
        signal.setitimer(signal.ITIMER_VIRTUAL, CASE_MOST)
        try:
            run(data)
        except BaseException:
            traceback.print_exc()
            keep = artifacts / f"{name}-{cases}.bin"
            keep.write_bytes(data)
            print(f"{name}: FAILED after {cases} cases; --replay {keep}", flush=True)
            os._exit(1)
        cases += 1
        used = time.process_time() - start
        if used >= seconds:
            print(f"{name}: {cases} cases in {used:.0f} s of CPU time, no failure", flush=True)
            os._exit(0)

    return one


def at_random(one: Callable[[bytes], None], seeds: list[bytes], seed: int) -> None:
    """Mutate for ever."""
    from tests.fuzz.mutation import mutate

    rng = random.Random(seed)
    corpus = list(seeds)
    while True:
        data = mutate(rng.choice(corpus), rng, corpus)
        one(data)
        # Mutations of mutations go further.
        if rng.random() < 0.02 and len(data) < 1 << 16:
            if len(corpus) < 500:
                corpus.append(data)
            else:
                corpus[rng.randrange(len(seeds), len(corpus))] = data


def fuzz(args: argparse.Namespace, name: str) -> None:
    """Fuzz one target; ends the process."""
    atheris = None
    if not args.random:
        try:
            import atheris
        except ImportError:
            print("atheris is not installed: random mutation", file=sys.stderr)
    if atheris is not None:
        import zarr  # noqa: F401 - with all that it imports, past the instrumentation

        with atheris.instrument_imports(include=["ncore.itar", "ncore.stores"]):
            from tests.fuzz.targets import TARGETS
    else:
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    seeds = target.seeds()
    one = counted(target.run, args.seconds, args.artifacts, name)
    for seed in seeds:
        one(seed)
    if atheris is None:
        at_random(one, seeds, args.seed)
        return
    corpus = (args.corpus or args.artifacts / "corpus") / name
    corpus.mkdir(parents=True, exist_ok=True)
    for i, data in enumerate(seeds):
        (corpus / f"seed-{i}").write_bytes(data)
    # atheris itself keeps about a kilobyte a case.
    options = ["-max_len=65536", "-timeout=86400", "-rss_limit_mb=8192", f"-seed={args.seed}"]
    atheris.Setup(
        ["fuzz", *options, f"-artifact_prefix={args.artifacts}/{name}-", str(corpus)], one
    )
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=float, default=60, help="CPU time a target (60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", action="store_true", help="do without atheris")
    parser.add_argument("--artifacts", type=Path, default=Path("fuzz-artifacts"))
    parser.add_argument("--corpus", type=Path, help="keep what was learnt, and begin with it")
    parser.add_argument("--replay", type=Path, help="run one input and exit")
    args = parser.parse_args()
    names = args.targets or NAMES
    for name in names:
        if name not in NAMES:
            parser.error(f"no target {name!r}, only {', '.join(NAMES)}")
    if args.replay:
        from tests.fuzz.targets import TARGETS

        TARGETS[names[0]].run(args.replay.read_bytes())
        return 0
    args.artifacts.mkdir(parents=True, exist_ok=True)
    if len(names) == 1:
        fuzz(args, names[0])
    # A process a target: libFuzzer takes over the one that it runs in.
    options = [option for option in sys.argv[1:] if option not in names]
    commands = [[sys.executable, "-m", "tests.fuzz", name, *options] for name in names]
    return max(subprocess.run(command, check=False).returncode for command in commands)


if __name__ == "__main__":
    sys.exit(main())
