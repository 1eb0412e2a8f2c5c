"""Directories as source and target: order, links, hostile trees, interruptions."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.transfer import filesystem
from ncore.transfer.actions import Existing, Extra
from ncore.transfer.backend import Entry
from ncore.transfer.digests import digest_of
from ncore.transfer.errors import EntryNotFoundError, TransferError
from ncore.transfer.execute import Options, Retries, transfer
from ncore.transfer.local import LocalBackend
from ncore.transfer.local_listing import walk
from ncore.transfer.memory import MemoryBackend
from ncore.transfer.plan import Policy
from ncore.transfer.testing.trees import fill, tree

OVERWRITE = Policy(Existing.OVERWRITE_DIFFERENT, Extra.KEEP, resolve_conflicts=True)


def everything_below(root):
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*"))


async def download(entries, root, policy=None, **options):
    s = entries if isinstance(entries, MemoryBackend) else MemoryBackend(entries)
    t = LocalBackend(root)
    try:
        return await transfer(s, t, None, policy, Options(retries=Retries(3, 0.0), **options))
    finally:
        await t.close()


names = st.sampled_from(["a", "a-", "a.b", "a0", "b", ".z", "é"])


@settings(max_examples=40, deadline=None)
@given(st.sets(st.lists(names, min_size=1, max_size=3).map("/".join)), st.data())
def test_walk_is_in_key_order_and_obeys_prefix_and_after(tmp_path_factory, keys, data):
    keys = {k for k in keys if not any(o.startswith(k + "/") for o in keys)}
    root = tmp_path_factory.mktemp("walk")
    fill(root, dict.fromkeys(keys, b""))
    assert [e.key for e in walk(str(root))] == sorted(keys)
    somewhere = st.sampled_from(sorted(keys) or [""])
    prefix = data.draw(somewhere.flatmap(lambda k: st.integers(0, len(k)).map(lambda n: k[:n])))
    after = data.draw(st.one_of(st.just(""), somewhere))
    got = [e.key for e in walk(str(root), prefix, after)]
    assert got == sorted(k for k in keys if k.startswith(prefix) and k > after)


async def test_round_trip_times_and_nothing_left(tmp_path):
    entries = {f"{i}/{j}": bytes([i, j]) * i for i in range(20) for j in range(5)}
    entries |= {"empty": b"", "large": os.urandom(3 << 20)}
    s = MemoryBackend(entries)
    s.mtimes = dict.fromkeys(entries, 1_500_000_000.5)
    root = tmp_path / "x.zarr"
    report = await download(s, root)
    assert report.ok
    assert tree(root) == entries
    assert (root / "3/4").stat().st_mtime == 1_500_000_000.5
    assert [p.name for p in tmp_path.iterdir()] == ["x.zarr"]
    s.requests.clear()
    assert (await download(s, root)).written == 0
    assert not [r for r in s.requests if r.startswith("read")]
    source = LocalBackend(root, must_exist=True, follow_links=True)
    t = MemoryBackend()
    assert (await transfer(source, t)).ok
    await source.close()
    assert t.entries == entries


async def test_missing_source(tmp_path):
    s = LocalBackend(tmp_path / "no", must_exist=True)
    with pytest.raises(EntryNotFoundError, match="no such directory"):
        await transfer(s, MemoryBackend())
    await s.close()


HOSTILE = {
    "../outside": b"x",
    "/absolute": b"x",
    "a/../../up": b"x",
    "a//b": b"x",
    "bell\x07": b"x",
    "new\nline": b"x",
    "nul\x00": b"x",
    "good": b"y",
}


async def test_hostile_keys_never_leave_the_target(tmp_path):
    root = tmp_path / "in" / "x.zarr"
    report = await download(HOSTILE, root)
    assert report.failed == len(HOSTILE) - 1
    assert everything_below(tmp_path) == ["in", "in/x.zarr", "in/x.zarr/good"]
    assert all(e.error.isprintable() for e in report.errors)


@pytest.mark.parametrize("policy", [None, OVERWRITE, Policy(Existing.OVERWRITE)])
async def test_links_in_the_target_are_not_written_through(tmp_path, policy):
    outside = tmp_path / "outside"
    fill(outside, {"f": b"precious", "d/x": b"precious"})
    root = tmp_path / "x.zarr"
    root.mkdir()
    (root / "f").symlink_to(outside / "f")
    (root / "d").symlink_to(outside / "d")
    (root / "dangling").symlink_to(outside / "created")
    await download({"f": b"new", "d/x": b"new", "d/y": b"new", "dangling": b"new"}, root, policy)
    assert tree(outside) == {"f": b"precious", "d/x": b"precious"}
    if policy is None:
        assert (root / "f").is_symlink()


async def test_a_link_placed_after_planning_is_refused(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "x.zarr"
    s = MemoryBackend({"d/x": b"new"})
    read = s.read

    async def race(entry):
        (root / "d").symlink_to(outside)
        return await read(entry)

    s.read = race
    report = await download(s, root)
    assert "symbolic link" in report.errors[0].error
    assert everything_below(outside) == []


async def test_a_file_that_appears_after_planning_is_not_overwritten(tmp_path):
    # Also what happens where names that differ by case are one file.
    root = tmp_path / "x.zarr"
    s = MemoryBackend({"A": b"new"})
    read = s.read

    async def race(entry):
        (root / "A").write_bytes(b"theirs")
        return await read(entry)

    s.read = race
    report = await download(s, root)
    assert "takes for the same" in report.errors[0].error
    assert tree(root) == {"A": b"theirs"}
    assert everything_below(tmp_path) == ["x.zarr", "x.zarr/A"]


@pytest.mark.parametrize("hide", [("_renameat2",), ("_renameat2", "link")])
async def test_no_overwriting_without_the_modern_calls(tmp_path, monkeypatch, hide):
    monkeypatch.setattr(filesystem, "_renameat2", None)
    if "link" in hide:

        def no_links(*args, **kwargs):
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)
    await test_a_file_that_appears_after_planning_is_not_overwritten(tmp_path)
    assert (await download({"b": b"1"}, tmp_path / "y.zarr")).ok
    assert tree(tmp_path / "y.zarr") == {"b": b"1"}


async def test_file_and_directory_of_one_name(tmp_path):
    root = tmp_path / "x.zarr"
    fill(root, {"a": b"file", "b/c": b"file"})
    new = {"a/x": b"1", "b": b"2"}
    report = await download(new, root)
    assert report.failed == 2
    assert tree(root) == {"a": b"file", "b/c": b"file"}
    report = await download(new, root, OVERWRITE)
    assert report.ok
    assert tree(root) == new
    (root / "e" / "e").mkdir(parents=True)
    assert (await download({**new, "e": b"3"}, root)).ok
    assert tree(root) == {**new, "e": b"3"}


async def test_sync_deletes_and_prunes(tmp_path):
    root = tmp_path / "x.zarr"
    fill(root, {"a": b"1", "old/deep/x": b"", ".git/config": b"mine"})
    t = LocalBackend(root, skip_names=frozenset([".git"]))
    report = await transfer(MemoryBackend({"a": b"1"}), t, None, Policy(extra=Extra.DELETE))
    await t.close()
    assert report.deleted == 1
    assert tree(root) == {"a": b"1", ".git/config": b"mine"}
    assert not (root / "old").exists()


async def test_two_transfers_do_not_write_the_same_place(tmp_path):
    first = LocalBackend(tmp_path / "x.zarr")
    await first.start()
    with pytest.raises(TransferError, match="another transfer"):
        await download({"a": b""}, tmp_path / "x.zarr")
    await first.close()
    assert (await download({"a": b""}, tmp_path / "x.zarr")).ok


async def test_source_follows_links_but_not_in_circles(tmp_path):
    fill(tmp_path, {"data/1": b"1", "x.zarr/a": b"a"})
    root = tmp_path / "x.zarr"
    (root / "linked").symlink_to(tmp_path / "data")
    (root / "file").symlink_to(tmp_path / "data" / "1")
    s = LocalBackend(root, follow_links=True)
    t = MemoryBackend()
    assert (await transfer(s, t)).ok
    assert t.entries == {"a": b"a", "linked/1": b"1", "file": b"1"}
    (root / "dangling").symlink_to(tmp_path / "nothing")
    os.mkfifo(root / "pipe")
    report = await transfer(s, MemoryBackend(), None, None)
    assert {e.key for e in report.errors} == {"dangling", "pipe"}
    assert (await s.stat("dangling")).size == -1
    (root / "linked" / "up").symlink_to(root)
    with pytest.raises(TransferError, match="link to a directory above"):
        await transfer(s, MemoryBackend())
    await s.close()


async def test_a_file_that_changes_while_it_is_sent(tmp_path):
    fill(tmp_path, {"a": b"1"})
    s = LocalBackend(tmp_path)
    (entry,) = walk(str(tmp_path))
    os.utime(tmp_path / "a", (1, 1))
    with pytest.raises(TransferError, match="changed"):
        await s.read(entry)
    await s.close()


class _StoppedError(BaseException):
    pass


async def test_a_large_file_goes_on_where_it_was_cut(tmp_path):
    data = os.urandom(8 << 20)
    s = MemoryBackend({"big": data})
    stream = s.stream
    offsets = []

    async def cut(entry, offset=0):
        offsets.append(offset)
        async for chunk in stream(entry, offset):
            yield chunk
            if len(offsets) == 1 and s.sent > 4 << 20:
                raise _StoppedError
            s.sent += len(chunk)

    s.sent = 0
    s.stream = cut
    root = tmp_path / "x.zarr"
    with pytest.raises(_StoppedError):
        await download(s, root)
    assert tree(root) == {}
    report = await download(s, root)
    assert report.ok
    assert offsets[1] > 4 << 20
    assert (root / "big").read_bytes() == data
    assert everything_below(tmp_path) == ["x.zarr", "x.zarr/big"]


async def test_an_earlier_part_that_is_damaged_is_noticed(tmp_path):
    data = os.urandom(4 << 20)
    s = MemoryBackend({"big": data})
    root = tmp_path / "x.zarr"
    t = LocalBackend(root)
    await t.start()
    part = t._writer.open_part("big", f"{len(data)} {digest_of(data, 'md5')}")
    part.append(b"wrong")
    part.close()
    await t.close()
    report = await download(s, root)
    assert report.ok
    assert report.retries == 1
    assert (root / "big").read_bytes() == data


KILLED = """
import asyncio, os, sys
from ncore.transfer.execute import transfer
from ncore.transfer.local import LocalBackend
from ncore.transfer.memory import MemoryBackend
s = MemoryBackend({f"{i:04}": bytes(100) for i in range(2000)} | {"big": bytes(6 << 20)})
n = 0
read = s.read
async def counted(entry):
    global n
    n += 1
    if n == int(sys.argv[2]):
        os.kill(os.getpid(), 9)
    return await read(entry)
