"""What converters of other datasets to NCore have in common."""

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from upath import UPath

from ncore.data.errors import InvalidDataError


@dataclass(kw_only=True, slots=True)
class BaseDataConverterConfig:
    """What every converter is told.

    Args:
        output_dir: where sequences are written, a path or URL.
        no_cameras: leave all cameras out.
        camera_ids: only these cameras; ``None`` or empty: all.
        no_lidars: leave all lidars out.
        lidar_ids: only these lidars; ``None`` or empty: all.
        no_radars: leave all radars out.
        radar_ids: only these radars; ``None`` or empty: all.
        verbose: log more.
        debug: wait for a debugger, for command lines that offer it.
        debug_port: port on which the debugger is awaited.
    """

    output_dir: str
    no_cameras: bool
    camera_ids: tuple[str, ...] | None
    no_lidars: bool
    lidar_ids: tuple[str, ...] | None
    no_radars: bool
    radar_ids: tuple[str, ...] | None
    verbose: bool
    debug: bool
    debug_port: int


class BaseDataConverter(ABC):
    """Converts sequences of a dataset, one at a time.

    A converter implements :meth:`get_sequence_ids`, :meth:`from_config` and
    :meth:`convert_sequence`; :meth:`convert` runs it.

    Attributes:
        logger: logger of the converter's module.
        output_dir: where to write.
    """

    def __init__(self, config: BaseDataConverterConfig) -> None:
        """Take over the configuration."""
        self.logger = logging.getLogger(type(self).__module__)
        self.output_dir = UPath(config.output_dir)
        self._active_camera_ids = _selection(config.no_cameras, config.camera_ids)
        self._active_lidar_ids = _selection(config.no_lidars, config.lidar_ids)
        self._active_radar_ids = _selection(config.no_radars, config.radar_ids)

    def get_active_camera_ids(self, all_camera_ids: list[str]) -> list[str]:
        """Return the cameras to convert, of all that a sequence has.

        Raises:
            InvalidDataError: a selected camera does not exist.
        """
        return _active("camera", self._active_camera_ids, all_camera_ids)

    def get_active_lidar_ids(self, all_lidar_ids: list[str]) -> list[str]:
        """Return the lidars to convert, of all that a sequence has.

        Raises:
            InvalidDataError: a selected lidar does not exist.
        """
        return _active("lidar", self._active_lidar_ids, all_lidar_ids)

    def get_active_radar_ids(self, all_radar_ids: list[str]) -> list[str]:
        """Return the radars to convert, of all that a sequence has.

        Raises:
            InvalidDataError: a selected radar does not exist.
        """
        return _active("radar", self._active_radar_ids, all_radar_ids)

    @classmethod
    def convert(cls, config: BaseDataConverterConfig) -> None:
        """Convert all sequences, each with a converter of its own.

        An error ends the conversion; sequences converted before stay.
        """
        logger = logging.getLogger(cls.__module__)
        sequence_ids = cls.get_sequence_ids(config)
        for number, sequence_id in enumerate(sequence_ids, start=1):
            logger.info("converting sequence %s (%d of %d)", sequence_id, number, len(sequence_ids))
            cls.from_config(config).convert_sequence(sequence_id)
        logger.info("%d sequences converted to %s", len(sequence_ids), config.output_dir)

    @staticmethod
    @abstractmethod
    def get_sequence_ids(config: Any) -> list[str]:
        """Return the ids of the sequences to convert."""

    @staticmethod
    @abstractmethod
    def from_config(config: Any) -> "BaseDataConverter":
        """Return a converter for one sequence."""

    @abstractmethod
    def convert_sequence(self, sequence_id: str) -> None:
        """Convert one sequence."""


@dataclass(kw_only=True, slots=True)
class FileBasedDataConverterConfig(BaseDataConverterConfig):
    """What a converter is told whose input lies in files.

    Args:
        root_dir: where the input lies, a path or URL.
    """

    root_dir: str


class FileBasedDataConverter(BaseDataConverter):
    """Base of converters whose input lies in files.

    Attributes:
        root_dir: where the input lies.
    """

    def __init__(self, config: FileBasedDataConverterConfig) -> None:
        """Take over the configuration."""
        super().__init__(config)
        self.root_dir = UPath(config.root_dir)


def _selection(none: bool, ids: tuple[str, ...] | None) -> list[str] | None:
    """Return the selected ids, ``None`` for all."""
    if none:
        return []
    return list(ids) if ids else None


def _active(kind: str, selected: list[str] | None, available: list[str]) -> list[str]:
    if selected is None:
        return list(available)
    missing = [sensor_id for sensor_id in selected if sensor_id not in available]
    if missing:
        raise InvalidDataError(
            f"there is no {kind} {', '.join(missing)}; the sequence has: "
            f"{', '.join(available) or 'none'}"
        )
    return list(selected)
