"""Several places in one command: their roots are transferred side by side.

Each location keeps its own filters. Two roots that go into one target take
turns there, since a target has one writer.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import cast

from ncore.transfer.backend import Root
from ncore.transfer.errors import TransferError
from ncore.transfer.report import Report, Reporter

ROOTS_AT_ONCE = 4
"""Roots under way at once unless the user says."""


class Lanes:
    """How many roots are under way at once, and which targets are in use.

    Args:
        at_once: Roots at once.
    """

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._targets: dict[str, asyncio.Lock] = {}

    def target(self, name: str) -> asyncio.Lock:
        """Return the lock of a target."""
        return self._targets.setdefault(name, asyncio.Lock())

    async def each(
        self, roots: AsyncIterator[Root], handle: Callable[[Root, int], Awaitable[None]]
    ) -> None:
        """Handle roots side by side as they are opened.

        Args:
            roots: The roots of one location; the next is opened when there is
                a lane for it.
            handle: Called with a root and its number (from 1).

        Raises:
            Exception: What opening raised, after all roots that were opened
                have been handled; or what ``handle`` raised.
        """
        tasks: list[asyncio.Task[None]] = []

        async def run(root: Root, number: int) -> None:
            try:
                await handle(root, number)
            finally:
                self._slots.release()

        try:
            # An AsyncIterator here is always a generator.
            async with aclosing(cast(AsyncGenerator[Root, None], roots)):
                while True:
                    await self._slots.acquire()
                    try:
                        root = await anext(roots)
                    except BaseException as error:
                        self._slots.release()
                        if isinstance(error, StopAsyncIteration):
                            break
                        if isinstance(error, TransferError):
                            await asyncio.gather(*tasks)
                        raise
                    tasks.append(asyncio.create_task(run(root, len(tasks) + 1)))
            await asyncio.gather(*tasks)
        except BaseException:
            await cancelled(tasks)
            raise


async def cancelled(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Cancel tasks and wait until they have cleared up."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


Done = dict[int, Report]
"""Reports of one location by the number of the root; of the location itself last."""

LOCATION = sys.maxsize
"""Number of a location's own report."""


def in_order(done: Sequence[Done]) -> list[Report]:
    """Return the reports of all locations in the order of locations and roots."""
    return [reports[number] for reports in done for number in sorted(reports)]


async def all_locations(work: Sequence[Awaitable[None]]) -> None:
    """Await what is done about each location; an interruption ends all of it."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        await cancelled(tasks)
        raise


def failed(location: str, error: TransferError, reporter: Reporter) -> Report:
    """Return the report of a place or root that failed as a whole."""
    report = Report(location, "")
    report.fail("", error)
    reporter.begin(report)
    reporter.entry(report, "error", "", {"error": str(error)})
    reporter.end(report)
    return report
