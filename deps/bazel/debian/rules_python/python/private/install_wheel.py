"""Installs one locked wheel and prints the BUILD file of its repository.

Usage: install_wheel.py REQUIREMENTS_FILE TARGET_DIRECTORY HUB
"""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

BUILD = """\
load("@{hub}//:locked.bzl", "LOCKED")

package(default_visibility = ["//visibility:public"])

# The whole directory is one input: a wheel may have thousands of files, and a
# sandbox would hold a link to each.
py_library(
    name = "pkg",
    data = {data},
    imports = {imports},
    deps = ["@{hub}//" + name for name in {needed} if name in LOCKED],
)
"""


def label_name(name: str) -> str:
    """The name of a distribution as a Bazel target."""
    return canonicalize_name(name).replace("-", "_")


def install(requirements: str, target: str) -> None:
    """Install what the file `requirements` names into `target`, checking hashes."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    subprocess.run(
        [
            *pip,
            *("--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile"),
            *("--no-warn-script-location", "--root-user-action=ignore"),
            *("--requirement", requirements, "--target", target),
        ],
        check=True,
        stdout=sys.stderr,
    )


def dependencies(target: str, requested: Requirement) -> set[str]:
    """Label names of what the distribution in `target` requires here, with the extras asked for."""
    (distribution,) = metadata.distributions(path=[target])
    needed = set()
    for line in distribution.requires or ():
        requirement = Requirement(line)
        extras = ["", *requested.extras]
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in extras
        ):
            needed.add(label_name(requirement.name))
    return needed - {label_name(requested.name)}


def main() -> None:
    """Install and print the BUILD file."""
    requirements, target, hub = sys.argv[1:]
    install(requirements, target)
    if not Path(target).is_dir():
        # Its marker excludes this platform.
        print(BUILD.format(hub=hub, data=[], imports=[], needed=[]))
        return
    first = Path(requirements).read_text().split("\\\n")[0]
    needed = dependencies(target, Requirement(first.strip()))
    for name in ("BUILD", "BUILD.bazel", "WORKSPACE", "WORKSPACE.bazel", "MODULE.bazel"):
        # A wheel that was built by Bazel may carry such; here they would split the directory.
        for path in Path(target).rglob(name):
            if path.is_file():
                path.unlink()
    print(BUILD.format(hub=hub, data=[target], imports=[target], needed=sorted(needed)))


if __name__ == "__main__":
    main()
