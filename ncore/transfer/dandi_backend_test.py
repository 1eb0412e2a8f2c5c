"""The DANDI backend against a server that behaves as the archive does."""

import asyncio
import logging
import re
import sys
from dataclasses import replace

import pytest

from ncore.select.location_parser import parse_location
from ncore.transfer.actions import Existing, Extra
from ncore.transfer.dandi_credentials import token_from_environment
from ncore.transfer.dandi_open import open_dandi_sources, open_dandi_target
from ncore.transfer.dandi_upload import Polling
from ncore.transfer.errors import (
    AccessDeniedError,
    DigestMismatchError,
    EntryNotFoundError,
    LocationError,
    TransferError,
)
from ncore.transfer.execute import Options, Retries, transfer
from ncore.transfer.http_session import HttpSession
from ncore.transfer.local import LocalBackend
from ncore.transfer.plan import Policy
from ncore.transfer.testing import DandiServer, Fault

FILES = {
    ".zgroup": b'{"zarr_format": 2}',
    "0/.zarray": b"{}",
    "0/.zattrs": b'{"a": 1}',
    "0/0/0": b"chunk",
    "0/0/1": b"",
    "0/10": b"x" * 10,
    "01/x y%é+#?&": b"odd",
}
FULL = Policy(existing=Existing.OVERWRITE_DIFFERENT, extra=Extra.DELETE, resolve_conflicts=True)
PATCH = Policy(existing=Existing.OVERWRITE_DIFFERENT, resolve_conflicts=True)
QUICK = Retries(attempts=3, base=0.001)
FAST_POLLING = Polling(first=0.005, longest=0.05, limit=5)


@pytest.fixture
def server():
    with DandiServer() as running:
        running.archive.add_dandiset("000001")
        yield running


@pytest.fixture(autouse=True)
def _no_tokens(monkeypatch):
    for name in ("DANDI_API_KEY",):
        monkeypatch.delenv(name, raising=False)


def draft(server, path="", dandiset="000001"):
    query = f"assets/?path={path}" if path else ""
    return parse_location(f"{server.api_url}/dandisets/{dandiset}/versions/draft/{query}")


def folder(server, path, dandiset="000001"):
    base = server.api_url.removesuffix("/api")
    return parse_location(f"{base}/dandiset/{dandiset}/draft/files?location={path}")


