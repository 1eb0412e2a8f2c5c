"""Names the repository that `bazel mod tidy` takes its buildozer from; it has none."""

def _no_buildozer_impl(repository_ctx):
    repository_ctx.file("BUILD.bazel", "")

_no_buildozer = repository_rule(implementation = _no_buildozer_impl)

buildozer_binary = module_extension(
    implementation = lambda _module_ctx: _no_buildozer(name = "buildozer_binary"),
)
