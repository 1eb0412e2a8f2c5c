"""One store of a fleet: where it goes, and what became of it."""

import random
import time
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ncore.convert.conversion import convert
from ncore.convert.discover import ARCHIVES, Found
from ncore.convert.errors import (
    AlreadyV3Error,
    ResumeError,
    SourceError,
    TargetError,
    TargetExistsError,
)
from ncore.convert.in_place import convert_in_place
from ncore.convert.options import ConvertOptions
from ncore.errors import NcoreError
from ncore.itar.location import is_remote


@dataclass(frozen=True)
class FleetTask:
    """One store to convert; in place where the target is empty.

    One with a problem fails with it.
    """

    source: str
    target: str
    size: int = 0
    problem: str = ""


@dataclass
class FleetResult:
    """What became of one store.

    Attributes:
        source: where it is.
        target: where it went.
        status: ``converted``, ``present`` (the target was there already), ``v3`` (the
            source is zarr v3, so there is nothing to convert) or ``failed``.
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
        if store.problem:
            tasks.append(FleetTask(store.location, "", 0, store.problem))
            continue
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
    task: FleetTask,
    options: ConvertOptions,
    retries: int = 3,
    backoff: float = 1.0,
    executor: Executor | None = None,
) -> FleetResult:
    """Convert one store; never raises for what may befall a conversion.

    Args:
        task: the store.
        options: choices of the user.
        retries: how often a remote error is tried again.
        backoff: seconds before the first retry; doubled for each further one.
        executor: who helps with a large one.
    """
    if task.problem:
        return FleetResult(task.source, task.target, "failed", task.problem)
    attempt = 0
    while True:
        attempt += 1
        started = time.monotonic()
        status, error, report = "converted", "", {}
        again = locked = False
        try:
            if task.target:
                report = convert(task.source, task.target, options, executor=executor).to_json()
            else:
                report = convert_in_place(task.source, options).to_json()
            if report["already"] and not report["removed"]:
                status = "present"
            refused = [a for a in report["arrays"] if a["action"] == "refuse"]
            if refused:  # of a dry run: nothing would have been written
                status, error = "failed", f"{refused[0]['path'] or '/'}: {refused[0]['reason']}"
        except TargetExistsError:
            status = "present"
        except AlreadyV3Error:
            status = "v3"
        except NcoreError as problem:
            status, error = "failed", str(problem)
            again = isinstance(problem, SourceError | TargetError)
            # A cluster may start a task anew before the worker that had it is gone.
            locked = isinstance(problem, ResumeError)
        except (OSError, MemoryError) as problem:
            status, error = "failed", f"{type(problem).__name__}: {problem}"
            again = True
        except Exception as problem:  # one store's surprise must not end the fleet
            status, error = "failed", f"{type(problem).__name__}: {problem}"
        remote = is_remote(task.source) or is_remote(task.target)
        if (locked or (again and remote)) and attempt <= retries:
            time.sleep(backoff * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
            continue
        seconds = time.monotonic() - started
        return FleetResult(
            task.source, task.target, status, error, attempt, seconds, task.size, report
        )
