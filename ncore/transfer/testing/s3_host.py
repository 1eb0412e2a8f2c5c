"""The object host: signed and public GET, HEAD and signed PUT, errors as S3 words them."""

import asyncio
import hashlib
import re
from base64 import b64encode
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import web

from ncore.transfer.testing.archive import Archive, StoredObject
from ncore.transfer.testing.signing import UrlSigner
from ncore.transfer.testing.traffic import Traffic

_HASH_IN_THREAD = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def _md5(data: bytes) -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)


def _error(status: int, code: str, message: str) -> web.Response:
    body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return web.Response(status=status, text=body, content_type="application/xml")


class S3Host:
    """Serves an archive's objects at ``/BUCKET/KEY``."""

    def __init__(self, archive: Archive, signer: UrlSigner, traffic: Traffic) -> None:
        self._archive = archive
        self._signer = signer
        self._traffic = traffic

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        return await self._traffic.serve("s3", request, lambda: self._answer(request))

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        raw_path, _, raw_query = request.raw_path.partition("?")
        bucket, _, key = unquote(raw_path).lstrip("/").partition("/")
        if bucket != self._archive.bucket:
            return _error(404, "NoSuchBucket", "The specified bucket does not exist")
        signed = "X-Amz-Signature=" in raw_query
        if signed:
            refused = self._signer.check(request.method, raw_path, raw_query, request.headers)
            if refused is not None:
                await request.read()
                return _error(403, "AccessDenied", refused)
        if request.method in ("GET", "HEAD"):
            return self._get(request, key, signed)
        if request.method == "PUT":
            return await self._put(request, key, signed)
        return _error(405, "MethodNotAllowed", f"{request.method} is not allowed")

    def _get(self, request: web.BaseRequest, key: str, signed: bool) -> web.Response:
        stored, embargoed = self._archive.find_object(key)
        if embargoed and not signed:
            return _error(403, "AccessDenied", "Access Denied")
        if stored is None:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        headers = {
            "ETag": f'"{stored.etag}"',
            "Last-Modified": format_datetime(stored.modified, usegmt=True),
            "Accept-Ranges": "bytes",
            "Content-Type": "binary/octet-stream",
        }
        if request.headers.get("If-Match", headers["ETag"]) != headers["ETag"]:
            return _error(412, "PreconditionFailed", "At least one pre-condition did not hold")
        data, status = stored.data, 200
        wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
        if wanted is not None and (wanted[1] or wanted[2]):
            first = int(wanted[1]) if wanted[1] else max(0, len(data) - int(wanted[2]))
            last = int(wanted[2]) if wanted[1] and wanted[2] else len(data) - 1
            last = min(last, len(data) - 1)
            if first > last:
                return _error(416, "InvalidRange", "The requested range is not satisfiable")
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            data, status = data[first : last + 1], 206
        if request.method == "HEAD":
            headers["Content-Length"] = str(len(data))
            return web.Response(status=status, headers=headers)
        return web.Response(status=status, body=data, headers=headers)

    async def _put(self, request: web.BaseRequest, key: str, signed: bool) -> web.Response:
        if not signed:
            return _error(403, "AccessDenied", "Access Denied")
        if "Content-Length" not in request.headers:
            return _error(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
            )
        data = await request.read()
        if len(data) >= _HASH_IN_THREAD:
            md5 = await asyncio.to_thread(_md5, data)
        else:
            md5 = _md5(data)
        if request.headers.get("Content-MD5") != b64encode(md5.digest()).decode():
            return _error(
                400, "BadDigest", "The Content-MD5 you specified did not match what we received."
            )
        kind, _, rest = key.partition("/")
        zarr_id, _, inner = rest.partition("/")
        zarr = self._archive.zarrs.get(zarr_id) if kind == "zarr" else None
        if zarr is None:
            return _error(403, "AccessDenied", "Access Denied")
        zarr.objects[inner] = StoredObject(data, md5.hexdigest(), datetime.now(UTC))
        return web.Response(status=200, headers={"ETag": f'"{md5.hexdigest()}"'})
