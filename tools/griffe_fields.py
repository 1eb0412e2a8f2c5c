"""Griffe extension: shows the default of a dataclass field, not the call that makes the field.

``numpy_array_field(np.float32, default=(1.0, 0.0))`` says how a value is stored; who reads
the reference wants to know what it is if it is not given.
"""

# bazel: optional = ["griffe"]
from typing import Any

import griffe

_MAKERS = ("dtype_field", "enum_field", "json_field", "numpy_array_field")
_ALWAYS_NONE = ("external_distortion_parameters_field",)


class FieldDefaults(griffe.Extension):
    """Replaces the makers of fields by their defaults.

    Where they are told none it is None, which fields that may not be None refuse: those
    have the value ``...``, which tools/mkdocs_api.py shows as required in tables. (Without
    a value the signature would be no Python where one stands behind a field with a value.)
    """

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Replace the value of one attribute (called by Griffe)."""
        call = attr.value
        if not isinstance(call, griffe.ExprCall):
            return
        maker = str(call.function).rpartition(".")[2]
        if maker in _ALWAYS_NONE:
            attr.value = "None"
        elif maker in _MAKERS:
            named = [
                argument.value
                for argument in call.arguments
                if isinstance(argument, griffe.ExprKeyword) and argument.name == "default"
            ]
            positional = [a for a in call.arguments if not isinstance(a, griffe.ExprKeyword)]
            at = 0 if maker == "dtype_field" else 1
            if maker != "json_field":
                named += positional[at : at + 1]
            optional = "None" in str(attr.annotation)
            attr.value = named[0] if named else "None" if optional else "..."
