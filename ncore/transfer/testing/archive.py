"""What a DANDI archive holds: dandisets, assets, zarrs and their objects, in memory.

No network here: :mod:`ncore.transfer.testing.dandi_api` speaks for it. Tests
use it to lay out what a server should hold and to look at what a client did.
"""

import hashlib
import json
import random
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ncore.transfer.checksum import DirectoryDigest, ZarrEntry, compute_zarr_checksum

Json = Any


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class StoredObject:
    """An object in the bucket.

    Attributes:
        data: Its bytes.
        etag: MD5 in lower-case hexadecimal, as S3 gives for a single PUT.
        modified: When it was written.
    """

    data: bytes
    etag: str
    modified: datetime

    @classmethod
    def of(cls, data: bytes) -> "StoredObject":
        """Store bytes, with their MD5."""
        return cls(data, hashlib.md5(data, usedforsecurity=False).hexdigest(), _now())

    @property
    def sha256(self) -> str:
        """SHA-256 in lower-case hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def multipart_etag(self) -> str:
        """ETag of an upload in one part, as the archive uploads blobs."""
        inner = hashlib.md5(bytes.fromhex(self.etag), usedforsecurity=False)
        return f"{inner.hexdigest()}-1"


class ObjectMap:
    """Objects by key, listed in the order of their keys' UTF-8 bytes."""

    def __init__(self) -> None:
        self._objects: dict[str, StoredObject] = {}
        self._order: list[str] | None = []

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: object) -> bool:
        return key in self._objects

    def __getitem__(self, key: str) -> StoredObject:
        return self._objects[key]

    def __setitem__(self, key: str, stored: StoredObject) -> None:
        if key not in self._objects:
            self._order = None
        self._objects[key] = stored

    def __delitem__(self, key: str) -> None:
        del self._objects[key]
        self._order = None

    def get(self, key: str) -> StoredObject | None:
        """Return an object, None if there is none."""
        return self._objects.get(key)

    def items(self) -> dict[str, StoredObject]:
        """Return all objects by key."""
        return dict(self._objects)

    def keys_after(self, prefix: str, after: str, limit: int) -> list[str]:
        """Return up to ``limit`` keys that start with ``prefix`` and are > ``after``."""
        if self._order is None:
            self._order = sorted(self._objects)
        order = self._order
        start = max(bisect_left(order, prefix), bisect_right(order, after) if after else 0)
        found = order[start : start + limit]
        if found and not found[-1].startswith(prefix):
            found = [key for key in found if key.startswith(prefix)]
        return found


@dataclass
class Zarr:
    """A zarr archive: its objects and where it stands between upload and checksum."""

    name: str
    dandiset: str
    zarr_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "Pending"
    checksum: str | None = None
    file_count: int = 0
    size: int = 0
    embargoed: bool = False
    objects: ObjectMap = field(default_factory=ObjectMap)

    def to_json(self) -> Json:
        """Return the zarr as the API shows it."""
        return {
            "name": self.name,
            "dandiset": self.dandiset,
            "zarr_id": self.zarr_id,
            "status": self.status,
            "checksum": self.checksum,
            "file_count": self.file_count,
            "size": self.size,
        }

    def reopen(self) -> None:
        """Back to Pending, as a presign or a delete does."""
        self.status, self.checksum, self.file_count, self.size = "Pending", None, 0, 0

    def ingest(self) -> DirectoryDigest:
        """Compute the checksum and be Complete."""
        digest = compute_zarr_checksum(
            ZarrEntry(key, len(stored.data), stored.etag)
            for key, stored in self.objects.items().items()
        )
        self.checksum, self.file_count, self.size = str(digest), digest.file_count, digest.size
        self.status = "Complete"
        return digest


@dataclass
class Asset:
    """An asset of a dandiset version: a zarr or a blob under a path."""

    path: str
    metadata: dict[str, Json]
    zarr: Zarr | None = None
    blob_id: str | None = None
    blob: StoredObject | None = None
    asset_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: datetime = field(default_factory=_now)
    modified: datetime = field(default_factory=_now)

    @property
    def size(self) -> int:
        """Bytes; of a zarr 0 until its checksum is known."""
        if self.zarr is not None:
            return self.zarr.size
        return len(self.blob.data) if self.blob is not None else 0

    def to_json(self) -> Json:
        """Return the asset as listings show it."""
        return {
            "asset_id": self.asset_id,
            "blob": self.blob_id,
            "zarr": self.zarr.zarr_id if self.zarr is not None else None,
            "path": self.path,
            "size": self.size,
            "created": self.created.isoformat(),
            "modified": self.modified.isoformat(),
        }


@dataclass
class Dandiset:
    """A dandiset: a draft and published versions, each its assets by path."""

    identifier: str
    name: str
    embargoed: bool = False
    owners: set[str] = field(default_factory=set)
    created: datetime = field(default_factory=_now)
    versions: dict[str, dict[str, Asset]] = field(default_factory=lambda: {"draft": {}})

    @property
    def latest(self) -> str | None:
        """The most recent published version."""
        return max((v for v in self.versions if v != "draft"), default=None)

    def version_json(self, version: str) -> Json:
        """Return a version as the API shows it."""
        assets = self.versions[version]
        return {
            "version": version,
            "name": self.name,
            "asset_count": len(assets),
            "active_uploads": 0,
            "size": sum(asset.size for asset in assets.values()),
            "status": "Valid" if version == "draft" else "Published",
            "created": self.created.isoformat(),
            "modified": self.created.isoformat(),
            "release_notes": None,
        }

    def to_json(self) -> Json:
        """Return the dandiset as the API shows it."""
        return {
            "identifier": self.identifier,
            "created": self.created.isoformat(),
            "modified": self.created.isoformat(),
            "contact_person": "Doe, Jane",
            "embargo_status": "EMBARGOED" if self.embargoed else "OPEN",
            "star_count": 0,
            "is_starred": False,
            "most_recent_published_version": self.version_json(self.latest)
            if self.latest
            else None,
            "draft_version": self.version_json("draft"),
        }


