"""The API's assets: listed, made, replaced, deleted, downloaded."""

import re
from urllib.parse import quote

from aiohttp import web

from ncore.transfer.testing.api_base import (
    NOT_FOUND,
    ApiBase,
    Json,
    Refusal,
    parse_json,
    route,
    to_answer,
)
from ncore.transfer.testing.archive import Asset


class AssetsApi(ApiBase):
    """Answers for ``/assets/`` and a version's assets."""

    @route("GET", "/dandisets/{id}/versions/{v}/assets/")
    async def assets(self, request: web.BaseRequest, identifier: str, version: str) -> web.Response:
        """List assets: an exact ``path`` wins over its meaning as a prefix."""
        found = self.version_assets(request, identifier, version)
        query = request.rel_url.query
        path, glob = query.get("path", ""), query.get("glob", "")
        if path in found:
            assets = [found[path]]
        else:
            assets = [asset for key, asset in found.items() if key.startswith(path)]
        if glob:
            # Only "*" is special, and it crosses "/".
            pattern = re.compile(
                ".*".join(re.escape(part) for part in glob.split("*")), re.I | re.S
            )
            assets = [asset for asset in assets if pattern.fullmatch(asset.path)]
        if query.get("zarr", "").lower() == "true":
            assets = [asset for asset in assets if asset.zarr is not None]
        order = query.get("order", "created")
        field = order.lstrip("-")
        if field not in ("path", "created", "modified"):
            raise Refusal(400, {"order": [f"Select a valid choice. {field} is not one."]})
        assets.sort(key=lambda asset: getattr(asset, field), reverse=order.startswith("-"))
        whole = query.get("metadata", "").lower() == "true"
        items = [
            {**a.to_json(), "metadata": self._metadata(a)} if whole else a.to_json() for a in assets
        ]
        return self.page(request, items, count=False)

    @route("GET", "/dandisets/{id}/versions/{v}/assets/paths/")
    async def asset_paths(
        self, request: web.BaseRequest, identifier: str, version: str
    ) -> web.Response:
        """List one level of the asset tree."""
        found = self.version_assets(request, identifier, version)
        prefix = request.rel_url.query.get("path_prefix", "").rstrip("/")
        base = f"{prefix}/" if prefix else ""
        children: dict[str, list[Asset]] = {}
        for path, asset in sorted(found.items()):
            if path.startswith(base):
                children.setdefault(path[len(base) :].partition("/")[0], []).append(asset)
        if not children and prefix not in found:
            raise Refusal(404, {"detail": "Specified path not found."})
        items = []
        for name, below in children.items():
            leaf = found.get(base + name)
            items.append(
                {
                    "path": base + name,
                    "version": version,
                    "aggregate_files": len(below),
                    "aggregate_size": sum(asset.size for asset in below),
                    "asset": {"asset_id": leaf.asset_id, "url": None} if leaf else None,
                }
            )
        return self.page(request, items)

    @route("POST", "/dandisets/{id}/versions/{v}/assets/")
    async def create_asset(
        self, request: web.BaseRequest, identifier: str, version: str
    ) -> web.Response:
        """Make an asset out of a zarr."""
        assets = self.need_draft(request, identifier, version)
        made = await self._posted_asset(request)
        if made.path in assets:
            raise Refusal(409, "An asset with that path already exists")
        assets[made.path] = made
        return to_answer({**made.to_json(), "metadata": self._metadata(made)})

    @route("PUT", "/dandisets/{id}/versions/{v}/assets/{aid}/")
    async def update_asset(
        self, request: web.BaseRequest, identifier: str, version: str, asset_id: str
    ) -> web.Response:
        """Replace an asset; a new asset id if anything changed."""
        assets = self.need_draft(request, identifier, version)
        old = self._asset(assets, asset_id)
        made = await self._posted_asset(request)
        if made.metadata == old.metadata and made.zarr is old.zarr:
            made = old
        elif made.path != old.path and made.path in assets:
            raise Refusal(409, "An asset with that path already exists")
        else:
            del assets[old.path]
            assets[made.path] = made
        return to_answer({**made.to_json(), "metadata": self._metadata(made)})

    @route("DELETE", "/dandisets/{id}/versions/{v}/assets/{aid}/")
    async def delete_asset(
        self, request: web.BaseRequest, identifier: str, version: str, asset_id: str
    ) -> web.Response:
        """Remove an asset from the draft."""
        assets = self.need_draft(request, identifier, version)
        del assets[self._asset(assets, asset_id).path]
        return web.Response(status=204)

    @route("GET", "/dandisets/{id}/versions/{v}/assets/{aid}/")
    async def asset(
        self, request: web.BaseRequest, identifier: str, version: str, asset_id: str
    ) -> web.Response:
        """An asset's metadata."""
        return to_answer(
            self._metadata(self._asset(self.version_assets(request, identifier, version), asset_id))
        )

    @route("GET", "/dandisets/{id}/versions/{v}/assets/{aid}/info/")
    async def asset_info(
        self, request: web.BaseRequest, identifier: str, version: str, asset_id: str
    ) -> web.Response:
        """An asset with its metadata."""
        asset = self._asset(self.version_assets(request, identifier, version), asset_id)
        return to_answer({**asset.to_json(), "metadata": self._metadata(asset)})

    @route("GET", "/assets/{aid}/")
    async def any_asset(self, request: web.BaseRequest, asset_id: str) -> web.Response:
        """An asset's metadata, whatever holds it."""
        return to_answer(self._metadata(self._any_asset(asset_id)))

    @route("GET", "/assets/{aid}/info/")
    async def any_asset_info(self, request: web.BaseRequest, asset_id: str) -> web.Response:
        """An asset with its metadata, whatever holds it."""
        asset = self._any_asset(asset_id)
        return to_answer({**asset.to_json(), "metadata": self._metadata(asset)})

    @route("GET", "/assets/{aid}/download/")
    async def download(self, request: web.BaseRequest, asset_id: str) -> web.Response:
        """Redirect to a blob's bytes."""
        asset = self._any_asset(asset_id)
        if asset.blob_id is None:
            raise Refusal(
                400,
                "Unable to provide download link for zarr assets. "
                "Please browse the zarr files directly to do so.",
            )
        return self.redirect("GET", self.archive.blob_key(asset.blob_id))

    @route("GET", "/dandisets/{id}/versions/{v}/assets/{aid}/download/")
    async def version_download(
        self, request: web.BaseRequest, identifier: str, version: str, asset_id: str
    ) -> web.Response:
        """Redirect to a blob's bytes."""
        self._asset(self.version_assets(request, identifier, version), asset_id)
        return await self.download(request, asset_id)

    @route("GET", "/dandisets/{id}/versions/{v}/assets/{aid}/validation/")
    async def validation(
        self, request: web.BaseRequest, identifier: str, version: str, asset_id: str
    ) -> web.Response:
        """Nothing is wrong with it."""
        self._asset(self.version_assets(request, identifier, version), asset_id)
        return to_answer({"status": "Valid", "validation_errors": []})

    async def _posted_asset(self, request: web.BaseRequest) -> Asset:
        body = parse_json(await request.read())
        metadata = body.get("metadata") if isinstance(body, dict) else None
        if not isinstance(metadata, dict):
            raise Refusal(400, {"metadata": ["This field is required."]})
        path = metadata.get("path")
        if not isinstance(path, str) or not path:
            raise Refusal(400, {"metadata": ["No path specified in metadata."]})
        if ("zarr_id" in body) == ("blob_id" in body):
            raise Refusal(
                400, {"blob_id": ["Exactly one of blob_id or zarr_id must be specified."]}
            )
        zarr = self.archive.zarrs.get(str(body.get("zarr_id")))
        if zarr is None:
            raise Refusal(400, {"zarr_id": ["Unknown zarr."]})
        return Asset(path, metadata, zarr=zarr)

    def _asset(self, assets: dict[str, Asset], asset_id: str) -> Asset:
        for asset in assets.values():
            if asset.asset_id == asset_id:
                return asset
        raise Refusal(404, NOT_FOUND)

    def _any_asset(self, asset_id: str) -> Asset:
        for dandiset in self.archive.dandisets.values():
            for assets in dandiset.versions.values():
                for asset in assets.values():
                    if asset.asset_id == asset_id:
                        return asset
        raise Refusal(404, NOT_FOUND)

    def _metadata(self, asset: Asset) -> Json:
        s3 = f"{self.s3_url}/{self.archive.bucket}"
        if asset.zarr is not None:
            digest: Json = {"dandi:dandi-zarr-checksum": asset.zarr.checksum}
            place = f"{s3}/zarr/{asset.zarr.zarr_id}/"
        else:
            assert asset.blob is not None
            assert asset.blob_id is not None
            digest = {
                "dandi:dandi-etag": asset.blob.multipart_etag,
                "dandi:sha2-256": asset.blob.sha256,
            }
            place = f"{s3}/{quote(self.archive.blob_key(asset.blob_id))}"
        return {
            "schemaVersion": "0.8.0",
            "schemaKey": "Asset",
            **asset.metadata,
            "id": f"dandiasset:{asset.asset_id}",
            "identifier": asset.asset_id,
            "path": asset.path,
            "digest": digest,
            "contentSize": asset.size,
            "contentUrl": [f"{self.base_url}/api/assets/{asset.asset_id}/download/", place],
            "blobDateModified": asset.modified.isoformat(),
            "dateModified": asset.modified.isoformat(),
        }
