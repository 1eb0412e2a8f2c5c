"""Random changes to CBOR, tar headers and journals: a fuzzer without coverage."""

import random
from collections.abc import Sequence

INTERESTING = bytes.fromhex(
    "00 17 18 19 1a 1b 1f 20 3b 40 5f 60 78 7b 7f 80 9a 9b 9f a3 bb bf c0 c2 c4 db f5 f6 fb ff"
)
"""Bytes that begin a CBOR item of each kind."""


def mutate(data: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """Return a changed copy; ``others`` lend pieces of theirs."""
    mutated = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(mutated) + 1)
        choice = rng.random()
        if choice < 0.3 and at < len(mutated):
            mutated[at] = rng.randrange(256)
        elif choice < 0.55 and at < len(mutated):
            mutated[at] = rng.choice(INTERESTING)
        elif choice < 0.65:
            del mutated[at : at + rng.choice((1, 2, 8, 100, 512))]
        elif choice < 0.75:
            mutated[at:at] = bytes([rng.choice(INTERESTING)]) * rng.choice((1, 2, 9, 5000))
        elif choice < 0.85:
            mutated[at:at] = mutated[at : at + rng.choice((1, 5, 50, 512))]
        elif choice < 0.9 and others:
            other = rng.choice(others)
            begin = rng.randrange(len(other) + 1)
            mutated[at:at] = other[begin : begin + rng.choice((1, 20, 512))]
        else:
            mutated[at : at + 8] = rng.choice((b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7))
    return bytes(mutated)
