"""Mutated archives: the reader says ItarFormatError or reads, in bounded memory.

``NCORE_FUZZ_SECONDS`` makes it go on for so long; by default it takes a moment.
"""

import lzma
import os
import random
import time
import tracemalloc
from pathlib import Path

import cbor2

from ncore.itar.errors import ItarFormatError
from ncore.itar.index_codec import decode_index
from ncore.itar.reader import ItarReader
from ncore.itar.trailer import Trailer, encode_trailer
from ncore.itar.writer import ItarWriter

SECONDS = float(os.environ.get("NCORE_FUZZ_SECONDS", "3"))
SEED = int(os.environ.get("NCORE_FUZZ_SEED", "1"))
TAR_END = 1 << 20
HEADS = bytes.fromhex(
    "00 17 18 19 1a 1b 1f 20 3b 40 5f 60 78 7b 7f 80 9a 9b 9f a3 bb bf c0 c2 c4 db f5 f6 fb ff"
)


def seeds() -> list[bytes]:
    made = []
    for count in (0, 1, 3, 70, 400):
        keys = [f"g/{i % 7}/c/{i}" for i in range(count)]
        offsets = [512 + 1024 * i for i in range(count)]
        document = {"items": keys, "offset_datas": offsets, "sizes": [i * i for i in range(count)]}
        made.append(cbor2.dumps(document))
        made.append(cbor2.dumps({**document, "crc32c": bytes(4 * count), "x": [{"y": 1.5}]}))
    made.append(b"\xbf\x65items\x9f\x61a\xff\x6coffset_datas\x9f\x00\xff\x65sizes\x9f\x01\xff\xff")
    return made


def mutate(data: bytes, rng: random.Random) -> bytes:
    mutated = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(mutated) + 1)
        choice = rng.random()
        if choice < 0.3 and at < len(mutated):
            mutated[at] = rng.randrange(256)
        elif choice < 0.6 and at < len(mutated):
            mutated[at] = rng.choice(HEADS)
        elif choice < 0.7:
            del mutated[at : at + rng.choice((1, 2, 8, 100))]
        elif choice < 0.8:
            mutated[at:at] = bytes([rng.choice(HEADS)]) * rng.choice((1, 2, 9, 5000))
        elif choice < 0.9:
            mutated[at:at] = mutated[at : at + rng.choice((1, 5, 50))]
        else:
            mutated[at : at + 8] = rng.choice((b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7))
    return bytes(mutated)


def test_mutated_cbor() -> None:
    rng = random.Random(SEED)
    corpus = seeds()
    end = time.monotonic() + SECONDS
    cases = read = 0
    tracemalloc.start()
    try:
        while cases < 300 or time.monotonic() < end:
            raw = mutate(rng.choice(corpus), rng)
            cases += 1
            try:
                index = decode_index(lzma.compress(raw, preset=0), TAR_END, "f")
            except ItarFormatError:
                continue
            read += 1
            for i, key in enumerate(index.keys()):
                assert index.find(key) == i
                offset, size = index.span(i)
                assert 0 <= offset <= offset + size <= TAR_END
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    print(f"{cases} cases, {read} read")


def test_mutated_files(tmp_path: Path) -> None:
    path = tmp_path / "f.itar"
    with ItarWriter(path) as writer:
        for i in range(30):
            writer.set(f"k{i}", b"%d" % i * 50)
    data = path.read_bytes()
    tar_end = ItarReader(path).trailer.index_offset
    rng = random.Random(SEED)
    end = time.monotonic() + SECONDS
    cases = 0
    messages = []
    while cases < 300 or time.monotonic() < end:
        cases += 1
        if rng.random() < 0.5:
            path.write_bytes(data[:tar_end] + mutate(data[tar_end:], rng))
        else:
            offset = rng.choice((0, 512, tar_end, rng.randrange(1 << 64)))
            trailer = Trailer(offset, rng.randrange(1 << 32))
            path.write_bytes(data[:-512] + encode_trailer(trailer))
        try:
            with ItarReader(path) as reader:
                for key in reader:
                    reader.read(key)
        except ItarFormatError as error:
            messages.append(str(error))
    assert messages
    assert all(str(path) in message for message in messages)
    print(f"{cases} cases, {len(messages)} refused")
