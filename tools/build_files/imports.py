"""What a Python file says it needs: its imports and its `# bazel:` comments."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_DIRECTIVE = re.compile(r"^# bazel: (\w+) = (.*)$", re.MULTILINE)
_KNOWN = {"data", "deps", "env", "optional", "shard_count", "size", "tags", "timeout"}


class Problem(Exception):
    """A file that no BUILD file can be written for; the message says which and why."""


@dataclass(frozen=True)
class Import:
    """`import module` (no name) or `from module import name`."""

    module: str
    name: str | None
    line: int


@dataclass
class Source:
    """One Python file.

    Attributes:
        path: relative to the workspace.
        module: dotted name; a package's `__init__.py` has the package's name.
        runtime: imports that run, wherever they stand in the file.
        typing: imports under `if TYPE_CHECKING:`.
        exports: what the file hands to `lazy_exports`, name -> module.
        directives: the `# bazel:` comments.
        is_script: whether it has an `if __name__ == "__main__":`.
        reads_legacy: whether it speaks of NCORE_LEGACY_DIR.
    """

    path: Path
    module: str
    runtime: list[Import] = field(default_factory=list)
    typing: list[Import] = field(default_factory=list)
    exports: dict[str, str] = field(default_factory=dict)
    directives: dict[str, Any] = field(default_factory=dict)
    is_script: bool = False
    reads_legacy: bool = False

    @property
    def package(self) -> str:
        """The dotted name of the folder that the file lies in."""
        return ".".join(self.path.parent.parts)

    @property
    def is_init(self) -> bool:
        """Whether this is a package's `__init__.py`."""
        return self.path.name == "__init__.py"

    @property
    def is_test(self) -> bool:
        """Whether pytest collects the file."""
        return self.path.name.endswith("_test.py")


def read_source(root: Path, path: Path) -> Source:
    """Parse the file `path`, given relative to `root`.

    Raises:
        Problem: the file is no Python, or a `# bazel:` comment makes no sense.
    """
    text = (root / path).read_text(encoding="utf-8")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise Problem(f"{path}:{error.lineno}: {error.msg}") from error
    parts = path.with_suffix("").parts
    source = Source(path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    for key, value in _directives(path, text):
        if isinstance(value, list):  # a long list goes over several comments
            value = [*source.directives.get(key, []), *value]
        source.directives[key] = value
    source.reads_legacy = "NCORE_LEGACY_DIR" in text
    _Visitor(source).visit(tree)
    return source


def _directives(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    for found in _DIRECTIVE.finditer(text):
        key, value = found.groups()
        line = text.count("\n", 0, found.start()) + 1
        if key not in _KNOWN:
            raise Problem(f"{path}:{line}: # bazel: {key}: not one of {', '.join(sorted(_KNOWN))}")
        try:
            yield key, ast.literal_eval(value)
        except (SyntaxError, ValueError) as error:
            raise Problem(f"{path}:{line}: # bazel: {key}: not a Python literal") from error


class _Visitor(ast.NodeVisitor):
    """Collects imports; knows when it is under `if TYPE_CHECKING:`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._imports = source.runtime

    def visit_If(self, node: ast.If) -> None:
        test = ast.unparse(node.test)
        if test in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self._imports = self._source.typing
            for child in node.body:
                self.visit(child)
            self._imports = self._source.runtime
            for child in node.orelse:
                self.visit(child)
            return
        if test == "__name__ == '__main__'":
            self._source.is_script = True
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._imports.append(Import(alias.name, None, node.lineno))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level:
            package = self._source.package.split(".")
            above = package[: len(package) - node.level + 1]
            module = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            self._imports.append(Import(module, alias.name, node.lineno))

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "lazy_exports":
            for argument in node.args:
                if isinstance(argument, ast.Dict):
                    self._source.exports = ast.literal_eval(argument)
        self.generic_visit(node)
