"""CRC-32C (Castagnoli) of payloads."""

import google_crc32c
import numpy as np

Payload = bytes | bytearray | memoryview


def crc32c(data: Payload, value: int = 0) -> int:
    """Return the CRC-32C of ``data``, continuing from ``value``."""
    if not isinstance(data, bytes):
        # The extension refuses memoryviews; an array over the same bytes passes.
        if not len(data):
            return value
        return int(google_crc32c.extend(value, np.frombuffer(data, np.uint8)))
    return int(google_crc32c.extend(value, data))
