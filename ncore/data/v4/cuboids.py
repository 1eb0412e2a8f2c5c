"""Observations of tracked objects as oriented boxes."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Self

from ncore.data.cuboids import CuboidTrackObservation
from ncore.data.errors import InvalidDataError
from ncore.data.interval import HalfClosedInterval
from ncore.data.v4.component import ComponentReader, ComponentWriter
from ncore.data.v4.stored_form import stored_form

if TYPE_CHECKING:
    import zarr

_GROUP, _OBSERVATIONS = "cuboids", "cuboid_track_observations"


class CuboidsComponent:
    """A list of :class:`ncore.data.CuboidTrackObservation`."""

    class Writer(ComponentWriter):
        """Writes observations, once."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "cuboids"

        @staticmethod
        def get_component_version() -> str:
            # docstring inherited
            return "v1"

        def __init__(
            self,
            component_group: "zarr.Group",
            sequence_timestamp_interval_us: HalfClosedInterval,
        ) -> None:
            super().__init__(component_group, sequence_timestamp_interval_us)
            self._stored = False
            # There from the start: without observations it holds an empty list.
            self._cuboids = self._node.create_group(_GROUP, {_OBSERVATIONS: []})

        def store_observations(self, cuboid_observations: list[CuboidTrackObservation]) -> Self:
            """Store all observations of the instance.

            Args:
                cuboid_observations: the observations; their timestamps and those of
                    their reference frames lie inside the sequence.

            Raises:
                InvalidDataError: an observation is none, or lies outside the
                    sequence; or observations were stored before.
            """
            if self._stored:
                raise InvalidDataError(
                    f"{self._node.path}: observations were stored already; they are stored all "
                    "at once"
                )
            observations = list(cuboid_observations)
            for observation in observations:
                if not isinstance(observation, CuboidTrackObservation):
                    raise InvalidDataError(
                        f"{self._node.path}: not a CuboidTrackObservation: {observation!r:.80}"
                    )
                self._check_in_sequence(observation.timestamp_us, "observation at")
                self._check_in_sequence(
                    observation.reference_frame_timestamp_us, "reference frame at"
                )
            self._cuboids.set_attributes({_OBSERVATIONS: [o.to_dict() for o in observations]})
            self._stored = True
            return self

    class Reader(ComponentReader):
        """Reads observations."""

        @staticmethod
        def get_component_name() -> str:
            # docstring inherited
            return "cuboids"

        @staticmethod
        def supports_component_version(version: str) -> bool:
            # docstring inherited
            return version == "v1"

        def get_observations(self) -> Generator[CuboidTrackObservation, None, None]:
            """Yield the observations in the order they were stored.

            Raises:
                UnknownNameError: an observation's source is none that is known (a
                    ``KeyError``).
            """
            if not self._node.has_group(_GROUP):
                return  # the original wrote no group if nothing was stored
            group = self._node.group(_GROUP)
            with stored_form(group, _OBSERVATIONS):
                observations = iter(group.attributes.get(_OBSERVATIONS, []))
            for stored in observations:
                yield CuboidTrackObservation.from_dict(stored)
