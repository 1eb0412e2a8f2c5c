"""The executor over roots in memory, with faults."""

import pytest

from ncore.transfer.actions import Existing, Extra
from ncore.transfer.backend import Capabilities
from ncore.transfer.digests import Digest
from ncore.transfer.errors import AccessDeniedError, GuardError, NoMatchError, TransientError
from ncore.transfer.execute import Options, Retries, transfer
from ncore.transfer.memory import MemoryBackend
from ncore.transfer.plan import Policy
from ncore.transfer.spool import ActionSpool

FAST = Retries(attempts=3, base=0.0)


class Faulty(MemoryBackend):
    """Raises or lies a number of times for some keys."""

    def __init__(self, entries, faults=None, **kwargs):
        super().__init__(entries, **kwargs)
        self.faults = faults or {}

    async def read(self, entry):
        data = await super().read(entry)
        if faults := self.faults.get(entry.key):
            fault = faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        return data


def big_tree(n=50):
    return {f"{i // 10}/{i:03}": bytes([i]) * i for i in range(n)} | {"big": b"x" * (5 << 20)}


UPLOAD = Policy(Existing.OVERWRITE_DIFFERENT, Extra.DELETE, resolve_conflicts=True)


@pytest.mark.parametrize("batch", [0, 7, 1000])
@pytest.mark.parametrize("write_digest", [None, "md5"])
async def test_full_copy(batch, write_digest):
    s = MemoryBackend(big_tree())
    caps = Capabilities(
        writable=True,
        list_digest="md5",
        write_batch=batch,
        write_digest=write_digest,
        cheap_digests=True,
    )
    t = MemoryBackend({"0/001": b"old", "zzz": b"extra", "0/004": b"\x04" * 4}, capabilities=caps)
    prepared = []

    async def prepare(payloads):
        prepared.append([p.key for p in payloads])
        if write_digest:
            assert all(p.digest.algorithm == "md5" for p in payloads)

    t.prepare = prepare
    report = await transfer(s, t, None, UPLOAD, Options(mode="full"))
    assert report.ok
    assert t.entries == s.entries
    assert (report.written, report.deleted) == (50, 1)
    assert t.outcome.complete
    if batch:
        assert sum(map(len, prepared)) == 50
        assert max(map(len, prepared)) <= batch
    assert "write 0/004" not in t.requests
    again = await transfer(s, t, None, UPLOAD)
    assert (again.written, again.deleted) == (0, 0)
    assert t.outcome.written == 0


async def test_transient_errors_and_wrong_bytes_are_retried():
    s = Faulty(
        {"a": b"1", "b": b"22", "c": b"333"},
        {"a": [TransientError("reset"), TransientError("503")], "b": [b"xx"], "c": [b"3"]},
    )
    t = MemoryBackend()
    report = await transfer(s, t, options=Options(retries=FAST))
    assert report.ok
    assert report.retries == 4
    assert t.entries == s.entries


async def test_an_entry_that_stays_wrong_fails_alone_and_leaves_nothing():
    s = Faulty(
        {"a": b"1", "b": b"22", "c": b"3"}, {"b": [b"xx"] * 9, "c": [AccessDeniedError("403")] * 9}
    )
    t = MemoryBackend({"old": b""})
    report = await transfer(s, t, None, UPLOAD, Options(retries=FAST, yes=True))
    assert not report.ok
    assert report.failed == 2
    assert {e.key for e in report.errors} == {"b", "c"}
    assert t.entries == {"a": b"1", "old": b""}, "nothing is deleted after a failure"
    assert s.requests.count("read c") == 1, "a refusal is not retried"
    assert not t.outcome.complete


async def test_a_large_entry_that_is_wrong_is_not_committed():
    s = MemoryBackend({"big": b"x" * (5 << 20)})
    stream = s.stream

    async def wrong(entry, offset=0):
        async for chunk in stream(entry, offset):
            yield chunk
            s.entries["big"] = b"y" * (5 << 20)

    s.stream = wrong
    real = s._entry

    def listed(key):
        return real(key)._replace(digest=Digest("md5", "0" * 32))

    s._entry = listed
    t = MemoryBackend()
    report = await transfer(s, t, options=Options(retries=FAST))
    assert report.failed == 1
    assert "expected md5:000" in report.errors[0].error
    assert t.entries == {}


