"""Writes the BUILD.bazel files from the imports in the Python files.

Example::

    python tools/update_build_files.py            # write what has changed
    python tools/update_build_files.py --check    # only say what is stale, exit 1

Every module becomes a `py_library`, every `x_test.py` a `pytest_test`, every
script of tools/ and benchmarks/ a `py_binary`, and a package's `__init__.py`
two targets: `:__init__` is the file alone, which each module of the package
depends on, and the target named like the package is what `import package`
needs, including all that the face exports lazily (its imports under
`if TYPE_CHECKING:`). Imports under `TYPE_CHECKING` count nowhere else.

What imports do not tell stands in comments of the Python file::

    # bazel: data = ["//deps:files", "testdata/**"]    files read at run time, labels or patterns
    # bazel: deps = ["@pypi//aiohttp", "ncore.itar.reader"]    modules imported by name
    # bazel: size = "medium"    and likewise: timeout, tags, shard_count, env
    # bazel: optional = ["torch"]    imports that may be missing, so no dependency

A list may go over several comments of one name. A test that speaks of
NCORE_LEGACY_DIR, itself or through a helper of the tests, gets that variable. A
hand-written end of a BUILD file, below a line `# Written by hand from here
on.`, is kept.
"""

import argparse
import sys
from pathlib import Path

# Run as a script or as a module: `tools` is no installed package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.build_files.generate import Problem, stale_files


def main(argv: list[str] | None = None) -> int:
    """Write or check the BUILD files; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(__doc__.splitlines()[2:]),
    )
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if stale")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    args = parser.parse_args(argv)
    try:
        stale = stale_files(args.root)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    for path, text in stale.items():
        name = path.relative_to(args.root)
        if args.check:
            print(f"{name} is stale: python tools/update_build_files.py", file=sys.stderr)
        elif text is None:
            print(f"removed {name}")
            path.unlink()
        else:
            print(f"wrote {name}")
            path.write_text(text)
    return int(args.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
