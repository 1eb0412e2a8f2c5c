"""``dandiset.yaml``: which dandiset a local directory is a copy of.

dandi-cli keeps the dandiset's metadata there. Of it only ``identifier`` is
read; a file that is written here has no more, and a comment that names the
server, for archives that dandi-cli knows no name of.
"""

import re
from pathlib import Path

from ncore.select.location_parser import parse_location
from ncore.select.locations import AssetFolderURL, DandisetURL, LocalPath, Location
from ncore.transfer.backend import Root
from ncore.transfer.errors import LocationError

NAME = "dandiset.yaml"
_IDENTIFIER = re.compile(r"^identifier:\s*['\"]?(?:[A-Z-]+:)?([0-9]{6})\b", re.M)
_SERVER = re.compile(r"^# copied from (\S+)$", re.M)


def name_dandiset(location: Location, root: Root, output: Path) -> None:
    """Write the file into the directory that holds a dandiset's tree, if there is none.

    Args:
        location: What is downloaded.
        root: A root of it; its ``tree_path`` begins with the identifier.
        output: Directory that the tree is made in.
    """
    identifier = root.tree_path.partition("/")[0]
    if not isinstance(location, DandisetURL) or identifier != location.dandiset_id:
        return
    file = output / identifier / NAME
    if file.exists() or file.is_symlink():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    server = DandisetURL(location.instance, identifier, None)
    text = f"# copied from {server}\nidentifier: DANDI:{identifier}\n"
    part = file.with_name(f".{NAME}.ncore-part")
    part.write_text(text, "utf-8")
    part.rename(file)


def own_dandiset(location: Location, instance: str | None) -> Location:
    """Return the place in a dandiset that a local path stands for.

    Args:
        location: A path below a dandiset's directory.
        instance: Name of the archive; None takes the one that the file names,
            else ``dandi``.

    Raises:
        LocationError: It is in no dandiset's directory.
    """
    if isinstance(location, LocalPath):
        path = Path(location.path).absolute()
        for directory in path.parents:
            file = directory / NAME
            if not file.is_file():
                continue
            text = file.read_text("utf-8", "replace")
            found = _IDENTIFIER.search(text)
            if found is None:
                raise LocationError(f"{file}: has no identifier of a dandiset; name it with --to")
            server = _SERVER.search(text) if instance is None else None
            base = parse_location(
                server[1] if server else f"dandi://{instance or 'dandi'}/{found[1]}"
            )
            folder = path.parent.relative_to(directory).as_posix()
            if folder == ".":
                return base
            assert isinstance(base, DandisetURL)
            return AssetFolderURL(base.instance, base.dandiset_id, base.version_id, f"{folder}/")
    raise LocationError(
        f"{location}: is not below a directory with a {NAME}; say where to with --to"
    )
