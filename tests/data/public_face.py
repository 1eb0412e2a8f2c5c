"""Names and signatures of a package called ncore, as plain data.

Run with the original, this writes ``peer_face.json``, with which
``public_face_test.py`` compares this project::

    cd /tmp && …/legacy/bin/python …/tests/data/public_face.py > peer_face.json
"""

import enum
import importlib
import inspect
import json

PUBLIC = ["ncore.data", "ncore.data.v4", "ncore.data_converter"]
IMPLEMENTATION = [
    "ncore.impl.common.transformations",
    "ncore.impl.data.compat",
    "ncore.impl.data.stores",
    "ncore.impl.data.types",
    "ncore.impl.data.util",
    "ncore.impl.data.v4.components",
    "ncore.impl.data.v4.types",
]
_SPECIAL = ("__init__", "__len__", "__iter__", "__contains__", "__getitem__", "__call__")


def describe_module(name):
    """Describe what a module offers: of a public one ``__all__``, else what it defines."""
    module = importlib.import_module(name)
    if name in PUBLIC:
        names = module.__all__
    else:
        names = [n for n, v in vars(module).items() if getattr(v, "__module__", None) == name]
    found = {n: describe(getattr(module, n)) for n in names if not n.startswith("_")}
    return {n: found[n] for n in sorted(found) if found[n] is not None}


def describe(value):
    """Describe a class or a function; None for anything else (type variables, unions)."""
    if inspect.isclass(value):
        return describe_class(value)
    return {"function": parameters(value)} if inspect.isfunction(value) else None


def describe_class(cls):
    """Describe a class with what it inherits from classes of the package."""
    if issubclass(cls, enum.Enum):
        return {"enum": [[m.name, m.value] for m in cls], "members": members(cls)}
    return {"class": members(cls)}


def members(cls):
    """Describe the public members of a class, by name."""
    found = {}
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("ncore."):
            continue
        for name, value in vars(base).items():
            if name.startswith("_") and name not in _SPECIAL:
                continue
            found[name] = member(name, value, cls)
    return {name: found[name] for name in sorted(found) if found[name] is not None}


def member(name, value, cls):
    """Describe one attribute of a class."""
    if isinstance(value, staticmethod):
        return {"static": parameters(value.__func__)}
    if isinstance(value, classmethod):
        return {"classmethod": parameters(value.__func__)[1:]}
    if isinstance(value, property) or type(value).__name__ == "cached_property":
        return "property"
    if inspect.isfunction(value):
        return {"method": parameters(value)[1:]}
    if inspect.isclass(value) and value.__module__.startswith("ncore."):
        return describe_class(value)
    return None


def parameters(function):
    """Describe parameters as [name, kind, default]; the default is absent where there is none."""
    found = []
    for parameter in inspect.signature(function).parameters.values():
        entry = [parameter.name, parameter.kind.name]
        if parameter.default is not parameter.empty:
            entry.append(default(parameter.default))
        found.append(entry)
    return found


def default(value):
    """Describe a default so that equal ones of two packages give equal text."""
    if isinstance(value, enum.Enum):
        return value.name
    if inspect.isclass(value):
        return value.__name__
    if inspect.isfunction(value):
        return "a function"
    if isinstance(value, dict):
        return {str(key): default(item) for key, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {key: default(getattr(value, key)) for key in value.__dataclass_fields__}
    if type(value).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
        return "a factory"
    return repr(value)


def dump(face):
    """Return JSON with one line for each name."""
    modules = (
        f"{json.dumps(module)}: {{\n"
        + ",\n".join(
            f"  {json.dumps(name)}: {json.dumps(what, sort_keys=True)}"
            for name, what in sorted(names.items())
        )
        + "\n }"
        for module, names in sorted(face.items())
    )
    return "{\n " + ",\n ".join(modules) + "\n}"


if __name__ == "__main__":
    print(dump({name: describe_module(name) for name in PUBLIC + IMPLEMENTATION}))
