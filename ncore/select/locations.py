"""What a location can be: one frozen dataclass for each kind of place.

Each prints itself (`str`) in a form that `parse_location` reads back to an
equal value, with the one exception of a query string on `HttpURL`, which may
be a signature and is therefore never printed.
"""

from dataclasses import dataclass, field
from urllib.parse import quote

from ncore.select.instances import KNOWN_INSTANCES, DandiInstance


class Location:
    """Base of all locations.

    Attributes:
        zarr_subpath: the path inside the zarr, ``""`` when the location names none.
            `ZarrSelection.with_bound` turns it into a filter.
    """

    zarr_subpath: str = ""


def _version(version_id: str | None) -> str:
    return f"@{version_id}" if version_id else ""


@dataclass(frozen=True)
class DandisetURL(Location):
    """A dandiset.

    Attributes:
        instance: the archive it is in.
        dandiset_id: six digits.
        version_id: ``draft``, a published version such as ``0.210831.2033``, or None
            for the latest published one (the draft when there is none).
    """

    instance: DandiInstance
    dandiset_id: str
    version_id: str | None

    def __str__(self) -> str:
        if self.instance in KNOWN_INSTANCES:
            return f"dandi://{self.instance.name}/{self.dandiset_id}{_version(self.version_id)}"
        return _page(self)


def _page(location: "DandisetURL") -> str:
    """URL of a dandiset on a server that has no name."""
    version = f"/{location.version_id}" if location.version_id else ""
    base = location.instance.api or location.instance.gui
    return f"{base}/dandiset/{location.dandiset_id}{version}"


def _with_path(location: "DandisetURL", path: str) -> str:
    if location.instance in KNOWN_INSTANCES:
        return f"{DandisetURL.__str__(location)}/{quote(path)}"
    return f"{_page(location)}/files?location={quote(path)}"


def _assets(location: "DandisetURL", parameter: str, value: str) -> str:
    base = location.instance.api or location.instance.gui
    return (
        f"{base}/dandisets/{location.dandiset_id}/versions/{location.version_id or 'draft'}"
        f"/assets/?{parameter}={quote(value)}"
    )


@dataclass(frozen=True)
class AssetItemURL(DandisetURL):
    """One asset, by its path."""

    path: str

    def __str__(self) -> str:
        return _with_path(self, self.path)


@dataclass(frozen=True)
class AssetFolderURL(DandisetURL):
    """All assets below a folder. Its `path` ends in ``/``."""

    path: str

    def __str__(self) -> str:
        return _with_path(self, self.path)


@dataclass(frozen=True)
class AssetPathPrefixURL(DandisetURL):
    """All assets whose paths begin with the string `path`, wherever a component ends."""

    path: str

    def __str__(self) -> str:
        return _assets(self, "path", self.path)


@dataclass(frozen=True)
class AssetGlobURL(DandisetURL):
    """All assets whose paths match the glob `path`, as the archive's server reads globs."""

    path: str

    def __str__(self) -> str:
        return _assets(self, "glob", self.path)


@dataclass(frozen=True)
class AssetZarrEntryURL(DandisetURL):
    """An entry of a zarr asset, or everything below it.

    Attributes:
        asset_path: path of the zarr asset in the dandiset.
        zarr_subpath: path inside the zarr, without slashes at its ends; never empty.
    """

    asset_path: str
    zarr_subpath: str = field()

    def __str__(self) -> str:
        return _with_path(self, f"{self.asset_path}/{self.zarr_subpath}")


@dataclass(frozen=True)
class BaseAssetIDURL(Location):
    """An asset by its identifier, of whatever dandiset."""

    instance: DandiInstance
    asset_id: str

    def __str__(self) -> str:
        return f"{self.instance.api or self.instance.gui}/assets/{self.asset_id}/"


@dataclass(frozen=True)
class AssetIDURL(DandisetURL):
    """An asset of a dandiset by its identifier."""

    asset_id: str

    def __str__(self) -> str:
        base = self.instance.api or self.instance.gui
        return (
            f"{base}/dandisets/{self.dandiset_id}/versions/{self.version_id}"
            f"/assets/{self.asset_id}/"
        )


@dataclass(frozen=True)
class ZarrArchiveURL(Location):
    """A zarr in a DANDI archive by its own identifier, of whatever asset.

    Attributes:
        instance: the archive it is in.
        zarr_id: a UUID.
        checksum: the zarr checksum of the state meant, where the URL names one.
        zarr_subpath: path inside the zarr, or ``""`` for all of it.
    """

    instance: DandiInstance
    zarr_id: str
    checksum: str | None = None
    zarr_subpath: str = ""

    def __str__(self) -> str:
        if self.checksum is not None:
            inside = f"/{quote(self.zarr_subpath)}" if self.zarr_subpath else ""
            folder = f"{self.zarr_id[:3]}/{self.zarr_id[3:6]}/{self.zarr_id}"
            return f"https://webdav.dandiarchive.org/zarrs/{folder}/{self.checksum}.zarr{inside}"
        query = f"?prefix={quote(self.zarr_subpath)}" if self.zarr_subpath else ""
        return f"{self.instance.api or self.instance.gui}/zarr/{self.zarr_id}/files/{query}"


@dataclass(frozen=True)
class ObjectURL(Location):
    """A place in an object store.

    Attributes:
        scheme: ``s3``, ``gs`` or ``az``; ``abfs`` or ``abfss`` where the URL names the account.
        bucket: bucket or container, with the account ``CONTAINER@ACCOUNT.dfs...``.
        key: key of the zarr, or, where none can be told, of whatever was named;
            literal, never percent-encoded, no slash at either end.
        is_folder: whether the location ended in a slash without naming a zarr.
        region: the AWS region an ``https`` form of the URL named.
        zarr_subpath: path inside the zarr, or ``""``.
    """

    scheme: str
    bucket: str
    key: str
    is_folder: bool = False
    region: str | None = None
    zarr_subpath: str = ""

    def __str__(self) -> str:
        inside = f"/{self.zarr_subpath}" if self.zarr_subpath else ""
        path = f"{self.key}{inside}{'/' if self.is_folder else ''}"
        if self.region is not None:
            return f"https://{self.bucket}.s3.{self.region}.amazonaws.com/{quote(path)}"
        return f"{self.scheme}://{self.bucket}/{path}"


@dataclass(frozen=True)
class HttpURL(Location):
    """A zarr served by HTTP.

    Attributes:
        url: URL of the zarr as written (percent-encoded), without query.
        query: the query string, without ``?``. It may hold a signature: it is sent
            to the URL's host with each request and shown to nobody.
        zarr_subpath: path inside the zarr, decoded, or ``""``.
    """

    url: str
    query: str = field(default="", repr=False)
    zarr_subpath: str = ""

    def request_url(self, key: str = "") -> str:
        """URL of the zarr, or of one of its keys, to send to the server; it may hold a secret."""
        path = f"{self.url}/{quote(key)}" if key else self.url
        return f"{path}?{self.query}" if self.query else path

    def __str__(self) -> str:
        return f"{self.url}/{quote(self.zarr_subpath)}" if self.zarr_subpath else self.url


@dataclass(frozen=True)
class LocalPath(Location):
    """A place in the local file system.

    Attributes:
        path: path of the zarr, or of whatever was named; relative to the working
            directory unless absolute.
        zarr_subpath: path inside the zarr, or ``""``.
    """

    path: str
    zarr_subpath: str = ""

    def __str__(self) -> str:
        return f"{self.path}/{self.zarr_subpath}" if self.zarr_subpath else self.path
