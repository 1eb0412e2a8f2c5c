"""A report in the words and numbers that a person wants to see."""

import re
from collections import Counter
from dataclasses import dataclass

from ncore.convert.report import ConversionReport
from ncore.itar.sizes import human_size as human_size

_BLOB = re.compile(r"^\|S\d+")


@dataclass
class SummaryRow:
    """Arrays of the same kind that went the same way."""

    v2: str
    v3: str
    action: str
    arrays: int = 0
    chunks: int = 0
    bytes: int = 0


def summary_rows(report: ConversionReport) -> list[SummaryRow]:
    """Group the arrays of a report by what they were and what became of them."""
    rows: dict[tuple[str, str, str], SummaryRow] = {}
    for line in report.arrays:
        # Each image has a dtype of its own length; they are one kind.
        v2 = _BLOB.sub("|S<n>", line.v2) if line.form == "blob" else line.v2
        key = (v2, line.v3, line.action)
        row = rows.setdefault(key, SummaryRow(*key))
        row.arrays += 1
        row.chunks += line.chunks
        row.bytes += line.bytes
    order = {"refuse": 0, "skip": 1, "keep-v2": 2, "re-encode": 3, "copy": 4}
    return sorted(rows.values(), key=lambda row: (order[row.action], -row.bytes, row.v2))


def warning_lines(report: ConversionReport, most: int = 12) -> list[str]:
    """Warnings of the report, equal ones counted, the most frequent first."""
    counted = Counter(warning for line in report.arrays for warning in line.warnings)
    first: dict[str, str] = {}
    for line in report.arrays:
        for warning in line.warnings:
            first.setdefault(warning, line.path or "/")
    lines = list(report.warnings)
    for warning, count in counted.most_common():
        where = first[warning] if count == 1 else f"{first[warning]} and {count - 1} more"
        lines.append(f"{warning} ({where})")
    if len(lines) > most:
        lines = [*lines[: most - 1], f"… {len(lines) - most + 1} more; all are in --json"]
    return lines
