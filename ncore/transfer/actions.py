"""What a plan consists of: actions about entries, and the rules that lead to them."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from ncore.transfer.backend import Entry


class Existing(StrEnum):
    """What to do about an entry that the target already has (``-e``)."""

    ERROR = "error"
    """Keep it when it is identical; anything else is an error."""
    SKIP = "skip"
    """Keep it, whatever it holds."""
    OVERWRITE = "overwrite"
    """Replace it without looking."""
    OVERWRITE_DIFFERENT = "overwrite-different"
    """Replace it when size or digest differ."""
    REFRESH = "refresh"
    """As overwrite-different, but equal size and time count as equal."""


class Extra(StrEnum):
    """What to do about an entry that only the target has."""

    KEEP = "keep"
    DELETE = "delete"
    """Delete it when it is selected."""
    SUBTREE = "subtree"
    """Delete it when it is selected and the source has its top directory."""


class ActionKind(StrEnum):
    """What is to be done about one entry."""

    CREATE = "create"
    REPLACE = "replace"
    KEEP = "keep"
    DELETE = "delete"
    CONFLICT = "conflict"
    """Delete before writing: a file in a directory's place or the reverse."""
    ERROR = "error"


class Action(NamedTuple):
    """One entry's line in the plan.

    Attributes:
        kind: What is to be done.
        key: Key in the target.
        reason: Why, in a few words.
        source: What the source lists, None for deletions.
        target: What the target lists, None for creations.
    """

    kind: ActionKind
    key: str
    reason: str
    source: Entry | None = None
    target: Entry | None = None

    @property
    def size(self) -> int:
        """Bytes that this action moves, keeps or deletes (0 if unknown)."""
        entry = self.source or self.target
        return max(entry.size, 0) if entry else 0


@dataclass
class Totals:
    """Counts and bytes of a plan, by kind of action."""

    count: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)

    def add(self, action: Action) -> None:
        """Count one action."""
        self.count[action.kind] += 1
        self.bytes[action.kind] += action.size

    @property
    def to_write(self) -> int:
        """Number of entries to create or replace."""
        return self.count[ActionKind.CREATE] + self.count[ActionKind.REPLACE]

    @property
    def to_delete(self) -> int:
        """Number of entries to delete, conflicts included."""
        return self.count[ActionKind.DELETE] + self.count[ActionKind.CONFLICT]

    @property
    def selected(self) -> int:
        """Number of the source's entries that were selected."""
        kinds = (ActionKind.CREATE, ActionKind.REPLACE, ActionKind.KEEP, ActionKind.ERROR)
        return sum(self.count[kind] for kind in kinds)

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Return the totals for a machine."""
        return {
            kind.value: {"entries": self.count[kind], "bytes": self.bytes[kind]}
            for kind in ActionKind
        }
