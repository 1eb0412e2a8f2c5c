"""One pytest file as one Bazel test."""

load("@ncore_legacy//:defs.bzl", "LEGACY_DIR")
load("@rules_python//python:py_test.bzl", "py_test")

_CONFIG = "//:pyproject.toml"
_MAIN = "//deps/bazel:pytest_main.py"
_TIMEOUTS = {
    "enormous": "eternal",
    "large": "eternal",
    "medium": "long",
    "small": "moderate",
}

def pytest_test(name, srcs, data = [], deps = [], env = {}, legacy = False, size = "small", timeout = None, **kwargs):
    """Runs one test file under pytest, configured as pyproject.toml says.

    `--test_filter=EXPRESSION` is pytest's `-k`; sharding and the XML report work.

    Args:
      name: name of the target.
      srcs: the test file.
      data: files that the test reads.
      deps: what the test file imports.
      env: environment variables.
      legacy: whether the test reads the archives that NCORE_LEGACY_DIR names.
      size: as for any test.
      timeout: as for any test; by default one step longer than the size's own,
        for machines that have other things to do.
      **kwargs: further attributes of `py_test`.
    """
    if legacy and LEGACY_DIR:
        env = dict(env, NCORE_LEGACY_DIR = LEGACY_DIR)
    py_test(
        name = name,
        size = size,
        srcs = srcs + [_MAIN],
        args = ["$(rootpath {})".format(src) for src in srcs],
        data = data + [label for label in [_CONFIG] if label not in data],
        env = env,
        main = _MAIN,
        timeout = timeout or _TIMEOUTS[size],
        deps = deps + [
            "@pypi//pytest",
            "@pypi//pytest_asyncio",
            "@pypi//pytest_timeout",
        ],
        **kwargs
    )
