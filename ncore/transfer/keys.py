"""Keys from outside: which are fit to become file names, and how they are shown.

A listing, an index or a manifest can hold any text as a key. Before a key
names a file it must pass :func:`check_key`; before it reaches a terminal it
goes through :func:`show_key`.
"""

from ncore.itar.safe_path import is_unsafe as is_unsafe
from ncore.itar.safe_path import path_problem
from ncore.itar.safe_path import show_key as show_key
from ncore.transfer.errors import UnsafeKeyError


def check_key(key: str) -> None:
    """Refuse a key that cannot be written below a directory as it stands.

    Raises:
        UnsafeKeyError: The key is empty or absolute, has an empty, ``.`` or
            ``..`` component, or holds a control character.
    """
    why = path_problem(key)
    if why:
        raise UnsafeKeyError(f"refused the key {show_key(key)!r}: {why}")


def parent_of(key: str) -> str:
    """Return the directory part of a key, ``""`` at the top."""
    return key.rpartition("/")[0]


def ancestors(key: str) -> list[str]:
    """Return the directories above a key, topmost first, without the root."""
    parts = key.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]
