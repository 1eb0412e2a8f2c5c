"""The BUILD files follow from the imports, and say so when they cannot."""
# bazel: deps = ["tools.update_build_files"]

import os
import re
from pathlib import Path

import pytest

from tools.build_files.generate import BY_HAND, Problem, stale_files
from tools.update_build_files import main

WORKSPACE = Path(__file__).parent.parent


@pytest.fixture
def workspace(tmp_path):
    """A function that writes files and returns the BUILD files that follow, without spaces."""
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps" / "requirements_3_13.txt").write_text("numpy==2\npillow==11\npytest==9\n")

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return {
            str(path.parent.relative_to(tmp_path)): re.sub(r"\s+", "", text or "")
            for path, text in stale_files(tmp_path).items()
        }

    write.root = tmp_path
    return write


def _rule(build, name):
    return next(r for r in re.split(r"(?=py_library\(|pytest_test\(|py_binary\()", build)
                if f'name="{name}"' in r)  # fmt: skip


@pytest.mark.skipif(
    "TEST_WORKSPACE" in os.environ, reason="Bazel shows a test only the files that it declares"
)
def test_the_build_files_of_this_workspace_are_up_to_date():
    assert [str(path) for path in stale_files(WORKSPACE)] == []


def test_a_module_depends_on_what_it_imports(workspace):
    build = workspace(
        {
            "ncore/__init__.py": "",
            "ncore/errors.py": "import os",
            "ncore/itar/__init__.py": "",
            "ncore/itar/reader.py": "import PIL.Image, numpy as np\nfrom ncore import errors\n"
            "def f():\n    from . import index\n",
            "ncore/itar/index.py": "from ncore.errors import NcoreError",
        }
    )
    reader = _rule(build["ncore/itar"], "reader")
    assert 'deps=[":__init__",":index","//ncore:errors","@pypi//numpy","@pypi//pillow",]' in reader
    assert "errors" in _rule(build["ncore"], "errors")
    assert 'visibility=["//visibility:public"]' in _rule(build["ncore/itar"], "itar")


def test_a_lazy_face_depends_on_what_it_exports_and_nothing_depends_on_the_face(workspace):
    face = (
        "from typing import TYPE_CHECKING\n"
        "from ncore._lazy import lazy_exports\n"
        "if TYPE_CHECKING:\n    from ncore.itar.reader import Reader as Reader\n"
        '__getattr__, __dir__, __all__ = lazy_exports(__name__, {"Reader": "ncore.itar.reader"})\n'
    )
    build = workspace(
        {
            "ncore/__init__.py": "",
            "ncore/_lazy.py": "",
            "ncore/itar/__init__.py": face,
            "ncore/itar/reader.py": "",
            "ncore/itar/reader_test.py": "from ncore.itar import Reader",
            "ncore/itar/face_test.py": "import ncore.itar",
            "ncore/stores/__init__.py": "import ncore.itar",
        }
    )
    assert 'deps=["//ncore:__init__","//ncore:_lazy",]' in _rule(build["ncore/itar"], "__init__")
    assert 'deps=[":__init__",":reader",]' in _rule(build["ncore/itar"], "itar")
    assert 'deps=[":__init__",":reader",]' in _rule(build["ncore/itar"], "reader_test")
    assert '"//ncore/itar"' in _rule(build["ncore/itar"], "face_test")
    assert '"//ncore/itar"' in _rule(build["ncore/stores"], "__init__")

    # A face of a face, in a module that is no package.
    build = workspace(
        {
            "ncore/stores/__init__.py": "",
            "ncore/stores/names.py": face.replace("ncore.itar.reader", "ncore.itar"),
            "ncore/stores/use_test.py": "from ncore.stores.names import Reader",
        }
    )
    assert '"//ncore/itar:reader"' in _rule(build["ncore/stores"], "names")
    assert 'deps=[":__init__",":names","//ncore/itar:__init__","//ncore/itar:reader",]' in _rule(
        build["ncore/stores"], "use_test"
    )

    with pytest.raises(Problem, match="TYPE_CHECKING"):
        workspace({"ncore/itar/__init__.py": face.replace('{"Reader"', '{"Other"')})


def test_types_alone_are_no_dependency(workspace):
    build = workspace(
        {
            "tools/a.py": "import typing\nif typing.TYPE_CHECKING:\n    import tools.b\n",
            "tools/b.py": "import tools.a",
        }
    )
    assert "deps" not in _rule(build["tools"], "a")
    assert 'deps=[":a"]' in _rule(build["tools"], "b")


def test_a_layer_may_not_import_one_below_it(workspace):
    files = {
        "ncore/__init__.py": "",
        "ncore/itar/__init__.py": "",
        "ncore/itar/reader.py": "from ncore.stores import store",
        "ncore/stores/__init__.py": "",
        "ncore/stores/store.py": "",
    }
    with pytest.raises(Problem, match=r"ncore/itar/reader.py:1: itar may not import ncore.stores"):
        workspace(files)
    files["ncore/itar/reader.py"] = ""
    build = workspace(files)
    assert "//ncore/stores:__subpackages__" in build["ncore/itar"]
    assert "//ncore/itar" not in build["ncore/stores"].replace("//ncore/itar:__init__", "")