def write_tree(root, files):
    for key, data in files.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def read_tree(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def download(location, out, *, selection=None, token=None, policy=None, session=None):
    async def run():
        reports = []
        async for root in open_dandi_sources(location, token=token, session=session):
            target = LocalBackend(out / root.path)
            options = Options(retries=QUICK)
            reports.append(
                await transfer(root.backend, target, selection, policy or Policy(), options)
            )
            await root.backend.close()
            await target.close()
        return reports

    return asyncio.run(run())


def upload(
    server, tree, path="a.zarr", *, policy=FULL, mode="full", polling=FAST_POLLING, **options
):
    async def run():
        where = parse_location(f"{server.api_url}/dandisets/000001/versions/draft/")
        target = await open_dandi_target(where, path, token=server.token, polling=polling)
        target.client._first_wait = 0.001
        source = LocalBackend(tree, must_exist=True)
        try:
            return await transfer(
                source, target, None, policy, Options(mode=mode, retries=QUICK, **options)
            ), target.checksum
        finally:
            await target.close()
            await source.close()

    return asyncio.run(run())


def objects(server, path="a.zarr"):
    zarr = server.archive.zarr_at("000001", path)
    return {key: stored.data for key, stored in zarr.objects.items().items()}


def test_download_comes_straight_from_the_public_bucket(server, tmp_path):
    server.archive.add_zarr("000001", "sub-1/a.zarr", FILES)
    (report,) = download(draft(server, "sub-1/a.zarr"), tmp_path)
    assert not report.failed
    assert read_tree(tmp_path / "a.zarr") == FILES
    assert server.traffic.count("api", path="download=true") == 0
    assert server.traffic.count("s3", "GET") == len(FILES)
    assert server.traffic.count("api", path="/files/") == 1
    assert server.traffic.count("api", path=r"/assets/[-0-9a-f]+/$") == 1


def test_embargoed_zarrs_are_read_through_the_api(server, tmp_path):
    server.archive.add_dandiset("000002", embargoed=True)
    server.archive.add_zarr("000002", "a.zarr", FILES)
    where = draft(server, "a.zarr", "000002")
    with pytest.raises(AccessDeniedError, match=r"127_0_0_1_\d+_API_KEY"):
        download(where, tmp_path)
    (report,) = download(where, tmp_path, token=server.token)
    assert not report.failed
    assert read_tree(tmp_path / "a.zarr") == FILES
    # Bytes come from another host, which must not see the token.
    assert all(seen.authorization is None for seen in server.traffic.log if seen.host == "s3")
    assert any(seen.authorization for seen in server.traffic.log if seen.host == "api")


def test_upload_then_no_op_then_patch(server, tmp_path):
    tree = write_tree(tmp_path / "a.zarr", FILES)
    report, checksum = upload(server, tree)
    assert (report.written, not report.failed) == (len(FILES), True)
    assert objects(server) == FILES
    zarr = server.archive.zarr_at("000001", "a.zarr")
    assert (zarr.status, zarr.checksum) == ("Complete", checksum)

    server.traffic.clear()
    report, again = upload(server, tree)
    assert (report.written, again) == (0, checksum)
    assert server.traffic.count(method="PUT") == 0
    assert server.traffic.count(method="POST") == 0

    (tree / "0/.zattrs").write_bytes(b'{"a": 2}')
    (tree / "0/10").unlink()
    report, patched = upload(server, tree, policy=PATCH, mode="patch")
    assert report.written == 1
    assert patched != checksum
    assert objects(server) == {**FILES, "0/.zattrs": b'{"a": 2}'}
    report, _ = upload(server, tree)
    assert report.deleted == 1
    assert "0/10" not in objects(server)


def test_file_in_a_directorys_place_and_the_reverse(server, tmp_path):
    tree = write_tree(tmp_path / "1", {"a/b": b"1", "c": b"2"})
    upload(server, tree)
    other = write_tree(tmp_path / "2", {"a": b"3", "c/d": b"4"})
    report, _ = upload(server, other, policy=PATCH, mode="patch")
    assert not report.failed
    assert objects(server) == {"a": b"3", "c/d": b"4"}


def test_a_checksum_that_is_not_ours_fails_every_time(server, tmp_path):
    tree = write_tree(tmp_path / "a.zarr", FILES)
    server.archive.wrong_checksum = True
    for _ in range(2):
        with pytest.raises(DigestMismatchError, match="checksum is 0000"):
            upload(server, tree)


def test_another_writer_is_noticed(server, tmp_path):
    tree = write_tree(tmp_path / "a.zarr", FILES)
    upload(server, tree)
    (tree / "0/10").write_bytes(b"y")
    zarr = server.archive.zarr_at("000001", "a.zarr")

    class Meddler(Fault):
        def hits(self, host, method, target):
            if method == "POST" and target.endswith("/finalize/"):
                zarr.objects["intruder"] = zarr.objects[".zgroup"]
            return False

    server.traffic.faults.append(Meddler("api"))
    with pytest.raises(TransferError, match="someone else"):
        upload(server, tree)


def test_finalize_that_never_ends_ends_and_the_next_run_waits_on(server, tmp_path):
    tree = write_tree(tmp_path / "a.zarr", FILES)
    server.archive.finalize_seconds = None
    with pytest.raises(TransferError, match=r"has not computed the checksum within 0\.05 s"):
        upload(server, tree, polling=Polling(first=0.005, limit=0.05))
    zarr = server.archive.zarr_at("000001", "a.zarr")
    assert len(zarr.objects) == len(FILES)
    zarr.ingest()
    report, checksum = upload(server, tree)
    assert (report.written, checksum) == (0, zarr.checksum)


def test_an_upload_interrupted_before_finalize_is_finished_by_the_next(server, tmp_path):
    tree = write_tree(tmp_path / "a.zarr", FILES)
    server.traffic.faults.append(Fault("api", path="/finalize/", status=418, times=9))
    with pytest.raises(TransferError, match="418"):
        upload(server, tree)
    server.traffic.faults.clear()
    report, checksum = upload(server, tree)
    assert report.written == 0
    assert checksum == server.archive.zarr_at("000001", "a.zarr").checksum is not None


def test_a_zarr_left_without_asset_is_used_again(server, tmp_path):
    tree = write_tree(tmp_path / "a.zarr", FILES)
    server.traffic.faults.append(Fault("api", "POST", "/assets/", status=418))
    with pytest.raises(TransferError, match="418"):
        upload(server, tree)
    report, _ = upload(server, tree)
    assert report.written == len(FILES)
    assert len(server.archive.zarrs) == 1


def test_expired_urls_are_signed_again(server, tmp_path):
    tree = write_tree(tmp_path / "a.zarr", FILES)
    server.archive.url_seconds = -1

    class Later(Fault):
        def hits(self, host, method, target):
            if (host, method) == ("s3", "PUT"):
                server.archive.url_seconds = 60
            return False

    server.traffic.faults.append(Later("s3"))
    report, _ = upload(server, tree)
    assert (report.written, not report.failed) == (len(FILES), True)
    assert objects(server) == FILES


@pytest.mark.parametrize(
    "fault",
    [
        Fault("api", path="/files/", status=500, times=2),
        Fault("api", path="/files/", status=429, headers={"Retry-After": "0"}, times=2),
        Fault("api", path="/zarr/", drop=True, times=2),
        Fault("s3", status=503, times=2),
        Fault("s3", drop=True, times=2),
        Fault("s3", "GET", truncate=2, times=2),
        Fault("s3", "GET", "/0/10", corrupt=True, times=2),
    ],
    ids=lambda fault: f"{fault.host}-{fault.status or ''}{fault.drop or ''}{fault.truncate or ''}",
)
def test_what_goes_wrong_for_a_while_is_tried_again(server, tmp_path, fault, monkeypatch):
    monkeypatch.setattr("ncore.transfer.dandi_client.random.uniform", lambda a, b: 0.001)
    tree = write_tree(tmp_path / "a.zarr", FILES)
    server.traffic.faults.append(fault)
    report, _ = upload(server, tree)
    assert not report.failed
    (report,) = download(draft(server, "a.zarr"), tmp_path / "out")
    assert not report.failed
    assert fault.times == 0
    assert read_tree(tmp_path / "out" / "a.zarr") == FILES == objects(server)


def test_one_entry_that_stays_forbidden_fails_alone(server, tmp_path):
    server.archive.add_zarr("000001", "a.zarr", FILES)
    server.traffic.faults.append(Fault("s3", "GET", "/0/0/0", status=403, times=99))
    (report,) = download(draft(server, "a.zarr"), tmp_path)
    assert [failure[0] for failure in report.errors] == ["0/0/0"]
    assert report.written == len(FILES) - 1
    assert read_tree(tmp_path / "a.zarr").keys() == FILES.keys() - {"0/0/0"}


def test_wrong_bytes_leave_nothing_behind(server, tmp_path):
    server.archive.add_zarr("000001", "a.zarr", FILES)
    server.traffic.faults.append(Fault("s3", "GET", "/0/10", corrupt=True, times=99))
    (report,) = download(draft(server, "a.zarr"), tmp_path)
    assert [failure[0] for failure in report.errors] == ["0/10"]
    assert not (tmp_path / "a.zarr/0/10").exists()


def test_a_stalled_download_is_tried_again(server, tmp_path):
    server.archive.add_zarr("000001", "a.zarr", FILES)
    server.traffic.faults.append(Fault("s3", "GET", "/0/10", truncate=3, stall=5))
    session = HttpSession(stall_seconds=0.1)
    (report,) = download(draft(server, "a.zarr"), tmp_path, session=session)
    assert not report.failed
    assert read_tree(tmp_path / "a.zarr") == FILES


def test_a_wrong_put_is_refused_by_the_server_and_tried_again(server, tmp_path):
    tree = write_tree(tmp_path / "a.zarr", FILES)
    body = "<Error><Code>BadDigest</Code></Error>"
    server.traffic.faults.append(Fault("s3", "PUT", "/0/10", status=400, body=body))
    report, _ = upload(server, tree)
    assert (not report.failed, report.retries) == (True, 1)
    assert objects(server) == FILES


def test_entries_gone_meanwhile_do_not_stop_the_others(server, tmp_path):
    server.archive.add_zarr("000001", "a.zarr", FILES)

    async def run():
        where = draft(server)
        target = await open_dandi_target(where, "a.zarr", token=server.token)
        entries = [entry async for page in target.list() for entry in page]
        zarr = server.archive.zarr_at("000001", "a.zarr")
        del zarr.objects["0/10"]
        failures = await target.delete(entries)
        await target.close()
        return failures

    assert asyncio.run(run()) == []
    assert objects(server) == {}


def test_one_file_of_many_costs_few_requests(server, tmp_path):
    files = {f"0/{i // 100}/{i % 100}": b"x" for i in range(3000)}
    server.archive.add_zarr("000001", "a.zarr", files)

    async def run():
        async for root in open_dandi_sources(draft(server, "a.zarr")):
            entry = await root.backend.stat("0/12/34")
            assert await root.backend.read(entry) == b"x"
            assert await root.backend.stat("0/12/3") is None or True
            await root.backend.close()

    asyncio.run(run())
    assert server.traffic.count("api", path="/files/") == 2


def test_locations(server, tmp_path):
    archive = server.archive
    archive.add_zarr("000001", "sub-1/a.zarr", FILES)
    archive.add_zarr("000001", "sub-1/deep/b.zarr", FILES)
    archive.add_zarr("000001", "sub-10/c.zarr", FILES)
    blob = archive.add_blob("000001", "sub-1/d.nwb", b"data" * 1000)
    archive.publish("000001", "0.261121.0001")
    archive.add_zarr("000001", "sub-2/new.zarr", FILES)

    async def found(location):
        roots = []
        async for root in open_dandi_sources(location):
            roots.append(root)
            await root.backend.close()
        return [(root.path, root.tree_path, root.kind) for root in roots]

    def paths(location):
        return [path for path, _, _ in asyncio.run(found(location))]

    below = ["sub-1/a.zarr", "sub-1/d.nwb", "sub-1/deep/b.zarr"]
    assert paths(folder(server, "sub-1/")) == below
    assert paths(folder(server, "sub-1/deep/")) == ["deep/b.zarr"]
    everything = [*below, "sub-10/c.zarr", "sub-2/new.zarr"]
    # Of a whole dandiset they keep its identifier: two may go side by side.
    assert sorted(paths(draft(server))) == sorted(f"000001/{path}" for path in everything)
    zarr = archive.dandisets["000001"].versions["draft"]["sub-1/a.zarr"]
    api = server.api_url
    assert paths(parse_location(f"{api}/assets/{zarr.asset_id}/")) == ["a.zarr"]
    assert paths(parse_location(f"{api}/zarr/{zarr.zarr.zarr_id}/")) == ["a.zarr"]
    assert "c.zarr" in " ".join(paths(parse_location(
        f"{api}/dandisets/000001/versions/draft/assets/?glob=*/c.zarr")))  # fmt: skip
    base = server.api_url.removesuffix("/api")
    latest = parse_location(f"{base}/dandiset/000001")
    assert sorted(paths(latest)) == sorted(f"000001/{path}" for path in everything[:-1])
    with pytest.raises(EntryNotFoundError):
        paths(folder(server, "nothing/"))
    with pytest.raises(EntryNotFoundError):
        paths(parse_location(f"{api}/dandisets/000009/versions/draft/"))
    (report,) = download(parse_location(f"{api}/assets/{blob.asset_id}/"), tmp_path)
    assert not report.failed
    assert b"data" * 1000 in read_tree(tmp_path).values()


def test_targets_that_cannot_be(server):
    server.archive.add_blob("000001", "b.zarr", b"")

    async def target(location, name="a.zarr", token=server.token):
        await open_dandi_target(location, name, token=token)

    with pytest.raises(LocationError, match=r"must end in \.zarr"):
        asyncio.run(target(draft(server), "a.nwb"))
    with pytest.raises(LocationError, match="no zarr"):
        asyncio.run(target(draft(server), "b.zarr"))
    with pytest.raises(AccessDeniedError, match="needs an API key"):
        asyncio.run(target(draft(server), token=None))
    with pytest.raises(AccessDeniedError, match="401"):
        asyncio.run(target(draft(server), token="wrong-token"))
    published = parse_location(f"{server.api_url}/dandisets/000001/versions/0.1.2/")
    with pytest.raises(LocationError, match="published"):
        asyncio.run(target(published))


def test_not_the_owner(server, tmp_path):
    server.archive.add_user("other", "other-token")
    server.token = "other-token"
    with pytest.raises(AccessDeniedError, match="403"):
        upload(server, write_tree(tmp_path / "a.zarr", FILES))


def test_the_token_is_shown_nowhere_and_goes_to_the_api_alone(server, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    tree = write_tree(tmp_path / "a.zarr", FILES)
    upload(server, tree)
    download(draft(server, "a.zarr"), tmp_path / "out", token=server.token)
    assert {seen.host for seen in server.traffic.log if seen.authorization} == {"api"}

    async def representations():
        target = await open_dandi_target(draft(server), "a.zarr", token=server.token)
        shown = [repr(target), repr(target.client), repr(vars(target.client)), target.url]
        await target.close()
        return shown

    shown = "".join(asyncio.run(representations()))
    out, err = capfd.readouterr()
    assert server.token not in shown + caplog.text + out + err


def test_errors_show_no_signature(server, tmp_path):
    server.archive.url_seconds = -1
    with_signature = re.compile("Signature|X-Amz")
    report, _ = upload(server, write_tree(tmp_path / "a.zarr", FILES))
    assert report.failed
    assert not any(with_signature.search(str(failure)) for failure in report.errors)


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        "[]",
        "{}",
        '{"results": 7, "next": null}',
        '{"results": [{}], "next": null}',
        '{"results": [{"Key": 1, "Size": 1, "ETag": "x", "LastModified": ""}], "next": null}',
        '{"results": [{"Key": "a", "Size": -1, "ETag": "x", "LastModified": ""}], "next": null}',
        '{"results": [{"Key": "a", "Size": 1, "ETag": 5, "LastModified": ""}], "next": null}',
        "[" * 100_000,
    ],
    ids=lambda body: body[:30],
)
def test_answers_of_another_form_are_refused(server, tmp_path, body):
    server.archive.add_zarr("000001", "a.zarr", FILES)
    server.traffic.faults.append(Fault("api", "GET", "/zarr/.*/files/", status=200, body=body))
    with pytest.raises(TransferError, match="not how a DANDI archive answers"):
        download(draft(server, "a.zarr"), tmp_path)


