"""What is fuzzed: each target takes any bytes, and fails on anything but the documented error.

``TARGETS`` maps its name to the function and to the bytes that mutation begins with.
"""

import itertools
import json
import lzma
import struct
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cbor2

from ncore.itar.deferred_journal import DeferredJournal, journal_path, read_journal
from ncore.itar.digest import crc32c
from ncore.itar.errors import ItarError, ItarFormatError
from ncore.itar.files import OS_FILES
from ncore.itar.index_codec import decode_index
from ncore.itar.reader import ItarReader
from ncore.itar.recover import recover
from ncore.itar.scan import ScanReport, scan_members
from ncore.itar.tail_journal import tail_journal_path, write_tail_journal
from ncore.itar.tar_header import BLOCK, encode_header, encode_hole
from ncore.itar.trailer import Trailer, decode_trailer, encode_trailer
from ncore.itar.verify import verify
from ncore.itar.writer import ItarWriter
from ncore.stores import documents
from ncore.stores.errors import ConsolidatedMetadataError

TAR_END = 1 << 20


class BytesSource:
    """An archive in memory."""

    name = "fuzzed.itar"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        assert 0 <= offset <= offset + size <= self.size, "read outside the file"
        return self.data[offset : offset + size]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.read(offset, size) for offset, size in ranges]

    def read_tail(self, size: int) -> bytes:
        return self.data[max(0, self.size - size) :]

    def close(self) -> None:
        pass


def index(data: bytes) -> None:
    """The CBOR of an index."""
    try:
        found = decode_index(lzma.compress(data, preset=0), TAR_END, "f")
    except ItarFormatError as error:
        _named(error, "f: ")
        return
    for i, key in enumerate(found.keys()):
        assert found.find(key) == i
        offset, size = found.span(i)
        assert 0 <= offset <= offset + size <= TAR_END
        assert found.entry(i)[:3] == (key, offset, size)
    assert found.find("no such key") < 0
    assert found.nbytes < 1 << 24
    found.dead_bytes()
    assert sorted(found.keys()) == [found.key(int(i)) for i in found.order]


def archive(data: bytes) -> None:
    """A whole file: opened, read and verified."""
    try:
        reader = ItarReader(BytesSource(data), verify_reads=False)
    except ItarFormatError as error:
        _named(error, "fuzzed.itar: ")
        return
    for key in reader:
        assert len(reader.read(key)) == reader.entry(key).size
        reader.read_range(key, 1, 5)
    reader.read_many(reader.keys())
    verify(reader)


def composed(data: bytes) -> None:
    """A file of a mutated tar part and a mutated index, in a good stream with a good trailer."""
    blocks, rest = int.from_bytes(data[:2], "big"), data[2:]
    tar_part, raw = rest[: blocks * BLOCK], rest[blocks * BLOCK :]
    stream = lzma.compress(raw, preset=0)
    trailer = encode_trailer(Trailer(len(tar_part), len(stream)))
    archive(repaired(tar_part) + stream + trailer)


def members(data: bytes) -> None:
    """A file without an index, scanned by its tar headers, as it is and with right checksums."""
    _scan(data)
    _scan(repaired(data))


def _scan(data: bytes) -> None:
    report = ScanReport()
    end = 0
    for member in scan_members(BytesSource(data), report):
        assert end <= member.start < member.offset <= member.offset + member.size <= len(data)
        end = min(member.end, len(data))
    assert all(0 <= start < stop <= len(data) for start, stop in report.gaps)


def recovery(data: bytes) -> None:
    """A damaged file: what recover makes of it is a whole archive."""
    data = repaired(data)
    with tempfile.TemporaryDirectory(dir=_memory()) as place:
        damaged, out = Path(place, "damaged.itar"), Path(place, "out.itar")
        damaged.write_bytes(data)
        try:
            report = recover(damaged, out)
        except ItarError:
            assert not out.exists()
            return
        found = verify(out)
        assert found.ok
        assert found.members == report.members


def consolidated(data: bytes) -> None:
    """The CBOR of consolidated metadata."""
    try:
        found = documents.decode_cbor(lzma.compress(data, preset=0), "f", 0)
        documents.checked_v3(found, "f")
        documents.checked_v2(found, "f")
    except ConsolidatedMetadataError as error:
        _named(error, "f")


def deferred(data: bytes) -> None:
    """The journal of the metadata of a writer that died."""
    with tempfile.TemporaryDirectory(dir=_memory()) as place:
        path = Path(place, "j")
        path.write_bytes(_sealed_records(data))
        found = read_journal(path)
    assert sum(len(key.encode()) + len(value) for key, value in found.items()) <= len(data)


def tail(data: bytes) -> None:
    """The journal beside an archive that was being changed in place."""
    with tempfile.TemporaryDirectory(dir=_memory()) as place:
        path = Path(place, "f.itar")
        path.write_bytes(_ARCHIVE)
        sealed = data[4:40] + crc32c(data[44:]).to_bytes(4, "little")
        head = crc32c(sealed).to_bytes(4, "little") + sealed
        tail_journal_path(path).write_bytes(head + data[44:])
        try:
            with ItarReader(path) as reader:
                for key in reader:
                    reader.read(key)
        except ItarFormatError as error:
            _named(error, str(path))


def _named(error: Exception, name: str) -> None:
    assert str(error).startswith(name), f"does not begin with the file's name: {error}"


