"""An HTTP server on loopback for tests: byte ranges, entity tags, a log, and misbehaviour."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import unquote


class Request(NamedTuple):
    """One request as the server saw it."""

    method: str
    path: str
    range: str | None
    headers: dict[str, str]


class RangeServer:
    """Serves the byte strings in ``objects`` (path without leading slash -> content).

    Attributes:
        objects: what it serves; replace an entry to change an object under a reader.
        requests: every request, in the order of arrival.
        latency: seconds before each answer.
        ignore_ranges: answer a range with the whole object and status 200.
        suffix_ranges: whether ``bytes=-n`` is understood; if not, it is ignored.
        partial_status: status of a partial answer; some servers say 200.
        etags: whether answers carry one; ``If-Match`` is honoured only then.
        failures: statuses to answer the next requests with, first one first.
        retry_after: sent with these, if any.
        broken_off: how many of the next answers with a body end in the middle of it.
    """

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        self.objects = dict(objects or {})
        self.requests: list[Request] = []
        self.latency = 0.0
        self.ignore_ranges = False
        self.suffix_ranges = True
        self.partial_status = 206
        self.etags = True
        self.failures: list[int] = []
        self.retry_after = ""
        self.broken_off = 0
        self.under_way = 0
        self.most_under_way = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def gets(self) -> list[Request]:
        """Return the GET requests so far."""
        return [r for r in self.requests if r.method == "GET"]

    def begin(self, request: Request) -> int | None:
        """Log a request; return the status to fail it with, if any."""
        with self._lock:
            self.requests.append(request)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            return self.failures.pop(0) if self.failures else None

    def end(self) -> None:
        """Note that a request is answered."""
        with self._lock:
            self.under_way -= 1


def _handler(server: RangeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in one packet: a delayed ACK would cost 40 ms.
        wbufsize = 1 << 16

        def do_HEAD(self) -> None:
            self._serve(body=False)

        def do_GET(self) -> None:
            self._serve(body=True)

        def _serve(self, body: bool) -> None:
            asked = self.headers.get("Range")
            path = unquote(self.path.partition("?")[0]).lstrip("/")
            failure = server.begin(Request(self.command, path, asked, dict(self.headers.items())))
            try:
                if server.latency:
                    time.sleep(server.latency)
                if failure is not None:
                    wait = {"Retry-After": server.retry_after} if server.retry_after else {}
                    self._answer(failure, b"", wait, body)
                else:
                    self._answer(*self._content(path, asked), body=body)
                self.wfile.flush()
            finally:
                server.end()

        def _content(self, path: str, asked: str | None) -> tuple[int, bytes, dict[str, str]]:
            data = server.objects.get(path)
            if data is None:
                return 404, b"", {}
            etag = f'"{hash(data) & 0xFFFFFFFF:08x}"'
            headers = {"ETag": etag} if server.etags else {}
            wanted = self.headers.get("If-Match")
            if server.etags and wanted not in (None, etag, "*"):
                return 412, b"", {}
            if asked is None or server.ignore_ranges:
                return 200, data, headers
            first, _, last = asked.removeprefix("bytes=").partition("-")
            if first:
                start, stop = int(first), min(len(data), int(last) + 1 if last else len(data))
            elif server.suffix_ranges:
                start, stop = max(0, len(data) - int(last)), len(data)
            else:
                return 200, data, headers
            if start >= stop:
                return 416, b"", {"Content-Range": f"bytes */{len(data)}"}
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            return server.partial_status, data[start:stop], headers

        def _answer(self, status: int, data: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body and len(data) > 1 and server.broken_off:
                server.broken_off -= 1
                data = data[: len(data) // 2]
                self.close_connection = True
            if body:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