async def test_a_target_that_stored_something_else_is_noticed():
    t = MemoryBackend()

    async def write(payload):
        t.entries[payload.key] = b"?"
        return Digest("md5", "0" * 32)

    t.write = write
    report = await transfer(MemoryBackend({"a": b"1"}), t, options=Options(retries=FAST))
    assert report.failed == 1
    assert t.entries == {}


async def test_guard_refuses_before_anything_is_changed():
    s = MemoryBackend({".zattrs": b"new"})
    t = MemoryBackend({".zattrs": b"old", "0/0": b"", "0/1": b""})
    before = dict(t.entries)
    with pytest.raises(GuardError, match="delete 2 entries"):
        await transfer(s, t, None, UPLOAD)
    assert t.entries == before
    report = await transfer(s, t, None, UPLOAD, Options(dry_run=True))
    assert "delete 2" in report.refusal
    assert t.entries == before
    assert (await transfer(s, t, None, UPLOAD, Options(yes=True))).deleted == 2


async def test_no_match():
    s, t = MemoryBackend(), MemoryBackend()
    with pytest.raises(NoMatchError, match="--allow-empty"):
        await transfer(s, t)
    assert (await transfer(s, t, options=Options(allow_empty=True))).ok


async def test_conflicts_are_deleted_first():
    s = MemoryBackend({"a/b": b"1", "c": b"2"})
    t = MemoryBackend({"a": b"", "c/d": b"", "c/e": b"", "keep": b""})
    policy = Policy(Existing.OVERWRITE_DIFFERENT, resolve_conflicts=True)
    report = await transfer(s, t, None, policy, Options(mode="patch"))
    assert report.ok
    assert t.entries == {"a/b": b"1", "c": b"2", "keep": b""}
    changes = [r for r in t.requests if r.startswith(("write", "delete"))]
    assert changes.index("delete a") < changes.index("write a/b")
    assert changes.index("delete c/e") < changes.index("write c")


async def test_remove_source_only_after_the_target_has_it():
    s = Faulty({"a": b"1", "b": b"2", "c": b"3"}, {"b": [AccessDeniedError("no")]})
    t = MemoryBackend({"c": b"3"})
    options = Options(mode="patch", remove_source=True)
    report = await transfer(s, t, None, Policy(Existing.OVERWRITE_DIFFERENT), options)
    assert report.failed == 1
    assert s.entries == {"b": b"2"}
    assert report.removed_local == 2


async def test_remove_source_asks_a_target_that_reports_nothing():
    s = MemoryBackend({"a": b"1"})
    t = MemoryBackend(capabilities=Capabilities(writable=True))
    write = t.write

    async def silent(payload):
        await write(payload)

    t.write = silent
    options = Options(remove_source=True)
    report = await transfer(s, t, options=options)
    assert report.failed == 1
    assert s.entries == {"a": b"1"}
    t.capabilities = Capabilities(writable=True, cheap_digests=True)
    report = await transfer(s, t, None, Policy(Existing.OVERWRITE), options)
    assert report.ok
    assert s.entries == {}


async def test_the_spool_goes_to_disk_and_keeps_order():
    s = MemoryBackend({f"é{i:04}": b"x" for i in range(300)})
    from ncore.transfer.plan import Planner

    batches = [b async for b in Planner(s, MemoryBackend()).actions()]
    actions = [a for b in batches for a in b]
    spool = ActionSpool(in_memory=20)
    for i in range(0, 200, 10):
        spool.append(actions[i : i + 10])
    assert spool._file is not None
    got = []
    iterator = spool.batches()
    for _ in range(5):
        got.extend(await anext(iterator))
    for i in range(200, 300, 10):
        spool.append(actions[i : i + 10])
    spool.end()
    async for batch in iterator:
        got.extend(batch)
    assert got == actions
    spool.close()
