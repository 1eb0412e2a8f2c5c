"""Google's XML API on loopback for tests: moto's S3 behind what the two have different.

Their requests and documents are the same but for the names of headers. What tests
need beside is imitated as Google documents it: an object put in parts has an ETag
that is no digest, and deleting what is not there is a 404.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from ncore.itar.testing.s3_server import create_bucket

_OF_PARTS = re.compile("[0-9a-f]{32}-[0-9]+")
_OPAQUE = re.compile("C[0-9A-Za-z_-]{40,}=")
# moto looks at nothing but whether it is signed.
_SIGNED = (
    "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
)


class _Google:
    def __init__(self, s3: Callable[..., Iterable[bytes]]) -> None:
        self._s3 = s3

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_AUTHORIZATION") == "Bearer expired":
            start("401 Unauthorized", [("Content-Length", "0")])
            return [b""]
        environ = {**environ, "HTTP_AUTHORIZATION": _SIGNED}
        if "HTTP_X_GOOG_COPY_SOURCE" in environ:
            environ["HTTP_X_AMZ_COPY_SOURCE"] = environ.pop("HTTP_X_GOOG_COPY_SOURCE")
        if environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None) == "0":
            environ["HTTP_IF_NONE_MATCH"] = "*"
        for name in ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"):
            if name in environ:
                environ[name] = _OPAQUE.sub(_digest, environ[name])
        if environ["REQUEST_METHOD"] == "DELETE":
            status, _, _ = self._ask({**environ, "REQUEST_METHOD": "HEAD"})
            if status.startswith("404"):
                start(status, [("Content-Length", "0")])
                return [b""]
        status, given, body = self._ask(environ)
        headers = {k: v for k, v in given.items() if not k.lower().startswith("x-amz")}
        if "xml" in headers.get("Content-Type", ""):
            body = _OF_PARTS.sub(_opaque, body.decode()).encode()
        if "ETag" in headers:
            headers["ETag"] = _OF_PARTS.sub(_opaque, headers["ETag"])
        if environ["REQUEST_METHOD"] != "HEAD":
            headers["Content-Length"] = str(len(body))
        start(status, [*headers.items(), ("x-goog-generation", "1")])
        return [body]

    def _ask(self, environ: WSGIEnvironment) -> tuple[str, dict[str, str], bytes]:
        answer: list[Any] = []
        body = b"".join(self._s3(environ, lambda *given: answer.extend(given)))
        return answer[0], dict(answer[1]), body


def _opaque(digest: re.Match[str]) -> str:
    return f"C{urlsafe_b64encode(digest[0].encode()).decode().rstrip('=')}="


def _digest(opaque: re.Match[str]) -> str:
    text = opaque[0][1:-1]
    return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


@contextmanager
def gcs_server(*buckets: str) -> Iterator[str]:
    """Run it with these buckets; yields its endpoint."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    s3 = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, _Google(s3), threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        for bucket in buckets:
            create_bucket(endpoint, bucket)
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
