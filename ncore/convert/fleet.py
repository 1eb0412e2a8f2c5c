"""Convert many stores: each succeeds or fails by itself, and a second run does what is missing.

Work is done by processes of this machine or by a Dask cluster
(``pip install ncore[dask]``); either may lose a worker without losing the run.
"""

import multiprocessing
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ncore.convert.convert import convert
from ncore.convert.discover import ARCHIVES, Found
from ncore.convert.errors import SourceError, TargetError, TargetExistsError
from ncore.convert.in_place import convert_in_place
from ncore.convert.options import ConvertOptions
from ncore.errors import NcoreError
from ncore.itar.location import is_remote

_LOST_WORKERS = 3  # how often one store may lose its worker before it counts as failed


@dataclass(frozen=True)
class FleetTask:
    """One store to convert; in place where the target is empty."""

    source: str
    target: str
    size: int = 0


@dataclass
class FleetResult:
    """What became of one store.

    Attributes:
        source: where it is.
        target: where it went.
        status: ``converted``, ``present`` (the target was there already) or ``failed``.
        error: why it failed.
        attempts: how often it was tried.
        seconds: time that the last attempt took.
        size: bytes of the source where they are known.
        report: the report of the conversion, as JSON values.
    """

    source: str
    target: str
    status: str
    error: str = ""
    attempts: int = 1
    seconds: float = 0.0
    size: int = 0
    report: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return asdict(self)


def fleet_tasks(
    found: Iterable[Found], to: str | None, container: str | None = None
) -> list[FleetTask]:
    """Where each store goes.

    Args:
        found: the stores.
        to: a directory or prefix; None converts in place.
        container: ``.zarr``, ``.zarr.itar``, ``.zarr.zip`` or ``.ozx`` to change the
            container; None keeps it.
    """
    tasks = []
    for store in found:
        name = store.name
        if to is None:
            tasks.append(FleetTask(store.location, "", store.size))
            continue
        if container is not None:
            stem = name
            for suffix in (*ARCHIVES, ".zarr"):
                stem = stem.removesuffix(suffix)
            name = stem + container
        elif PurePosixPath(name).suffix == ".zip" and not name.endswith(".zarr.zip"):
            name = name.removesuffix(".zip") + ".zarr.zip"
        tasks.append(FleetTask(store.location, f"{to.rstrip('/')}/{name}", store.size))
    return tasks


def run_task(
    task: FleetTask, options: ConvertOptions, retries: int = 3, backoff: float = 1.0
) -> FleetResult:
    """Convert one store; never raises for what may befall a conversion.

    Args:
        task: the store.
        options: choices of the user.
        retries: how often a remote error is tried again.
        backoff: seconds before the first retry; doubled for each further one.
    """
    attempt = 0
    while True:
        attempt += 1
        started = time.monotonic()
        status, error, report = "converted", "", {}
        again = False
        try:
            if task.target:
                report = convert(task.source, task.target, options).to_json()
            else:
                report = convert_in_place(task.source, options).to_json()
            refused = [a for a in report["arrays"] if a["action"] == "refuse"]
            if refused:  # of a dry run: nothing would have been written
                status, error = "failed", f"{refused[0]['path'] or '/'}: {refused[0]['reason']}"
        except TargetExistsError:
            status = "present"
        except NcoreError as problem:
            status, error = "failed", str(problem)
            again = isinstance(problem, SourceError | TargetError)
        except (OSError, MemoryError) as problem:
            status, error = "failed", f"{type(problem).__name__}: {problem}"
            again = True
        except Exception as problem:  # one store's surprise must not end the fleet
            status, error = "failed", f"{type(problem).__name__}: {problem}"
        remote = is_remote(task.source) or is_remote(task.target)
        if again and remote and attempt <= retries:
            time.sleep(backoff * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
            continue
        seconds = time.monotonic() - started
        return FleetResult(
            task.source, task.target, status, error, attempt, seconds, task.size, report
        )


def run_here(
    tasks: Sequence[FleetTask],
    options: ConvertOptions,
    processes: int,
    retries: int = 3,
    work: Callable[[FleetTask, ConvertOptions, int], FleetResult] = run_task,
) -> Iterator[FleetResult]:
    """Convert stores in processes of this machine.

    A process that dies (out of memory, killed) takes nothing with it: the store
    is tried again, and continued where it was.

    Args:
        tasks: the stores.
        options: choices of the user.
        processes: how many at once.
        retries: how often a remote error is tried again.
        work: what a process does (for tests).

    Yields:
        Results, as they come.
    """
    waiting = list(reversed(tasks))
    lost: dict[FleetTask, int] = {}
    context = multiprocessing.get_context("spawn")
    while waiting:
        running: dict[Future[FleetResult], FleetTask] = {}
        pool = ProcessPoolExecutor(processes, mp_context=context)
        broken = False
        try:
            while (waiting or running) and not broken:
                while waiting and len(running) < processes:
                    task = waiting.pop()
                    try:
                        running[pool.submit(work, task, options, retries)] = task
                    except BrokenProcessPool:
                        waiting.append(task)
                        broken = True
                        break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    task = running.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        # All tasks of a broken pool fail alike; who killed it is unknown.
                        broken = True
                        running[future] = task
        finally:
            pool.shutdown(wait=not broken, cancel_futures=True)
        for task in running.values():
            lost[task] = lost.get(task, 0) + 1
            if lost[task] <= _LOST_WORKERS:
                waiting.append(task)
            else:
                error = f"its process died {lost[task]} times (out of memory?)"
                yield FleetResult(task.source, task.target, "failed", error, lost[task])


def run_on_dask(
    tasks: Sequence[FleetTask], options: ConvertOptions, scheduler: str, retries: int = 3
) -> Iterator[FleetResult]:
    """Convert stores on a Dask cluster whose workers see sources and targets.

    Args:
        tasks: the stores.
        options: choices of the user.
        scheduler: its address, ``tcp://host:8786``.
        retries: how often a remote error is tried again.

    Yields:
        Results, as they come.

    Raises:
        FleetError: there is no such cluster, or Dask is not installed.
    """
    from ncore.convert.fleet_dask import submit_all

    yield from submit_all(tasks, options, scheduler, retries)
