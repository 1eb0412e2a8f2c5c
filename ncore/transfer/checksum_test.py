# bazel: data = ["testdata/zarr_checksums.json"]
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.transfer.checksum import (
    EMPTY_ZARR_DIGEST,
    DirectoryDigest,
    DirectoryEntry,
    ZarrChecksumTree,
    ZarrEntry,
    compute_zarr_checksum,
    is_clean_key,
    walk_sorted,
)
from ncore.transfer.errors import ChecksumError

PEER = json.loads((Path(__file__).parent / "testdata" / "zarr_checksums.json").read_text())["cases"]
MD5 = "900150983cd24fb0d6963f7d28e17f72"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def reference(entries):
    """The definition, word for word: nested dicts and json.dumps."""
    root = {}
    for path, size, digest in entries:
        *parents, name = path.split("/")
        here = root
        for part in parents:
            here = here.setdefault(("directory", part), {})
        here["file", name] = (digest, size)

    def digest_of(node):
        listing = {"directories": [], "files": []}
        count = total = 0
        for (kind, name), value in sorted(node.items(), key=lambda item: item[0][1]):
            if kind == "directory":
                digest, below, size = digest_of(value)
                listing["directories"].append({"digest": digest, "name": name, "size": size})
                count += below
            else:
                digest, size = value
                listing["files"].append({"digest": digest, "name": name, "size": size})
                count += 1
            total += size
        text = json.dumps(listing, separators=(",", ":"))
        return f"{md5(text.encode())}-{count}--{total}", count, total

    return digest_of(root)[0]


names = st.one_of(
    st.sampled_from(["0", "1", "10", "a", "a-b", "a.b", "a0", ".zarray", "zarr.json", "é", "😀"]),
    st.text(st.characters(exclude_characters="/"), min_size=1, max_size=4),
).filter(lambda name: name not in (".", ".."))
keys = st.lists(names, min_size=1, max_size=5).map("/".join)
sizes = st.integers(0, 2**60)


@st.composite
def zarrs(draw, max_size=30):
    files = draw(st.dictionaries(keys, sizes, max_size=max_size))
    return [ZarrEntry(key, size, md5(key.encode("utf-8", "surrogatepass"))) for key, size in
            files.items()]  # fmt: skip


@pytest.mark.parametrize("name", PEER)
def test_equals_zarr_checksum_0_4_7(name):
    entries = [ZarrEntry(*entry) for entry in PEER[name]["entries"]]
    expected = PEER[name]["checksum"]
    assert str(compute_zarr_checksum(entries)) == expected
    assert str(ZarrChecksumTree(entries).process()) == expected
    assert reference(entries) == expected


def test_worked_example():
    contents = {
        ".zgroup": b'{"zarr_format":2}',
        "0/.zarray": b"{}",
        "0/0/0": b"abc",
        "0/0/1": b"",
        "0/10": b"x" * 10,
        "0/9": b"y",
        "0a": b"q",
        "é": b"z",
    }
    tree = ZarrChecksumTree(ZarrEntry(k, len(v), md5(v)) for k, v in contents.items())
    assert {path: str(digest) for path, digest in tree.directories()} == {
        "": "304c267d4f2be3a7ad7e6ddd74029611-8--35",
        "0": "48e45a198a7137524e14ea5834033059-5--16",
        "0/0": "ba89bf824c635fb4a0b1299a7bef746a-2--3",
    }


def test_empty_zarr():
    assert str(EMPTY_ZARR_DIGEST) == "481a2f77ab786a0f45aafd5db0971caa-0--0"
    assert compute_zarr_checksum([]) == EMPTY_ZARR_DIGEST
    assert list(walk_sorted([])) == [DirectoryEntry("", EMPTY_ZARR_DIGEST)]


@settings(max_examples=150, deadline=None)
@given(zarrs())
def test_equals_the_definition(entries):
    expected = reference(entries)
    assert str(compute_zarr_checksum(entries)) == expected
    assert str(ZarrChecksumTree(entries).process()) == expected


@settings(max_examples=100, deadline=None)
@given(zarrs())
def test_walk_gives_each_directory_after_what_lies_in_it(entries):
    seen = set()
    walked = list(walk_sorted(sorted(entries)))
    for found in walked:
        if isinstance(found, ZarrEntry):
            parent = found.path.rpartition("/")[0]
            assert parent not in seen
        else:
            assert found.path not in seen
            seen.add(found.path)
            below = f"{found.path}/" if found.path else ""
            inside = [
                entry._replace(path=entry.path[len(below) :])
                for entry in entries
                if entry.path.startswith(below)
            ]
            assert str(found.digest) == reference(inside)
    assert [found for found in walked if isinstance(found, ZarrEntry)] == sorted(entries)
    assert walked[-1].path == ""
    assert sorted(x for x in walked if isinstance(x, DirectoryEntry)) == list(
        ZarrChecksumTree(entries).directories()
    )


