"""Which component group, hence which store, each part of a sequence is written to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ncore.data.errors import InvalidDataError

Profile = Literal["default", "separate-sensors", "separate-all"]


@dataclass
class ComponentGroupAssignments:
    """Component group names by component; what is not assigned goes to the default group.

    The ``..._groups`` dictionaries map instance names to component groups. Hand
    the names to ``SequenceComponentGroupsWriter.register_component_writer``:
    ``group_name=assignments.camera_component_groups.get(camera_id)``.
    """

    camera_component_groups: dict[str, str]
    lidar_component_groups: dict[str, str]
    radar_component_groups: dict[str, str]
    point_clouds_component_groups: dict[str, str]
    camera_labels_component_groups: dict[str, str]
    poses_component_group: str | None
    intrinsics_component_group: str | None
    masks_component_group: str | None
    cuboid_track_observations_component_group: str | None

    @staticmethod
    def create(
        camera_ids: Sequence[str],
        lidar_ids: Sequence[str],
        radar_ids: Sequence[str],
        point_clouds_ids: Sequence[str],
        camera_labels_ids: Sequence[str],
        profile: Profile,
        poses_component_group: str | None = None,
        intrinsics_component_group: str | None = None,
        masks_component_group: str | None = None,
        camera_component_groups: dict[str, str] | None = None,
        lidar_component_groups: dict[str, str] | None = None,
        radar_component_groups: dict[str, str] | None = None,
        point_clouds_component_groups: dict[str, str] | None = None,
        camera_labels_component_groups: dict[str, str] | None = None,
        cuboid_track_observations_component_group: str | None = None,
    ) -> "ComponentGroupAssignments":
        """Assign groups by a profile.

        Args:
            camera_ids: ids of the cameras.
            lidar_ids: ids of the lidars.
            radar_ids: ids of the radars.
            point_clouds_ids: ids of the stored point clouds.
            camera_labels_ids: instance names of the camera label layers.
            profile: ``"default"``: everything in the default group;
                ``"separate-sensors"``: a group for each sensor, point clouds source
                and label layer, named by its id; ``"separate-all"``: groups
                ``poses``, ``intrinsics``, ``masks`` and ``cuboids`` as well.
            poses_component_group: overrides the profile.
            intrinsics_component_group: overrides the profile.
            masks_component_group: overrides the profile.
            camera_component_groups: overrides the profile, by camera id.
            lidar_component_groups: overrides the profile, by lidar id.
            radar_component_groups: overrides the profile, by radar id.
            point_clouds_component_groups: overrides the profile, by source id.
            camera_labels_component_groups: overrides the profile, by instance name.
            cuboid_track_observations_component_group: overrides the profile.

        Raises:
            InvalidDataError: an unknown profile (a ``ValueError``).
        """
        if profile not in get_args(Profile):
            raise InvalidDataError(
                f"Unknown profile: {profile!r}. Must be one of {', '.join(get_args(Profile))}"
            )
        separate = profile != "default"
        together = profile != "separate-all"

        def by_id(ids: Sequence[str], overrides: dict[str, str] | None) -> dict[str, str]:
            return {**({i: i for i in ids} if separate else {}), **(overrides or {})}

        def named(name: str, override: str | None) -> str | None:
            return override if override is not None or together else name

        return ComponentGroupAssignments(
            camera_component_groups=by_id(camera_ids, camera_component_groups),
            lidar_component_groups=by_id(lidar_ids, lidar_component_groups),
            radar_component_groups=by_id(radar_ids, radar_component_groups),
            point_clouds_component_groups=by_id(point_clouds_ids, point_clouds_component_groups),
            camera_labels_component_groups=by_id(camera_labels_ids, camera_labels_component_groups),
            poses_component_group=named("poses", poses_component_group),
            intrinsics_component_group=named("intrinsics", intrinsics_component_group),
            masks_component_group=named("masks", masks_component_group),
            cuboid_track_observations_component_group=named(
                "cuboids", cuboid_track_observations_component_group
            ),
        )
