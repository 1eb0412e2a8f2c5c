import hashlib

import pytest

from ncore.transfer.digests import Digest, digest_of, hasher, is_known, register_hasher
from ncore.transfer.errors import UnsupportedError


def test_known_digests():
    assert digest_of(b"abc", "md5") == Digest("md5", "900150983cd24fb0d6963f7d28e17f72")
    # RFC 3720 B.4: 32 bytes of zeroes.
    assert digest_of(bytes(32), "crc32c").value == "8a9136aa"
    assert str(digest_of(b"", "sha256")).startswith("sha256:e3b0c442")


def test_streaming_equals_whole():
    for algorithm in ("md5", "crc32c", "sha256"):
        h = hasher(algorithm, 6)
        h.update(b"abc")
        h.update(memoryview(b"def"))
        assert h.hexdigest() == digest_of(b"abcdef", algorithm).value


def test_register_and_unknown():
    assert not is_known("no-such")
    with pytest.raises(UnsupportedError, match="no-such"):
        hasher("no-such", 0)
    sizes = []

    def factory(size):
        sizes.append(size)
        return hashlib.sha1()

    register_hasher("test-sized", factory)
    digest_of(b"abc", "test-sized")
    assert sizes == [3]
