import asyncio
import hashlib
import itertools
import os

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ncore.stores.indexed_tar import IndexedTarStore
from ncore.transfer.backend import Capabilities
from ncore.transfer.checksum import DirectoryEntry, ZarrEntry, compute_zarr_checksum
from ncore.transfer.errors import ChecksumError, ManifestError
from ncore.transfer.itar_source import ItarSource
from ncore.transfer.local import LocalBackend
from ncore.transfer.manifest import WholeDirectory, read_manifest, write_manifest
from ncore.transfer.manifest_check import SubtreeState, verify, verify_subtrees
from ncore.transfer.manifest_diff import Change, diff_manifests, prune_manifest
from ncore.transfer.memory import MemoryBackend
from ncore.transfer.merkle_sources import checksum_of, make_manifest, update_manifest

FILES = {
    ".zgroup": b'{"zarr_format":2}',
    "0/.zarray": b"{}",
    "0/0/0": b"abc",
    "0/0/1": b"",
    "0/10": b"x" * 10,
    "0/9": b"y",
    "0a": b"q",
    "é": b"z",
}
CHECKSUM = "304c267d4f2be3a7ad7e6ddd74029611-8--35"
names = st.sampled_from(["0", "1", "10", "a", "a-b", "a.b", "a0", ".zarray", "é", 'q"', "\n"])
keys = st.lists(names, min_size=1, max_size=4).map("/".join)
zarrs = st.dictionaries(keys, st.binary(max_size=3), max_size=12)


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def run(coroutine):
    return asyncio.run(coroutine)


def write_tree(root, files):
    root.mkdir(parents=True, exist_ok=True)
    for key, data in files.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return LocalBackend(root)


def entries_of(files):
    return sorted(ZarrEntry(k, len(v), hashlib.md5(v).hexdigest()) for k, v in files.items())


def slow_digests(files):
    """A source whose listing gives no digests, and which counts what is read."""
    backend = MemoryBackend(files, capabilities=Capabilities(cheap_digests=True))
    backend.hashed = []
    real = backend.digests

    async def counting(entries, algorithm):
        backend.hashed += [entry.key for entry in entries]
        return await real(entries, algorithm)

    backend.digests = counting
    return backend


def test_worked_example(tmp_path):
    backend = write_tree(tmp_path / "x.zarr", FILES)
    assert str(run(checksum_of(backend))) == CHECKSUM
    assert str(run(make_manifest(backend, tmp_path / "m"))) == CHECKSUM
    lines = (tmp_path / "m").read_text().splitlines()
    assert lines[0] == '{"ncore_zarr_manifest":1}'
    assert lines[3] == '{"path":"0/0/0","size":3,"md5":"900150983cd24fb0d6963f7d28e17f72"}'
    assert lines[5] == '{"directory":"0/0","checksum":"ba89bf824c635fb4a0b1299a7bef746a-2--3"}'
    assert lines[-2].startswith('{"path":"\\u00e9",')
    assert lines[-1] == f'{{"directory":"","checksum":"{CHECKSUM}"}}'
    assert names_in(tmp_path) == ["m", "x.zarr"]


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(zarrs)
def test_read_gives_what_was_written(tmp_path, files):
    entries = entries_of(files)
    checksum = write_manifest(tmp_path / "m", entries)
    assert checksum == compute_zarr_checksum(entries)
    items = list(read_manifest(tmp_path / "m", checksum))
    assert [item for item in items if isinstance(item, ZarrEntry)] == entries
    assert not any(isinstance(item, WholeDirectory) for item in items)
    assert items[-1] == DirectoryEntry("", checksum)
    before = (tmp_path / "m").read_bytes()
    run(make_manifest(MemoryBackend(files), tmp_path / "n"))
    assert (tmp_path / "n").read_bytes() == before


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "m"
    path.write_text("old")
    with pytest.raises(ChecksumError):
        write_manifest(path, entries_of({"a/../b": b""}))
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["m"]
    with pytest.raises(ManifestError, match="cannot be written"):
        write_manifest(tmp_path / "no" / "m", [])
    with pytest.raises(ManifestError, match="cannot be read"):
        list(read_manifest(tmp_path / "nothing"))


