"""A DANDI archive on loopback: the API on one port, its object host on another.

In a test::

    with DandiServer() as server:
        server.archive.add_dandiset("000001")
        server.archive.add_zarr("000001", "a.zarr", {"zarr.json": b"{}"})
        ...  # transfer from f"{server.api_url}/dandisets/000001/..."
        assert server.traffic.count("api", "GET", "/files/") == 1

It runs in a thread of its own, so code under test may block. Nothing is
written to disk. It needs aiohttp (``pip install 'ncore[testing]'``).
``python -m ncore.transfer.testing.dandi_server --help`` runs one as a process, for
benchmarks.
"""

import argparse
import asyncio
import json
import random
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Self

try:
    from aiohttp import web
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "ncore.transfer.testing needs aiohttp: pip install 'ncore[testing]'", name="aiohttp"
    ) from None

from ncore.transfer.testing.archive import Archive, synthetic_zarr
from ncore.transfer.testing.dandi_api import DandiApi
from ncore.transfer.testing.s3_host import S3Host
from ncore.transfer.testing.signing import UrlSigner
from ncore.transfer.testing.traffic import Traffic

_LARGEST_BODY = 5 << 30
_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

TOKEN = "0123456789abcdef0123456789abcdef01234567"
"""API token of the user ``owner``, who owns every dandiset made without saying whose."""


class DandiServer:
    """A running server; a context manager.

    Attributes:
        archive: What it holds; may be changed while it runs.
        traffic: Requests seen and faults to inject.
        api_url: Base of the API, ``http://127.0.0.1:PORT/api``.
        s3_url: The object host, ``http://127.0.0.1:PORT``.
        token: An API token that is good here.
    """

    def __init__(self, archive: Archive | None = None) -> None:
        self.archive = archive if archive is not None else Archive()
        self.archive.add_user("owner", TOKEN)
        self.traffic = Traffic()
        self.token = TOKEN
        self.api_url = ""
        self.s3_url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, in a thread of its own."""
        ready = threading.Event()
        failures: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(self.serve(ready))
            except BaseException as error:
                failures.append(error)
                ready.set()

        self._thread = threading.Thread(target=run, name="dandi-server", daemon=True)
        self._thread.start()
        ready.wait()
        if failures:
            raise failures[0]

    def stop(self) -> None:
        """Stop listening and wait for the thread."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    async def serve(self, ready: threading.Event | None = None) -> None:
        """Listen until :meth:`stop`; sets ``ready`` once it does."""
        signer = UrlSigner()
        api = DandiApi(self.archive, signer, self.traffic)
        hosts: list[_Handler] = [api, S3Host(self.archive, signer, self.traffic)]
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runners = []
        urls = []
        for handler in hosts:
            url, runner = await _listen(handler)
            urls.append(url)
            runners.append(runner)
        api.base_url, api.s3_url = urls
        self.api_url, self.s3_url = f"{urls[0]}/api", urls[1]
        if ready is not None:
            ready.set()
        try:
            await self._stop.wait()
        finally:
            await api.close()
            for runner in runners:
                await runner.cleanup()


def _request(*args: Any) -> web.BaseRequest:
    """Make a request whose body may be as large as S3 takes it (aiohttp's limit is 1 MiB)."""
    message, payload, protocol, writer, task = args
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY
    )


async def _listen(handler: _Handler) -> tuple[str, web.ServerRunner]:
    # The low-level server: routing and middlewares would double its cost.
    server = web.Server(handler, request_factory=_request, access_log=None, read_bufsize=1 << 20)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    await web.SockSite(runner, sock).start()
    return f"http://127.0.0.1:{sock.getsockname()[1]}", runner


def _main() -> None:
    parser = argparse.ArgumentParser(description="Run a DANDI archive on loopback, in memory.")
    parser.add_argument(
        "--zarr",
        action="append",
        default=[],
        metavar="PATH:FILES:BYTES",
        help="hold a zarr asset of so many chunks of so many bytes (repeatable)",
    )
    arguments = parser.parse_args()
    server = DandiServer()
    server.traffic.keep_log = False
    server.archive.add_dandiset("000001")
    source = random.Random(0)
    for text in arguments.zarr:
        path, files, size = text.rsplit(":", 2)
        server.archive.add_zarr("000001", path, synthetic_zarr(int(files), int(size), source))

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.api_url and not serving.done():
            await asyncio.sleep(0.001)
        print(
            json.dumps({"api": server.api_url, "s3": server.s3_url, "token": server.token}),
            flush=True,
        )
        await serving

    asyncio.run(run())


if __name__ == "__main__":
    _main()
