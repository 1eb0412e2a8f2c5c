import dataclasses

import pytest

from ncore.data_converter.base import (
    BaseDataConverter,
    BaseDataConverterConfig,
    FileBasedDataConverter,
    FileBasedDataConverterConfig,
)
from ncore.errors import NcoreError

CONFIG = FileBasedDataConverterConfig(
    root_dir="in",
    output_dir="out",
    no_cameras=False,
    camera_ids=None,
    no_lidars=True,
    lidar_ids=("lidar",),
    no_radars=False,
    radar_ids=("front",),
    verbose=False,
    debug=False,
    debug_port=5678,
)


class Converter(FileBasedDataConverter):
    converted: list[tuple[int, str]]

    @staticmethod
    def get_sequence_ids(config):
        return ["a", "b", "c"]

    @classmethod
    def from_config(cls, config):
        return cls(config)

    def convert_sequence(self, sequence_id):
        if sequence_id == self.root_dir.name:
            raise OSError("unreadable")
        self.converted.append((id(self), sequence_id))


def test_each_sequence_has_a_converter_of_its_own():
    Converter.converted = []
    Converter.convert(CONFIG)
    assert [name for _, name in Converter.converted] == ["a", "b", "c"]


def test_an_error_ends_the_conversion():
    Converter.converted = []
    with pytest.raises(OSError, match="unreadable"):
        Converter.convert(dataclasses.replace(CONFIG, root_dir="b"))
    assert [name for _, name in Converter.converted] == ["a"]


def test_selection_of_sensors():
    converter = Converter(CONFIG)
    assert converter.get_active_camera_ids(["x", "y"]) == ["x", "y"]
    assert converter.get_active_lidar_ids(["lidar"]) == []
    assert converter.get_active_radar_ids(["rear", "front"]) == ["front"]
    with pytest.raises(NcoreError, match=r"no radar front.*rear"):
        converter.get_active_radar_ids(["rear"])
    with pytest.raises(AssertionError):
        converter.get_active_radar_ids([])


def test_paths():
    converter = Converter(dataclasses.replace(CONFIG, output_dir="memory://bucket/out"))
    assert converter.output_dir.protocol == "memory"
    assert converter.root_dir.name == "in"


def test_bases_are_abstract_and_configured_by_keyword():
    with pytest.raises(TypeError):
        BaseDataConverter(CONFIG)
    with pytest.raises(TypeError):
        BaseDataConverterConfig("out", False)
