import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncore.transfer.errors import UnsafeKeyError
from ncore.transfer.keys import ancestors, check_key, parent_of, show_key


@pytest.mark.parametrize(
    "key",
    ["zarr.json", "0/0", ".zarray", "a/.hidden", "...", "a/..b/c..", "é/ü", "a b", "0/0/0.0.1"],
)
def test_ordinary_keys_pass(key):
    check_key(key)
    assert show_key(key) == key


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("../x", r"'\.\.'"),
        ("a/../../x", r"'\.\.'"),
        ("a/./b", r"'\.'"),
        ("a//b", "empty"),
        ("a/", "empty"),
        ("..", r"'\.\.'"),
        ("a\nb", r"\\n"),
        ("a\x00", r"\\x00"),
        ("\x1b[2J", r"\\x1b"),
        ("a\x85", r"\\x85"),
        ("a\ud800", r"\\ud800"),
    ],
)
def test_hostile_keys_are_refused(key, why):
    with pytest.raises(UnsafeKeyError, match=why) as caught:
        check_key(key)
    assert str(caught.value).isprintable()


@given(st.text())
def test_what_passes_stays_below(key):
    try:
        check_key(key)
    except UnsafeKeyError:
        return
    assert all(part not in ("", ".", "..") for part in key.split("/"))
    assert show_key(key).splitlines() in ([key], [show_key(key)])


def test_parts():
    assert parent_of("a/b/c") == "a/b"
    assert parent_of("a") == ""
    assert ancestors("a/b/c") == ["a", "a/b"]
    assert ancestors("a") == []
