"""Every command and every piece of code in README and docs/ runs, or says why it cannot here."""
# bazel: size = "large"
# bazel: deps = ["ncore.loaders.xarray_backend", "ncore.stores.itar_filesystem"]
# bazel: data = ["//:pyproject.toml", "//:README.md", "//:CONTRIBUTING.md"]
# bazel: data = ["//:.ci/run", "//docs:pages"]
# bazel: deps = ["//ncore", "//ncore/cli:main", "//ncore/itar", "//ncore/stores"]
# bazel: deps = ["//ncore/select", "//ncore/convert", "//ncore/transfer"]
# bazel: deps = ["//ncore/data", "//ncore/data/v4", "//ncore/loaders", "@pypi//grain"]
# bazel: deps = ["@pypi//xarray", "@pypi//dask", "@pypi//matplotlib", "ncore.transfer.testing"]
# bazel: deps = ["@pypi//icechunk"]

import os
import stat
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.docs.code_blocks import Block, blocks, strays
from tests.loaders.archives import install_entry_points

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
SECONDS = 300


def clone(folder: Path) -> None:
    """Make a folder look like a clone to a command that only reads it."""
    for name in ("tests", "docs"):
        (folder / name).symlink_to(ROOT / name)


def environment(folder: Path) -> dict[str, str]:
    """Return the variables under which ``ncore`` is the one under test."""
    programs = folder / ".bin"
    programs.mkdir()
    for name, command in {"ncore": "-m ncore.cli.main", "python": ""}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    # What xarray and fsspec look up of an installed ncore, which Bazel's is not.
    installed = (
        []
        if entry_points(group="xarray.backends", name="itar")
        else [str(install_entry_points(folder / ".site"))]
    )
    return os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([*installed, *(p for p in sys.path if p)]),
        "HOME": str(folder),
        "MPLBACKEND": "agg",
    }


def run_shell(block: Block, folder: Path, variables: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"line {block.line}:\n{block.code}\n{done.stdout}{done.stderr}"


def run_python(code: str, folder: Path, variables: dict[str, str]) -> None:
    """Run the Python of a page as one program, as a reader would who types it in."""
    done = subprocess.run(
        [sys.executable, "-"],
        input=code,
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", NAMES)
def test_page(name, tmp_path):
    found = [b for b in blocks((ROOT / name).read_text()) if b.not_run is None]
    clone(tmp_path)
    variables = environment(tmp_path)
    python = ""
    for block in found:
        if block.language == "sh":
            # What the Python so far has written must be there.
            if python:
                run_python(python, tmp_path, variables)
                python = ""
            run_shell(block, tmp_path, variables)
        else:
            python += f"# {name}, line {block.line}\n{block.code}\n"
    if python:
        run_python(python, tmp_path, variables)


def test_ci_runs_what_is_said_to_run_there():
    script = (ROOT / ".ci" / "run").read_text()
    for block in blocks((ROOT / "README.md").read_text()):
        if ".ci/run" in (block.not_run or ""):
            for line in block.code.splitlines():
                command = line.split("  #")[0].strip()
                assert not command or command in script, f"README line {block.line}: {command}"


def test_a_reason_is_given_for_what_is_not_run():
    for page in PAGES:
        for block in blocks(page.read_text()):
            assert block.not_run is None or len(block.not_run.split()) >= 3, page


def test_no_block_is_passed_over_in_silence():
    found = [
        f"{page.name}:{line}: {text}" for page in PAGES for line, text in strays(page.read_text())
    ]
    assert not found


def test_strays_are_found():
    lines = [
        "text",
        "",
        "    indented code",
        "",
        "- item",
        "",
        "    of the item",
        "",
        "```bash",
        "x",
    ]
    lines += ["```", "", "```", "y", "```", "", "```text", "    z", "```"]
    assert [line for line, _ in strays("\n".join(lines))] == [3, 9, 13]


def test_the_extraction_itself():
    text = "\n".join(
        [
            "<!-- not run: it needs a cloud -->",
            "```sh",
            "rm -rf /",
            "```",
            "- item",
            "  ```python",
            "  x = 1",
            "    # indented",
            "  ```",
            "```json",
            "{}",
            "```",
        ]
    )
    assert list(blocks(text)) == [
        Block(3, "sh", "rm -rf /\n", "it needs a cloud"),
        Block(7, "python", "x = 1\n  # indented\n", None),
    ]
