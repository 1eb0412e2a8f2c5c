"""The archive's REST API, answer by answer as the real one gives them.

Covers what clients of zarrs use: dandisets, versions, assets, zarrs with their
files and status, look-ups of blobs. Source: the behaviour of the DANDI archive
and its public API documentation.
"""

from aiohttp import web

from ncore.transfer.testing.api_assets import AssetsApi
from ncore.transfer.testing.api_base import Json, route, to_answer
from ncore.transfer.testing.api_zarrs import ZarrsApi


class DandiApi(AssetsApi, ZarrsApi):
    """Serves an archive at ``/api/``."""

    @route("GET", "/info/")
    async def info(self, request: web.BaseRequest) -> web.Response:
        """What this server is."""
        return to_answer(
            {
                "schema_version": "0.8.0",
                "schema_url": "https://example.org/schema.json",
                "allowed_schema_versions": ["0.8.0"],
                "version": "0.0.0",
                "instance_config": {"instance_name": "TEST"},
                "services": {
                    "api": {"url": f"{self.base_url}/api"},
                    "webui": {"url": f"{self.base_url}/gui"},
                    "jupyterhub": {"url": f"{self.base_url}/hub"},
                },
                "cli-minimal-version": "0.60.0",
                "cli-requires-python": ">=3.9",
                "cli-bad-versions": [],
            }
        )

    @route("GET", "/auth/token/")
    async def auth_token(self, request: web.BaseRequest) -> web.Response:
        """The token that was shown."""
        self.need_user(request)
        return to_answer(request.headers["Authorization"].partition(" ")[2])

    @route("GET", "/users/me/")
    async def me(self, request: web.BaseRequest) -> web.Response:
        """Who asks."""
        user = self.need_user(request)
        return to_answer({"username": user, "name": user, "admin": False, "status": "APPROVED"})

    @route("GET", "/dandisets/")
    async def dandisets(self, request: web.BaseRequest) -> web.Response:
        """All that are open."""
        return self.page(
            request, [d.to_json() for d in self.archive.dandisets.values() if not d.embargoed]
        )

    @route("GET", "/dandisets/{id}/")
    async def dandiset(self, request: web.BaseRequest, identifier: str) -> web.Response:
        """One dandiset."""
        return to_answer(self.open_dandiset(request, identifier).to_json())

    @route("GET", "/dandisets/{id}/versions/")
    async def versions(self, request: web.BaseRequest, identifier: str) -> web.Response:
        """Its versions."""
        home = self.open_dandiset(request, identifier)
        return self.page(request, [home.version_json(v) for v in home.versions])

    @route("GET", "/dandisets/{id}/versions/{v}/")
    async def version(
        self, request: web.BaseRequest, identifier: str, version: str
    ) -> web.Response:
        """A version's metadata (the content of ``dandiset.yaml``)."""
        self.version_assets(request, identifier, version)
        home = self.archive.dandisets[identifier]
        return to_answer(
            {
                "schemaKey": "Dandiset",
                "schemaVersion": "0.8.0",
                "identifier": f"DANDI:{identifier}",
                "id": f"DANDI:{identifier}/{version}",
                "name": home.name,
                "version": version,
                "contributor": [],
                "license": ["spdx:CC0-1.0"],
                "description": home.name,
                "assetsSummary": {"numberOfBytes": 0, "numberOfFiles": 0},
                "citation": "",
                "url": f"{self.base_url}/gui/dandiset/{identifier}",
            }
        )

    @route("GET", "/dandisets/{id}/versions/{v}/info/")
    async def version_info(
        self, request: web.BaseRequest, identifier: str, version: str
    ) -> web.Response:
        """A version with what validation found."""
        self.version_assets(request, identifier, version)
        body = self.archive.dandisets[identifier].version_json(version)
        extra: Json = {
            "asset_validation_errors": [],
            "version_validation_errors": [],
            "metadata": {},
        }
        return to_answer({**body, **extra})
