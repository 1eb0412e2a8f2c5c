"""A hash of keys that numpy computes for a whole index at once, and Python for one key.

It is the key read as a number, times a multiplier, modulo a prime. Both are drawn when
the process starts, so that nobody can make an archive whose keys collide. Python's own
hash would do, but needs an object a key.
"""

import itertools
import os

import numpy as np
import numpy.typing as npt

BITS = 30
"""Hashes are below ``2**BITS``. Python divides by a number of so many bits in one step."""
_SMALL_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
_PIECE = 256
"""Bytes of a key at a time; their products with numbers of 30 bits fit 64 bits many times."""
_ROWS = 2048
"""Keys at a time: few enough to stay in the processor's cache."""


def _is_prime(number: int) -> bool:
    """Return whether an odd number below 2**64 is prime (Miller and Rabin, with fixed bases)."""
    twos = ((number - 1) & (1 - number)).bit_length() - 1
    for base in _SMALL_PRIMES:
        power = pow(base, (number - 1) >> twos, number)
        if power == 1:
            continue
        for _ in range(twos):
            if power == number - 1:
                break
            power = power * power % number
        else:
            return False
    return True


def _draw(bits: int) -> int:
    return int.from_bytes(os.urandom(8)) % (1 << bits)


def _draw_prime() -> int:
    while True:
        number = (1 << (BITS - 1)) + _draw(BITS - 1) | 1
        if _is_prime(number):
            return number


PRIME = _draw_prime()
MULTIPLIER = 1 + _draw(64) % (PRIME - 1)


def key_hash(key: bytes) -> int:
    """Return the hash of one key. (:meth:`Index.find` has it written out.)"""
    return int.from_bytes(key, "little") % PRIME * MULTIPLIER % PRIME


def key_hashes(
    blob: bytes, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint32]:
    """Return the hash of each key, shape (n,).

    Args:
        blob: holds the keys.
        starts: where each begins, shape (n,).
        lengths: their sizes in bytes, shape (n,).
    """
    number = np.zeros(len(starts), np.uint64)
    by_length = np.argsort(lengths, kind="stable")
    ordered = lengths[by_length]
    steps = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    bounds = [0, *steps.tolist(), len(ordered)]
    for low, high in itertools.pairwise(bounds):
        size = int(ordered[low]) if high > low else 0
        for begin in range(0, size, _PIECE):
            width = min(_PIECE, size - begin)
            powers = np.array([pow(256, begin + at, PRIME) for at in range(width)], np.uint64)
            # Overlapping rows: what begins at each byte.
            windows = np.ndarray((len(blob) - width + 1, width), np.uint8, blob, strides=(1, 1))
            for top in range(low, high, _ROWS):
                rows = by_length[top : min(top + _ROWS, high)]
                number[rows] += _products(windows[starts[rows] + begin], powers)
    prime = np.uint64(PRIME)
    return (number % prime * np.uint64(MULTIPLIER) % prime).astype(np.uint32)


def _products(
    rows: npt.NDArray[np.uint8], powers: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """Return the sum of each row's bytes times the powers, modulo the prime.

    Not in floats, although their product is a little faster: its threads are not wanted here.
    """
    width = rows.shape[1]
    even = width - width % 2
    words = np.ascontiguousarray(rows[:, :even]).view("<u2").astype(np.uint64)
    found: npt.NDArray[np.uint64] = words @ powers[:even:2] % np.uint64(PRIME)
    if width > even:
        found += rows[:, even] * powers[even]
    return found
