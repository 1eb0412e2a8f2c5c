"""Google's and Azure's object stores: what is another there than in S3."""

# bazel: size = "medium"

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ncore.itar.testing.gcs_server import gcs_server
from ncore.transfer.actions import Existing, Extra
from ncore.transfer.errors import AccessDeniedError, EntryNotFoundError, LocationError
from ncore.transfer.execute import Options, Retries, transfer
from ncore.transfer.memory import MemoryBackend
from ncore.transfer.objects import ObjectBackend
from ncore.transfer.plan import Policy

FULL = Policy(Existing.OVERWRITE_DIFFERENT, Extra.DELETE, resolve_conflicts=True)
FAST = Options(retries=Retries(3, 0.0))
TREE = {f"{i}/{j}": b"%d %d" % (i, j) for i in range(4) for j in range(4)} | {"zarr.json": b"{}"}
LARGE = bytes(range(256)) * (68 << 10)  # 17 MiB: put in parts


@pytest.fixture(scope="module")
def google():
    with gcs_server("bucket") as endpoint:
        yield endpoint


@pytest.fixture
def gs(google, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", google)
    return lambda path, **kwargs: ObjectBackend("gs://bucket", path, **kwargs)


async def test_google_up_change_and_down(gs):
    assert (await transfer(MemoryBackend(TREE), gs("a.zarr"), None, FULL, FAST)).ok
    again = await transfer(MemoryBackend(TREE), gs("a.zarr"), None, FULL, FAST)
    assert (again.written, again.deleted, again.ok) == (0, 0, True)
    changed = {**TREE, "zarr.json": b"[]"}
    del changed["3/3"], changed["3/2"]
    report = await transfer(MemoryBackend(changed), gs("a.zarr"), None, FULL, FAST)
    assert (report.written, report.deleted, report.ok) == (1, 2, True)
    back = MemoryBackend({})
    assert (await transfer(gs("a.zarr", must_exist=True), back, None, FULL, FAST)).ok
    assert {e.key async for page in back.list() for e in page} == {*changed}


async def test_googles_etag_of_parts_is_no_digest_but_pins_the_object(gs):
    target = gs("b.zarr")
    report = await transfer(MemoryBackend({"big": LARGE}), target, None, FULL, FAST)
    assert (report.written, report.ok) == (1, True)
    (entry,) = [e async for page in target.list() for e in page]
    assert entry.digest is None
    assert b"".join([bytes(c) async for c in target.stream(entry, 1 << 20)]) == LARGE[1 << 20 :]


async def test_google_names_what_is_missing(gs, google):
    with pytest.raises(EntryNotFoundError, match="no such bucket"):
        [e async for e in ObjectBackend("gs://none", "a", must_exist=True).list()]
    with pytest.raises(EntryNotFoundError, match="nothing is stored"):
        [e async for e in gs("none.zarr", must_exist=True).list()]
    expired = ObjectBackend("gs://bucket", "a.zarr", {"bearer_token": "expired"})
    with pytest.raises(AccessDeniedError, match="check the credentials"):
        [e async for e in expired.list()]


class _Azure(BaseHTTPRequestHandler):
    """Blobs as Azure lists them (the ETag bare) and serves them (If-Match in quotes)."""

    def do_GET(self) -> None:
        if self.path.startswith("/acc/none"):
            error = b"<?xml version='1.0'?><Error><Code>ContainerNotFound</Code></Error>"
            self._answer(404, error)
        elif "comp=list" in self.path:
            listed = (
                "<?xml version='1.0'?><EnumerationResults><Blobs><Blob><Name>x.zarr/k</Name>"
                "<Properties><Last-Modified>Fri, 27 Nov 2026 13:00:00 GMT</Last-Modified>"
                "<Content-Length>3</Content-Length><Content-Type>b</Content-Type>"
                "<Etag>0x8DE0000000000FF</Etag></Properties></Blob></Blobs><NextMarker/>"
                "</EnumerationResults>"
            )
            self._answer(200, listed.encode())
        elif self.headers["If-Match"] not in (None, '"0x8DE0000000000FF"'):
            self._answer(412, b"<Error><Code>ConditionNotMet</Code></Error>")
        else:
            self._answer(200, b"abc")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"0x8DE0000000000FF"')
        self.send_header("Last-Modified", "Fri, 27 Nov 2026 13:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def az(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Azure)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"AccountName=acc;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:{server.server_port}/acc",
    )
    yield lambda bucket: ObjectBackend(f"az://{bucket}", "x.zarr", must_exist=True)
    server.shutdown()
    thread.join()
    server.server_close()


async def test_azures_etags_pin_and_are_no_digests(az):
    source = az("box")
    assert source.capabilities.list_digest is None
    (entry,) = [e async for page in source.list() for e in page]
    assert (entry.key, entry.digest, entry.etag) == ("k", None, '"0x8DE0000000000FF"')
    assert await source.read(entry) == b"abc"


async def test_azure_names_what_is_missing(az, monkeypatch):
    with pytest.raises(EntryNotFoundError, match="no such container"):
        [e async for e in az("none").list()]
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "nonsense")
    with pytest.raises(LocationError, match="az://box: the Azure connection string"):
        az("box")
