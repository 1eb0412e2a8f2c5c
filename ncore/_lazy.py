"""Package faces that import nothing until a name is asked for (PEP 562).

``import ncore.itar`` must stay cheap for a data loader's worker, and a Bazel
target for one module must not drag in its siblings. So a package's
``__init__`` lists its public names and where each lives, and nothing else.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_exports(
    package: str, exports: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for a package face.

    Args:
        package: ``__name__`` of the package.
        exports: public name -> absolute name of the module that defines it.
    """

    def getattr_(name: str) -> Any:
        try:
            module = exports[name]
        except KeyError:
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None
        value = getattr(import_module(module), name)
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        return sorted(exports)

    return getattr_, dir_, sorted(exports)
