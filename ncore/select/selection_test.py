"""Selections: composition, flags, and listing bounds against brute force."""

import argparse
import itertools
import os.path
import pickle
import shlex

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ncore.select.errors import ZarrFilterError
from ncore.select.filters import parse_zarr_filter
from ncore.select.filters_test import slow_matches
from ncore.select.selection import ZarrSelection

NAMES = ["a", "b", "c", "aa", "ab", "ba", "bb"]
UNIVERSE = [
    "/".join(key) for depth in (1, 2, 3, 4) for key in itertools.product(NAMES, repeat=depth)
]

GLOBS = st.lists(
    st.sampled_from(["**", "*", "a", "b", "ab", "a*", "?", "a?", "?b", "[ab]", "[ab]?", "[!a]"]),
    min_size=1,
    max_size=3,
).map(lambda names: "glob:" + "/".join(names))
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(
    lambda names: "path:" + "/".join(names)
)
REGEXES = st.sampled_from(
    [
        *("^a", "^a/b", "^(a|b)/", "a|^b", "^a|^b", "(^a|^b)/", "^a?b", "^a*b", "^a+/", "^[ab]b/"),
        *("^[^a]", "^a{2}", "^a{0,1}b", r"\Aa/", "^a$", r"^a/b\Z", "^(?!a)", "^(?=a)b?", "(?i)^A"),
        *("^(?:a|b/)(a|b)", r"^a\/b", "^a/.", "b", ".*", "^", "", "^(?>a|ab)/", "^a?+b", "(?m)^a"),
        *("^(a|ab)(b|/)", r"^\w/", "^(?P<x>a)/(?P=x)", "^[a-b]+/a", "^a|", "(?s)^b/", "^(^|a)b"),
    ]
).map(lambda pattern: f"regex:{pattern or '^'}")
SPECS = st.one_of(GLOBS, PATHS, REGEXES, st.sampled_from(["path:/", "glob:**", "glob:**/*"]))
SELECTIONS = st.builds(
    ZarrSelection.from_flags,
    st.lists(SPECS, max_size=3),
    st.lists(SPECS, max_size=2),
    st.lists(SPECS, max_size=2),
)


def slow_selects(selection: ZarrSelection, key: str) -> bool:
    def spec_matches(spec: str) -> bool:
        return any(slow_matches(zarr_filter, key) for zarr_filter in parse_zarr_filter(spec))

    return (
        (not selection.zarr or any(map(spec_matches, selection.zarr)))
        and all(map(spec_matches, selection.zarr_and))
        and not any(map(spec_matches, selection.zarr_not))
    )


@settings(max_examples=150)
@given(SELECTIONS, st.lists(st.sampled_from(UNIVERSE), min_size=20, max_size=60))
def test_matches_what_the_flags_say(selection: ZarrSelection, keys: list[str]) -> None:
    expected = [key for key in keys if slow_selects(selection, key)]
    assert [key for key in keys if selection.matches(key)] == expected
    assert list(selection.filter_paths(keys)) == expected


@settings(max_examples=200, deadline=None)
@given(SELECTIONS)
@example(ZarrSelection(("path:a",), ("path:a/b",), ("path:a/b/a",)))
@example(ZarrSelection(("regex:^(a|ab)(b|/)",)))
@example(ZarrSelection(("regex:^a?b",), ("glob:*/b/**",)))
def test_bounds_hold_every_match(selection: ZarrSelection) -> None:
    selected = set(selection.filter_paths(UNIVERSE))
    prefixes = selection.prefixes()
    cover = selection.cover()
    for key in selected:
        assert any(key.startswith(prefix) for prefix in prefixes), key
        assert key in cover
        names = key.split("/")
        for depth in range(len(names)):
            assert selection.could_contain("/".join(names[:depth]))
            assert selection.could_contain("/".join([*names[:depth], ""]))
    for one, other in itertools.permutations(prefixes, 2):
        assert not other.startswith(one)
    if selection.is_everything:
        assert selected == set(UNIVERSE)
    assert all(selection.matches(key) for key in cover.keys)


@settings(max_examples=300, deadline=None)
@given(st.lists(GLOBS | PATHS, min_size=1, max_size=3))
def test_prefixes_of_globs_and_paths_cannot_be_longer_or_fewer(specs: list[str]) -> None:
    selection = ZarrSelection.from_flags(specs)
    selected = list(selection.filter_paths(UNIVERSE))
    for prefix in selection.prefixes():
        held = [key for key in selected if key.startswith(prefix)]
        assert held, prefix
        assert os.path.commonprefix(held) == prefix  # noqa: RUF071 - keys, not files


