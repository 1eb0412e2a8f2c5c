"""Where a zarr ends in a path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncore.select.errors import LocationError
from ncore.select.zarr_boundary import ZARR_SUFFIXES, split_zarr_location


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("x.zarr/0", ("x.zarr", "0")),
        ("s/x.zarr/0/1/", ("s/x.zarr", "0/1")),
        ("x.ngff/1", ("x.ngff", "1")),
        ("x.zarr.itar/a", ("x.zarr.itar", "a")),
        ("x.itar/a", ("x.itar", "a")),
        ("x.zarr.zip/a", ("x.zarr.zip", "a")),
        ("x.ozx/a", ("x.ozx", "a")),
        ("x.ome.zarr/a", ("x.ome.zarr", "a")),
        ("a.zarr/b.zarr/c", ("a.zarr", "b.zarr/c")),
        ("a/.zarr/b.zarr/0", ("a/.zarr/b.zarr", "0")),
        ("a//x.zarr//0", ("a/x.zarr", "0")),
        ("./x.zarr/./0", ("./x.zarr", "0")),
        ("../x.zarr/0", ("../x.zarr", "0")),
        ("/data/x.zarr/0", ("/data/x.zarr", "0")),
        ("s3://b//x.zarr/0", ("s3://b//x.zarr", "0")),
        ("x%2Ezarr/0", None),
        ("x.zarr", None),
        ("x.zarr/", None),
        ("x.zarr/.", None),
        (".zarr/0", None),
        (".zarr.itar/0", None),
        (".zarr.zip/0", None),
        (".ozx/0", None),
        ("x.ZARR/0", None),
        ("x.zarr2/0", None),
        ("x.zip/0", None),
        ("", None),
    ],
)
def test_split(location: str, expected: tuple[str, str] | None) -> None:
    assert split_zarr_location(location) == expected


def test_parent_component_inside_is_refused() -> None:
    with pytest.raises(LocationError, match=r"'\.\.'"):
        split_zarr_location("x.zarr/../0")


@given(st.text("xab/.zr", max_size=12), st.sampled_from(ZARR_SUFFIXES), st.text("01/", min_size=1))
def test_first_zarr_wins(before: str, suffix: str, inside: str) -> None:
    found = split_zarr_location(f"{before}x{suffix}/{inside}")
    names = [name for name in inside.split("/") if name]
    if not names:
        assert found is None or ".zarr/" in before
    else:
        assert found is not None
        asset_path, zarr_subpath = found
        assert zarr_subpath.endswith("/".join(names))
        assert asset_path.endswith(ZARR_SUFFIXES)
        assert not any(
            name.endswith(".zarr") and name != ".zarr" for name in asset_path.split("/")[:-1]
        )
