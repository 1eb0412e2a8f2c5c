"""The wheel, built by the backend that pyproject.toml names."""

# As `exclude` of the wheel in pyproject.toml, and what is no source at all.
_NOT_PACKAGED = [
    "**/*_test.py",
    "**/conftest.py",
    "**/testdata/**",
    "**/__pycache__/**",
    "BUILD.bazel",
]

def wheel_files(name):
    """Groups the files of a package, and of the packages below it, that the wheel holds.

    Args:
      name: name of the group, the same in every package.
    """
    package = native.package_name()
    native.filegroup(
        name = name,
        srcs = native.glob(["**"], exclude = _NOT_PACKAGED) + [
            "//{}/{}:{}".format(package, below, name)
            for below in native.subpackages(include = ["**"], allow_empty = True)
        ],
        visibility = ["//:__subpackages__"],
    )

def wheel(name, distribution, version, srcs):
    """Builds `distribution-version-py3-none-any.whl`, as `python -m build` does.

    Args:
      name: name of the target.
      distribution: name of the distribution.
      version: its version; the build fails if pyproject.toml says another.
      srcs: the sources, pyproject.toml among them.
    """
    native.genrule(
        name = name,
        srcs = srcs,
        outs = ["{}-{}-py3-none-any.whl".format(distribution, version)],
        cmd = "$(execpath //tools:build_wheel) $@ $(SRCS)",
        message = "Building the wheel",
        tools = ["//tools:build_wheel"],
        visibility = ["//visibility:public"],
    )
