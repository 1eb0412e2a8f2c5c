"""Members copied from one archive into another."""

from pathlib import Path

import pytest

from ncore.itar.copy_members import copy_members
from ncore.itar.errors import ItarKeyError
from ncore.itar.reader import ItarReader
from ncore.itar.writer import ItarWriter


@pytest.mark.parametrize("digests", [(), ("crc32c",), ("crc32c", "md5")])
def test_many_copied_equal_each_copied(tmp_path: Path, digests) -> None:
    values = {f"{'k' * (i % 3 * 80)}{i}": bytes([i]) * (i * i * 37 % 5000) for i in range(200)}
    values["large"] = bytes(range(256)) * 10_000
    source = tmp_path / "f.itar"
    with ItarWriter(source, digests=digests) as writer:
        for key, value in values.items():
            writer.set(key, value)
    order = [*values]
    wanted = {f"new/{key}": key for key in (*order[100:], *order[50:100:7], *order[49::-3])}
    reads = []
    reader = ItarReader(source)
    fetch = reader.source.read
    reader.source.read = lambda *span: reads.append(span) or fetch(*span)  # type: ignore[method-assign]
    with (
        ItarWriter(tmp_path / "each.itar", digests=digests) as each,
        ItarWriter(tmp_path / "many.itar", digests=digests) as many,
    ):
        for new, key in wanted.items():
            each.copy_from(reader, key, new)
        reads.clear()
        copied = sum(copy_members(reader, many, wanted))
    assert copied == sum(len(values[key]) for key in wanted.values())
    assert (tmp_path / "many.itar").read_bytes() == (tmp_path / "each.itar").read_bytes()
    assert len(reads) < 15
    for reader in (ItarReader(source), ItarReader(source, verify_reads=True)):
        with ItarWriter(tmp_path / "many.itar") as many:
            with pytest.raises(ItarKeyError, match="no key 'absent'"):
                list(copy_members(reader, many, {"0": "0", "3": "absent"}))
            list(copy_members(reader, many, {"0": "0", "3": "3"}))
        assert ItarReader(tmp_path / "many.itar").keys() == ["0", "3"]
