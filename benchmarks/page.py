"""The results' page, and the few of its lines that README.md shows."""

from collections.abc import Sequence
from typing import Any

BEGIN, END = "<!-- newest benchmarks: written by python -m benchmarks -->", "<!-- end -->"
HEADLINES = (
    ("epoch", "shuffled epoch, one process", "", 2),
    ("epoch", "shuffled epoch, two workers", "", 2),
    ("store", "store: raw reads, random", "os.pread", 1),
    ("store", "store: opening", "NVIDIA", 1),
    ("store", "store: remote, read-ahead", "a loop", 1),
    ("convert", "convert: copy", "zarr to zarr", 1),
    ("convert", "convert: re-encode", "", 1),
    ("ncore_v4", "NCore V4: open", "", 1),
    ("ncore_v4", "NCore V4: camera frame", "", 1),
    ("select", "filters", "", 1),
    ("transfer", "transfer: one file", "", 1),
    ("transfer", "transfer: upload", "", 1),
    ("transfer", "transfer: download", "", 1),
)
"""What README.md shows: of a benchmark's ratios the first few that begin so, beside whom."""

INTRODUCTION = """\
# Benchmarks

Each is a program that runs ours and what you would use instead in one run, on the same data, and prints ratios of medians. Absolute figures belong to one machine; ratios hold better.

<!-- not run: it takes half an hour -->
```sh
python -m benchmarks            # all of them, about half an hour; writes this page
python -m benchmarks store      # one; prints its part of the page
python -m benchmarks --quick    # everything small, to see that it works
```

The peers are installed into environments of their own, below the user's cache."""  # noqa: E501


def headlines(ratios: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the ratios that README.md shows."""
    found = []
    for name, what, beside, most in HEADLINES:
        of_it = [
            entry
            for entry in ratios.get(name, [])
            if entry["what"].startswith(what) and entry["beside"].startswith(beside)
        ]
        found += of_it[:most]
    return found


def table(ratios: Sequence[dict[str, Any]]) -> str:
    """Return ratios as a Markdown table."""
    lines = ["| what | beside | times as fast |", "|---|---|--:|"]
    lines += [f"| {r['what']} | {r['beside']} | {number(r['ratio'])} |" for r in ratios]
    return "\n".join(lines)


def number(ratio: float) -> str:
    """Return a ratio with two or three digits that mean something."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}" if ratio >= 10 else f"{ratio:.2f}"


def extract(ratios: dict[str, list[dict[str, Any]]], machine: str) -> str:
    """Return what README.md shows of a run, between its marks."""
    shown = table(headlines(ratios))
    return f"{BEGIN}\n{machine}\n\n{shown}\n{END}"


def replaced(text: str, part: str) -> str:
    """Return a page with what stands between the marks replaced.

    Raises:
        ValueError: it has no marks.
    """
    start, stop = text.find(BEGIN), text.find(END)
    if start < 0 or stop < start:
        raise ValueError(f"there is no {BEGIN!r} ... {END!r}")
    return text[:start] + part + text[stop + len(END) :]


def section(title: str, output: str) -> str:
    """Return a benchmark's output below its title; what is no Markdown, as it stands."""
    lines = output.strip().splitlines()
    # A script's own title stands here already; its sections are subsections.
    if any(line.startswith("|") for line in lines):
        lines = [f"#{line}" if line.startswith("#") else line for line in lines
                 if not line.startswith("# ")]  # fmt: skip
        lines = "\n".join(lines).strip().splitlines()
    else:
        lines = ["```text", *lines, "```"]
    return "\n".join([f"## {title}", "", *lines])
