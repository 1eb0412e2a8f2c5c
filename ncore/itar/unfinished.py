"""What to say of an archive that is not there: perhaps it is only not finished."""

import os
from pathlib import Path

from ncore.itar.lock import who_writes
from ncore.itar.partial_target import partial_path


def describe_missing(name: str, path: str | os.PathLike[str]) -> str:
    """Return the message for an archive of which no file exists.

    Args:
        name: how messages call it.
        path: where it would be.
    """
    archive = Path(path)
    partial = partial_path(archive)
    if not partial.exists():
        return f"{name}: no such file"
    writer = who_writes(archive)
    if writer is not None:
        return (
            f"{name}: no such file yet: it appears when its writer is closed ({writer}); until "
            f"then it is {partial.name}"
        )
    return (
        f"{name}: no such file, but {partial.name} is there: its writer was not closed. "
        f"`ncore itar recover {name}` makes an archive of it"
    )
