"""The API's zarrs: their files, and the way from Pending to Complete."""

import asyncio
from urllib.parse import urlencode

from aiohttp import web

from ncore.transfer.testing.api_base import (
    NOT_FOUND,
    ApiBase,
    Refusal,
    parse_json,
    route,
    to_answer,
)
from ncore.transfer.testing.archive import Zarr

_BUSY = "Zarr archive is currently ingesting or has already ingested"


class ZarrsApi(ApiBase):
    """Answers for ``/zarr/``."""

    @route("GET", "/zarr/")
    async def zarrs(self, request: web.BaseRequest) -> web.Response:
        """List zarrs by dandiset and name."""
        query = request.rel_url.query
        items = [
            zarr.to_json()
            for zarr in self.archive.zarrs.values()
            if query.get("dandiset", zarr.dandiset) == zarr.dandiset
            and query.get("name", zarr.name) == zarr.name
        ]
        return self.page(request, items)

    @route("POST", "/zarr/")
    async def create_zarr(self, request: web.BaseRequest) -> web.Response:
        """Make an empty zarr; a name is taken once per dandiset."""
        self.need_user(request)
        body = parse_json(await request.read())
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise Refusal(400, {"name": ["This field is required."]})
        identifier = str(body.get("dandiset"))
        if identifier not in self.archive.dandisets:
            raise Refusal(
                400, {"dandiset": [f'Invalid pk "{identifier}" - object does not exist.']}
            )
        home = self.need_owner(request, identifier)
        taken = any(
            zarr.name == body["name"] and zarr.dandiset == identifier
            for zarr in self.archive.zarrs.values()
        )
        if taken:
            message = "The fields dandiset, name must make a unique set."
            raise Refusal(400, {"non_field_errors": [message]})
        zarr = Zarr(body["name"], identifier, embargoed=home.embargoed)
        self.archive.zarrs[zarr.zarr_id] = zarr
        return to_answer(zarr.to_json())

    @route("GET", "/zarr/{zid}/")
    async def zarr(self, request: web.BaseRequest, zarr_id: str) -> web.Response:
        """Where a zarr stands."""
        return to_answer(self._zarr(zarr_id).to_json())

    @route("GET", "/zarr/{zid}/files/")
    async def files(self, request: web.BaseRequest, zarr_id: str) -> web.Response:
        """List files, or redirect to one."""
        zarr = self._zarr(zarr_id)
        query = request.rel_url.query
        if query.get("download", "").lower() == "true":
            return self.redirect("GET", f"zarr/{zarr_id}/{query.get('prefix', '')}")
        try:
            limit = int(query.get("limit", "1000"))
        except ValueError:
            raise Refusal(400, {"limit": ["A valid integer is required."]}) from None
        if not 0 <= limit <= 1000:
            raise Refusal(400, {"limit": ["Ensure this value is less than or equal to 1000."]})
        # The archive takes both for paths, and a path has no trailing slash:
        # "0/" finds "01" too.
        prefix = query.get("prefix", "").rstrip("/")
        after = query.get("after", "").rstrip("/")
        if ".." in prefix.split("/") or ".." in after.split("/"):
            raise Refusal(400, {"prefix": ["Path must not contain '..'."]})
        found = zarr.objects.keys_after(prefix, after, limit + 1)
        more, found = len(found) > limit > 0, found[:limit]
        results = []
        for key in found:
            stored = zarr.objects[key]
            results.append(
                {
                    "Key": key,
                    "LastModified": str(stored.modified),
                    "ETag": stored.etag,
                    "Size": len(stored.data),
                }
            )
        following = {"prefix": prefix, "after": found[-1], "limit": limit} if more else {}
        return to_answer(
            {
                "next": f"{self.base_url}{request.path}?{urlencode(following)}" if more else None,
                "results": results,
            }
        )

    @route("HEAD", "/zarr/{zid}/files/")
    async def head_file(self, request: web.BaseRequest, zarr_id: str) -> web.Response:
        """Redirect to a signed HEAD of one file."""
        self._zarr(zarr_id)
        prefix = request.rel_url.query.get("prefix", "")
        return self.redirect("HEAD", f"zarr/{zarr_id}/{prefix}")

    @route("POST", "/zarr/{zid}/files/")
    async def presign(self, request: web.BaseRequest, zarr_id: str) -> web.Response:
        """Sign a PUT for each file; the zarr is Pending from here on."""
        zarr = self._owned_zarr(request, zarr_id)
        wanted = parse_json(await request.read())
        if not isinstance(wanted, list):
            raise Refusal(400, {"non_field_errors": ["Expected a list of items."]})
        for item in wanted:
            if not isinstance(item, dict) or not {"path", "base64md5"} <= item.keys():
                raise Refusal(400, [{"path": ["This field is required."]}])
        if zarr.status in ("Uploaded", "Ingesting"):
            raise Refusal(400, "Zarr archive is currently ingesting")
        zarr.reopen()
        tagging = {"x-amz-tagging": "embargoed=true"} if zarr.embargoed else {}
        return to_answer(
            [
                self.signer.sign(
                    "PUT",
                    self.s3_url,
                    f"/{self.archive.bucket}/zarr/{zarr_id}/{item['path']}",
                    {"content-md5": item["base64md5"], **tagging},
                    self.archive.url_seconds,
                )
                for item in wanted
            ]
        )

    @route("DELETE", "/zarr/{zid}/files/")
    async def delete_files(self, request: web.BaseRequest, zarr_id: str) -> web.Response:
        """Delete files; none of them if one is missing."""
        zarr = self._owned_zarr(request, zarr_id)
        wanted = parse_json(await request.read())
        if not isinstance(wanted, list):
            raise Refusal(400, {"non_field_errors": ["Expected a list of items."]})
        if zarr.status in ("Uploaded", "Ingesting"):
            raise Refusal(400, "Zarr archive is currently ingesting")
        keys = [item["path"] for item in wanted]
        for key in keys:
            if key not in zarr.objects:
                raise Refusal(400, [f"File zarr/{zarr_id}/{key} does not exist."])
        for key in dict.fromkeys(keys):
            del zarr.objects[key]
        zarr.reopen()
        return web.Response(status=204)

    @route("POST", "/zarr/{zid}/finalize/")
    async def finalize(self, request: web.BaseRequest, zarr_id: str) -> web.Response:
        """Begin to compute the checksum."""
        zarr = self._owned_zarr(request, zarr_id)
        if zarr.status != "Pending":
            raise Refusal(400, _BUSY)
        zarr.status = "Uploaded"
        task = asyncio.create_task(self._ingest(zarr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return web.Response(status=204)

    async def _ingest(self, zarr: Zarr) -> None:
        seconds = self.archive.finalize_seconds
        if seconds is None:
            zarr.status = "Ingesting"
            return
        await asyncio.sleep(seconds / 2)
        zarr.status = "Ingesting"
        await asyncio.sleep(seconds / 2)
        digest = zarr.ingest()
        if self.archive.wrong_checksum:
            zarr.checksum = "0" * 32 + str(digest)[32:]

    def _owned_zarr(self, request: web.BaseRequest, zarr_id: str) -> Zarr:
        self.need_user(request)
        zarr = self._zarr(zarr_id)
        self.need_owner(request, zarr.dandiset)
        return zarr

    def _zarr(self, zarr_id: str) -> Zarr:
        zarr = self.archive.zarrs.get(zarr_id)
        if zarr is None:
            raise Refusal(404, NOT_FOUND)
        return zarr