HOSTILE = {
    "": "this is not a manifest|cut short",
    "x\n": "line 1: this is not JSON",
    "[]\n": "not a manifest",
    '{"ncore_zarr_manifest":2}\n': "only version 1",
    "[" * 60000 + "\n": "not JSON",
    "1" * 70000 + "\n": "too long",
    "\xff\n": "not JSON",
}
BAD_LINES = {
    '{"path":"../x","size":1,"md5":"M"}': "not a path inside",
    '{"path":"/x","size":1,"md5":"M"}': "not a path inside",
    '{"path":"","size":1,"md5":"M"}': "not a path inside",
    '{"path":"x","size":-1,"md5":"M"}': "negative",
    '{"path":"x","size":true,"md5":"M"}': "a number as size",
    '{"path":"x","size":1.5,"md5":"M"}': "a number as size",
    '{"path":"x","size":99999999999999999999,"md5":"M"}': "a number as size",
    '{"path":"x","size":' + "9" * 5000 + ',"md5":"M"}': "not JSON",
    '{"path":["x"],"size":1,"md5":"M"}': "a string as path",
    '{"path":"x","size":1,"md5":"nope"}': "not an MD5",
    '{"path":"x","size":1,"md5":"M","more":1}': "neither an entry",
    '{"path":"x","size":1}': "neither an entry",
    '{"path":"a","size":1,"md5":"M"}': "listed twice",
    '{"path":"0","size":1,"md5":"M"}': "not in order",
    '{"directory":"","checksum":"M-1--1"}': "its lines give",
    '{"directory":"","checksum":"nope"}': "not a zarr checksum",
    '{"directory":"..","checksum":"M-1--1"}': "does not lie|not a path",
    '{"directory":"b/../c","checksum":"M-1--1"}': "not a path",
    '{"directory":"A","checksum":"M-1--1"}': "not in order",
    '{"directory":7,"checksum":"M-1--1"}': "strings",
    '{"path":"b/c","size":1,"md5":"M"}\n{"path":"d","size":1,"md5":"M"}': "'b' is missing",
    '{"path":"b/c","size":1,"md5":"M"}\n{"directory":"d","checksum":"M-1--1"}': "'b' is missing",
    '{"path":"b/c","size":1,"md5":"M"}\n{"directory":"","checksum":"M-1--1"}': "missing|not a path",
    "null": "neither an entry",
    '{"path":"x","size":1,': "not JSON",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "m").write_text(text, encoding="latin-1")
    with pytest.raises(ManifestError, match=HOSTILE[text]):
        list(read_manifest(tmp_path / "m"))


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: line[:40])
def test_bad_lines_are_refused(tmp_path, line):
    md5 = "900150983cd24fb0d6963f7d28e17f72"
    text = f'{{"ncore_zarr_manifest":1}}\n{{"path":"a","size":1,"md5":"M"}}\n{line}\n'
    (tmp_path / "m").write_text(text.replace('"M', f'"{md5}'))
    with pytest.raises(ManifestError, match=BAD_LINES[line]) as error:
        list(read_manifest(tmp_path / "m"))
    assert "line " in str(error.value)


def test_every_cut_and_every_changed_byte_is_noticed(tmp_path):
    write_manifest(tmp_path / "m", entries_of(FILES))
    whole = (tmp_path / "m").read_bytes()
    for cut in range(len(whole)):
        (tmp_path / "n").write_bytes(whole[:cut])
        with pytest.raises(ManifestError):
            list(read_manifest(tmp_path / "n"))
    unseen = []
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1
        (tmp_path / "n").write_bytes(changed)
        try:
            list(read_manifest(tmp_path / "n", CHECKSUM))
        except ManifestError:
            continue
        unseen.append(at)
    assert unseen == []
    (tmp_path / "n").write_bytes(whole + b"{}\n")
    with pytest.raises(ManifestError, match="more after"):
        list(read_manifest(tmp_path / "n"))
    with pytest.raises(ManifestError, match=f"is {CHECKSUM}, not 0-0--0"):
        list(read_manifest(tmp_path / "m", "0-0--0"))


def test_verify_reads_only_what_is_there(tmp_path):
    write_manifest(tmp_path / "m", entries_of(FILES))
    part = {key: FILES[key] for key in ("0/0/0", "0/0/1", "0/9")}
    source = slow_digests(part)
    result = run(verify(tmp_path / "m", source, CHECKSUM))
    assert source.hashed == sorted(part)
    assert result.ok
    assert not result.is_whole
    assert [(subtree.path, subtree.present) for subtree in result.complete] == [("0/0", 2)]
    assert (result.present, result.present_bytes, result.total) == (3, 4, 8)
    whole = run(verify(tmp_path / "m", write_tree(tmp_path / "x", FILES)))
    assert whole.is_whole
    assert [subtree.path for subtree in whole.complete] == [""]


