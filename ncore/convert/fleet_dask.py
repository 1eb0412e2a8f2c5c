"""Convert many stores on a Dask cluster (``pip install ncore[dask]``): one task a store."""

from collections.abc import Iterator, Sequence

from ncore.convert.errors import FleetError
from ncore.convert.fleet_task import FleetResult, FleetTask, run_task
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
            client.submit(run_task, task, options, retries, pure=False, retries=2): task
            for task in tasks
        }
        for future in as_completed(list(futures)):  # type: ignore[no-untyped-call]
            task = futures[future]
            try:
                result = future.result()
            except Exception as error:  # the task took several workers down with it
                text = f"{type(error).__name__}: {error}"
                result = FleetResult(task.source, task.target, "failed", text, size=task.size)
            future.release()
            yield result
