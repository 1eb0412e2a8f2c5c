"""The server behaves as table B of the archive's facts says, by a client that knows nothing."""

import base64
import hashlib
import http.client
import json
import re
import subprocess
import sys
import time
from datetime import datetime
from urllib.parse import quote, urlsplit

import pytest

from ncore.transfer.testing import DandiServer, Fault


def ask(server, method, target, body=None, *, token=None, headers=None):
    """One request over a connection of its own; returns (status, headers, body)."""
    url = urlsplit(target if "://" in target else server.api_url + target)
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    sent = dict(headers or {})
    if token:
        sent["Authorization"] = f"token {token}"
    if isinstance(body, dict | list):
        body = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"
    try:
        connection.request(method, f"{url.path}?{url.query}" if url.query else url.path, body, sent)
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    if answer.headers.get("Content-Type", "").startswith("application/json"):
        data = json.loads(data)
    return answer.status, answer.headers, data


def b64md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@pytest.fixture
def server():
    with DandiServer() as running:
        running.archive.add_dandiset("000001")
        yield running


def test_listing_is_by_string_prefix_with_the_slash_stripped(server):
    keys = ["0/a", "0/b", "01", "01/x", "1", "é"]
    zarr = server.archive.add_zarr("000001", "a.zarr", dict.fromkeys(keys, b""))

    def listed(query):
        status, _, body = ask(server, "GET", f"/zarr/{zarr.zarr_id}/files/?{query}")
        assert status == 200
        return [item["Key"] for item in body["results"]], body["next"]

    assert listed("")[0] == sorted(keys)
    assert listed("prefix=0/") == (["0/a", "0/b", "01", "01/x"], None)
    assert listed("prefix=0/&after=0/b") == (["01", "01/x"], None)
    assert listed("prefix=nothing") == ([], None)
    page, following = listed("limit=4")
    assert page == ["0/a", "0/b", "01", "01/x"]
    _, _, body = ask(server, "GET", following)
    assert [item["Key"] for item in body["results"]] == ["1", "é"]
    assert body["next"] is None
    item = body["results"][0]
    assert item["ETag"] == hashlib.md5(b"").hexdigest()
    assert item["Size"] == 0
    datetime.fromisoformat(item["LastModified"])
    for bad in ("limit=1001", "limit=x", "limit=-1", "prefix=a/../b"):
        assert ask(server, "GET", f"/zarr/{zarr.zarr_id}/files/?{bad}")[0] == 400


def test_get_without_slash_redirects(server):
    status, headers, _ = ask(server, "GET", "/zarr?name=x")
    assert (status, headers["Location"]) == (301, "/api/zarr/?name=x")


def test_upload_and_its_status_machine(server):
    zarr = {"name": "b.zarr", "dandiset": "000001"}
    assert ask(server, "POST", "/zarr/", zarr)[0] == 401
    assert ask(server, "POST", "/zarr/", zarr, token="wrong")[0] == 401
    server.archive.add_user("other", "other-token")
    assert ask(server, "POST", "/zarr/", zarr, token="other-token")[0] == 403
    status, _, made = ask(server, "POST", "/zarr/", zarr, token=server.token)
    assert (status, made["status"], made["checksum"]) == (200, "Pending", None)
    status, _, body = ask(server, "POST", "/zarr/", zarr, token=server.token)
    assert status == 400
    assert "unique set" in body["non_field_errors"][0]
    files = f"/zarr/{made['zarr_id']}/files/"

    data = b"chunk"
    key = "0/c é%2F+ &.#?x"
    wanted = [{"path": key, "base64md5": b64md5(data)}]
    status, _, (url,) = ask(server, "POST", files, wanted, token=server.token)
    assert status == 200
    assert "X-Amz-SignedHeaders=content-md5%3Bhost" in url
    md5 = {"Content-MD5": b64md5(data)}
    # The signed header is missing or another, the body is another, its length
    # is not told, the path is another.
    assert ask(server, "PUT", url, data)[0] == 403
    assert ask(server, "PUT", url, data, headers={"Content-MD5": b64md5(b"x")})[0] == 403
    status, _, body = ask(server, "PUT", url, b"other", headers=md5)
    assert (status, b"BadDigest" in body) == (400, True)
    assert ask(server, "PUT", url, iter([data]), headers=md5)[0] == 501
    assert ask(server, "PUT", url.replace("/0/c", "/1/c"), data, headers=md5)[0] == 403
    status, headers, _ = ask(server, "PUT", url, data, headers=md5)
    assert (status, headers["ETag"]) == (200, f'"{hashlib.md5(data).hexdigest()}"')

    server.archive.finalize_seconds = None
    assert ask(server, "POST", f"/zarr/{made['zarr_id']}/finalize/", token=server.token)[0] == 204
    assert ask(server, "POST", files, wanted, token=server.token)[0] == 400
    assert ask(server, "DELETE", files, [{"path": key}], token=server.token)[0] == 400
    server.archive.zarrs[made["zarr_id"]].status = "Pending"
    server.archive.finalize_seconds = 0.01
    assert ask(server, "POST", f"/zarr/{made['zarr_id']}/finalize/", token=server.token)[0] == 204
    for _ in range(500):
        _, _, now = ask(server, "GET", f"/zarr/{made['zarr_id']}/")
        if now["status"] == "Complete":
            break
        assert now["checksum"] is None
        time.sleep(0.002)
    assert now["checksum"].endswith("-1--5")
    assert (now["file_count"], now["size"]) == (1, 5)
    assert ask(server, "POST", f"/zarr/{made['zarr_id']}/finalize/", token=server.token)[0] == 400

    _, headers, _ = ask(server, "GET", f"{files}?prefix={quote(key)}&download=true")
    status, headers, body = ask(server, "GET", headers["Location"], headers={"Range": "bytes=1-2"})
    assert (status, body, headers["Content-Range"]) == (206, b"hu", "bytes 1-2/5")
    gone = [{"path": key}, {"path": "nope"}]
    status, _, body = ask(server, "DELETE", files, gone, token=server.token)
    assert (status, "does not exist" in body[0]) == (400, True)
    assert ask(server, "DELETE", files, gone[:1], token=server.token)[0] == 204
    assert ask(server, "GET", f"/zarr/{made['zarr_id']}/")[2]["status"] == "Pending"


