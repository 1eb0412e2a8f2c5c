"""Reads that an event loop asks for at the same moment, fetched together."""

import asyncio
from collections.abc import Sequence

from ncore.itar.remote import RemoteSource


class Batching:
    """Collects the reads of one turn of the event loop and coalesces them.

    zarr asks for the chunks of an array one by one, but all at once; neighbours
    then share a request. A read by itself goes through the source's read-ahead.
    """

    def __init__(self, source: RemoteSource) -> None:
        self._source = source
        # Several loops may be at work in several threads.
        self._waiting: dict[
            asyncio.AbstractEventLoop, list[tuple[int, int, asyncio.Future[bytes]]]
        ] = {}

    async def read(self, offset: int, size: int) -> bytes:
        """Return exactly ``size`` bytes from ``offset``."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting.get(loop)
        if waiting is None:
            waiting = self._waiting[loop] = []
            loop.call_soon(self._send, loop)
        future: asyncio.Future[bytes] = loop.create_future()
        waiting.append((offset, size, future))
        return await future

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._waiting.pop(loop)
        task = loop.create_task(self._fetch(batch))
        # The futures keep nobody from collecting the task; this list does.
        for _, _, future in batch:
            future.add_done_callback(lambda _: task)

    async def _fetch(self, batch: Sequence[tuple[int, int, "asyncio.Future[bytes]"]]) -> None:
        try:
            if len(batch) == 1:
                found = [await asyncio.to_thread(self._source.read, *batch[0][:2])]
            else:
                found = await self._source.read_many_async([item[:2] for item in batch])
        except BaseException as error:
            for _, _, future in batch:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, _, future), data in zip(batch, found, strict=True):
            if not future.done():
                future.set_result(data)
