"""What ``ncore transfer`` shows while it works: a live line, or events for a program."""

import json
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ncore.cli.output import Output, label
from ncore.itar.sizes import human_size
from ncore.transfer.actions import Action
from ncore.transfer.keys import show_key
from ncore.transfer.report import Report

if TYPE_CHECKING:
    from rich.progress import TaskID

_REFRESH = 0.1


class Live:
    """A progress bar for each root while it is being transferred.

    The counts are read from the reports ten times a second, so that an entry
    costs nothing extra.

    Args:
        out: Where to.
    """

    wants_entries = False

    def __init__(self, out: Output) -> None:
        self._progress = out.progress() if out.shows_progress else None
        self._tasks: dict[int, tuple[TaskID, Report]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, report: Report) -> None:
        """Show a line for this root."""
        if self._progress is None:
            return
        task = self._progress.add_task(label(report.source), total=None)
        self._tasks[id(report)] = task, report
        if self._thread is None:
            self._progress.start()
            self._stop.clear()
            self._thread = threading.Thread(target=self._refresh, daemon=True)
            self._thread.start()

    def _refresh(self) -> None:
        assert self._progress is not None
        while not self._stop.wait(_REFRESH):
            for task, report in list(self._tasks.values()):
                planned = report.planned
                total = planned.bytes["create"] + planned.bytes["replace"]
                count = f"{report.written}/{planned.to_write}"
                at_least = "" if report.plan_done else "+"
                self._progress.update(
                    task,
                    description=f"{label(report.source)} {count}{at_least}",
                    total=max(total, 1) if report.plan_done else None,
                    completed=report.bytes_moved,
                )

    def entry(self, report: Report, event: str, key: str, fields: Mapping[str, object]) -> None:
        """Do nothing."""

    def planned(self, report: Report, action: Action) -> None:
        """Do nothing."""

    def end(self, report: Report) -> None:
        """Take the line away."""
        if self._progress is None:
            return
        task, _ = self._tasks.pop(id(report))
        if not self._tasks and self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
            self._progress.remove_task(task)
            self._progress.stop()
        else:
            self._progress.remove_task(task)


class Events:
    """One JSON object a line on stdout, for a program that reads along.

    Args:
        plan: Also say each planned action (a dry run).
    """

    wants_entries = True

    def __init__(self, *, plan: bool) -> None:
        self._plan = plan

    def _write(self, event: str, fields: Mapping[str, object]) -> None:
        sys.stdout.write(json.dumps({"event": event, **fields}, allow_nan=False) + "\n")

    def begin(self, report: Report) -> None:
        """Say what is transferred."""
        self._write("begin", {"source": report.source, "target": report.target})
        sys.stdout.flush()

    def entry(self, report: Report, event: str, key: str, fields: Mapping[str, object]) -> None:
        """Say what happened to an entry."""
        self._write(event, {"source": report.source, "key": key, **fields})

    def planned(self, report: Report, action: Action) -> None:
        """Say what is planned for an entry."""
        if self._plan:
            fields = {"action": action.kind, "reason": action.reason, "bytes": action.size}
            self._write("plan", {"source": report.source, "key": action.key, **fields})

    def end(self, report: Report) -> None:
        """Say how it ended."""
        self._write("end", report.as_dict())
        sys.stdout.flush()


class Plan(Live):
    """The first lines of each plan, for a person.

    Args:
        out: Where to.
        most: Lines to show of one root.
    """

    wants_entries = True

    def __init__(self, out: Output, most: int = 200) -> None:
        super().__init__(out)
        self._out = out
        self._most = most
        self._lines: dict[int, list[str]] = {}
        self._seen: Counter[int] = Counter()

    def planned(self, report: Report, action: Action) -> None:
        """Keep an action while there is room; what stays as it is goes unsaid."""
        if action.kind == "keep":
            return
        self._seen[id(report)] += 1
        lines = self._lines.setdefault(id(report), [])
        if len(lines) < self._most:
            size, key = human_size(action.size), show_key(action.key)
            lines.append(f"{action.kind:9} {size:>9}  {key}  ({action.reason})")

    def end(self, report: Report) -> None:
        """Show them, and say how many more there would have been."""
        super().end(report)
        lines, seen = self._lines.pop(id(report), []), self._seen.pop(id(report), 0)
        if seen > len(lines):
            lines.append(f"... and {seen - len(lines)} more (--json tells all)")
        if lines:
            self._out.result(None, "\n".join([f"{show_key(report.source)}:", *lines]))


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
