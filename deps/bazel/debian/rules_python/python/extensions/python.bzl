"""The module extension `python`: a toolchain over Debian's Python."""

load("//python/private:versions.bzl", "PYTHON", "PYTHON_VERSION")

_BUILD = """\
load("@bazel_tools//tools/python:toolchain.bzl", "py_runtime_pair")

py_runtime(
    name = "runtime",
    interpreter_path = "{interpreter}",
    python_version = "PY3",
    stub_shebang = "#!{python}",
)

py_runtime_pair(
    name = "runtime_pair",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":runtime_pair",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
"""

def _pythons_hub_impl(repository_ctx):
    # A virtual environment, so that neither the machine's nor the user's
    # site-packages are importable.
    repository_ctx.file("venv/pyvenv.cfg", "home = {}\ninclude-system-site-packages = false\n".format(
        PYTHON.rpartition("/")[0],
    ))
    repository_ctx.symlink(PYTHON, "venv/bin/python")
    repository_ctx.file("BUILD.bazel", _BUILD.format(
        interpreter = repository_ctx.path("venv/bin/python"),
        python = PYTHON,
    ))

_pythons_hub = repository_rule(implementation = _pythons_hub_impl)

def _python_impl(module_ctx):
    for module in module_ctx.modules:
        for defaults in module.tags.defaults:
            if defaults.python_version != PYTHON_VERSION:
                fail("Only Python {} is here, not {}. Install bazelisk to build with another.".format(
                    PYTHON_VERSION,
                    defaults.python_version,
                ))
    _pythons_hub(name = "pythons_hub")

python = module_extension(
    implementation = _python_impl,
    tag_classes = {
        "defaults": tag_class(attrs = {
            "python_version": attr.string(mandatory = True),
        }),
        # Other versions may be declared; they are not registered.
        "toolchain": tag_class(attrs = {
            "is_default": attr.bool(),
            "python_version": attr.string(mandatory = True),
        }),
    },
)
