"""What a conversion did, for people and for machines."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class ArrayReport:
    """One array.

    Attributes:
        path: node path.
        action: ``copy``, ``re-encode``, ``refuse``, ``skip`` or ``keep-v2``.
        v2: dtype, filters and compressor it had.
        v3: data type and codecs it has; empty where it has none.
        form: how its values stand to those of v2.
        reason: why it was not copied.
        chunks: number of chunks in the source.
        bytes: their size as stored there.
        bytes_written: size of what was stored.
        seconds: time that it took.
        verified: ``full``, ``sample`` or ``none``.
        warnings: what a user should know.
    """

    path: str
    action: str
    v2: str
    v3: str
    form: str = "same"
    reason: str = ""
    chunks: int = 0
    bytes: int = 0
    bytes_written: int = 0
    seconds: float = 0.0
    verified: str = "none"
    warnings: list[str] = field(default_factory=list)


@dataclass
class ConversionReport:
    """One conversion.

    Attributes:
        source: what was converted.
        target: where to; None for a plan without one.
        dry_run: nothing was written.
        container: what the target is: ``directory``, ``prefix`` or ``archive``.
        already: an earlier run had done everything; nothing was left to do.
        removed: number of v2 metadata documents and old chunks removed.
        replaces: what lay at the target and made room, in a few words; empty for nothing.
        arrays: one entry an array.
        groups: number of groups.
        others: number of entries that belong to no node and were copied as they are.
        resumed: number of arrays that an interrupted run had finished.
        seconds: time in all.
        bytes: bytes read from the source's chunks.
        bytes_written: bytes of chunks written.
        warnings: about the hierarchy as a whole.
        hints: what else could be asked for.
    """

    source: str
    target: str | None
    dry_run: bool = False
    container: str = ""
    already: bool = False
    removed: int = 0
    replaces: str = ""
    arrays: list[ArrayReport] = field(default_factory=list)
    groups: int = 0
    others: int = 0
    resumed: int = 0
    seconds: float = 0.0
    bytes: int = 0
    bytes_written: int = 0
    warnings: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def count(self, action: str) -> int:
        """Number of arrays with this action."""
        return sum(array.action == action for array in self.arrays)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)