def test_verify_finds_what_is_wrong(tmp_path):
    write_manifest(tmp_path / "m", entries_of(FILES))
    files = {**FILES, "0/9": b"Y", "0/10": b"short", "0/new/x": b"", "z": b""}
    source = slow_digests(files)
    result = run(verify(tmp_path / "m", source))
    assert not result.ok
    assert [problem.key for problem in result.problems] == ["0/10", "0/9", "0/new/x", "z"]
    assert result.problems[0].what == "5 bytes, not 10"
    assert "not in the manifest" in result.problems[2].what
    assert "0/10" not in source.hashed
    assert [subtree.path for subtree in result.complete] == ["0/0"]


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(zarrs, zarrs, st.data())
def test_verify_equals_the_definition(tmp_path, files, other, data):
    write_manifest(tmp_path / "m", entries_of(files))
    here = {k: v for k, v in files.items() if data.draw(st.booleans())}
    here |= dict(itertools.islice(other.items(), data.draw(st.integers(0, 2))))
    manifest_directories = {
        item.path: item.digest
        for item in read_manifest(tmp_path / "m")
        if isinstance(item, DirectoryEntry)
    }

    async def collect():
        return [found async for found in verify_subtrees(tmp_path / "m", MemoryBackend(here))]

    found = run(collect())
    wrong = {key for key, value in here.items() if files.get(key) != value}
    assert {item.key for item in found if not hasattr(item, "state")} == wrong
    subtrees = [item for item in found if hasattr(item, "state")]
    assert {item.path: item.digest for item in subtrees} == manifest_directories
    for item in subtrees:
        below = f"{item.path}/" if item.path else ""
        inside = {key for key in files if key.startswith(below)}
        bad = {key for key in wrong if key.startswith(below)}
        good = {key for key in here if key.startswith(below)} - bad
        if bad:
            expected = SubtreeState.WRONG
        elif good == inside:
            expected = SubtreeState.COMPLETE
        else:
            expected = SubtreeState.PARTIAL if good else SubtreeState.ABSENT
        assert (item.state, item.present, item.wrong) == (expected, len(good), len(bad))
        assert item.present_bytes == sum(len(here[key]) for key in good)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(zarrs, zarrs)
def test_diff_equals_the_definition(tmp_path, old, changes):
    new = {k: v for k, v in old.items() if len(v) != 2} | changes
    a, b = entries_of(old), entries_of(new)
    write_manifest(tmp_path / "a", a)
    write_manifest(tmp_path / "b", b)
    found = list(diff_manifests(tmp_path / "a", tmp_path / "b"))
    olds, news = {e.path: e for e in a}, {e.path: e for e in b}
    expected = []
    for key in sorted(olds.keys() | news.keys()):
        if olds.get(key) != news.get(key):
            change = Change.CHANGED
            if key not in olds or key not in news:
                change = Change.ADDED if key not in olds else Change.REMOVED
            expected.append((change, key, olds.get(key), news.get(key)))
    assert found == expected


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(zarrs, st.data())
def test_a_pruned_manifest_proves_a_part_against_the_whole(tmp_path, files, data):
    checksum = write_manifest(tmp_path / "m", entries_of(files))
    selected = {key for key in files if data.draw(st.booleans())}
    assert prune_manifest(tmp_path / "m", tmp_path / "p", selected.__contains__) == checksum
    items = list(read_manifest(tmp_path / "p", checksum))
    assert {item.path for item in items if isinstance(item, ZarrEntry)} >= selected
    for item in items:
        if isinstance(item, WholeDirectory):
            assert not any(key.startswith(f"{item.path}/") for key in selected)
    part = {key: files[key] for key in selected}
    result = run(verify(tmp_path / "p", MemoryBackend(part), str(checksum)))
    assert (result.ok, result.present, result.total) == (True, len(selected), len(files))
    assert list(diff_manifests(tmp_path / "m", tmp_path / "p")) == []
    assert list(diff_manifests(tmp_path / "p", tmp_path / "m")) == []
    # Again, with other keys: pruning what is pruned.
    prune_manifest(tmp_path / "p", tmp_path / "q", lambda key: False)
    (*_, root) = read_manifest(tmp_path / "q", checksum)
    assert root.digest == checksum


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(zarrs, zarrs, st.data())
def test_diff_with_a_pruned_manifest_names_the_directory(tmp_path, old, changes, data):
    new = {k: v for k, v in old.items() if len(v) != 2} | changes
    write_manifest(tmp_path / "a", entries_of(old))
    write_manifest(tmp_path / "b", entries_of(new))
    whole = [found.path for found in diff_manifests(tmp_path / "a", tmp_path / "b")]
    kept = {key for key in new if data.draw(st.booleans())}
    prune_manifest(tmp_path / "b", tmp_path / "p", kept.__contains__)
    pruned = [found.path for found in diff_manifests(tmp_path / "a", tmp_path / "p")]
    for path in whole:
        assert any(path == p or (p.endswith("/") and path.startswith(p)) for p in pruned)
    for p in pruned:
        assert any(path == p or path.startswith(p) for path in whole)


