"""From the Python files of the workspace to the text of its BUILD files."""

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.build_files.cycles import absolute, refuse_cycles
from tools.build_files.imports import Import, Problem, Source, read_source
from tools.build_files.layers import MAY_IMPORT, TOPS, layer_of, visibility
from tools.build_files.starlark import package_visibility, rule

__all__ = ["Problem", "stale_files"]

BY_HAND = "# Written by hand from here on."
HEADER = "# Written by tools/update_build_files.py from the imports.\n\n"

# Import names whose distribution is named otherwise.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl_py",
    "dateutil": "python_dateutil",
    "upath": "universal_pathlib",
    "yaml": "pyyaml",
}
# Folders without targets: a pattern such as "testdata/**" would stop at a package.
NO_PACKAGES = {"__pycache__", "testdata"}
# pytest_test brings these.
OF_EVERY_TEST = {"@pypi//pytest", "@pypi//pytest_asyncio", "@pypi//pytest_timeout"}
# A module that imports one of these is of use to tests alone.
TEST_ONLY = {"hypothesis", "moto", "pytest", "pytest_asyncio"}


def stale_files(root: Path) -> dict[Path, str | None]:
    """Return the BUILD files that are not as they should be, with their new text.

    ``None`` stands for a generated file in a folder that has no Python any more.

    Raises:
        Problem: a file has an import that no target stands for, or that its
            layer may not have.
    """
    wanted = _Workspace(root).build_files()
    stale: dict[Path, str | None] = {}
    for top in TOPS:
        for path in sorted((root / top).rglob("BUILD.bazel")):
            if path not in wanted and path.read_text().startswith(HEADER.strip()):
                stale[path] = None
    for path, text in wanted.items():
        old = path.read_text() if path.exists() else ""
        if BY_HAND in old:
            text += "\n" + old[old.index(BY_HAND) :]
        if text != old:
            stale[path] = text
    return stale