@settings(max_examples=100, deadline=None)
@given(zarrs(12), st.lists(st.tuples(st.integers(0, 20), keys, sizes), max_size=12), st.data())
def test_tree_after_changes_equals_a_fresh_one(entries, changes, data):
    tree = ZarrChecksumTree(entries)
    model = {entry.path: entry for entry in entries}
    for action, key, size in changes:
        if action < 8 and model:
            key = data.draw(st.sampled_from(sorted(model)))
        if action % 2:
            tree.discard(key)
            model.pop(key, None)
        else:
            tree.add_leaf(key, size, MD5)
            model[key] = ZarrEntry(key, size, MD5)
        if action % 3 == 0:
            assert str(tree.process()) == reference(model.values())
    assert list(tree.entries()) == sorted(model.values())
    assert list(tree.directories()) == list(ZarrChecksumTree(model.values()).directories())


def test_a_change_hashes_only_the_directories_above_it(monkeypatch):
    from ncore.transfer import checksum

    tree = ZarrChecksumTree(ZarrEntry(f"{a}/{b}/{c}", 1, MD5) for a in range(9) for b in range(9)
                            for c in range(9))  # fmt: skip
    tree.process()
    hashed = []
    real = checksum.digest_directory

    def counting(files, directories, cut=0):
        hashed.append(len(files) + len(directories))
        return real(files, directories, cut)

    monkeypatch.setattr(checksum, "digest_directory", counting)
    tree.add_leaf("4/4/4", 2, MD5)
    tree.process()
    assert hashed == [9, 9, 9]
    tree.process()
    assert len(hashed) == 3


@pytest.mark.parametrize(
    "key", ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/.", "./a", "a/b/.."]
)
def test_keys_that_name_another_place_are_refused(key):
    assert not is_clean_key(key)
    with pytest.raises(ChecksumError, match="not a path inside a zarr"):
        ZarrChecksumTree([ZarrEntry(key, 1, MD5)])
    with pytest.raises(ChecksumError):
        compute_zarr_checksum([ZarrEntry(key, 1, MD5)])


@settings(max_examples=100, deadline=None)
@given(st.text("/.a", max_size=6))
def test_clean_keys_are_those_without_dot_components(key):
    assert is_clean_key(key) == all(part not in ("", ".", "..") for part in key.split("/"))


@pytest.mark.parametrize("digest", ["", "x", MD5.upper(), MD5 + "0", f'{MD5[:-1]}"', MD5 + "-0"])
def test_digests_that_are_not_md5_are_refused(digest):
    for parent in ("", "a/"):
        with pytest.raises(ChecksumError, match="is not an MD5"):
            ZarrChecksumTree([ZarrEntry(f"{parent}k", 1, digest)])
    with pytest.raises(ChecksumError, match="is not an MD5"):
        compute_zarr_checksum([ZarrEntry("a/j", 1, MD5), ZarrEntry("a/k", 1, digest)])


@pytest.mark.parametrize(
    ("first", "second"),
    [(MD5[:-1], MD5 + "0"), (MD5, MD5.upper()), (MD5, MD5[:-1] + " "), (MD5, MD5[:-1] + "\u0660")],
)
def test_digests_are_looked_at_one_by_one(first, second):
    entries = [ZarrEntry("a/0", 1, first), ZarrEntry("a/1", 1, second)]
    for compute in (compute_zarr_checksum, ZarrChecksumTree, lambda e: list(walk_sorted(e))):
        with pytest.raises(ChecksumError, match=r"a/[01].*is not an MD5"):
            compute(entries)


def test_a_bad_entry_leaves_the_tree_as_it_was():
    tree = ZarrChecksumTree([ZarrEntry("a", 1, MD5)])
    before = tree.process()
    with pytest.raises(ChecksumError, match="size -1 is negative"):
        tree.add_leaves([ZarrEntry("b", 1, MD5), ZarrEntry("c", -1, MD5)])
    assert tree.process() == before


def test_disorder_and_duplicates_are_refused():
    with pytest.raises(ChecksumError, match="'a' follows 'b'"):
        list(walk_sorted([ZarrEntry("b", 1, MD5), ZarrEntry("a", 1, MD5)]))
    with pytest.raises(ChecksumError, match="listed twice"):
        compute_zarr_checksum([ZarrEntry("b", 1, MD5), ZarrEntry("b", 2, MD5)])


def test_directory_digest_text():
    text = f"{MD5}-12--345"
    assert DirectoryDigest.parse(text) == DirectoryDigest(MD5, 12, 345)
    assert str(DirectoryDigest.parse(text)) == text
    for bad in ("", MD5, f"{MD5}-1-1", f"{MD5.upper()}-1--1", f"{MD5}-01--1", f"{text}\n"):
        with pytest.raises(ChecksumError, match="not a zarr checksum"):
            DirectoryDigest.parse(bad)
