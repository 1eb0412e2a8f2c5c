"""The planner against a model: applying a plan gives what was asked for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.select.selection import ZarrSelection
from ncore.transfer.actions import ActionKind, Existing, Extra, Totals
from ncore.transfer.backend import Capabilities
from ncore.transfer.errors import TransferError
from ncore.transfer.listing import list_scopes, only_metadata, scopes
from ncore.transfer.memory import MemoryBackend
from ncore.transfer.plan import Planner, Policy


async def make(source, target, selection=None, **policy):
    planner = Planner(source, target, selection, Policy(**policy))
    return [a async for batch in planner.actions() for a in batch]


def kinds(actions):
    return {a.key: str(a.kind) for a in actions}


def is_tree(keys):
    return not any(b.startswith(a + "/") for a in keys for b in keys)


components = st.sampled_from(["a", "b", "a-", "a.", "a0", "0", "00", "é"])
keys = st.lists(components, min_size=1, max_size=3).map("/".join)
trees = st.dictionaries(keys, st.binary(max_size=2), max_size=8).filter(is_tree)


@settings(max_examples=150, deadline=None)
@given(trees, trees, st.integers(1, 4), st.sampled_from([Extra.KEEP, Extra.DELETE]))
async def test_applying_the_plan_gives_the_source(source, target, page_size, extra):
    s = MemoryBackend(source, page_size=page_size)
    t = MemoryBackend(target, page_size=page_size)
    actions = await make(
        s,
        t,
        existing=Existing.OVERWRITE_DIFFERENT,
        extra=extra,
        resolve_conflicts=True,
    )
    state = dict(target)
    seen = set()
    for action in actions:
        assert action.key not in seen
        seen.add(action.key)
        match action.kind:
            case ActionKind.CREATE:
                assert action.key not in state
                state[action.key] = source[action.key]
                assert is_tree(state), "room was not made before writing"
            case ActionKind.REPLACE:
                assert state[action.key] != source[action.key]
                state[action.key] = source[action.key]
            case ActionKind.KEEP:
                assert state[action.key] == source[action.key]
            case ActionKind.CONFLICT:
                del state[action.key]
            case ActionKind.DELETE:
                assert extra is Extra.DELETE
                del state[action.key]
            case other:
                raise AssertionError(other)
    if extra is Extra.DELETE:
        assert state == source
    else:
        kept = {
            k
            for k in target
            if k not in source
            and not any(c.startswith(k + "/") or k.startswith(c + "/") for c in source)
        }
        assert state == {**{k: target[k] for k in kept}, **source}


@settings(max_examples=100, deadline=None)
@given(trees, trees, st.integers(1, 4))
async def test_without_leave_nothing_is_overwritten(source, target, page_size):
    s = MemoryBackend(source, page_size=page_size)
    t = MemoryBackend(target, page_size=page_size)
    for action in await make(s, t):
        conflict = any(
            k.startswith(action.key + "/") or action.key.startswith(k + "/") for k in target
        )
        if action.key in target:
            same = target[action.key] == source[action.key]
            assert action.kind is (ActionKind.KEEP if same else ActionKind.ERROR)
        else:
            assert action.kind is (ActionKind.ERROR if conflict else ActionKind.CREATE)


@settings(max_examples=60, deadline=None)
@given(trees, trees)
async def test_subtree_deletes_only_in_directories_of_the_source(source, target):
    async def has(directory):
        return any(k.startswith(directory + "/") for k in source)

    s, t = MemoryBackend(source), MemoryBackend(target)
    actions = await make(
        s,
        t,
        existing=Existing.OVERWRITE_DIFFERENT,
        extra=Extra.SUBTREE,
        resolve_conflicts=True,
        source_has=has,
    )
    deleted = {a.key for a in actions if a.kind is ActionKind.DELETE}
    tops = {k.split("/")[0] for k in source if "/" in k}
    conflicts = {a.key for a in actions if a.kind is ActionKind.CONFLICT}
    expected = {k for k in target if k not in source and "/" in k and k.split("/")[0] in tops}
    assert deleted == expected - conflicts


async def test_existing_modes():
    s = MemoryBackend({"same": b"1", "time": b"2", "other": b"33"})
    t = MemoryBackend({"same": b"1", "time": b"x", "other": b"3"})
    for b in (s, t):
        b.mtimes.update(dict.fromkeys(b.entries, 100.0))
    expect = {
        Existing.ERROR: ("keep", "error", "error"),
        Existing.SKIP: ("keep", "keep", "keep"),
        Existing.OVERWRITE: ("replace", "replace", "replace"),
        Existing.OVERWRITE_DIFFERENT: ("keep", "replace", "replace"),
        Existing.REFRESH: ("keep", "keep", "replace"),
    }
    for existing, (same, time, other) in expect.items():
        got = kinds(await make(s, t, existing=existing))
        assert got == {"same": same, "time": time, "other": other}


async def test_digests_are_computed_only_where_sizes_agree():
    caps = Capabilities(writable=True, cheap_digests=True)
    s = MemoryBackend({"a": b"1", "b": b"22", "c": b"3"}, capabilities=caps)
    t = MemoryBackend({"a": b"1", "b": b"2", "c": b"4"})
    asked = []
    digests = s.digests

    async def spy(entries, algorithm):
        asked.extend((e.key, algorithm) for e in entries)
        return await digests(entries, algorithm)

    s.digests = spy
    got = kinds(await make(s, t, existing=Existing.OVERWRITE_DIFFERENT))
    assert got == {"a": "keep", "b": "replace", "c": "replace"}
    assert asked == [("a", "md5"), ("c", "md5")]


async def test_a_file_above_what_was_listed_is_found():
    s = MemoryBackend({"0/1/2/3": b"x"})
    t = MemoryBackend({"0/1": b"in the way", "9": b""})
    select = ZarrSelection(["path:0/1/2"])
    got = await make(s, t, select)
    assert kinds(got) == {"0/1/2/3": "error"}
    assert "'0/1' is a file" in got[0].reason
    got = await make(s, t, select, resolve_conflicts=True)
    assert [(a.kind, a.key) for a in got] == [("conflict", "0/1"), ("create", "0/1/2/3")]
    # Where a neighbour shows that the directories exist nobody asks.
    t = MemoryBackend({"0/1/2/2": b"x"})
    t.requests.clear()
    await make(s, t, select)
    assert [r for r in t.requests if r.startswith("stat")] == ["stat 0/1/2"]


async def test_hostile_keys_are_refused_by_name():
    s = MemoryBackend({"../x": b"", "/etc/passwd": b"", "a\x1b": b"", "ok": b""})
    got = await make(s, MemoryBackend())
    assert kinds(got) == {
        "../x": "error",
        "/etc/passwd": "error",
        "a\x1b": "error",
        "ok": "create",
    }


async def test_a_source_with_file_and_directory_of_one_name():
    s = MemoryBackend({"a": b"", "a.b": b"", "a/b": b""})
    got = await make(s, MemoryBackend())
    assert kinds(got) == {"a": "create", "a.b": "create", "a/b": "error"}


async def test_sync_stays_inside_the_selection():
    s = MemoryBackend({"0/a": b""})
    t = MemoryBackend({"0/b": b"", "00": b"", "1/c": b""})
    got = await make(s, t, ZarrSelection(["path:0"]), extra=Extra.DELETE)
    assert kinds(got) == {"0/a": "create", "0/b": "delete"}


async def test_a_listing_out_of_order_is_refused():
    s = MemoryBackend({"a": b"", "b": b"", "c": b""})

    async def wrong(prefix="", *, after=""):
        yield [await s.stat("b"), await s.stat("a")]

    s.list = wrong
    with pytest.raises(TransferError, match="out of order"):
        await make(s, MemoryBackend())


async def test_scopes_are_listed_once_each_and_in_order():
    s = MemoryBackend({f"{i:02}/{j}": b"" for i in range(20) for j in range(5)}, page_size=2)
    selection = ZarrSelection([f"path:{i:02}" for i in range(0, 20, 2)] + ["path:03/1"])
    parts = scopes(selection.cover())
    got = [e.key async for page in list_scopes(s, parts) for e in page]
    assert got == [k for k in sorted(s.entries) if selection.matches(k)]
    assert not [r for r in s.requests if r.startswith("list  ")], "never the whole zarr"


async def test_one_key_where_the_target_has_a_directory():
    s, t = MemoryBackend({"0/a": b"new"}), MemoryBackend({"0/a/x": b"", "0/a/y": b"", "0/ab": b""})
    select = ZarrSelection(["glob:0/a"])
    assert kinds(await make(s, t, select)) == {"0/a": "error"}
    got = await make(s, t, select, resolve_conflicts=True)
    assert [(str(a.kind), a.key) for a in got] == [
        ("conflict", "0/a/x"),
        ("conflict", "0/a/y"),
        ("create", "0/a"),
    ]


def test_only_metadata():
    assert only_metadata(ZarrSelection(["metadata", "glob:**/.zattrs", "path:0/zarr.json"]))
    assert only_metadata(ZarrSelection(["path:0"], ["metadata"]))
    assert not only_metadata(ZarrSelection())
    assert not only_metadata(ZarrSelection(["metadata", "path:0"]))
    assert not only_metadata(ZarrSelection(["glob:**/x.json", "regex:zarr.json"]))


V2 = {".zgroup": b"{}", ".zattrs": b"{}"}
for _a in range(3):
    V2[f"{_a}/.zarray"] = b"{}"
    V2[f"{_a}/.zattrs"] = b"{}"
    V2 |= {f"{_a}/{i}/{j}": b"" for i in range(60) for j in range(10)}
V2["labels/.zgroup"] = b"{}"
V2["labels/x/.zarray"] = b"{}"
V2 |= {f"labels/x/{i}.0": b"" for i in range(700)}

V3 = {"zarr.json": b'{"node_type": "group"}'}
for _a in ("0", "1", "c"):
    V3[f"{_a}/zarr.json"] = b'{"node_type": "array"}'
    V3 |= {f"{_a}/c/{i}/{j}": b"" for i in range(60) for j in range(10)}
V3["c/inner/zarr.json"] = b'{"node_type": "group"}'
V3["z/zarr.json"] = b'{"node_type": "array"}'
V3 |= {f"z/c.{i}": b"" for i in range(600)}


@pytest.mark.parametrize("tree", [V2, V3], ids=["v2", "v3"])
async def test_metadata_listing_seeks_past_chunks(tree):
    s = MemoryBackend(tree, page_size=50)

    parts = scopes(ZarrSelection(["metadata"]).cover())

    def is_metadata(key):
        return key.rpartition("/")[2].startswith((".z", "zarr.json"))

    got = [e.key async for page in list_scopes(s, parts, skip_chunks=True) for e in page]
    assert [k for k in got if is_metadata(k)] == [k for k in sorted(tree) if is_metadata(k)]
    assert got == sorted(set(got))
    assert len([r for r in s.requests if r.startswith("list")]) <= 10
    assert len(tree) / 50 > 45


async def test_totals():
    s = MemoryBackend({"a": b"12", "b": b"3"})
    t = MemoryBackend({"b": b"3", "c": b"4567"})
    totals = Totals()
    for action in await make(s, t, extra=Extra.DELETE):
        totals.add(action)
    assert totals.selected == 2
    assert totals.to_write == 1
    assert totals.to_delete == 1
    assert totals.as_dict()["create"] == {"entries": 1, "bytes": 2}
    assert totals.as_dict()["delete"] == {"entries": 1, "bytes": 4}


@settings(max_examples=150, deadline=None)
@given(trees, trees, st.booleans())
async def test_looking_up_a_few_keys_plans_what_a_listing_does(source, target, resolve):
    def planned():
        return make(
            MemoryBackend(source),
            MemoryBackend(target),
            existing=Existing.OVERWRITE_DIFFERENT,
            resolve_conflicts=resolve,
        )

    listed = await planned()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ncore.transfer.plan._WHOLE_PAGE", 1)
        sought = await planned()

    def told(actions):
        return {a.key: (str(a.kind), a.source, a.target) for a in actions}

    assert told(sought) == told(listed)


async def test_one_changed_file_does_not_list_a_large_target():
    target = MemoryBackend({f"0/{i:05}": b"x" for i in range(5000)})
    source = MemoryBackend({"0/.zattrs": b"{}", "0/00007": b"y"})
    actions = await make(source, target, existing=Existing.OVERWRITE_DIFFERENT)
    assert kinds(actions) == {"0/.zattrs": "create", "0/00007": "replace"}
    # The first page, and whether what is new is a directory there.
    assert [r for r in target.requests if r.startswith("list")] == ["list  ", "list 0/.zattrs/ "]
    assert len(target.requests) <= 5
