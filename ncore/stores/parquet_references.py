"""References as Parquet, in the layout that fsspec loads piece by piece.

That layout numbers the chunks of an array in C order and takes the shape of its grid
from v2 metadata; there is none for v3. So v3 arrays whose codecs v2 knows too are
described by the v2 metadata that decodes the same bytes, and others are refused.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncore.stores.documents import CONSOLIDATED_V2, ROOT_V3, is_document
from ncore.stores.errors import MissingPackageError, ReferencesError

if TYPE_CHECKING:
    from ncore.stores.indexed_tar import IndexedTarStore

_DTYPES = {
    "bool": "b1",
    **{f"int{8 * n}": f"i{n}" for n in (1, 2, 4, 8)},
    **{f"uint{8 * n}": f"u{n}" for n in (1, 2, 4, 8)},
    **{f"float{8 * n}": f"f{n}" for n in (2, 4, 8)},
    "complex64": "c8",
    "complex128": "c16",
}
_SHUFFLE = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


def write_parquet(
    references: Iterator[tuple[str, Any]], path: Path, store: "IndexedTarStore", record_size: int
) -> tuple[int, int]:
    """Write references into a new directory; return the counts of documents and chunks.

    Args:
        references: (key, reference) as :func:`~ncore.stores.references.iter_references` yields.
        path: the directory.
        store: the archive, for messages.
        record_size: references a file.

    Raises:
        ReferencesError: an array cannot be described by v2 metadata.
        MissingPackageError: pandas, fastparquet or kerchunk (an ``ImportError``).
    """
    try:
        import fastparquet  # noqa: F401 (what fsspec writes with)
        import kerchunk.df  # noqa: F401
        import pandas  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"Parquet references need {error.name or 'more packages'}: pip install 'ncore[parquet]'"
        ) from None
    from fsspec.implementations.reference import LazyReferenceMapper

    path.mkdir()
    mapper = LazyReferenceMapper.create(str(path), record_size=record_size)
    documents: dict[str, Any] = {}
    chunks: list[tuple[str, Any]] = []
    for key, reference in references:
        if not is_document(key):
            chunks.append((key, reference))
        elif not key.endswith(CONSOLIDATED_V2):
            documents[key] = json.loads(reference)
    version_3 = ROOT_V3 in documents
    described: dict[str, Any] = {}
    separators: dict[str, tuple[str, str]] = {}
    for key, document in documents.items():
        node = key.rpartition("/")[0]
        where = f"{store.name}: array {node!r}"
        if version_3 and key.endswith(ROOT_V3):
            described.update(_describe(node, document, separators, where))
        elif not version_3:
            if key.endswith(".zarray"):
                separators[node] = "", document.get("dimension_separator", ".")
                document = {**document, "dimension_separator": "."}
            described[key] = document
    for key, document in described.items():
        mapper[key] = json.dumps(document).encode()
    written = 0
    for key, reference in chunks:
        renamed = _chunk_key(key, separators)
        if renamed is not None:
            mapper[renamed] = reference
            written += 1
    mapper.flush()
    return len(described), written


def _chunk_key(key: str, separators: dict[str, tuple[str, str]]) -> str | None:
    """Return a chunk's key with its coordinates joined by dots; ``None`` if it is no chunk."""
    parts = key.split("/")
    for depth in range(len(parts) - 1, -1, -1):
        node = "/".join(parts[:depth])
        if node not in separators:
            continue
        prefix, separator = separators[node]
        rest = "/".join(parts[depth:])
        if prefix and rest == prefix:
            rest = f"{prefix}{separator}0"  # of an array without dimensions
        if prefix:
            if not rest.startswith(prefix + separator):
                return None
            rest = rest[len(prefix) + 1 :]
        numbers = rest.split(separator)
        if not all(number.isdecimal() for number in numbers):
            return None
        return "/".join([*parts[:depth], ".".join(numbers)])
    return None


def _describe(
    node: str, document: dict[str, Any], separators: dict[str, tuple[str, str]], where: str
) -> dict[str, Any]:
    prefix = f"{node}/" if node else ""
    attributes = dict(document.get("attributes") or {})
    if document.get("node_type") == "group":
        return {f"{prefix}.zgroup": {"zarr_format": 2}, f"{prefix}.zattrs": attributes}
    names = document.get("dimension_names")
    if names and None not in names:
        attributes["_ARRAY_DIMENSIONS"] = names  # where xarray looks for them in v2
    separators[node] = _separator(document, where)
    return {f"{prefix}.zarray": _zarray(document, where), f"{prefix}.zattrs": attributes}


def _separator(document: dict[str, Any], where: str) -> tuple[str, str]:
    encoding = document.get("chunk_key_encoding", {})
    name = encoding.get("name")
    separator = (encoding.get("configuration") or {}).get("separator")
    if name == "default":
        return "c", separator or "/"
    if name == "v2":
        return "", separator or "."
    raise _refuse(where, f"chunk key encoding {name!r}")


def _zarray(document: dict[str, Any], where: str) -> dict[str, Any]:
    dtype = document.get("data_type")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise _refuse(where, f"data type {dtype!r}")
    grid = document["chunk_grid"]
    if grid.get("name") != "regular":
        raise _refuse(where, f"chunk grid {grid.get('name')!r}")
    fill = document.get("fill_value")
    if isinstance(fill, str) and fill not in _NO_NUMBERS:
        raise _refuse(where, f"fill value {fill!r}")
    kind = _DTYPES[dtype]
    order, byte_order, compressor = _codecs(document.get("codecs") or [], document, where)
    return {
        "zarr_format": 2,
        "shape": document["shape"],
        "chunks": grid["configuration"]["chunk_shape"],
        "dtype": ("|" if kind[1:] == "1" else byte_order) + kind,
        "compressor": compressor,
        "fill_value": fill,
        "order": order,
        "filters": None,
        "dimension_separator": ".",
    }


def _codecs(
    codecs: list[dict[str, Any]], document: dict[str, Any], where: str
) -> tuple[str, str, dict[str, Any] | None]:
    order, byte_order, compressor = "C", "<", None
    for codec in codecs:
        name, settings = codec.get("name"), codec.get("configuration") or {}
        if name == "bytes":
            byte_order = ">" if settings.get("endian") == "big" else "<"
        elif name == "transpose":
            if list(settings.get("order", ())) != list(range(len(document["shape"])))[::-1]:
                raise _refuse(where, f"codec {codec!r}")
            order = "F"
        elif name in ("blosc", "zstd", "gzip") and compressor is None:
            compressor = {"id": name, **settings}
            compressor.pop("typesize", None)
            if name == "blosc":
                compressor["shuffle"] = _SHUFFLE[settings.get("shuffle", "noshuffle")]
        else:
            raise _refuse(where, f"codec {name!r}")
    return order, byte_order, compressor


def _refuse(where: str, what: str) -> ReferencesError:
    return ReferencesError(
        f"{where}: Parquet references describe arrays by zarr v2 metadata, which has no {what}; "
        "write JSON references instead"
    )
