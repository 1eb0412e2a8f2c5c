import pytest

from ncore.data.v4.types import ComponentGroupAssignments

IDS = (["c1", "c2"], ["l1"], ["r1"], ["p1"], ["d@c"])


def test_default_profile_leaves_everything_in_the_default_group() -> None:
    found = ComponentGroupAssignments.create(*IDS, "default")
    assert found == ComponentGroupAssignments({}, {}, {}, {}, {}, None, None, None, None)


def test_separate_sensors() -> None:
    found = ComponentGroupAssignments.create(*IDS, "separate-sensors")
    assert found.camera_component_groups == {"c1": "c1", "c2": "c2"}
    assert found.lidar_component_groups == {"l1": "l1"}
    assert found.radar_component_groups == {"r1": "r1"}
    assert found.point_clouds_component_groups == {"p1": "p1"}
    assert found.camera_labels_component_groups == {"d@c": "d@c"}
    assert found.poses_component_group is None
    assert found.cuboid_track_observations_component_group is None


def test_separate_all() -> None:
    found = ComponentGroupAssignments.create(*IDS, "separate-all")
    assert found.camera_component_groups == {"c1": "c1", "c2": "c2"}
    assert found.poses_component_group == "poses"
    assert found.intrinsics_component_group == "intrinsics"
    assert found.masks_component_group == "masks"
    assert found.cuboid_track_observations_component_group == "cuboids"


@pytest.mark.parametrize("profile", ["default", "separate-sensors", "separate-all"])
def test_overrides_win(profile: str) -> None:
    found = ComponentGroupAssignments.create(
        *IDS,
        profile,  # type: ignore[arg-type]
        poses_component_group="P",
        camera_component_groups={"c1": "C", "other": "O"},
        cuboid_track_observations_component_group="Q",
    )
    assert found.poses_component_group == "P"
    assert found.camera_component_groups["c1"] == "C"
    assert found.camera_component_groups["other"] == "O"
    assert found.cuboid_track_observations_component_group == "Q"


def test_unknown_profile() -> None:
    with pytest.raises(ValueError, match="Unknown profile"):
        ComponentGroupAssignments.create(*IDS, "both")  # type: ignore[arg-type]
