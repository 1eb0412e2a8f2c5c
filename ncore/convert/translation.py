"""What becomes of one v2 array: the outcome that planning, execution and reports share."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """How the chunks of an array reach the target."""

    COPY = "copy"
    """Their bytes, unchanged: the new metadata describes them."""
    REENCODE = "re-encode"
    """Decoded, and encoded again: no v3 metadata describes the old bytes."""
    REFUSE = "refuse"
    """Not at all: there is no v3 form, or none without a choice of the user."""
    KEEP = "keep-v2"
    """As they are, with their v2 metadata (``on_unsupported="keep-v2"``)."""
    SKIP = "skip"
    """Left out (``on_unsupported="skip"``)."""


class Form(StrEnum):
    """How the values in v3 stand to the values in v2."""

    SAME = "same"
    """Equal, dtype included (v3 types are native-endian when read)."""
    BLOB = "blob"
    """A 0-d ``|S<n>`` of n bytes became a 1-D uint8 of n elements."""
    FLAT_STRUCT = "flat-struct"
    """Nested and sub-array fields became fields of their own: ``a.b``, ``xyz.0``."""
    RAW_BYTES = "raw-bytes"
    """A struct became raw bytes of the same size: view them as the dtype."""
    STRINGS = "strings"
    """Python strings became zarr's ``string``."""
    JSON_STRINGS = "json-strings"
    """Each Python object became the JSON text of it, as a ``string``."""


@dataclass(frozen=True)
class Translation:
    """One array's way from v2 to v3.

    Attributes:
        action: how its chunks travel.
        document: its ``zarr.json``, decoded; None where it is refused.
        form: how its values stand to the v2 values.
        reason: why it is re-encoded or refused; empty for a copy.
        warnings: what a user should know about the result.
    """

    action: Action
    document: dict[str, Any] | None
    form: Form = Form.SAME
    reason: str = ""
    warnings: tuple[str, ...] = field(default=())
