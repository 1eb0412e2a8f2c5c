"""Tests of OME-Zarr 0.4 → 0.5."""

from ncore.convert.ome import axis_names, is_ome, upgrade

MULTISCALE = {
    "version": "0.4",
    "name": "x",
    "axes": [{"name": "c", "type": "channel"}, {"name": "y", "type": "space"}],
    "datasets": [
        {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 0.5]}]}
    ],
}


def test_an_image() -> None:
    old = {"multiscales": [MULTISCALE], "omero": {"version": "0.4", "id": 1}, "mine": {"a": 1}}
    assert is_ome(old)
    new, problems = upgrade(old)
    assert problems == []
    assert [*new] == ["ome", "mine"]
    assert new["mine"] == {"a": 1}
    assert new["ome"]["version"] == "0.5"
    assert "version" not in new["ome"]["multiscales"][0]
    assert new["ome"]["multiscales"][0]["datasets"] == MULTISCALE["datasets"]
    assert new["ome"]["omero"] == {"id": 1}
    assert axis_names(old) == {"0": ["c", "y"]}
    assert not is_ome(new)


def test_plates_wells_labels_and_series() -> None:
    for key, value in (
        ("plate", {"version": "0.4", "rows": []}),
        ("well", {"version": "0.4", "images": []}),
        ("image-label", {"version": "0.4", "colors": []}),
        ("bioformats2raw.layout", 3),
    ):
        assert is_ome({key: value})
        new, problems = upgrade({key: value})
        assert not problems
        assert key in new["ome"]
        assert (
            new["ome"][key] == value if isinstance(value, int) else "version" not in new["ome"][key]
        )


def test_what_cannot_be_valid_is_said() -> None:
    scale = {**MULTISCALE, "version": "0.3", "axes": ["c", "y"]}
    scale["datasets"] = [{"path": "0"}]
    _, problems = upgrade({"multiscales": [scale]})
    assert problems == [
        "multiscales is of OME-Zarr 0.3, not 0.4",
        "multiscales lacks coordinateTransformations, which OME-Zarr 0.5 requires",
    ]


def test_other_attributes_are_none_of_ours() -> None:
    for attributes in ({}, {"labels": ["a"]}, {"multiscales": "x"}, {"multiscales": [1]}):
        assert not is_ome(attributes)
