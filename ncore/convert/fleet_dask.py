"""A fleet on a Dask cluster: one task a store."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ncore.convert.errors import FleetError
from ncore.convert.options import ConvertOptions

if TYPE_CHECKING:
    from ncore.convert.fleet import FleetResult, FleetTask

# bazel: optional = ["distributed"]


def submit_all(
    tasks: "Sequence[FleetTask]", options: ConvertOptions, scheduler: str, retries: int
) -> "Iterator[FleetResult]":
    """Convert stores on a cluster; see `ncore.convert.fleet.run_on_dask`."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise FleetError("--dask needs Dask: pip install 'ncore[dask]'") from None
    from ncore.convert.fleet import FleetResult, run_task

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
