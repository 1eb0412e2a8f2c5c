"""Choices are checked when they are made, by the `Literal` that their field is declared with."""

from typing import Any, Literal, get_args, get_origin, get_type_hints

from ncore.convert.errors import OptionError


def check_choices(options: Any) -> None:
    """Refuse a dataclass whose field has a value that its `Literal` does not list.

    Raises:
        OptionError: a choice does not exist.
    """
    for name, hint in get_type_hints(type(options)).items():
        if get_origin(hint) is Literal and getattr(options, name) not in get_args(hint):
            listed = ", ".join(get_args(hint))
            raise OptionError(f"{name}={getattr(options, name)!r} is none of {listed}")