@settings(max_examples=60, deadline=None)
@given(SPECS)
def test_what_a_filter_claims_to_cover_it_matches(spec: str) -> None:
    for zarr_filter in parse_zarr_filter(spec):
        for key in UNIVERSE:
            for end in range(len(key)):
                if zarr_filter.covers(key[:end]):
                    assert zarr_filter.matches(key), (key, end)
        directories = {key.rpartition("/")[0] for key in UNIVERSE if zarr_filter.matches(key)}
        assert all(zarr_filter.could_contain(directory) for directory in directories)


REGEX_PIECES = st.recursive(
    st.sampled_from(
        [
            *("a", "b", "/", ".", "^", "$", r"\A", r"\Z", r"\b", r"\w", r"\/", r"\x61", r"\."),
            *("[ab]", "[^a]", "[a-c/]", r"[\w]", "[]a]", r"[b\-a]", "{", "a{", "{,b"),
        ]
    ),
    lambda piece: st.one_of(
        st.tuples(
            piece, st.sampled_from(["*", "+", "?", "*?", "+?", "{1}", "{2}", "{0,2}", "{,}"])
        ).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.lists(piece, max_size=3).map("".join),
        st.lists(piece, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        piece.map(lambda inside: f"(?={inside})"),
        piece.map(lambda inside: f"(?!{inside})"),
        piece.map(lambda inside: f"(?>{inside})"),
        piece.map(lambda inside: f"(?i:{inside})"),
        piece.map(lambda inside: f"(?#{inside.replace(')', '')})"),
    ),
    max_leaves=6,
)
SMALL = [
    "/".join(key)
    for depth in (1, 2, 3)
    for key in itertools.product(["a", "b", "ab"], repeat=depth)
]
SMALL += ["a\n", "ab\n", "{", "a{", "{,b", "-", "]", "A/b", ".", "c", ""]


@settings(max_examples=600, deadline=None)
@given(
    st.lists(REGEX_PIECES, min_size=1, max_size=4).map("".join),
    st.sampled_from(["^", r"\A", "(?s)^", "(?i)^", "(?x)^ ", "^|", ""]),
)
@example("(a|b)?/", "^")
@example(r"a|b\Z", "^")
def test_regex_bounds_hold_every_match(body: str, start: str) -> None:
    try:
        (zarr_filter,) = parse_zarr_filter(f"regex:{start}{body}")
    except ZarrFilterError:
        return
    cover = zarr_filter.cover()
    for key in SMALL:
        if zarr_filter.matches(key):
            assert key in cover, key
        elif key:
            assert not any(zarr_filter.covers(key[:end]) for end in range(len(key))), key


@pytest.mark.parametrize(
    ("flags", "prefixes"),
    [
        ("", [""]),
        ("--zarr=path:/", [""]),
        ("--zarr=metadata", [""]),
        ("--zarr=path:0/1", ["0/1"]),
        ("--zarr=path:0 --zarr=path:0/1", ["0"]),
        ("--zarr=glob:0/1/zarr.json", ["0/1/zarr.json"]),
        ("--zarr=glob:0/a*/b", ["0/a"]),
        ("--zarr=glob:0/**/zarr.json", ["0/"]),
        ("--zarr=glob:[0-2]/c/**", ["0/c", "1/c", "2/c"]),
        ("--zarr=glob:[!0]/c", [""]),
        ("--zarr=glob:[a-z][a-z]/c", [chr(c) for c in range(97, 123)]),
        ("--zarr=glob:a/[z-a]", []),
        (r"--zarr='regex:^0/(1|2)/c\.x'", ["0/1/c.x", "0/2/c.x"]),
        ("--zarr=regex:^0/[0-9]+/", [f"0/{n}" for n in range(10)]),
        ("--zarr=regex:0/", [""]),
        ("--zarr=metadata --zarr-and=path:0/1", ["0/1/"]),
        ("--zarr=metadata --zarr-and=path:0/1 --zarr-not=path:0/1", []),
        ("--zarr=path:0 --zarr-and=path:1", []),
        ("--zarr=path:0/1 --zarr-and='glob:*/2/**'", []),
        ("--zarr=path:0 --zarr=path:1 --zarr-not=path:1", ["0"]),
        ("--zarr=path:0 --zarr=path:1 --zarr-not='regex:^1'", ["0"]),
        ("--zarr-not=metadata", [""]),
        ("--zarr-not=glob:**", []),
        ("--zarr=path:é/0", ["é/0"]),
    ],
)
def test_prefixes(flags: str, prefixes: list[str]) -> None:
    selection = ZarrSelection.from_args(shlex.split(flags))
    assert selection.prefixes() == prefixes


def test_cover_tells_keys_from_directories() -> None:
    cover = ZarrSelection.from_flags(["path:0", "glob:1/zarr.json"]).cover()
    assert cover.keys == ("0", "1/zarr.json")
    assert cover.prefixes == ("0/",)


def test_could_contain_prunes() -> None:
    selection = ZarrSelection.from_flags(["glob:*/0/**/zarr.json"], ["path:a"], ["path:a/0/x"])
    walked = ["", "a", "a/0", "a/0/y", "a/0/y/z", "a/0/xx"]
    pruned = ["b", "a/1", "a/1/0", "a/0/x", "a/0/x/y", "aa"]
    assert [d for d in walked + pruned if selection.could_contain(d)] == walked


def parsed(args: list[str]) -> ZarrSelection:
    """Read the flags the way a command line does."""
    parser = argparse.ArgumentParser()
    for flag in ("--zarr", "--zarr-and", "--zarr-not"):
        parser.add_argument(flag, action="append", default=[])
    values = parser.parse_args(args)
    return ZarrSelection.from_flags(values.zarr, values.zarr_and, values.zarr_not)


ODD_SPECS = st.builds(
    lambda kind, pattern: f"{kind}:{pattern}",
    st.sampled_from(["glob", "path"]),
    st.text(min_size=1, max_size=8).map(lambda text: "x" + text.replace("..", "")),
)


@given(
    st.lists(SPECS | ODD_SPECS, max_size=3),
    st.lists(SPECS | ODD_SPECS | st.just("metadata"), max_size=3),
    st.lists(SPECS | ODD_SPECS, max_size=3),
)
def test_flags_round_trip(zarr: list[str], zarr_and: list[str], zarr_not: list[str]) -> None:
    selection = ZarrSelection.from_flags(zarr, zarr_and, zarr_not)
    assert parsed(selection.to_flags()) == selection
    assert ZarrSelection.from_args(selection.to_flags()) == selection
    assert ZarrSelection.from_args(shlex.split(str(selection))) == selection
    apart = [part for flag in selection.to_flags() for part in flag.split("=", 1)]
    assert ZarrSelection.from_args(apart) == selection
    assert pickle.loads(pickle.dumps(selection)) == selection
    assert hash(ZarrSelection.from_flags(zarr[::-1], zarr_and, zarr_not)) == hash(selection)
    assert ZarrSelection.from_flags(zarr[::-1], zarr_and[::-1], zarr_not * 2) == selection


def test_bound_restricts_and_prints_as_a_flag() -> None:
    bounded = ZarrSelection.from_flags(["metadata"]).with_bound("0/1")
    assert bounded.to_flags() == ["--zarr=metadata", "--zarr-and=path:0/1"]
    assert bounded.matches("0/1/.zarray")
    assert not bounded.matches("0/.zarray")
    assert not bounded.matches("0/1/0")
    assert ZarrSelection().with_bound("0/1").matches("0/1/0")
    assert not ZarrSelection().with_bound("0/1").matches("0/10")
    assert ZarrSelection().with_bound("").is_everything
    assert ZarrSelection().with_bound("/") == ZarrSelection()
    with pytest.raises(ZarrFilterError, match=r"'\.\.' component"):
        ZarrSelection().with_bound("../x")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], True),
        (["--zarr=glob:**"], True),
        (["--zarr=glob:**/*"], True),
        (["--zarr=path:/", "--zarr=path:a"], True),
        (["--zarr=regex:.*"], True),
        (["--zarr=regex:^"], True),
        (["--zarr-and=glob:**"], True),
        (["--zarr=regex:.*", "--zarr-and=path:a"], False),
        (["--zarr=regex:."], False),  # true of every key that exists, but not provably
        (["--zarr=regex:$"], False),
        (["--zarr-not=path:a"], False),
    ],
)
def test_is_everything(flags: list[str], expected: bool) -> None:
    assert ZarrSelection.from_args(flags).is_everything is expected


