"""Files that a command writes besides data: reports, pages, references, manifests.

A mistyped name must cost nobody an archive: what is being read, what is an
archive or a zarr's metadata, and what lies in a zarr is never written over.
A file appears complete or not at all; pipes and devices are written to as they are.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from ncore.cli.app import UsageError
from ncore.itar.durable import sync_file
from ncore.itar.errors import ItarOptionError
from ncore.itar.location import is_remote, local_path
from ncore.itar.permissions import inherit_permissions
from ncore.stores.replaceable import overlap, part_of_a_zarr, zarr_around

STDOUT = Path("-")
_OPEN_FILES = ("/dev/fd", "/proc/self/fd")


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
    if is_stream(path):
        return path
    if path.is_dir():
        raise UsageError(f"{flag} {path} is a directory: name a file in it")
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
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
    output = _Output(path, f".{path.name}.ncore-{os.getpid()}")
    try:
        output.write(text)
        output.publish()
    except BaseException:
        output.discard()
        raise


@contextlib.contextmanager
def output_in_parts(path: Path) -> Iterator[Callable[[str], None]]:
    """A function that writes text after text; the file has its name when all are there.

    Meanwhile, and after an interruption, they are in `partial_output`.

    Args:
        path: as `output_file` returned it.
    """
    output = _Output(path, partial_output(path).name)
    try:
        yield output.write
    except BaseException:
        output.close()
        raise
    output.publish()


def partial_output(path: Path) -> Path:
    """Where the parts of an output are that were written so far."""
    place = Path(os.path.realpath(path)) if path.is_symlink() else path
    return place.with_name(f"{place.name}.ncore-partial")


class _Output:
    """A file under another name beside its place until it is published; a stream as it is."""

    def __init__(self, path: Path, beside: str) -> None:
        self._path = path
        self._place: Path | None = None
        with self._naming():
            if path == STDOUT:
                self._file: TextIO = sys.stdout
            elif is_stream(path):
                self._file = path.open("w")
            else:
                # A link is followed, as by any program that writes a file.
                self._place = Path(os.path.realpath(path))
                self._beside = self._place.with_name(beside)
                self._file = self._beside.open("w")

    def write(self, text: str) -> None:
        with self._naming():
            self._file.write(text)
            self._file.flush()

    def close(self) -> None:
        if self._path != STDOUT:
            with self._naming():
                self._file.close()

    def publish(self) -> None:
        self.close()
        if self._place is not None:
            with self._naming():
                sync_file(self._beside)
                inherit_permissions(self._place, self._beside)
                self._beside.replace(self._place)

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self.close()
            if self._place is not None:
                self._beside.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from None


def is_stream(path: Path) -> bool:
    """Whether a path leads to a pipe, a device or an open file of this process."""
    if path.parent.as_posix() in _OPEN_FILES or path.as_posix() in ("/dev/stdout", "/dev/stderr"):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()
