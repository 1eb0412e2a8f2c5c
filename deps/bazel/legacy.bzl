"""Where the archives written by others lie, if this machine has them.

`@ncore_legacy//:defs.bzl` says it as LEGACY_DIR: what the environment variable
NCORE_LEGACY_DIR holds, else `../shared/legacy` beside the workspace, else "".
Tests read the files there by absolute path, which a sandbox leaves readable,
except under /tmp: from there they are copied. Where LEGACY_DIR is empty the
tests report that they were skipped.
"""

def _legacy_impl(repository_ctx):
    place = repository_ctx.os.environ.get("NCORE_LEGACY_DIR", "")
    if place:
        path = repository_ctx.workspace_root.get_child(place) if place[0] != "/" else repository_ctx.path(place)
    else:
        path = repository_ctx.path(str(repository_ctx.workspace_root) + "/../shared/legacy")
    directory = str(path.realpath) if path.exists else ""
    if directory.startswith("/tmp/"):
        directory = str(repository_ctx.path("archives"))
        result = repository_ctx.execute(["cp", "-rL", path, directory])
        if result.return_code:
            fail("cannot copy {}: {}".format(path, result.stderr))
    repository_ctx.file("BUILD.bazel", "")
    repository_ctx.file("defs.bzl", "LEGACY_DIR = {}\n".format(repr(directory)))

_legacy_repository = repository_rule(
    implementation = _legacy_impl,
    environ = ["NCORE_LEGACY_DIR"],
    # Looked for again whenever the server starts.
    local = True,
)

legacy = module_extension(
    implementation = lambda _module_ctx: _legacy_repository(name = "ncore_legacy"),
)