def test_errors_name_what_is_wrong() -> None:
    with pytest.raises(ZarrFilterError, match="'bogus'"):
        ZarrSelection.from_flags(zarr_not=["bogus"])
    with pytest.raises(ZarrFilterError, match="'--zap=x' is none of the flags"):
        ZarrSelection.from_args(["--zap=x"])
    with pytest.raises(ZarrFilterError, match="--zarr-and lacks its filter"):
        ZarrSelection.from_args(["--zarr-and"])
    with pytest.raises(TypeError, match="not the string"):
        ZarrSelection("metadata")  # type: ignore[arg-type]


def test_thousands_of_paths() -> None:
    # As a script that works through a list makes them; anything quadratic would not finish.
    names = [f"{index:05}" for index in range(20_000)]
    selection = ZarrSelection.from_flags([f"path:{name}" for name in names], ["path:00007"])
    assert selection.cover().prefixes == ("00007/",)
    assert not selection.could_contain("00008")
    assert [name for name in names if selection.matches(name + "/0")] == ["00007"]
    assert ZarrSelection(selection.zarr).prefixes() == names


def test_a_flag_given_as_text_instead_of_a_list_is_named():
    with pytest.raises(ZarrFilterError, match=r"zarr_not='metadata': give a list.*\['metadata'\]"):
        ZarrSelection.from_flags(zarr_not="metadata")