def test_assets(server):
    archive = server.archive
    for path in ("sub-1/a.zarr", "sub-1/a.zarr2", "sub-2/b.zarr"):
        archive.add_zarr("000001", path, {"zarr.json": b"{}"})
    archive.add_blob("000001", "sub-1/c.nwb", b"data")
    base = "/dandisets/000001/versions/draft/assets/"

    def paths(query):
        return [asset["path"] for asset in ask(server, "GET", f"{base}?{query}")[2]["results"]]

    assert paths("path=sub-1/a.zarr") == ["sub-1/a.zarr"]
    assert paths("path=sub-1/a") == ["sub-1/a.zarr", "sub-1/a.zarr2"]
    assert paths("glob=SUB-1*.NWB") == ["sub-1/c.nwb"]
    assert paths("zarr=true&order=-path")[0] == "sub-2/b.zarr"
    _, _, first = ask(server, "GET", f"{base}?page_size=3&order=path")
    _, _, second = ask(server, "GET", first["next"])
    assert (first["count"], second["count"], second["next"]) == (4, None, None)
    assert len(first["results"] + second["results"]) == 4
    _, _, body = ask(server, "GET", f"{base}?page=9")
    assert body["results"] == []

    blob = archive.dandisets["000001"].versions["draft"]["sub-1/c.nwb"]
    status, headers, _ = ask(server, "GET", f"/assets/{blob.asset_id}/download/")
    assert status == 302
    assert ask(server, "GET", headers["Location"])[2] == b"data"
    zarr = archive.dandisets["000001"].versions["draft"]["sub-1/a.zarr"]
    assert ask(server, "GET", f"{base}{zarr.asset_id}/download/")[0] == 400
    _, _, metadata = ask(server, "GET", f"/assets/{zarr.asset_id}/")
    assert metadata["digest"]["dandi:dandi-zarr-checksum"] == zarr.zarr.checksum
    assert ask(server, "GET", metadata["contentUrl"][1] + "zarr.json")[2] == b"{}"

    posted = {"metadata": {"path": "sub-1/a.zarr"}, "zarr_id": zarr.zarr.zarr_id}
    status, _, body = ask(server, "POST", base, posted, token=server.token)
    assert (status, body) == (409, "An asset with that path already exists")
    changed = {"metadata": {"path": "sub-1/a.zarr", "x": 1}, "zarr_id": zarr.zarr.zarr_id}
    _, _, renewed = ask(server, "PUT", base + zarr.asset_id + "/", changed, token=server.token)
    assert renewed["asset_id"] != zarr.asset_id
    target = base + renewed["asset_id"] + "/"
    _, _, same = ask(server, "PUT", target, changed, token=server.token)
    assert same["asset_id"] == renewed["asset_id"]
    assert ask(server, "DELETE", target, token=server.token)[0] == 204
    assert ask(server, "DELETE", target, token=server.token)[0] == 404


def test_embargoed_dandisets_need_their_owner(server):
    server.archive.add_dandiset("000002", embargoed=True)
    zarr = server.archive.add_zarr("000002", "e.zarr", {"zarr.json": b"{}"})
    assert ask(server, "GET", "/dandisets/000002/")[0] == 401
    assert ask(server, "GET", "/dandisets/000002/", token=server.token)[0] == 200
    assert (
        ask(server, "GET", f"{server.s3_url}/dandiarchive/zarr/{zarr.zarr_id}/zarr.json")[0] == 403
    )


def test_faults_and_log(server):
    zarr = server.archive.add_zarr("000001", "a.zarr", {"k": b"0123456789"})
    url = f"{server.s3_url}/dandiarchive/zarr/{zarr.zarr_id}/k"
    faults = server.traffic.faults
    faults.append(Fault("api", path="/info/", status=429, headers={"Retry-After": "7"}, times=1))
    status, headers, _ = ask(server, "GET", "/info/")
    assert (status, headers["Retry-After"]) == (429, "7")
    assert ask(server, "GET", "/info/")[0] == 200
    faults.append(Fault("s3", "GET", "/k$", truncate=4))
    with pytest.raises(http.client.IncompleteRead) as failure:
        ask(server, "GET", url)
    assert failure.value.partial == b"0123"
    faults.append(Fault("s3", "GET", "/k$", corrupt=True))
    assert ask(server, "GET", url)[2][1:] == b"123456789"
    faults.append(Fault("s3", "GET", "/k$", drop=True))
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(server, "GET", url)
    server.archive.url_seconds = -1
    _, headers, _ = ask(server, "GET", f"/zarr/{zarr.zarr_id}/files/?prefix=k&download=true")
    status, _, body = ask(server, "GET", headers["Location"])
    assert (status, b"expired" in body) == (403, True)
    assert server.traffic.count("s3", "GET", "/k") == 4
    assert server.traffic.count("api", "GET", re.escape("/info/")) == 2


def test_without_aiohttp_the_error_says_what_to_install():
    code = """
import sys
sys.modules["aiohttp"] = None
from ncore.transfer.testing import Archive, Fault
try:
    from ncore.transfer.testing import DandiServer
except ImportError as e:
    print(e)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'ncore[testing]'" in run.stdout
