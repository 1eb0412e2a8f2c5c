"""The benchmarks' figures as PNG and SVG."""

from pathlib import Path
from typing import Any

from benchmarks.page import number

OURS, OTHERS = "#1b6ca8", "#b0b7bf"
COLOURS = ("#1b6ca8", "#2a9d8f", "#e9a23b", "#d1495b", "#7b5ea7", "#5c6b73")
KINDS = ("png", "svg")


def plot_epoch(readers: dict[str, Any], target: Path) -> list[str]:
    """Draw throughput and cold start of each reader; return the files' names."""
    pyplot = _pyplot()
    found = {name: figures for name, figures in readers.items() if "error" not in figures}
    names = sorted(found, key=lambda name: found[name]["one"]["ratio"])
    colours = [OURS if name.startswith("ncore") else OTHERS for name in names]
    figure, axes = pyplot.subplots(1, 3, figsize=(11, 0.36 * len(names) + 1.4), sharey=True)
    for axis, key, label in (
        (axes[0], "one", "one process, times os.pread"),
        (axes[1], "two", "two workers, times os.pread"),
    ):
        bars = axis.barh(names, [found[name][key]["ratio"] for name in names], color=colours)
        axis.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set_xlabel(label)
    bars = axes[2].barh(names, [found[name]["cold"] for name in names], color=colours)
    axes[2].bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes[2].set_xlabel("import to first image, s")
    figure.suptitle("Shuffled epoch over images of 300 KB")
    return _save(figure, axes, target, "benchmark_epoch")


def plot_ratios(ratios: dict[str, list[dict[str, Any]]], target: Path) -> list[str]:
    """Draw all ratios of a run, by benchmark, on one logarithmic axis; return the files' names."""
    pyplot = _pyplot()
    rows = [(name, entry) for name, entries in ratios.items() for entry in entries][::-1]
    colour = dict(zip(ratios, COLOURS * len(ratios), strict=False))
    figure, axis = pyplot.subplots(figsize=(11, 0.24 * len(rows) + 1.4))
    labels = [f"{entry['what']}  |  {entry['beside']}" for _, entry in rows]
    places = range(len(rows))
    bars = axis.barh(
        places,
        [entry["ratio"] - 1 for _, entry in rows],
        left=1,
        color=[colour[name] for name, _ in rows],
    )
    axis.bar_label(bars, [number(entry["ratio"]) for _, entry in rows], padding=3, fontsize=8)
    axis.set_yticks(places, labels, fontsize=8)
    axis.set_ylim(-0.8, len(rows) - 0.2)
    axis.set_xscale("log")
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_xlabel("how many times as fast as what stands on the right of the bar's name")
    return _save(figure, [axis], target, "benchmark_ratios")


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    # The same figures give the same SVG, so that a diff shows what has changed.
    mpl.rcParams["svg.hashsalt"] = "ncore"
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, axes: Any, target: Path, name: str) -> list[str]:
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.12)
    figure.tight_layout()
    files = [f"{name}.{kind}" for kind in KINDS]
    for file, metadata in zip(files, ({}, {"Date": None}), strict=True):
        figure.savefig(target / file, dpi=120, metadata=metadata)
    return files
