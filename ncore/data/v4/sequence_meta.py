"""The sequence meta-data: what a sequence consists of, as one JSON document.

Written beside a sequence's component stores (by default as
``<sequence_id>.json``), it names them with their checksums and components, and
stands for all of them where paths of component stores are expected.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncore.data.json_codec import DataClassJsonMixin
from ncore.data.v4.byte_stores import local_path
from ncore.data.v4.errors import SequenceFormatError

if TYPE_CHECKING:
    from upath import UPath

SEQUENCE_VERSION = "v4"
_BLOCK = 1 << 20


@dataclass
class SequenceMeta(DataClassJsonMixin):
    """Description of a sequence.

    Attributes:
        sequence_id: id of the sequence.
        sequence_timestamp_interval_us: time range, microseconds.
        generic_meta_data: JSON values given by whoever wrote the sequence.
        version: version of the layout, ``"v4"``.
        component_stores: the stores, in the order they were given.
    """

    @dataclass
    class TimestampInterval(DataClassJsonMixin):
        """Half-closed time range ``[start, stop)`` in microseconds."""

        start: int
        stop: int

    @dataclass
    class ComponentInstanceMeta(DataClassJsonMixin):
        """Version and metadata of one component instance."""

        version: str
        generic_meta_data: dict[str, Any] = field(default_factory=dict)

    @dataclass
    class ComponentStoreMeta(DataClassJsonMixin):
        """One component store.

        Attributes:
            path: file name of the store.
            md5: MD5 of the file, or of the directory's names and contents, in hex.
            components: component name -> instance name -> instance.
        """

        path: str
        md5: str
        components: dict[str, "dict[str, SequenceMeta.ComponentInstanceMeta]"]

    sequence_id: str
    sequence_timestamp_interval_us: TimestampInterval
    generic_meta_data: dict[str, Any]
    version: str
    component_stores: list[ComponentStoreMeta]


def store_md5(path: "UPath | Path") -> str:
    """MD5 of a component store, in hex, as the original computes it.

    Of a file it is the file's MD5; of a directory, one MD5 over all entries,
    depth first and sorted by their lower-cased paths: the name of each, and the
    content of files.
    """
    digest = hashlib.md5(usedforsecurity=False)
    if path.is_dir():
        _add_directory(digest, path)
    else:
        _add_file(digest, path)
    return digest.hexdigest()


def _add_directory(digest: Any, directory: "UPath | Path") -> None:
    entries: Any = list(directory.iterdir())
    for entry in sorted(entries, key=lambda entry: str(entry).lower()):
        digest.update(entry.name.encode())
        if entry.is_dir():
            _add_directory(digest, entry)
        else:
            _add_file(digest, entry)


def _add_file(digest: Any, path: "UPath | Path") -> None:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)


def meta_store_paths(meta_path: "UPath | Path") -> "list[UPath | Path]":
    """Paths of the component stores that a sequence meta file names.

    They lie in the directory of the meta file.

    Raises:
        FileNotFoundError: there is no such file.
        SequenceFormatError: it is no sequence meta file, or a path in it leads
            out of its directory.
    """
    try:
        document = json.loads(meta_path.read_bytes())
        names = [store["path"] for store in document["component_stores"]]
    except (ValueError, KeyError, TypeError) as error:
        raise SequenceFormatError(
            f"{meta_path}: no sequence meta file: {type(error).__name__}: {error}"
        ) from None
    for name in names:
        if not isinstance(name, str) or name.startswith("/") or ".." in name.split("/"):
            raise SequenceFormatError(
                f"{meta_path}: component store {name!r} does not lie in the file's directory"
            )
    local = local_path(meta_path)
    parent = meta_path.parent if local is None else local.parent
    return [parent / name for name in names]
