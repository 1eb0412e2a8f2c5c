# bazel: optional = ["keyring"]
"""API tokens of DANDI instances: where they are found, and that they stay unseen.

As dandi-cli does: the environment variable ``{INSTANCE}_API_KEY`` (upper case,
``-`` as ``_``; ``DANDI_API_KEY`` for the instance ``dandi``), else the system's
keyring, service ``dandi-api-{instance}``, user ``key``. A server known by URL
only is called after its ``host:port``; since a shell cannot export such a
name, one with every other character as ``_`` is looked for too. The token of
one instance is never taken for another.
"""

import os
import re
from collections.abc import Mapping

from ncore.transfer.errors import AccessDeniedError


class Token:
    """An API token that prints as asterisks."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret.strip()
        if not re.fullmatch(r"[\x21-\x7e]+", self._secret):
            raise AccessDeniedError("the DANDI API key is empty or holds characters no key has")

    def header(self) -> str:
        """Return the value of ``Authorization``."""
        return f"token {self._secret}"

    def __repr__(self) -> str:
        return "Token(***)"


def variable_names(instance: str) -> list[str]:
    """Return the environment variables that may hold an instance's token."""
    name = instance.upper().replace("-", "_")
    return list(dict.fromkeys((f"{name}_API_KEY", f"{re.sub(r'[^A-Z0-9]', '_', name)}_API_KEY")))


def token_from_environment(instance: str, environ: Mapping[str, str] | None = None) -> Token | None:
    """Return the token that the environment holds for an instance, None if there is none.

    Args:
        instance: Name of the instance (``dandi``, ``localhost:8000``).
        environ: Environment; the process's own if None.
    """
    environ = os.environ if environ is None else environ
    for variable in variable_names(instance):
        if environ.get(variable):
            return Token(environ[variable])
    return None


def token_from_keyring(instance: str) -> Token | None:
    """Return the token that the system's keyring holds, None if there is none.

    May ask the user to unlock it, so it is called only when a server refuses.
    """
    try:
        import keyring  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    try:
        found = keyring.get_password(f"dandi-api-{instance}", "key")
    except Exception:
        # A locked, broken or missing keyring is as good as an empty one.
        return None
    return Token(found) if isinstance(found, str) and found else None
