"""Maps from the type strings in stored parameters to the classes that read them."""

from typing import Generic, TypeVar

from ncore.data.errors import DataTypeError, UnknownModelTypeError

BaseT = TypeVar("BaseT")


class TypeRegistry(Generic[BaseT]):
    """Classes by type string; open for user-defined ones."""

    def __init__(self, kind: str) -> None:
        """Create an empty registry; ``kind`` names it in messages."""
        self._kind = kind
        self._classes: dict[str, type[BaseT]] = {}
        self._aliases: dict[str, str] = {}

    def register(self, type_name: str, parameters_class: type[BaseT]) -> None:
        """Add a class. Adding the same class again does nothing.

        Raises:
            DataTypeError: the type string is empty or no string.
            UnknownModelTypeError: another class has this type string (a ValueError).
        """
        if not isinstance(type_name, str) or not type_name:
            raise DataTypeError(
                f"{parameters_class.__qualname__}.type() must return a non-empty string, "
                f"not {type_name!r}"
            )
        known = self._classes.setdefault(self._aliases.get(type_name, type_name), parameters_class)
        if known is not parameters_class:
            raise UnknownModelTypeError(
                f"{self._kind} {type_name!r} is already registered for {known.__qualname__}"
            )

    def alias(self, alias: str, type_name: str) -> None:
        """Let an old type string stand for a registered one when reading."""
        self._aliases[alias] = type_name

    def get(self, type_name: str) -> type[BaseT]:
        """Return the class for a type string.

        Raises:
            UnknownModelTypeError: no class is registered for it (a ValueError).
        """
        try:
            return self._classes[self._aliases.get(type_name, type_name)]
        except (KeyError, TypeError):
            raise UnknownModelTypeError(
                f"Unknown {self._kind}: {type_name} (known: {', '.join(sorted(self._classes))})"
            ) from None
