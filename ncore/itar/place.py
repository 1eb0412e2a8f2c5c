"""Which file a path means, whatever the path is spelled like and whichever directory is current.

Lock, partial file and journal of an archive lie beside the file itself. Were
they beside a symbolic link that leads to it, two writers would not see each
other, and a reader by the file's own name would not see the journal.
"""

import os
import stat
from pathlib import Path
from typing import NoReturn

from ncore.itar.errors import ItarAccessError, ItarIOError, ItarNotFoundError, ItarOptionError


def absolute_path(path: str | os.PathLike[str]) -> str:
    """Return a path that goes on to mean the same when the current directory changes.

    Links stay in it, so that one that is led elsewhere later is followed anew.
    """
    text = os.fspath(path)
    # Not abspath(): it takes "link/.." for the directory in which the link lies.
    return text if text.startswith("/") else os.path.join(os.getcwd(), text)  # noqa: PTH109, PTH118


def file_behind(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of the file itself: of a symbolic link, where it leads.

    Links among the directories may stay: they lead to the same neighbours.
    """
    text = absolute_path(path)
    return os.path.realpath(text) if os.path.islink(text) else text  # noqa: PTH114


def file_to_write(path: str | os.PathLike[str]) -> Path:
    """Return the path of the file that a writer of ``path`` makes, replaces or changes.

    It is absolute and holds no symbolic link: of a link, what it leads to is written.

    Raises:
        ItarOptionError: what is there cannot become an archive.
    """
    found = Path(os.path.realpath(path))
    try:
        mode = found.lstat().st_mode
    except FileNotFoundError:
        if os.fspath(path).endswith("/"):
            raise ItarOptionError(
                f"{path}: is the name of a directory, not of an archive"
            ) from None
        return found
    except OSError as error:
        raise_unwritable(path, error)
    if stat.S_ISREG(mode):
        return found
    if stat.S_ISLNK(mode):
        what = "symbolic links lead in a circle"
    elif stat.S_ISDIR(mode):
        what = "is a directory, so no archive can take its place; remove it or choose another name"
    else:
        what = "is not a regular file, so no archive can take its place"
    raise ItarOptionError(f"{path}: {what}")


def raise_unwritable(path: str | os.PathLike[str], error: OSError) -> NoReturn:
    """Say of an archive why nothing can be written in its place.

    Raises:
        ItarNotFoundError: its directory does not exist.
        ItarAccessError: permission is missing.
        ItarIOError: anything else.
    """
    name = os.fspath(path)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        raise ItarNotFoundError(f"{name}: its directory does not exist") from None
    if isinstance(error, PermissionError):
        raise ItarAccessError(
            f"{name}: cannot be written: {error.strerror}; a writer needs the permission to make "
            "files in its directory"
        ) from None
    failure = ItarIOError(f"{name}: cannot be written: {error.strerror}")
    failure.errno = error.errno
    raise failure from None
