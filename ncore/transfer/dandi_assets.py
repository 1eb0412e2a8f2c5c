"""From a location on a DANDI server to its assets, each a root that can be transferred."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from ncore.select.locations import (
    AssetFolderURL,
    AssetGlobURL,
    AssetIDURL,
    AssetItemURL,
    AssetPathPrefixURL,
    AssetZarrEntryURL,
    BaseAssetIDURL,
    DandisetURL,
    Location,
    ZarrArchiveURL,
)
from ncore.transfer.backend import Root
from ncore.transfer.dandi_blob import DandiBlobSource
from ncore.transfer.dandi_client import DandiClient
from ncore.transfer.dandi_upload import DandiZarrTarget, Polling
from ncore.transfer.dandi_zarr import DandiZarrSource
from ncore.transfer.errors import EntryNotFoundError, LocationError
from ncore.transfer.keys import check_key, show_key

Json = Any


async def open_sources(client: DandiClient, location: Location) -> AsyncIterator[Root]:
    """Yield every asset that a location stands for.

    Args:
        client: The API of the location's instance; the roots share it.
        location: Of a DANDI kind; its ``zarr_subpath`` is left to the selection.

    Raises:
        EntryNotFoundError: There is no such dandiset, version or asset.
        LocationError: It is no location on a DANDI server.
    """
    found = False
    client.retain()
    try:
        async for asset, base, version in _assets(client, location):
            found = True
            yield _root(client, asset, base, version)
    finally:
        await client.close()
    if not found:
        raise EntryNotFoundError(f"{location}: no asset there")


async def open_target(
    client: DandiClient, dandiset_id: str, path: str, polling: Polling | None = None
) -> DandiZarrTarget:
    """Return the zarr asset under ``path`` of a dandiset's draft, made on first write.

    Raises:
        LocationError: The path is no zarr's, or an asset that is no zarr is there.
        EntryNotFoundError: There is no such dandiset.
    """
    check_key(path)
    if not path.endswith((".zarr", ".ngff")):
        raise LocationError(
            f"{show_key(path)!r}: the name of a zarr in a DANDI archive must end in .zarr or .ngff"
        )
    base = f"/dandisets/{dandiset_id}/versions/draft/assets/"
    for asset in await _by_path(client, base, path):
        if asset["path"] == path:
            if asset["zarr"] is None:
                raise LocationError(f"{show_key(path)!r} is an asset already, and no zarr")
            return DandiZarrTarget(
                client, dandiset_id, path, asset["zarr"], asset["asset_id"], polling
            )
    return DandiZarrTarget(client, dandiset_id, path, polling=polling)


async def _assets(
    client: DandiClient, location: Location
) -> AsyncIterator[tuple[Json, str | None, str]]:
    """Yield ``(asset, what is stripped of its path, dandiset@version)``.

    None is stripped of the assets of a whole dandiset, which keep its identifier too.
    """
    if isinstance(location, ZarrArchiveURL):
        path = f"/zarr/{location.zarr_id}/"
        zarr = await client.get(path)
        if not isinstance(zarr, dict) or not isinstance(zarr.get("name"), str):
            raise client.unexpected(path)
        if location.checksum is not None and zarr.get("checksum") != location.checksum:
            raise EntryNotFoundError(
                f"{location}: the zarr has changed since; its checksum is now "
                f"{zarr.get('checksum')}, and the archive's API serves its present state only"
            )
        asset = {"zarr": location.zarr_id, "path": zarr["name"], "asset_id": None}
        yield asset, _parent(zarr["name"]), str(zarr.get("dandiset", ""))
        return
    if isinstance(location, BaseAssetIDURL):
        path = f"/assets/{location.asset_id}/info/"
        asset = _checked(client, path, await client.get(path))
        yield asset, _parent(asset["path"]), ""
        return
    if not isinstance(location, DandisetURL):
        raise LocationError(f"{location} is not a location on a DANDI server")
    version = await _version(client, location)
    where = f"{location.dandiset_id}@{version}"
    base = f"/dandisets/{location.dandiset_id}/versions/{version}/assets/"
    if isinstance(location, AssetIDURL):
        path = f"{base}{location.asset_id}/info/"
        asset = _checked(client, path, await client.get(path))
        yield asset, _parent(asset["path"]), where
    elif isinstance(location, AssetItemURL | AssetZarrEntryURL):
        path = location.path if isinstance(location, AssetItemURL) else location.asset_path
        found = await _by_path(client, base, path)
        for asset in found:
            if asset["path"] == path:
                yield asset, _parent(path), where
                return
        if any(asset["path"].startswith(f"{path}/") for asset in found):
            raise LocationError(f"{location} is a folder: end it in '/' to mean what it holds")
        raise EntryNotFoundError(
            f"no asset {show_key(path)!r} in dandiset {location.dandiset_id}, version {version}"
        )
    else:
        query: dict[str, object] = {"order": "path"}
        strip: str | None = ""
        if isinstance(location, AssetGlobURL):
            query["glob"] = location.path
        elif isinstance(location, AssetFolderURL | AssetPathPrefixURL):
            query["path"] = location.path
            strip = _parent(location.path.rstrip("/"))
        else:
            strip = None
        async for page in client.pages(base, query):
            for item in page:
                asset = _checked(client, base, item)
                # An exact match would win over the prefix; a folder has none.
                if isinstance(location, AssetFolderURL) and not asset["path"].startswith(
                    location.path
                ):
                    continue
                yield asset, strip, where


def _root(client: DandiClient, asset: Json, strip: str | None, where: str) -> Root:
    path = asset["path"]
    check_key(path)
    dandiset_id = where.partition("@")[0]
    place = f"dandi://{client.instance}/{where}/{path}"
    backend: DandiZarrSource | DandiBlobSource
    if asset["zarr"] is not None:
        backend = DandiZarrSource(client, asset["zarr"], place, asset["asset_id"])
    else:
        backend = DandiBlobSource(client, asset["asset_id"], place, path.rpartition("/")[2])
    tree = f"{dandiset_id}/{path}" if dandiset_id else path
    shown = path[len(strip) + 1 :] if strip else path
    if strip is None:
        shown = tree
    kind = "zarr" if asset["zarr"] is not None else "file"
    extra = {"dandiset": where, "asset": str(asset["asset_id"] or "")}
    size = asset.get("size")
    return Root(
        backend,
        shown,
        tree,
        asset["zarr"] is not None,
        kind,
        extra,
        size=size if isinstance(size, int) and size > 0 else None,
    )


async def _version(client: DandiClient, location: DandisetURL) -> str:
    if location.version_id:
        return location.version_id
    path = f"/dandisets/{location.dandiset_id}/"
    dandiset = await client.get(path)
    if not isinstance(dandiset, dict):
        raise client.unexpected(path)
    published = dandiset.get("most_recent_published_version")
    if published is None:
        return "draft"
    if not isinstance(published, dict) or not isinstance(published.get("version"), str):
        raise client.unexpected(path)
    return str(published["version"])


async def _by_path(client: DandiClient, base: str, path: str) -> Sequence[Json]:
    """Return the asset of this path, or some that begin with it."""
    body = await client.get(base, {"path": path, "page_size": 10, "order": "path"})
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        raise client.unexpected(base)
    return [_checked(client, base, item) for item in body["results"]]


def _checked(client: DandiClient, where: str, asset: Json) -> Json:
    """Return an asset as an API shows it, if it is one."""
    if (
        isinstance(asset, dict)
        and isinstance(asset.get("path"), str)
        and isinstance(asset.get("asset_id"), str)
        and isinstance(asset.get("zarr", 0), str | None)
    ):
        return asset
    raise client.unexpected(where)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
