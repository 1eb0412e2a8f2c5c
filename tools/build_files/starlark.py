"""BUILD files as text, in the form that buildifier leaves alone."""

from collections.abc import Mapping
from typing import Any

# buildifier's order of attributes: these first or last, others by name between.
_FIRST = ("name", "size", "timeout", "testonly", "srcs", "data", "env")
_LAST = ("visibility", "deps")


def label_key(label: str) -> tuple[int, list[str], str]:
    """Sort key of a label as buildifier sorts: own package, workspace, others."""
    phase = 1 if label.startswith(":") else 2 if label.startswith("//") else 4
    if not label.startswith((":", "//", "@")):
        phase = 0
    return phase, label.replace(":", ".").split("."), label


def rule(kind: str, attributes: Mapping[str, Any]) -> str:
    """One call of a rule; attributes that are empty are left out."""
    names = [name for name, value in attributes.items() if value not in (None, [], {}, False)]
    order = {name: (0, i, "") for i, name in enumerate(_FIRST)}
    order |= {name: (2, i, "") for i, name in enumerate(_LAST)}
    names.sort(key=lambda name: order.get(name, (1, 0, name)))
    lines = [f"    {name} = {_value(attributes[name])},\n" for name in names]
    return f"{kind}(\n{''.join(lines)})\n"


def package_visibility(labels: list[str]) -> str:
    """The `package` call on top of a BUILD file."""
    return f"package(default_visibility = {_value(labels, indent='')})\n"


def _value(value: Any, indent: str = "    ") -> str:
    if isinstance(value, list):
        patterns = [item for item in value if "*" in item]
        labels = [item for item in value if "*" not in item]
        if patterns:
            globbed = f"glob({_list(patterns, indent)})"
            return f"{_list(labels, indent)} + {globbed}" if labels else globbed
        return _list(labels, indent)
    if isinstance(value, dict):
        lines = "".join(f"{indent}    {_text(k)}: {_text(v)},\n" for k, v in sorted(value.items()))
        return f"{{\n{lines}{indent}}}" if len(value) > 1 else f"{{{lines.strip()[:-1]}}}"
    return _text(value) if isinstance(value, str) else repr(value)


def _list(items: list[str], indent: str) -> str:
    if len(items) == 1:
        return f"[{_text(items[0])}]"
    lines = "".join(f"{indent}    {_text(item)},\n" for item in sorted(items, key=label_key))
    return f"[\n{lines}{indent}]"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