@dataclass
class Archive:
    """Everything a server holds.

    Attributes:
        dandisets: By identifier.
        zarrs: By zarr id.
        users: User name by API token.
        bucket: Name of the bucket on the object host.
        finalize_seconds: How long a finalized zarr stays Uploaded, then
            Ingesting; None: for ever.
        wrong_checksum: Whether ingestion reports a checksum that is not the
            zarr's.
        url_seconds: How long a signed URL is good.
    """

    dandisets: dict[str, Dandiset] = field(default_factory=dict)
    zarrs: dict[str, Zarr] = field(default_factory=dict)
    blobs: dict[str, StoredObject] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    bucket: str = "dandiarchive"
    finalize_seconds: float | None = 0.02
    wrong_checksum: bool = False
    url_seconds: float = 6 * 3600

    def add_dandiset(
        self, identifier: str = "000001", *, owner: str = "owner", embargoed: bool = False
    ) -> Dandiset:
        """Add a dandiset with an empty draft."""
        made = Dandiset(identifier, f"Dandiset {identifier}", embargoed, {owner})
        self.dandisets[identifier] = made
        return made

    def add_user(self, name: str, token: str) -> None:
        """Let a user in who shows this API token."""
        self.users[token] = name

    def add_zarr(
        self,
        dandiset: str,
        path: str,
        files: Mapping[str, bytes],
        *,
        version: str = "draft",
        ingest: bool = True,
    ) -> Zarr:
        """Add a zarr asset that holds ``files``, its checksum computed."""
        home = self.dandisets[dandiset]
        zarr = Zarr(path, dandiset, embargoed=home.embargoed)
        cache: dict[bytes, StoredObject] = {}
        for key, data in files.items():
            stored = cache.get(data)
            if stored is None:
                stored = cache[data] = StoredObject.of(data)
            zarr.objects[key] = stored
        if ingest:
            zarr.ingest()
        self.zarrs[zarr.zarr_id] = zarr
        metadata = {"path": path, "schemaKey": "Asset", "encodingFormat": "application/x-zarr"}
        home.versions[version][path] = Asset(path, metadata, zarr=zarr)
        return zarr

    def add_blob(self, dandiset: str, path: str, data: bytes, *, version: str = "draft") -> Asset:
        """Add an asset that is one plain file."""
        blob_id = str(uuid.uuid4())
        stored = self.blobs[blob_id] = StoredObject.of(data)
        metadata = {"path": path, "schemaKey": "Asset", "encodingFormat": "application/x-nwb"}
        asset = Asset(path, metadata, blob_id=blob_id, blob=stored)
        self.dandisets[dandiset].versions[version][path] = asset
        return asset

    def publish(self, dandiset: str, version: str) -> None:
        """Freeze the draft's assets as a published version."""
        home = self.dandisets[dandiset]
        home.versions[version] = dict(home.versions["draft"])

    def zarr_at(self, dandiset: str, path: str, version: str = "draft") -> Zarr:
        """Return the zarr under an asset path."""
        zarr = self.dandisets[dandiset].versions[version][path].zarr
        if zarr is None:
            raise KeyError(f"{path} is not a zarr")
        return zarr

    def blob_key(self, blob_id: str) -> str:
        """Return a blob's key in the bucket."""
        return f"blobs/{blob_id[:3]}/{blob_id[3:6]}/{blob_id}"

    def find_object(self, key: str) -> tuple[StoredObject | None, bool]:
        """Return the object under a key of the bucket, and whether it is embargoed."""
        kind, _, rest = key.partition("/")
        if kind == "zarr":
            zarr_id, _, inner = rest.partition("/")
            zarr = self.zarrs.get(zarr_id)
            return (zarr.objects.get(inner), zarr.embargoed) if zarr is not None else (None, False)
        if kind == "blobs":
            return self.blobs.get(rest.rpartition("/")[2]), False
        return None, False


def synthetic_zarr(chunks: int, size: int, source: random.Random) -> dict[str, bytes]:
    """Return the files of a Zarr v2 group with one array of ``chunks`` chunks.

    Args:
        chunks: Number of chunks; 100 lie in one directory.
        size: Bytes of each chunk.
        source: Where the bytes come from; the same seed gives the same zarr.
    """
    files = {
        ".zgroup": b'{"zarr_format": 2}',
        ".zattrs": b"{}",
        "0/.zarray": json.dumps(
            {
                "zarr_format": 2,
                "shape": [(chunks + 99) // 100, 100 * size],
                "chunks": [1, size],
                "dtype": "|u1",
                "compressor": None,
                "fill_value": 0,
                "filters": None,
                "order": "C",
                "dimension_separator": "/",
            }
        ).encode(),
        "0/.zattrs": b"{}",
    }
    common = source.randbytes(max(0, size - 8))
    for i in range(chunks):
        files[f"0/{i // 100}/{i % 100}"] = (i.to_bytes(8, "little") + common)[:size]
    return files