def repaired(data: bytes) -> bytes:
    """Give every block that looks like a tar header the right checksum."""
    fixed = bytearray(data)
    for at in range(0, len(data) - BLOCK + 1, BLOCK):
        if fixed[at + 257 : at + 262] == b"ustar":
            fixed[at + 148 : at + 156] = b" " * 8
            fixed[at + 148 : at + 156] = b"%06o\0 " % sum(fixed[at : at + BLOCK])
    return bytes(fixed)


def _sealed_records(data: bytes) -> bytes:
    """Give every record of a journal of deferred values the right checksum."""
    fixed = bytearray(data)
    at = _JOURNAL_HEAD
    while at + 16 <= len(fixed):
        key_size, value_size = struct.unpack_from("<Iq", fixed, at + 4)
        end = at + 16 + key_size + max(0, value_size)
        fixed[at : at + 4] = crc32c(bytes(fixed[at + 4 : end])).to_bytes(4, "little")
        at = end
    return bytes(fixed)


class Target(NamedTuple):
    """A function to fuzz."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _made(prepare: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "f")
        prepare(path)
        return path.read_bytes()


def _write(path: Path, count: int) -> None:
    with ItarWriter(path, digests=("crc32c", "md5") if count % 2 else ()) as writer:
        for i in range(count):
            writer.set(f"k{i}" if i % 3 else f"long/{'é' * 60}/{i}", b"%d" % i * 50)


def _index_seeds() -> list[bytes]:
    made = []
    for count in (0, 1, 3, 70, 400):
        keys = [f"g/{i % 7}/c/{i}" for i in range(count)]
        offsets = [512 + 1024 * i for i in range(count)]
        document = {"items": keys, "offset_datas": offsets, "sizes": [i * i for i in range(count)]}
        made.append(cbor2.dumps(document))
        digests = {"crc32c": bytes(4 * count), "md5": bytes(16 * count)}
        made.append(cbor2.dumps({**document, **digests, "x": [{"y": 1.5}]}))
    # What the fast ways do not take: keys of all sizes, none of them ASCII, offsets unsorted.
    odd = ["é" * (i % 90) + str(i) for i in range(200)]
    numbers = [(i * 7919) % 70_000 for i in range(200)]
    made.append(cbor2.dumps({"items": odd, "offset_datas": numbers, "sizes": numbers}))
    made.append(b"\xbf\x65items\x9f\x61a\xff\x6coffset_datas\x9f\x00\xff\x65sizes\x9f\x01\xff\xff")
    return made


def _archive_seeds() -> list[bytes]:
    return [_made(lambda path, n=n: _write(path, n)) for n in (0, 1, 6, 31)]


def _composed_seeds() -> list[bytes]:
    found = []
    for whole in _archive_seeds():
        offset, size = decode_trailer(whole[-BLOCK:], len(whole), "")
        raw = lzma.decompress(whole[offset : offset + size])
        found.append((offset // BLOCK).to_bytes(2, "big") + whole[:offset] + raw)
    return found


def _member_seeds() -> list[bytes]:
    whole = _archive_seeds()
    headers = b"".join(
        encode_header(key, size)
        for key, size in itertools.product(("a", "é" * 99, "b" * 101), (0, 1, 512, 8**11))
    )
    long_name = b"././@LongLink".ljust(100, b"\0") + encode_header("x", 20)[100:]
    return [*(data[:-700] for data in whole), headers, encode_hole(3 * BLOCK) + long_name + headers]


def _consolidated_seeds() -> list[bytes]:
    node = {"zarr_format": 3, "node_type": "group", "attributes": {"n": [1, 2.5, None, "NaN"]}}
    inline = documents.inline_consolidated({"a": node, "a/b": node})
    v2 = {"metadata": {"a/.zgroup": {"zarr_format": 2}}, "zarr_consolidated_format": 1}
    deep: object = 0
    for _ in range(200):
        deep = [deep]
    found = [{**node, "consolidated_metadata": inline}, v2, {"deep": deep}, json.dumps(v2)]
    return [*map(cbor2.dumps, found), bytes.fromhex("d81c9fd81d00ff"), b"\xc2\x49" + b"\xff" * 9]


def _deferred_seeds() -> list[bytes]:
    def prepare(path: Path) -> None:
        journal = DeferredJournal(path, OS_FILES)
        journal.put("zarr.json", b"{}", {})
        journal.put("a/zarr.json", b"{}" * 50, {"zarr.json": b"{}"})
        journal.remove("zarr.json", b"{}")
        journal.close()
        journal_path(path).rename(path)

    return [_made(prepare)]


def _tail_seeds() -> list[bytes]:
    def prepare(path: Path) -> None:
        archive = path.with_name("f.itar")
        archive.write_bytes(_ARCHIVE)
        start = ItarReader(archive).trailer.index_offset
        file = OS_FILES.open(archive)
        write_tail_journal(archive, file, start, OS_FILES)
        file.close()
        tail_journal_path(archive).rename(path)

    return [_made(prepare)]


_JOURNAL_HEAD = len(b"itar deferred 1\n")
_ARCHIVE = _made(lambda path: _write(path, 6))

TARGETS: dict[str, Target] = {
    "index": Target(index, _index_seeds),
    "archive": Target(archive, _archive_seeds),
    "composed": Target(composed, _composed_seeds),
    "members": Target(members, _member_seeds),
    "recovery": Target(recovery, _member_seeds),
    "consolidated": Target(consolidated, _consolidated_seeds),
    "deferred": Target(deferred, _deferred_seeds),
    "tail": Target(tail, _tail_seeds),
}
