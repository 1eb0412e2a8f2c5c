"""What a transfer tells while it runs, and what it did in the end."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ncore.transfer.actions import Action, Totals

_ERRORS_KEPT = 1000


class EntryError(NamedTuple):
    """One entry that failed.

    Attributes:
        key: The entry, below its root's path.
        error: Why, in one line.
    """

    key: str
    error: str


@dataclass
class Report:
    """Counts of one transfer, live while it runs.

    Attributes:
        source: Where from.
        target: Where to.
        planned: Totals of the plan as far as it is made.
        plan_done: The plan is whole, so the totals are final.
        written: Entries created or replaced.
        bytes_written: Bytes of them.
        bytes_moved: Bytes that went over, of entries under way too and of
            attempts that failed.
        deleted: Entries deleted in the target.
        removed_local: Local files deleted after the target had them.
        retries: Attempts that were repeated.
        failed: Number of entries that failed.
        errors: The first 1,000 of them.
        refusal: What a guard says against this plan (a dry run goes on).
        failure: What ended the transfer as a whole before it was done.
    """

    source: str = ""
    target: str = ""
    planned: Totals = field(default_factory=Totals)
    plan_done: bool = False
    dry_run: bool = False
    written: int = 0
    bytes_written: int = 0
    bytes_moved: int = 0
    deleted: int = 0
    removed_local: int = 0
    retries: int = 0
    failed: int = 0
    errors: list[EntryError] = field(default_factory=list)
    refusal: str = ""
    failure: str = ""
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failed and not self.failure

    def fail(self, key: str, error: BaseException | str) -> None:
        """Count one failure."""
        self.failed += 1
        if len(self.errors) < _ERRORS_KEPT:
            self.errors.append(EntryError(key, str(error)))

    def as_dict(self) -> dict[str, object]:
        """Return the report for a machine."""
        return {
            "source": self.source,
            "target": self.target,
            "dry_run": self.dry_run,
            "plan": self.planned.as_dict(),
            "written": self.written,
            "bytes_written": self.bytes_written,
            "deleted": self.deleted,
            "removed_local": self.removed_local,
            "retries": self.retries,
            "failed": self.failed,
            "errors": [e._asdict() for e in self.errors],
            "refusal": self.refusal,
            "failure": self.failure,
            "seconds": round(self.seconds, 3),
            "ok": self.ok,
        }


class Reporter(Protocol):
    """Hears of events of transfers that run side by side; counts are read from the reports.

    Attributes:
        wants_entries: Call :meth:`entry` for every entry. Off, a transfer
            spends no time on telling.
    """

    wants_entries: bool

    def begin(self, report: Report) -> None:
        """A transfer between two roots begins."""

    def entry(self, report: Report, event: str, key: str, fields: Mapping[str, object]) -> None:
        """Something happened to an entry: ``done``, ``retry``, ``error``, ``deleted``."""

    def planned(self, report: Report, action: Action) -> None:
        """An action was planned (with ``wants_entries``)."""

    def end(self, report: Report) -> None:
        """A transfer has ended."""


class Silent:
    """Hears nothing."""

    wants_entries = False

    def begin(self, report: Report) -> None:
        """Do nothing."""

    def entry(self, report: Report, event: str, key: str, fields: Mapping[str, object]) -> None:
        """Do nothing."""

    def planned(self, report: Report, action: Action) -> None:
        """Do nothing."""

    def end(self, report: Report) -> None:
        """Do nothing."""
