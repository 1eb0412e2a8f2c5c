"""Files that a command writes besides data: reports, pages, references, manifests.

A mistyped name must cost nobody an archive: what is being read, what is an
archive or a zarr's metadata, and what lies in a zarr is never written over.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from ncore.cli.app import UsageError
from ncore.itar.durable import sync_file
from ncore.itar.errors import ItarOptionError
from ncore.itar.location import is_remote, local_path
from ncore.stores.replaceable import overlap, part_of_a_zarr, zarr_around

STDOUT = Path("-")


def output_file(
    place: str | os.PathLike[str],
    *,
    reading: Iterable[str | os.PathLike[str]] = (),
    overwrite: bool = True,
    flag: str = "-o",
) -> Path:
    """Return where an output goes, once it is certain that it harms nothing there.

    Args:
        place: a path; ``-`` is standard output, as `STDOUT`.
        reading: paths and URLs of what the command reads.
        overwrite: whether another file that lies there may be replaced.
        flag: how the user named the output, for messages.

    Raises:
        UsageError: it is empty, a URL, a directory, or something of a zarr.
        FileExistsError: something lies there and ``overwrite`` is false.
    """
    text = os.fspath(place)
    if text in ("", "."):
        raise UsageError(f"{flag} is empty: name a file, or - for standard output")
    if text == "-":
        return STDOUT
    if is_remote(text):
        raise UsageError(f"{flag} {text}: names a file of this machine")
    path = Path(local_path(text))
    if path.is_dir():
        raise UsageError(f"{flag} {path} is a directory: name a file in it")
    for source in reading:
        with contextlib.suppress(ItarOptionError):
            if is_remote(source) or not Path(local_path(source)).exists():
                continue
            if overlap(Path(local_path(source)), path) == "is":
                raise UsageError(f"{flag} {path} is {os.fspath(source)}, which is being read")
    if root := zarr_around(path):
        raise UsageError(f"{flag} {path} lies inside the zarr {root}; choose a place outside")
    if what := part_of_a_zarr(path):
        raise UsageError(f"{flag} {path} is {what}, which is never replaced; choose another name")
    if path.exists() and not overwrite:
        raise FileExistsError(errno.EEXIST, "already exists; --overwrite replaces it", str(path))
    return path


def write_output(path: Path, text: str) -> None:
    """Write a text; its file appears complete or not at all.

    Args:
        path: as `output_file` returned it.
        text: ends in a line feed if it is to.
    """
    if path == STDOUT:
        sys.stdout.write(text)
        return
    beside = path.with_name(f".{path.name}.ncore-{os.getpid()}")
    try:
        with beside.open("x") as file:
            file.write(text)
        sync_file(beside)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
