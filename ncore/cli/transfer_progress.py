"""What ``ncore transfer`` shows while it works: a live line, or events for a program."""

import json
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ncore.cli.output import Output, label
from ncore.transfer.plan import Action
from ncore.transfer.report import Report

if TYPE_CHECKING:
    from rich.progress import TaskID

_REFRESH = 0.1


class Live:
    """A progress bar for each root while it is being transferred.

    The counts are read from the report ten times a second, so that an entry
    costs nothing extra.

    Args:
        out: Where to.
    """

    wants_entries = False

    def __init__(self, out: Output) -> None:
        self._shown = out.shows_progress
        self._progress = out.progress() if self._shown else None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._task: TaskID | None = None

    def begin(self, report: Report) -> None:
        """Show a line for this root."""
        if self._progress is None:
            return
        self._progress.start()
        self._task = self._progress.add_task(label(report.source), total=None)
        self._stop.clear()
        self._thread = threading.Thread(target=self._refresh, args=(report,), daemon=True)
        self._thread.start()

    def _refresh(self, report: Report) -> None:
        assert self._task is not None
        assert self._progress is not None
        while not self._stop.wait(_REFRESH):
            planned = report.planned
            total = planned.bytes["create"] + planned.bytes["replace"]
            at_least = "" if report.plan_done else "+"
            self._progress.update(
                self._task,
                description=f"{label(report.source)} {report.written}/{planned.to_write}{at_least}",
                total=max(total, 1) if report.plan_done else None,
                completed=report.bytes_moved,
            )

    def entry(self, event: str, key: str, fields: Mapping[str, object]) -> None:
        """Do nothing."""

    def planned(self, action: Action) -> None:
        """Do nothing."""

    def end(self, report: Report) -> None:
        """Take the line away."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._progress is not None and self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
            self._progress.stop()


class Events:
    """One JSON object a line on stdout, for a program that reads along.

    Args:
        plan: Also say each planned action (a dry run).
    """

    wants_entries = True

    def __init__(self, *, plan: bool) -> None:
        self._plan = plan
        self._source = ""

    def _write(self, event: str, fields: Mapping[str, object]) -> None:
        sys.stdout.write(json.dumps({"event": event, **fields}, allow_nan=False) + "\n")

    def begin(self, report: Report) -> None:
        """Say what is transferred."""
        self._source = report.source
        self._write("begin", {"source": report.source, "target": report.target})
        sys.stdout.flush()

    def entry(self, event: str, key: str, fields: Mapping[str, object]) -> None:
        """Say what happened to an entry."""
        self._write(event, {"source": self._source, "key": key, **fields})

    def planned(self, action: Action) -> None:
        """Say what is planned for an entry."""
        if self._plan:
            fields = {"action": action.kind, "reason": action.reason, "bytes": action.size}
            self._write("plan", {"source": self._source, "key": action.key, **fields})

    def end(self, report: Report) -> None:
        """Say how it ended."""
        self._write("end", report.as_dict())
        sys.stdout.flush()


class Plan(Live):
    """The first lines of a plan, for a person.

    Args:
        out: Where to.
        most: Lines to show.
    """

    wants_entries = True

    def __init__(self, out: Output, most: int = 200) -> None:
        super().__init__(out)
        self._out = out
        self._most = most
        self._seen = 0

    def planned(self, action: Action) -> None:
        """Show an action while there is room; what stays as it is goes unsaid."""
        if action.kind == "keep":
            return
        self._seen += 1
        if self._seen <= self._most:
            size = human_size(action.size)
            self._out.result(None, f"{action.kind:9} {size:>9}  {action.key}  ({action.reason})")

    def end(self, report: Report) -> None:
        """Say how many lines there would have been."""
        super().end(report)
        if self._seen > self._most:
            self._out.result(None, f"... and {self._seen - self._most} more (--json tells all)")
        self._seen = 0


def human_size(size: int) -> str:
    """Return a number of bytes for people."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def summary(report: Report) -> str:
    """Return a root's outcome in one line."""
    planned = report.planned
    if report.dry_run:
        done = f"would write {planned.to_write}"
        size = planned.bytes["create"] + planned.bytes["replace"]
        deleted = f"delete {planned.to_delete}"
    else:
        done, size = f"{report.written} written", report.bytes_written
        deleted = f"{report.deleted} deleted"
    parts = [f"{done} ({human_size(size)})", f"{planned.count['keep']} kept", deleted]
    if report.removed_local:
        parts.append(f"{report.removed_local} removed locally")
    if report.retries:
        parts.append(f"{report.retries} retried")
    if report.failed:
        parts.append(f"{report.failed} FAILED")
    where = f"{report.source} -> {report.target}" if report.target else report.source
    return f"{where}: {', '.join(parts)} in {report.seconds:.1f} s"
