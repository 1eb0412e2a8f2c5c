"""Several places in one command: their roots are transferred side by side.

Each location keeps its own filters. Two roots that go into one target take
turns there, since a target has one writer.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import cast

from ncore.select.location_parser import without_secrets
from ncore.select.locations import Location
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


async def each_location(
    parsed: Sequence[tuple[str, Location]],
    handle: Callable[[Location, Done], Awaitable[None]],
    reporter: Reporter,
) -> list[Report]:
    """Handle locations side by side; one that fails does not stop the others.

    Args:
        parsed: What the user wrote, and what it means.
        handle: Called with a location and where the reports of its roots go. A
            ``TransferError`` from it becomes the location's own report.
        reporter: Hears of those.

    Returns:
        The reports in the order of locations and roots.

    Raises:
        BaseException: An interruption, which ends all of it.
    """
    reports: list[Done] = [{} for _ in parsed]

    async def one(text: str, location: Location, done: Done) -> None:
        try:
            await handle(location, done)
        except TransferError as e:
            done[LOCATION] = failed(without_secrets(text), e, reporter)

    pairs = zip(parsed, reports, strict=True)
    tasks = [asyncio.ensure_future(one(*place, done)) for place, done in pairs]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        await cancelled(tasks)
        raise
    return [done[number] for done in reports for number in sorted(done)]


def failed(location: str, error: TransferError, reporter: Reporter) -> Report:
    """Return the report of a place or root that failed as a whole."""
    report = Report(location, "")
    report.fail("", error)
    reporter.begin(report)
    reporter.entry(report, "error", "", {"error": str(error)})
    reporter.end(report)
    return report