class _Workspace:
    """All Python files of a workspace, and which target each is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.locked = _locked(root / "deps")
        self.sources = [read_source(root, path) for path in _python_files(root)]
        self.modules = {source.module: source for source in self.sources}
        self.test_only = self._spread(self._starts_as_test_only)
        self.legacy = self._spread(lambda source: source.reads_legacy)
        # What others import of a script, or name, is a library beside its py_binary.
        self.imported = {
            target.module
            for source in self.sources
            for import_ in source.runtime
            for target in self._targets(import_)
        } | {name for source in self.sources for name in source.directives.get("deps", [])}

    def build_files(self) -> dict[Path, str]:
        folders = defaultdict(list)
        for source in self.sources:
            self._check_layer(source)
            folders[source.path.parent].append(source)
        rules = {
            folder: [rule for source in sources for rule in self._rules(source)]
            for folder, sources in sorted(folders.items())
        }
        refuse_cycles(
            {
                f"//{folder}:{attributes['name']}": [
                    absolute(label, folder) for label in attributes["deps"]
                ]
                for folder, calls in rules.items()
                for _, attributes in calls
            }
        )
        return {
            self.root / folder / "BUILD.bazel": self._build_file(folder, calls)
            for folder, calls in rules.items()
        }

    def _build_file(self, folder: Path, rules: list[tuple[str, dict[str, Any]]]) -> str:
        loads = {
            "pytest_test": "//deps/bazel:pytest_test.bzl",
            "wheel_files": "//deps/bazel:wheel.bzl",
            "py_binary": "@rules_python//python:py_binary.bzl",
            "py_library": "@rules_python//python:py_library.bzl",
        }
        if folder.parts[0] == "ncore":
            rules = [*rules, ("wheel_files", {"name": "wheel_files"})]
        kinds = {kind for kind, _ in rules}
        lines = [f'load("{loads[kind]}", "{kind}")\n' for kind in loads if kind in kinds]
        # buildifier: other repositories first.
        lines.sort(key=lambda line: (not line.startswith('load("@'), line))
        names = [attributes["name"] for _, attributes in rules]
        for name in names:
            if names.count(name) > 1:
                raise Problem(f"{folder}: two targets would be named {name!r}; rename a file")
        return "\n".join(
            [
                HEADER + "".join(lines),
                package_visibility(visibility(str(folder))),
                *(rule(kind, attributes) for kind, attributes in rules),
            ]
        )

    def _rules(self, source: Source) -> Iterable[tuple[str, dict[str, Any]]]:
        attributes = self._attributes(source)
        stem = source.path.stem
        if source.is_test:
            tests_own = set(attributes["deps"]) - OF_EVERY_TEST
            attributes["deps"] = sorted(tests_own)
            attributes["legacy"] = self._uses(source, self.legacy)
            yield "pytest_test", {"name": stem, **attributes}
            if source.module in self.imported:
                # Another test uses a helper of this one.
                library = {key: attributes[key] for key in ("srcs", "data", "deps")}
                yield "py_library", {"name": self._name(source), "testonly": True, **library}
            return
        attributes["testonly"] = source.module in self.test_only
        if _parent_is_plain_folder(source, self.modules):
            # Its imports begin at the workspace.
            attributes["imports"] = ["/".join([".."] * len(source.path.parent.parts))]
        if source.is_init:
            yield "py_library", {"name": "__init__", **attributes}
            face = sorted(self._exported(source))
            yield (
                "py_library",
                {
                    "name": source.path.parent.name,
                    "testonly": attributes["testonly"],
                    "visibility": ["//visibility:public"] if source.module in self.public else [],
                    "deps": [":__init__", *face],
                },
            )
            return
        if self._is_binary(source):
            if source.module in self.imported:
                yield "py_library", {"name": self._name(source), **attributes}
                attributes = {
                    "deps": [f":{self._name(source)}"],
                    "srcs": attributes["srcs"],
                    "testonly": attributes["testonly"],
                }
            yield "py_binary", {"name": stem, **attributes}
            return
        yield "py_library", {"name": self._name(source), **attributes}

    @property
    def public(self) -> set[str]:
        """Packages that users outside may depend on: the layers, but not the command lines."""
        return {
            module
            for module, source in self.modules.items()
            if source.is_init and module.split(".")[0] == "ncore" and layer_of(module) != "cli"
        }

    def _attributes(self, source: Source) -> dict[str, Any]:
        directives = source.directives
        data = list(directives.get("data", []))
        if source.module == "ncore":
            data.append("py.typed")
        attributes: dict[str, Any] = {
            key: directives[key]
            for key in ("env", "shard_count", "size", "tags", "timeout")
            if key in directives
        }
        return {
            **attributes,
            "srcs": [source.path.name],
            "data": data,
            "deps": sorted(self._dependencies(source)),
        }

    def _dependencies(self, source: Source) -> set[str]:
        optional = set(source.directives.get("optional", []))
        found = set()
        for import_ in source.runtime:
            if import_.module.split(".")[0] in optional:
                continue
            found |= self._labels(source, import_)
        if source.exports and not source.is_init:
            found |= self._exported(source)
        for dependency in source.directives.get("deps", []):
            if ":" in dependency or "/" in dependency:
                found.add(dependency)
            else:
                found |= self._labels(source, Import(dependency, None, 1))
        found |= self._init_labels(source)
        if source.is_test:
            found |= {
                self._relative(source, conftest)
                for folder in (source.path.parent, *source.path.parent.parents)
                if (conftest := self.modules.get(".".join([*folder.parts, "conftest"])))
            }
        return found

    def _init_labels(self, source: Source) -> set[str]:
        """The `__init__.py` files that importing `source` runs, save those that import it."""
        packages = source.package.split(".") if source.package else []
        if source.is_init:
            packages = packages[:-1]
        for depth in range(len(packages), 0, -1):
            init = self.modules.get(".".join(packages[:depth]))
            if init and init.is_init:
                imported = {t.module for i in init.runtime for t in self._targets(i)}
                return set() if source.module in imported else {self._relative(source, init)}
        return set()

    def _exported(self, source: Source) -> set[str]:
        """What a lazy face leads to."""
        listed = {(i.module, i.name) for i in source.typing}
        lazy = {(module, name) for name, module in source.exports.items()}
        if source.exports and listed != lazy:
            names = sorted({name or module for module, name in listed ^ lazy})
            raise Problem(
                f"{source.path}: imported under TYPE_CHECKING or named to lazy_exports, "
                f"not both alike: {', '.join(names)}"
            )
        return {label for import_ in source.typing for label in self._labels(source, import_)}

    def _labels(self, source: Source, import_: Import) -> set[str]:
        """The targets that an import needs; none for the standard library and itself."""
        targets = self._targets(import_)
        if not targets:
            return self._outside(source, import_)
        first = targets[0]
        inside = f"{source.module}.".startswith(f"{first.module}.") and not source.is_test
        if first.is_init and import_.name is None and not inside:
            return {f"//{first.path.parent}"}
        return {self._relative(source, target) for target in targets if target is not source}

    def _outside(self, source: Source, import_: Import) -> set[str]:
        top = import_.module.split(".")[0]
        if top in sys.stdlib_module_names or top == "__future__":
            return set()
        if (self.root / top).is_dir() and top in TOPS:
            raise Problem(f"{source.path}:{import_.line}: no module {import_.module}")
        name = DISTRIBUTIONS.get(top, top).lower()
        if name not in self.locked:
            raise Problem(
                f"{source.path}:{import_.line}: import {top}: no lockfile under deps/ has "
                f"{name}; add it to an .in file, or say # bazel: optional = [{top!r}]"
            )
        return {f"@pypi//{name}"}

    def _targets(self, import_: Import) -> list[Source]:
        """The modules of the workspace that an import names, and leads to through lazy faces."""
        if import_.name is not None:
            exact = self.modules.get(f"{import_.module}.{import_.name}")
            if exact:
                return [exact]
        found = []
        target = self.modules.get(import_.module)
        while target and target not in found:
            found.append(target)
            target = self.modules.get(target.exports.get(import_.name or "", ""))
        return found

    def _relative(self, source: Source, target: Source) -> str:
        name = self._name(target)
        if target.path.parent == source.path.parent:
            return f":{name}"
        folder = target.path.parent
        return f"//{folder}" if folder.name == name else f"//{folder}:{name}"

    def _name(self, target: Source) -> str:
        if target.is_init:
            return "__init__"
        stem = target.path.stem
        if target.is_test or self._is_binary(target):
            return f"{stem}_lib"
        has_face = (target.package in self.modules) and self.modules[target.package].is_init
        return f"{stem}_module" if has_face and stem == target.path.parent.name else stem

    def _is_binary(self, source: Source) -> bool:
        return source.is_script and source.path.parts[0] in ("tools", "benchmarks")

    def _starts_as_test_only(self, source: Source) -> bool:
        return (
            source.path.parts[0] == "tests"
            or source.is_test
            or source.path.name == "conftest.py"
            or any(i.module.split(".")[0] in TEST_ONLY for i in source.runtime)
        )

    def _spread(self, starts: Any) -> set[str]:
        """Modules for which `starts` holds, and those that import one of them."""
        marked = {module for module, source in self.modules.items() if starts(source)}
        while True:
            more = {m for m, s in self.modules.items() if m not in marked and self._uses(s, marked)}
            if not more:
                return marked
            marked |= more

    def _uses(self, source: Source, marked: set[str]) -> bool:
        if source.is_test and source.reads_legacy and marked is self.legacy:
            return True
        targets = (target for import_ in source.runtime for target in self._targets(import_))
        conftests = (
            ".".join([*folder.parts, "conftest"])
            for folder in (source.path.parent, *source.path.parent.parents)
            if source.is_test
        )
        return any(t.module in marked for t in targets) or any(c in marked for c in conftests)

    def _check_layer(self, source: Source) -> None:
        parts = source.path.parts
        if parts[0] != "ncore":
            return
        own = layer_of(source.module)
        if len(parts) > 2 and own is None:
            raise Problem(
                f"{source.path}: no layer {parts[1]!r}; add it to MAY_IMPORT in layers.py"
            )
        for import_ in source.runtime:
            others = {layer_of(target.module) for target in self._targets(import_)} - {None, own}
            if others and (own is None or not others <= set(MAY_IMPORT[own])):
                raise Problem(
                    f"{source.path}:{import_.line}: {own or 'the ground of ncore'} may not import "
                    f"{import_.module} (see MAY_IMPORT in tools/build_files/layers.py)"
                )


def _python_files(root: Path) -> list[Path]:
    found = []
    for top in TOPS:
        for folder, folders, files in os.walk(root / top):
            folders[:] = sorted(f for f in folders if f[0] != "." and f not in NO_PACKAGES)
            found += [
                (Path(folder) / f).relative_to(root) for f in sorted(files) if f[-3:] == ".py"
            ]
    return found


def _parent_is_plain_folder(source: Source, modules: dict[str, Source]) -> bool:
    """Whether no package encloses the file, so that nothing else names its import root."""
    packages = source.package.split(".")
    if source.is_init:
        packages = packages[:-1]
    return not any(".".join(packages[:depth]) in modules for depth in range(1, len(packages) + 1))


def _locked(deps: Path) -> set[str]:
    names: set[str] = set()
    for path in deps.glob("requirements_*.txt"):
        found = re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)", path.read_text(), re.MULTILINE)
        names |= {name.lower().replace("-", "_").replace(".", "_") for name in found}
    return names
