"""Object stores, against real servers on loopback: moto (breadth), rclone (MD5, signatures)."""

# bazel: size = "medium"

import asyncio
import os
import subprocess
import sys

import pytest

from ncore.itar.testing import s3_server
from ncore.select.selection import ZarrSelection
from ncore.transfer.actions import Existing, Extra
from ncore.transfer.backend import Payload
from ncore.transfer.digests import digest_of
from ncore.transfer.errors import AccessDeniedError, EntryNotFoundError, TransferError
from ncore.transfer.execute import Options, Retries, transfer
from ncore.transfer.local import LocalBackend
from ncore.transfer.memory import MemoryBackend
from ncore.transfer.objects import MULTIPART, ObjectBackend, digest_of_etag, part_size
from ncore.transfer.plan import Policy

FAST = Retries(3, 0.0)
FULL = Policy(Existing.OVERWRITE_DIFFERENT, Extra.DELETE, resolve_conflicts=True)
TREE = {f"{i}/{j}": b"%d %d" % (i, j) for i in range(12) for j in range(12)} | {
    "zarr.json": b"{}",
    "é/ü": b"x",
    "with space": b"",
    "medium": os.urandom(3 << 20),
}


@pytest.fixture(scope="module")
def moto():
    with s3_server.moto_server("bucket") as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def rclone(tmp_path_factory):
    with s3_server.rclone_server(tmp_path_factory.mktemp("rclone"), "bucket") as endpoint:
        yield endpoint


@pytest.fixture(params=["moto", "rclone"])
def endpoint(request):
    return request.getfixturevalue(request.param)


def backend(endpoint, path, **kwargs):
    return ObjectBackend("s3://bucket", path, s3_server.options(endpoint), **kwargs)


def test_etags():
    assert digest_of_etag('"900150983cd24fb0d6963f7d28e17f72"', 3).algorithm == "md5"
    assert digest_of_etag("x", 3) is None
    assert digest_of_etag(None, 3) is None
    size = 40 << 20
    assert part_size(size) == 16 << 20
    assert digest_of_etag("0" * 32 + "-3", size).algorithm == MULTIPART
    assert digest_of_etag("0" * 32 + "-4", size) is None
    assert part_size(500 << 30) * 10_000 >= 500 << 30


async def test_up_change_and_down(endpoint, tmp_path):
    t = backend(endpoint, "dir/round.zarr")
    report = await transfer(MemoryBackend(TREE), t, None, FULL, Options(retries=FAST))
    assert report.ok, report.errors
    again = await transfer(MemoryBackend(TREE), t, None, FULL, Options(retries=FAST))
    assert (again.written, again.deleted) == (0, 0)
    changed = {**TREE, "zarr.json": b"[]"}
    del changed["3/3"]
    report = await transfer(MemoryBackend(changed), t, None, FULL, Options(retries=FAST))
    assert (report.written, report.deleted, report.ok) == (1, 1, True)
    local = LocalBackend(tmp_path / "x.zarr")
    source = backend(endpoint, "dir/round.zarr", must_exist=True)
    report = await transfer(source, local, options=Options(retries=FAST))
    assert report.ok, report.errors
    files = (tmp_path / "x.zarr").rglob("*")
    got = {
        p.relative_to(tmp_path / "x.zarr").as_posix(): p.read_bytes() for p in files if p.is_file()
    }
    assert got == changed
    # Back up from the directory: its digests are computed, nothing is sent.
    report = await transfer(local, t, None, FULL)
    assert report.written == 0
    await local.close()


async def test_listing_obeys_prefix_and_after(moto):
    t = backend(moto, "list.zarr")
    keys = ["0", "00", "01/x", "1/a", "1/b", "10/a", "1é", "2"]
    await transfer(MemoryBackend(dict.fromkeys(keys, b"")), t)
    for prefix in ["", "0", "1", "1/", "10", "1é", "x", "1/a"]:
        for after in ["", "0", "1/a", "1é", "3"]:
            got = [e.key async for page in t.list(prefix, after=after) for e in page]
            assert got == sorted(k for k in keys if k.startswith(prefix) and k > after)
    got = MemoryBackend()
    assert (await transfer(t, got, ZarrSelection(["path:1"]))).ok
    assert sorted(got.entries) == ["1/a", "1/b"]