def test_an_unknown_layer_is_named(workspace):
    with pytest.raises(Problem, match="no layer 'extra'"):
        workspace({"ncore/__init__.py": "", "ncore/extra/__init__.py": ""})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere", "no lockfile under deps/ has nowhere"),
        ("import tools.nowhere", "no module tools.nowhere"),
        ("import numpy\ndef", "tools/a.py:2: invalid syntax"),
        ("# bazel: colour = 1", "tools/a.py:1: # bazel: colour: not one of"),
        ("# bazel: size = small", "# bazel: size: not a Python literal"),
    ],
)
def test_a_problem_names_the_file(workspace, text, message):
    with pytest.raises(Problem, match=re.escape(message)) as problem:
        workspace({"tools/a.py": text})
    assert str(problem.value).startswith("tools/a.py")


def test_comments_add_what_imports_do_not_tell(workspace):
    build = workspace(
        {
            "tests/a_test.py": '# bazel: data = ["//deps:files", "testdata/**"]\n'
            '# bazel: deps = ["@pypi//numpy", "tests.helper"]\n'
            '# bazel: size = "medium"\n# bazel: optional = ["torch"]\nimport torch\n'
            '# bazel: env = {"A": "1"}\n# bazel: tags = ["manual"]\n# bazel: shard_count = 2\n',
            "tests/helper.py": "",
            "tests/testdata/made_by.py": "import anything",
        }
    )
    assert "tests/testdata" not in build
    rule = _rule(build["tests"], "a_test")
    assert 'size="medium"' in rule
    assert 'data=["//deps:files"]+glob(["testdata/**"])' in rule
    assert 'deps=[":helper","@pypi//numpy",]' in rule
    assert 'env={"A":"1"}' in rule
    assert 'tags=["manual"]' in rule
    assert "shard_count=2" in rule


def test_what_only_tests_use_is_testonly_and_conftest_reaches_every_test(workspace):
    build = workspace(
        {
            "ncore/__init__.py": "",
            "ncore/conftest.py": "import pytest",
            "ncore/itar/__init__.py": "",
            "ncore/itar/testing.py": "import pytest",
            "ncore/itar/reader.py": "",
            "ncore/itar/reader_test.py": "import pytest",
        }
    )
    assert "testonly=True" in _rule(build["ncore/itar"], "testing")
    assert "testonly" not in _rule(build["ncore/itar"], "reader")
    assert 'deps=[":__init__","//ncore:conftest",]' in _rule(build["ncore/itar"], "reader_test")


def test_a_test_that_uses_a_legacy_helper_gets_its_variable(workspace):
    build = workspace(
        {
            "tests/archives.py": 'LEGACY = os.environ.get("NCORE_LEGACY_DIR")',
            "tests/a_test.py": "import tests.archives",
            "tests/b_test.py": "",
        }
    )
    assert "legacy=True" in _rule(build["tests"], "a_test")
    assert "legacy" not in _rule(build["tests"], "b_test")


def test_a_script_is_a_binary_and_a_library_where_tests_import_it(workspace):
    script = 'if __name__ == "__main__":\n    pass\n'
    build = workspace(
        {
            "tools/lock.py": script + "import numpy",
            "tools/other.py": script,
            "tools/lock_test.py": "import tools.lock",
        }
    )["tools"]
    assert 'name="lock",srcs=["lock.py"],deps=[":lock_lib"]' in build
    assert 'deps=["@pypi//numpy"]' in _rule(build, "lock_lib")
    assert 'deps=[":lock_lib"]' in _rule(build, "lock_test")
    assert "py_binary" in _rule(build, "other")


def test_a_test_may_import_from_another(workspace):
    files = {"tests/a_test.py": "import numpy", "tests/b_test.py": "import tests.a_test"}
    build = workspace(files)["tests"]
    assert 'testonly=True,srcs=["a_test.py"]' in _rule(build, "a_test_lib")
    assert 'deps=[":a_test_lib"]' in _rule(build, "b_test")


def test_a_circle_of_imports_is_shown(workspace):
    files = {"tools/a.py": "import tools.b", "tools/b.py": "def f():\n    import tools.a"}
    with pytest.raises(Problem, match=r"//tools:[ab] -> //tools:[ab] -> //tools:[ab];"):
        workspace(files)


def test_main_writes_checks_and_removes(workspace, capsys):
    root = workspace.root
    workspace({"tools/a.py": "", "tests/b.py": ""})
    build = root / "tools" / "BUILD.bazel"
    assert main(["--root", str(root), "--check"]) == 1
    assert "tools/BUILD.bazel is stale" in capsys.readouterr().err
    assert not build.exists()
    assert main(["--root", str(root)]) == 0
    assert main(["--root", str(root), "--check"]) == 0

    build.write_text(build.read_text() + f'\n{BY_HAND}\nexports_files(["x"])\n')
    (root / "tools" / "c.py").write_text("")
    (root / "tests" / "b.py").unlink()
    assert main(["--root", str(root)]) == 0
    assert build.read_text().endswith(f'{BY_HAND}\nexports_files(["x"])\n')
    assert '"c.py"' in build.read_text()
    assert not (root / "tests" / "BUILD.bazel").exists()

    (root / "tools" / "a.py").write_text("import nowhere")
    assert main(["--root", str(root)]) == 1
    assert "nowhere" in capsys.readouterr().err
