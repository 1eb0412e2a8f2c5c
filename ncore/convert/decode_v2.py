"""Decode v2 chunks with numcodecs alone.

zarr 3 cannot open every v2 array, and reads some of them wrongly. What this
module decodes is therefore both the input of re-encoding and the independent
witness of verification: it uses no code of zarr 3.
"""

import math
import pickle
from typing import Any

import numcodecs
import numcodecs.errors
import numpy as np
from numcodecs.compat import ensure_bytes, ensure_ndarray_like

from ncore.convert.bounded_decode import bounded_decode
from ncore.convert.errors import ChunkDecodeError
from ncore.convert.v2_metadata import V2Array


def missing_codecs(array: V2Array) -> list[str]:
    """Ids of an array's codecs that numcodecs does not know here."""
    missing = []
    for config in [*array.filters, *([array.compressor] if array.compressor else [])]:
        try:
            numcodecs.get_codec(dict(config))
        except (ValueError, TypeError, ImportError):
            missing.append(str(config["id"]))
    return missing


_FILTERED, _SLACK = 32, 64 << 10


class V2Decoder:
    """Decodes the chunks of one v2 array; any number of threads may share it.

    Args:
        array: its metadata.
        allow_pickle: unpickle pickled objects.
        memory: bytes to which a chunk of Python objects may decode; that of others
            stands in the metadata.
    """

    def __init__(
        self, array: V2Array, *, allow_pickle: bool = False, memory: int = 1 << 30
    ) -> None:
        self._array = array
        self._allow_pickle = allow_pickle
        self._elements = math.prod(array.chunks)
        if array.dtype.hasobject:
            self._limit = memory
        else:
            # Between filters a chunk may be larger than its values (astype, base64).
            size = self._elements * array.dtype.itemsize
            self._limit = _FILTERED * size + _SLACK if array.filters else size
        chain = [*array.filters, *([array.compressor] if array.compressor else [])]
        self._chain: list[Any] = []
        for config in reversed(chain):
            try:
                self._chain.append(numcodecs.get_codec(dict(config)))
            except (ValueError, TypeError, ImportError) as error:
                raise ChunkDecodeError(
                    f"array {array.path or '/'!r}: codec {config['id']!r} cannot be used here "
                    f"({error}); install the package that provides it"
                ) from None

    def decode(self, raw: bytes | memoryview, key: str = "") -> np.ndarray[Any, Any]:
        """The values of one chunk.

        Args:
            raw: the chunk's bytes as stored.
            key: for messages.

        Returns:
            An array of the chunk's shape and the v2 dtype (big-endian stays so).

        Raises:
            ChunkDecodeError: the bytes do not decode to such an array.
        """
        array = self._array
        try:
            chunk: Any = raw
            for codec in self._chain:
                if codec.codec_id == "pickle":
                    if not self._allow_pickle:
                        raise ChunkDecodeError(f"chunk {key!r} is pickled")
                    chunk = pickle.loads(ensure_bytes(chunk))
                else:
                    if codec.codec_id in ("vlen-utf8", "vlen-bytes", "vlen-array"):
                        self._check_count(ensure_bytes(chunk))
                    chunk = bounded_decode(codec, chunk, self._limit)
            values = np.asarray(ensure_ndarray_like(chunk))
            if array.dtype.hasobject:
                if values.dtype != object:
                    values = values.astype(object)
            elif values.dtype != array.dtype:
                values = values.view(array.dtype)
            if values.size != self._elements:
                raise ValueError(f"{values.size} elements for a chunk of {list(array.chunks)}")
            return values.reshape(array.chunks, order=array.order)
        except ChunkDecodeError:
            raise
        except Exception as error:  # every codec has errors of its own
            raise ChunkDecodeError(
                f"chunk {key!r} of array {array.path or '/'!r} does not decode: {error}"
            ) from error

    def _check_count(self, raw: bytes) -> None:
        # numcodecs would make room for as many objects as the first four bytes say.
        count = int.from_bytes(raw[:4], "little")
        if count != self._elements:
            raise ValueError(f"{count} elements for a chunk of {list(self._array.chunks)}")