def test_diff_of_a_pruned_manifest_says_directory(tmp_path):
    write_manifest(tmp_path / "a", entries_of(FILES))
    write_manifest(tmp_path / "b", entries_of({**FILES, "0/0/0": b"new", "0/0/2": b"new"}))
    prune_manifest(tmp_path / "b", tmp_path / "p", {".zgroup"}.__contains__)
    (found,) = diff_manifests(tmp_path / "a", tmp_path / "p")
    assert (found.change, found.path, found.old.digest.file_count) == (Change.CHANGED, "0/", 5)


def test_update_reads_only_what_changed(tmp_path):
    source = slow_digests(FILES)
    run(make_manifest(source, tmp_path / "m"))
    source.hashed.clear()
    source.entries["0/9"] = b"changed"
    source.entries["1/new"] = b"new"
    source.entries["2/x/y"] = b"new"
    del source.entries["0a"]
    changed = ["0/9", "1/new", "0a", "2/", "nowhere"]
    run(update_manifest(tmp_path / "m", source, tmp_path / "m", changed))
    assert sorted(source.hashed) == ["0/9", "1/new", "2/x/y"]
    write_manifest(tmp_path / "fresh", entries_of(source.entries))
    assert (tmp_path / "m").read_bytes() == (tmp_path / "fresh").read_bytes()


def test_update_by_time_reads_only_what_is_newer(tmp_path):
    source = write_tree(tmp_path / "x", FILES)
    for key in FILES:
        os.utime(tmp_path / "x" / key, (1_000_000_000, 1_000_000_000))
    run(make_manifest(source, tmp_path / "m"))
    read = []
    real = source.digests

    async def counting(entries, algorithm):
        read.extend(entry.key for entry in entries)
        return await real(entries, algorithm)

    source.digests = counting
    (tmp_path / "x/0/9").write_bytes(b"Y")
    (tmp_path / "x/1").write_bytes(b"new")
    (tmp_path / "x/0a").unlink()
    checksum = run(update_manifest(tmp_path / "m", source, tmp_path / "n"))
    assert read == ["0/9", "1"]
    files = {**FILES, "0/9": b"Y", "1": b"new"}
    del files["0a"]
    assert checksum == compute_zarr_checksum(entries_of(files))


def test_the_checksum_of_an_archive_comes_from_its_index(tmp_path):
    path = tmp_path / "a.zarr.itar"
    chunk = os.urandom(5000)
    store = IndexedTarStore(path, mode="w", digests=("crc32c", "md5"))
    group = zarr.create_group(store, zarr_format=3)
    array = group.create_array("x", shape=(5000,), chunks=(5000,), dtype="u1", compressors=None)
    array[:] = np.frombuffer(chunk, "u1")
    store.close()
    with IndexedTarStore(path) as opened:
        keys_inside = opened.keys()
        files = {key: opened.read(key) for key in keys_inside}
    # Were the chunk read, its bytes would now tell.
    data = path.read_bytes()
    path.write_bytes(data.replace(chunk, bytes(len(chunk))))
    source = ItarSource(lambda: IndexedTarStore(path), str(path), is_local=True)
    assert run(checksum_of(source)) == compute_zarr_checksum(entries_of(files))
