"""Refusing a source and a target that are one, or lie inside each other.

What the target "has already" proves nothing when it is the source: a move
would then delete the only copy, a full upload or ``--sync`` what it reads.
Names tell little (links, mounts, letters' case), so directories are known by
device and inode, as far up from either as they exist.
"""

import os
import unicodedata
from pathlib import Path
from typing import Protocol, runtime_checkable

from ncore.stores.replaceable import overlap
from ncore.transfer.backend import Source, Target
from ncore.transfer.errors import LocationError


@runtime_checkable
class OnDisk(Protocol):
    """A backend whose entries are files of this machine, or lie in one.

    Attributes:
        local_path: The directory or file.
        only: The one entry of a directory that it is, else None.
    """

    local_path: Path
    only: str | None


@runtime_checkable
class InBucket(Protocol):
    """A backend whose entries are objects.

    Attributes:
        object_prefix: What the URLs of all its objects begin with; ``""`` for a single one.
    """

    object_prefix: str


def refuse_overlap(source: Source, target: Target) -> None:
    """Refuse a source and a target that share files.

    Raises:
        LocationError: They are the same, or one lies inside the other.
    """
    if isinstance(source, OnDisk) and isinstance(target, OnDisk):
        _refuse_on_disk(source, target, source.url, target.url)
    elif isinstance(source, InBucket) and isinstance(target, InBucket):
        ours, theirs = source.object_prefix, target.object_prefix
        if ours and theirs and (ours.startswith(theirs) or theirs.startswith(ours)):
            raise LocationError(
                f"{source.url}: source and target ({target.url}) are the same, or one lies "
                "inside the other; name another place"
            )


def _refuse_on_disk(source: OnDisk, target: OnDisk, source_url: str, target_url: str) -> None:
    ours, theirs = source.local_path, target.local_path
    if source.only is not None:  # one file: what lies beside it does not matter
        if overlap(_place(source), theirs / (target.only or source.only)) == "is":
            raise LocationError(f"{source_url}: is itself the target; name another place")
        return
    how = overlap(ours, theirs)
    if how == "is":
        raise LocationError(
            f"{source_url}: source and target ({target_url}) are the same; name another place"
        )
    if how == "lies inside":
        raise LocationError(f"{target_url}: the target lies inside the source ({source_url})")
    if how == "contains":
        raise LocationError(f"{source_url}: the source lies inside the target ({target_url})")


class Claims:
    """Which source writes to which target, over all roots of a command.

    Two zarrs of one name in different places would become one in the target:
    the second would delete or replace what came of the first.
    """

    def __init__(self) -> None:
        self._claims: dict[str, list[tuple[Path | None, str, str]]] = {}

    def claim(self, source: Source, target: Target) -> None:
        """Refuse a target that another source of this command goes to.

        Parts of one source may go to one target one after the other.

        Raises:
            LocationError: Another source goes there.
        """
        path = _place(target) if isinstance(target, OnDisk) else None
        own = str(_place(source).resolve()) if isinstance(source, OnDisk) else source.url
        # Some file systems take names in other letters' case or normal form for the same.
        name = target.url if path is None else str(path.resolve())
        claims = self._claims.setdefault(unicodedata.normalize("NFC", name).casefold(), [])
        for other, exact, earlier in claims:
            is_one = exact == name or (path and other and overlap(path, other) == "is")
            if is_one and earlier != own:
                raise LocationError(
                    f"{source.url}: would be written to {target.url}, as {earlier} is; "
                    "give them different targets"
                )
        claims.append((path, name, own))


def is_same_file(source: Source, target: Target, key: str) -> bool:
    """Return whether an entry of both is one file on this machine, by whatever name."""
    if not isinstance(source, OnDisk) or not isinstance(target, OnDisk):
        return False
    try:
        return os.path.samestat((source.local_path / key).stat(), (target.local_path / key).stat())
    except OSError:
        return False


def _place(backend: OnDisk) -> Path:
    path = backend.local_path
    return path if backend.only is None else path / backend.only
