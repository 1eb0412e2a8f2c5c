"""Convert many stores in processes of this machine, any of which may die."""

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection

from ncore.convert.fleet_task import FleetResult, FleetTask, run_task
from ncore.convert.options import ConvertOptions

_LOST_WORKERS = 3  # how often one store may lose its worker before it counts as failed


def run_here(
    tasks: Sequence[FleetTask],
    options: ConvertOptions,
    processes: int,
    retries: int = 3,
    work: Callable[[FleetTask, ConvertOptions, int], FleetResult] = run_task,
) -> Iterator[FleetResult]:
    """Convert stores in processes of this machine.

    A process that dies (out of memory, killed) takes nothing with it: the store
    is tried again, and continued where it was. When this process is interrupted or
    dies, the others end at once, so that none holds a store that is converted anew.

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
        # Closed by whatever ends this process, which ends the others.
        alive, ours = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(
            processes, mp_context=context, initializer=_end_with_parent, initargs=(alive,)
        )
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
        except BaseException:  # interrupted: what they are at is continued by another run
            ours.close()
            raise
        finally:
            pool.shutdown(wait=not broken, cancel_futures=True)
            ours.close()
            alive.close()
        for task in running.values():
            lost[task] = lost.get(task, 0) + 1
            if lost[task] <= _LOST_WORKERS:
                waiting.append(task)
            else:
                error = f"its process died {lost[task]} times (out of memory?)"
                yield FleetResult(task.source, task.target, "failed", error, lost[task])


def _end_with_parent(alive: Connection) -> None:
    """In a process of the pool: end when the other end of a pipe is closed."""

    def wait_for_it() -> None:
        with contextlib.suppress(EOFError, OSError):
            alive.recv_bytes()
        os._exit(1)  # any conversion can be killed anywhere

    threading.Thread(target=wait_for_it, daemon=True).start()
