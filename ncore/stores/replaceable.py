"""What may be replaced when a user says so: a zarr or an archive, and nothing else.

Whoever overwrites looks here first, so that a mistyped target costs nobody a
directory of other things, or the data that is being read.
"""

import json
import os
import zipfile
from pathlib import Path

from ncore.itar.errors import ItarFormatError
from ncore.itar.sizes import human_size
from ncore.itar.tar_header import BLOCK
from ncore.itar.trailer import decode_trailer
from ncore.stores.errors import PackError, StoreExistsError
from ncore.stores.pack_source import ZipPackSource, holds_zarr

_ROOTS = {"zarr.json": 3, ".zgroup": 2, ".zarray": 2}
DOCUMENTS = frozenset({*_ROOTS, ".zattrs", ".zmetadata", ".zmetadata.cbor.xz", "zarr.cbor.xz"})
"""Names under which zarr keeps metadata."""
_MOST = 64 << 20
"""No root document is larger but for its consolidated metadata."""


def replaceable_directory(path: Path, name: str = "", inside: str = "NAME.zarr") -> str:
    """Say in a few words which zarr lies in a directory.

    Args:
        path: a directory that exists.
        name: what the user calls it, for the message.
        inside: how a zarr in it could be called, for the message.

    Returns:
        For instance ``a zarr v3 directory``; ``an empty directory`` if it is one.

    Raises:
        StoreExistsError: it holds something, and no zarr begins there.
    """
    for root, version in _ROOTS.items():
        if _says_format(path / root, version):
            return f"a zarr v{version} directory"
    if (path / "zarr.cbor.xz").is_file():  # as `ncore itar unpack --raw` leaves it
        return "an unpacked archive"
    with os.scandir(path) as listing:
        if next(listing, None) is None:
            return "an empty directory"
    raise StoreExistsError(
        f"{name or path}: is a directory that holds no zarr, so it is not replaced; name the new "
        f"zarr inside it ({Path(name or path, inside)}), or remove it yourself"
    )


def replaceable_archive(path: Path, name: str = "", *, zipped: bool = False) -> str:
    """Say in a few words which archive a file is.

    Args:
        path: something that exists.
        name: what the user calls it, for the message.
        zipped: expect a zip file, not an itar.

    Returns:
        For instance ``an itar archive of 1.2 MiB``; ``an empty file`` if it is one.

    Raises:
        StoreExistsError: it is a directory, or no such archive.
    """
    if path.is_dir():
        raise StoreExistsError(f"{name or path}: is a directory; name the archive inside it")
    if not path.is_file():
        raise StoreExistsError(f"{name or path}: is no file, so nothing is written over it")
    size = path.stat().st_size
    if not size:
        return "an empty file"
    kind = "zip file with a zarr in it" if zipped else "finished itar archive"
    if not (_is_zarr_zip(path) if zipped else _is_itar(path, size)):
        raise StoreExistsError(
            f"{name or path}: is no {kind}, so it is not replaced; choose another name or remove "
            "it yourself"
        )
    return f"{'a zip file' if zipped else 'an itar archive'} of {human_size(size)}"


def part_of_a_zarr(path: Path) -> str:
    """Say what of a zarr a file is, which no report or page may replace.

    Args:
        path: any path.

    Returns:
        For instance ``an itar archive`` or ``zarr metadata``; empty if it is something
        else or nothing.
    """
    if path.name in DOCUMENTS:
        return "zarr metadata"
    if not path.is_file():
        return ""
    size = path.stat().st_size
    if _is_itar(path, size):
        return "an itar archive"
    if zipfile.is_zipfile(path):
        return "a zip file"
    with path.open("rb") as file:
        if len(head := file.read(BLOCK)) == BLOCK and head[257:262] == b"ustar":
            return "a tar archive"  # perhaps an itar that was cut off
    return ""


def zarr_around(path: Path) -> Path | None:
    """Return the outermost directory above a path in which a zarr begins; None without."""
    found = None
    for above in Path(os.path.realpath(path)).parents:
        if any(_says_format(above / root, version) for root, version in _ROOTS.items()):
            found = above
    return found


def overlap(source: Path, target: Path) -> str:
    """Say how a place to write to lies towards what is being read.

    Links and bind mounts are seen through: directories and files are compared by
    inode.

    Returns:
        ``is``, ``contains`` or ``lies inside``; empty where they are apart.
    """
    real, read = (Path(os.path.realpath(place)) for place in (target, source))
    if _same(real, read):
        return "is"
    if any(_same(above, real) for above in read.parents):
        return "contains"
    if any(_same(above, read) for above in real.parents):
        return "lies inside"
    return ""


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return one == other


def _says_format(path: Path, version: int) -> bool:
    try:
        if path.stat().st_size > _MOST:
            return True  # a document of that size in this place was not written by hand
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("zarr_format") == version


def _is_itar(path: Path, size: int) -> bool:
    if not size:
        return False
    with path.open("rb") as file:
        file.seek(-min(BLOCK, size), os.SEEK_END)
        try:
            decode_trailer(file.read(), size, str(path))
        except ItarFormatError:
            return False
    return True


def _is_zarr_zip(path: Path) -> bool:
    try:
        source = ZipPackSource(path)
    except PackError:
        return False
    try:
        return holds_zarr(source.sizes())
    finally:
        source.close()
