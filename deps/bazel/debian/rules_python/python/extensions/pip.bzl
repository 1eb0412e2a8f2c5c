"""The module extension `pip`: one repository per locked wheel, and a hub of aliases."""

load("//python/private:versions.bzl", "PYTHON", "PYTHON_VERSION")

_ALIASES = """\
package(default_visibility = ["//visibility:public"])

alias(
    name = "{name}",
    actual = "@{wheel}//:pkg",
)

alias(
    name = "pkg",
    actual = "@{wheel}//:pkg",
)
"""

def _normalized(name):
    return name.lower().replace("-", "_").replace(".", "_")

def _entries(lock):
    """Returns the entries of a lockfile with hashes, by normalized name."""
    entries = {}
    current = None
    for line in lock.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isalnum():
            name = line
            for end in "[=<>~!;@ ".elems():
                name = name.split(end)[0]
            current = _normalized(name)

            # Twice where patch releases of Python differ: pip obeys the markers.
            entries[current] = "\n".join([entries[current], line] if current in entries else [line])
        elif current:
            entries[current] += "\n" + line
    return entries

def _wheel_impl(repository_ctx):
    repository_ctx.report_progress("installing")
    repository_ctx.file("requirements.txt", repository_ctx.attr.requirement + "\n")
    result = repository_ctx.execute(
        [
            PYTHON,
            repository_ctx.path(repository_ctx.attr._installer),
            "requirements.txt",
            "site-packages",
            repository_ctx.attr.hub,
        ],
        timeout = 1800,
    )
    if result.return_code:
        fail("pip could not install {}:\n{}{}".format(
            repository_ctx.attr.requirement.split(" ")[0],
            result.stdout,
            result.stderr,
        ))
    repository_ctx.file("BUILD.bazel", result.stdout)

_wheel = repository_rule(
    implementation = _wheel_impl,
    attrs = {
        "hub": attr.string(mandatory = True),
        "requirement": attr.string(mandatory = True),
        "_installer": attr.label(default = "//python/private:install_wheel.py"),
    },
)

def _hub_impl(repository_ctx):
    repository_ctx.file("BUILD.bazel", "")

    # A wheel depends on those of its requirements that are locked. It reads them
    # here, so that a change of the lockfile fetches only what has changed.
    repository_ctx.file("locked.bzl", "LOCKED = {}\n".format(repr(repository_ctx.attr.wheels.keys())))
    for name, wheel in repository_ctx.attr.wheels.items():
        repository_ctx.file(name + "/BUILD.bazel", _ALIASES.format(name = name, wheel = wheel))

_hub = repository_rule(
    implementation = _hub_impl,
    attrs = {"wheels": attr.string_dict()},
)

def _pip_impl(module_ctx):
    for module in module_ctx.modules:
        for parse in module.tags.parse:
            if parse.python_version != PYTHON_VERSION:
                continue
            entries = _entries(module_ctx.read(parse.requirements_lock))
            wheels = {}
            for name, requirement in entries.items():
                wheels[name] = "{}_{}_{}".format(
                    parse.hub_name,
                    PYTHON_VERSION.replace(".", ""),
                    name,
                )
                _wheel(
                    name = wheels[name],
                    hub = parse.hub_name,
                    requirement = requirement,
                )
            _hub(name = parse.hub_name, wheels = wheels)

pip = module_extension(
    implementation = _pip_impl,
    tag_classes = {
        "parse": tag_class(attrs = {
            "hub_name": attr.string(mandatory = True),
            "python_version": attr.string(mandatory = True),
            "requirements_lock": attr.label(mandatory = True),
        }),
    },
)