def test_the_keyring_is_asked_only_when_the_server_refuses(server, tmp_path, monkeypatch):
    asked = []

    class Keyring:
        @staticmethod
        def get_password(service, user):
            asked.append((service, user))
            return server.token

    monkeypatch.setitem(sys.modules, "keyring", Keyring)
    server.archive.add_zarr("000001", "a.zarr", FILES)
    download(draft(server, "a.zarr"), tmp_path / "1")
    assert asked == []
    server.archive.add_dandiset("000002", embargoed=True)
    server.archive.add_zarr("000002", "a.zarr", FILES)
    (report,) = download(draft(server, "a.zarr", "000002"), tmp_path / "2")
    assert not report.failed
    host = server.api_url.removeprefix("http://").removesuffix("/api")
    assert asked == [(f"dandi-api-{host}", "key")]


def test_the_environment_names_the_token_by_instance(monkeypatch):
    environ = {"DANDI_API_KEY": "of-dandi", "127_0_0_1_8000_API_KEY": "of-host"}
    assert token_from_environment("dandi", environ).header() == "token of-dandi"
    assert token_from_environment("dandi-sandbox", environ) is None
    assert token_from_environment("127.0.0.1:8000", environ).header() == "token of-host"
    assert token_from_environment("linc", {"LINC_API_KEY": " x\n"}).header() == "token x"
    assert "of-dandi" not in repr(token_from_environment("dandi", environ))
    with pytest.raises(AccessDeniedError, match="characters no key has"):
        token_from_environment("dandi", {"DANDI_API_KEY": "a\nHost: evil"})


def test_a_state_that_is_gone_is_not_replaced_by_another(server, tmp_path):
    zarr = server.archive.add_zarr("000001", "a.zarr", FILES)
    now = parse_location(f"{server.api_url}/zarr/{zarr.zarr_id}/")
    (report,) = download(replace(now, checksum=zarr.checksum), tmp_path)
    assert not report.failed
    with pytest.raises(EntryNotFoundError, match="has changed since"):
        download(replace(now, checksum=f"{'0' * 32}-1--1"), tmp_path)
