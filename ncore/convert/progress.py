"""How a conversion tells what it is doing."""

from typing import Protocol


class Progress(Protocol):
    """Told of the phases of a conversion; called from several threads."""

    def phase(self, name: str, total: int) -> None:
        """A phase begins, of so many bytes."""
        ...

    def advance(self, size: int) -> None:
        """So many bytes more are done."""
        ...


class NoProgress:
    """Tells nobody."""

    def phase(self, name: str, total: int) -> None:  # docstring inherited
        pass

    def advance(self, size: int) -> None:  # docstring inherited
        pass