s.read = counted
asyncio.run(transfer(s, LocalBackend(sys.argv[1])))
"""


@pytest.mark.parametrize("at", [1, 700, 2001])
async def test_killed_and_run_again(tmp_path, at):
    root = tmp_path / "x.zarr"
    project = Path(filesystem.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(project), *sys.path])}
    command = [sys.executable, "-c", KILLED, str(root), str(at)]
    assert subprocess.run(command, env=environment, timeout=60).returncode == -9
    there = tree(root)
    assert all(data == bytes(100) for data in there.values()), "only whole files"
    entries = {f"{i:04}": bytes(100) for i in range(2000)} | {"big": bytes(6 << 20)}
    s = MemoryBackend(entries)
    report = await download(s, root)
    assert report.ok
    assert report.written == len(entries) - len(there)
    assert tree(root) == entries
    assert everything_below(tmp_path) == sorted(["x.zarr", *(f"x.zarr/{k}" for k in entries)])


async def test_slow_calls_move_to_threads_and_back():
    now = 0.0
    hop = filesystem.Hop(threads=2, limit=0.0005, clock=lambda: now)
    main = threading.current_thread()

    def call(seconds):
        nonlocal now
        now += seconds
        return threading.current_thread() is main

    assert await hop.run(call, 0)
    for i in range(30):  # a slow call now and then changes nothing
        assert await hop.run(call, 0.02 if i % 5 == 0 else 0.0001)
    for _ in range(20):
        await hop.run(call, 0.02)
    assert not await hop.run(call, 0)
    for _ in range(64 * 20):
        here = await hop.run(call, 0.0001)
    assert here
    with pytest.raises(ZeroDivisionError):
        await hop.run(lambda: 1 / 0)
    hop.close()


async def test_directories_as_deep_as_a_path_can_be(tmp_path):
    deep = "/".join(["d"] * 1900)
    report = await download({f"{deep}/x": b"x", "y": b"y"}, tmp_path / "t")
    assert report.ok, report.errors
    assert (tmp_path / "t" / deep / "x").read_bytes() == b"x"
    # Deeper ones could be written and never be opened again.
    deeper = "/".join(["d"] * 3000)
    report = await download({f"{deeper}/x": b"x", "z": b"z"}, tmp_path / "u")
    assert [e.error for e in report.errors if "longer than the 4095 bytes" in e.error]
    assert everything_below(tmp_path / "u") == ["z"]
    # What is deleted takes its empty directories along, as far as that goes.
    t = LocalBackend(tmp_path / "t")
    (entry,) = [e for e in walk(str(tmp_path / "t")) if e.key != "y"]
    assert await t.delete([entry]) == []
    await t.close()
    assert [e.key for e in walk(str(tmp_path / "t"))] == ["y"]
    subprocess.run(["rm", "-r", tmp_path / "t"], check=True)  # pytest's own way recurses


async def test_directories_emptied_by_two_threads_at_once(tmp_path, monkeypatch):
    fill(tmp_path / "x", {"a/b/0": b"0", "c": b"c"})
    rmdir = os.rmdir

    def beaten(name, **kwargs):
        rmdir(name, **kwargs)
        rmdir(name, **kwargs)  # as the slower of two finds it

    monkeypatch.setattr(os, "rmdir", beaten)
    t = LocalBackend(tmp_path / "x")
    failures = await t.delete([Entry("a/b/0", 1)])
    monkeypatch.undo()
    await t.close()
    assert failures == []
    assert everything_below(tmp_path / "x") == ["c"]
