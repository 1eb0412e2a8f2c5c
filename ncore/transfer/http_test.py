"""Zarrs and files on a plain HTTP server."""

import functools
import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import zarr

from ncore.select.locations import HttpURL
from ncore.select.selection import ZarrSelection
from ncore.transfer.errors import EntryNotFoundError, LocationError
from ncore.transfer.execute import Options, Retries, transfer
from ncore.transfer.http import HttpFile, HttpZarr, _links
from ncore.transfer.local import LocalBackend
from ncore.transfer.memory import MemoryBackend


class Quiet(SimpleHTTPRequestHandler):
    listing = True
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        self.server.log.append(f"{self.command} {self.path}")

    def list_directory(self, path):
        if self.server.listing:
            return super().list_directory(path)
        self.send_error(404)
        return None


@pytest.fixture
def server(tmp_path):
    (tmp_path / "www").mkdir()
    handler = functools.partial(Quiet, directory=str(tmp_path / "www"))
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    httpd.log, httpd.listing = [], True
    httpd.root, httpd.base = tmp_path / "www", f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def make_zarr(path, zarr_format, consolidated=True):
    root = zarr.create_group(str(path), zarr_format=zarr_format)
    for name in ("a", "b b"):
        array = root.create_array(name, shape=(40, 40), chunks=(10, 10), dtype="u2")
        array[:15, :] = 7  # most chunks of the second half are never written
    if consolidated:
        zarr.consolidate_metadata(str(path), zarr_format=zarr_format)
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("zarr_format", [2, 3])
async def test_a_zarr_told_by_its_consolidated_metadata(server, zarr_format):
    server.listing = False
    files = make_zarr(server.root / "x.zarr", zarr_format)
    s, t = HttpZarr(HttpURL(f"{server.base}/x.zarr")), MemoryBackend()
    report = await transfer(s, t)
    assert report.ok, report.errors
    assert t.entries == files
    server.log.clear()
    t = MemoryBackend()
    assert (await transfer(s, t, ZarrSelection(["path:a/.zarray", "path:a/zarr.json"]))).ok
    assert len(t.entries) == 1
    assert len(server.log) <= 4
    await s.close()


async def test_a_zarr_told_by_index_pages(server):
    files = make_zarr(server.root / "x.zarr", 3, consolidated=False)
    s, t = HttpZarr(HttpURL(f"{server.base}/x.zarr")), MemoryBackend()
    assert (await transfer(s, t)).ok
    assert t.entries == files
    server.listing = False
    blind = HttpZarr(HttpURL(f"{server.base}/x.zarr"))
    with pytest.raises(LocationError, match="neither consolidated"):
        await transfer(blind, t)
    await s.close()
    await blind.close()


async def test_one_file(server, tmp_path):
    data = os.urandom(3 << 20)
    (server.root / "d e.nwb").write_bytes(data)
    s, t = HttpFile(HttpURL(f"{server.base}/d%20e.nwb")), LocalBackend(tmp_path / "out")
    report = await transfer(s, t, options=Options(retries=Retries(2, 0.0)))
    assert report.ok, report.errors
    assert (tmp_path / "out/d e.nwb").read_bytes() == data
    missing = HttpFile(HttpURL(f"{server.base}/no.nwb"))
    with pytest.raises(EntryNotFoundError):
        await transfer(missing, t)
    for b in (s, t, missing):
        await b.close()


def test_links_of_index_pages():
    page = (
        '<a href="../">up</a><a href="a/">a</a><a href="./b%20c">b</a><a href="/etc">no</a>'
        '<a href="?C=N">sort</a><a href="http://elsewhere/x">no</a><a href="x/y">no</a>'
    )
    assert list(_links(page)) == ["a/", "b c"]
