import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ncore.itar import key_hash
from ncore.itar.packed_texts import pack


def test_what_was_drawn() -> None:
    prime = key_hash.PRIME
    assert 1 << (key_hash.BITS - 1) < prime < 1 << key_hash.BITS
    assert all(prime % divisor for divisor in range(3, int(prime**0.5) + 1, 2))
    assert 0 < key_hash.MULTIPLIER < prime


def test_primes() -> None:
    expected = [n for n in range(41, 3000, 2) if all(n % d for d in range(3, n, 2))]
    assert [n for n in range(41, 3000, 2) if key_hash._is_prime(n)] == expected


@given(st.lists(st.one_of(st.binary(max_size=12), st.binary(max_size=1100)), max_size=30))
@settings(max_examples=60)
def test_all_at_once_as_one_by_one(keys: list[bytes]) -> None:
    packed = pack(keys)
    lengths = np.diff(packed.ends, prepend=0)
    found = key_hash.key_hashes(packed.blob, packed.ends - lengths, lengths)
    assert found.tolist() == [key_hash.key_hash(key) for key in keys]


def test_a_key_of_the_largest_bytes() -> None:
    key = b"\xff" * 100_000
    found = key_hash.key_hashes(key, np.zeros(1, np.int64), np.array([len(key)]))
    assert found.tolist() == [key_hash.key_hash(key)]
