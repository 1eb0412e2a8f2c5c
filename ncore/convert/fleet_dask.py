"""Convert many stores on a Dask cluster (``pip install ncore[dask]``): one task a store.

Of a huge zarr the task hands shares to the other workers: of arrays that must be
encoded anew, and of what is copied to a directory or prefix.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

from ncore.convert.errors import FleetError
from ncore.convert.fleet_task import FleetResult, FleetTask, run_task
from ncore.convert.locations import absolute
from ncore.convert.options import ConvertOptions

# bazel: optional = ["distributed"]


def run_on_dask(
    tasks: Sequence[FleetTask], options: ConvertOptions, scheduler: str, retries: int = 3
) -> Iterator[FleetResult]:
    """Convert stores on a cluster whose workers see sources and targets.

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
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise FleetError("--dask needs Dask: pip install 'ncore[dask]'") from None
    try:
        client = Client(scheduler, timeout="20s", set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise FleetError(f"no Dask scheduler answers at {scheduler}: {error}") from None
    with client:
        futures = {
            # Dask moves a task to another worker when its own dies; it is continued there.
            client.submit(_run_task, _absolute(task), options, retries, pure=False, retries=2): task
            for task in tasks
        }
        done = as_completed(list(futures), loop=client.loop)  # type: ignore[no-untyped-call]
        for future in done:
            task = futures[future]
            try:
                result = future.result()
            except Exception as error:  # the task took several workers down with it
                text = f"{type(error).__name__}: {error}"
                result = FleetResult(task.source, task.target, "failed", text, size=task.size)
            future.release()
            # As the user named them.
            yield replace(result, source=task.source, target=task.target)


def _absolute(task: FleetTask) -> FleetTask:
    """The same for a worker that was started in another directory."""
    target = absolute(task.target) if task.target else ""
    return replace(task, source=absolute(task.source), target=target)


def _run_task(task: FleetTask, options: ConvertOptions, retries: int) -> FleetResult:
    """What a worker does."""
    return run_task(task, options, retries, executor=_Cluster())


class _Cluster(Executor):
    """The cluster that the running task is part of."""

    def __init__(self) -> None:
        self._client: Any = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        from distributed import get_client, secede

        first = self._client is None
        if first:
            self._client = get_client()
        # Before the stores that wait their turn, or all of them would be begun at once.
        future: Future[Any] = self._client.submit(
            fn, *args, **kwargs, pure=False, retries=2, priority=10
        )
        if first:
            secede()  # type: ignore[no-untyped-call]  # this thread waits from here on
        return future
