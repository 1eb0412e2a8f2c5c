"""Cycles between targets, which Bazel refuses and Python bears only with luck."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tools.build_files.imports import Problem


def absolute(label: str, folder: Path) -> str:
    """`label` as seen from everywhere, with its name spelled out."""
    if label.startswith(":"):
        return f"//{folder}{label}"
    if label.startswith("//") and ":" not in label:
        return f"{label}:{label.rpartition('/')[2]}"
    return label


def refuse_cycles(dependencies: Mapping[str, Iterable[str]]) -> None:
    """Check that the targets can be built.

    Args:
        dependencies: absolute label -> the absolute labels that it depends on.

    Raises:
        Problem: some depend on each other in a circle, which the message shows.
    """
    try:
        TopologicalSorter(dependencies).prepare()
    except CycleError as error:
        # graphlib lists each target before the one that depends on it.
        circle = " -> ".join(reversed(error.args[1]))
        raise Problem(
            f"modules import each other in a circle, be it inside functions: {circle}; "
            "move what both need into a module of its own"
        ) from None