async def test_large_objects_go_in_parts_and_can_be_compared(moto, tmp_path):
    data = os.urandom(35 << 20)
    (tmp_path / "big").write_bytes(data)
    s = LocalBackend(tmp_path)
    t = backend(moto, "large.zarr")
    report = await transfer(s, t, None, FULL, Options(retries=FAST))
    assert report.ok, report.errors
    entry = await t.stat("big")
    assert entry.digest == digest_of(data, MULTIPART)
    assert (await transfer(s, t, None, FULL)).written == 0
    await s.close()
    down = LocalBackend(tmp_path / "down")
    report = await transfer(backend(moto, "large.zarr"), down)
    assert report.ok, report.errors
    assert (tmp_path / "down/big").read_bytes() == data
    await down.close()


async def test_a_part_of_a_download_is_gone_on_with(endpoint, tmp_path):
    data = os.urandom(3 << 20)
    await transfer(MemoryBackend({"big": data}), backend(endpoint, "resume.zarr"))
    t = LocalBackend(tmp_path / "x")
    await t.start()
    part = t._writer.open_part("big", f"{len(data)} {digest_of(data, 'md5')}")
    part.append(data[: 1 << 20])
    part.close()
    await t.close()
    t = LocalBackend(tmp_path / "x")
    report = await transfer(backend(endpoint, "resume.zarr"), t, options=Options(retries=FAST))
    assert report.ok, report.errors
    assert report.bytes_moved == 2 << 20
    assert (tmp_path / "x/big").read_bytes() == data


async def test_an_object_that_appears_meanwhile_is_not_overwritten(moto):
    t = backend(moto, "race.zarr")
    s = MemoryBackend({"a": b"ours"})
    read = s.read

    async def race(entry):
        await backend(moto, "race.zarr")._put(_payload("a"), b"theirs")
        return await read(entry)

    s.read = race
    report = await transfer(s, t)
    assert "exists already" in report.errors[0].error
    assert await t.read(await t.stat("a")) == b"theirs"


def _payload(key):
    from ncore.transfer.backend import Payload

    return Payload(key, 0, None, None, None, None, None)


async def test_an_object_that_changed_since_it_was_listed(moto):
    t = backend(moto, "changed.zarr")
    await transfer(MemoryBackend({"a": b"1"}), t)
    old = await t.stat("a")
    await transfer(MemoryBackend({"a": b"2"}), t, None, FULL)
    with pytest.raises(TransferError, match="changed"):
        await t.read(old)


async def test_missing_and_refused(moto, rclone):
    with pytest.raises(EntryNotFoundError, match="nothing is stored"):
        await transfer(backend(moto, "no.zarr", must_exist=True), MemoryBackend())
    options = {**s3_server.options(rclone), "secret_access_key": "WRONGSECRET"}
    bad = ObjectBackend("s3://bucket", "x.zarr", options)
    with pytest.raises(AccessDeniedError) as caught:
        await transfer(bad, MemoryBackend())
    assert "WRONGSECRET" not in str(caught.value)
    assert "WRONGSECRET" not in repr(vars(bad))


async def test_an_unreachable_server_is_transient_and_then_an_error():
    from ncore.transfer.errors import TransientError

    dead = ObjectBackend("s3://bucket", "x", s3_server.options("http://127.0.0.1:9"))
    with pytest.raises(TransientError):
        await dead.stat("a")


def test_the_interpreter_does_not_abort_at_its_end(rclone):
    # About every other time without settle_before_exit.
    code = f"""
import asyncio
from ncore.transfer.objects import ObjectBackend
async def list_all():
    backend = ObjectBackend("s3://bucket", "x", {s3_server.options(rclone)!r})
    async for _ in backend.list():
        pass
asyncio.run(list_all())
"""
    run = [sys.executable, "-c", code]
    ends = [subprocess.run(run, capture_output=True, text=True, check=False) for _ in range(12)]
    assert [(end.returncode, end.stderr) for end in ends] == [(0, "")] * 12


async def test_closing_waits_for_requests_of_a_cancelled_transfer(rclone):
    store = backend(rclone, "cancelled")
    payload = Payload("a", 1, digest_of(b"a", "md5"), None, None, b"a", lambda *_: None)
    writing = asyncio.ensure_future(store.write(payload))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert writing.cancelled()
    await store.close()
    assert (await store.stat("a")).size == 1, "the request was given the time to end"


async def test_a_cancelled_put_in_parts_ends_when_closed(moto):
    store = backend(moto, "parts")
    size = 1 << 30
    taken = 0

    async def chunks(*_):
        nonlocal taken
        while taken < size:
            taken += 1 << 20
            await asyncio.sleep(0)
            yield bytes(1 << 20)

    payload = Payload("big", size, None, None, None, None, chunks)
    writing = asyncio.ensure_future(store.write(payload))
    while taken < 4 << 20:
        await asyncio.sleep(0.01)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await store.close()
    assert taken < size / 2
    assert await store.stat("big") is None
