"""How the archive answers at all: routes, who asks, pages, refusals, redirects."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from ncore.transfer.testing.archive import Archive, Asset, Dandiset
from ncore.transfer.testing.signing import UrlSigner
from ncore.transfer.testing.traffic import Traffic

Json = Any
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
NOT_FOUND = {"detail": "Not found."}


class Refusal(Exception):
    """An answer other than success, raised from anywhere in a handler."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


def to_answer(body: Json, status: int = 200) -> web.Response:
    """Return a JSON answer."""
    return web.Response(status=status, body=json.dumps(body).encode(),
                        content_type="application/json")  # fmt: skip


def parse_json(body: bytes) -> Json:
    """Parse a request's body, or refuse it."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refusal(400, {"detail": f"JSON parse error - {error}"}) from None


Handler = Callable[..., Awaitable[web.Response]]
_ROUTES: list[tuple[str, re.Pattern[str], str]] = []


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    """Register a method of an API class; ``{id}``, ``{v}``, ``{aid}``, ``{zid}`` are arguments."""

    def register(handler: Handler) -> Handler:
        expanded = (
            pattern.replace("{id}", r"(?P<identifier>\d{6})")
            .replace("{v}", r"(?P<version>[\w.]+)")
            .replace("{aid}", rf"(?P<asset_id>{_UUID})")
            .replace("{zid}", rf"(?P<zarr_id>{_UUID})")
        )
        _ROUTES.append((method, re.compile(expanded), handler.__name__))
        return handler

    return register


class ApiBase:
    """Serves an archive at ``/api/``.

    Attributes:
        base_url: ``http://host:port`` of this API; set once it listens.
        s3_url: ``http://host:port`` of the object host.
    """

    def __init__(self, archive: Archive, signer: UrlSigner, traffic: Traffic) -> None:
        self.archive = archive
        self.signer = signer
        self._traffic = traffic
        self._tasks: set[asyncio.Task[None]] = set()
        self.base_url = ""
        self.s3_url = ""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. ``/_traffic`` tells what was asked since it was last asked."""
        if request.path == "/_traffic":
            counts = {" ".join(key): n for key, n in self._traffic.counts.items()}
            seen = {"requests": counts, "cpu_seconds": time.process_time()}
            self._traffic.clear()
            return to_answer(seen)
        return await self._traffic.serve("api", request, lambda: self._answer(request))

    async def close(self) -> None:
        """Stop what is still being ingested."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path = request.path
        if not path.startswith("/api/"):
            return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")
        if not path.endswith("/") and request.method in ("GET", "HEAD"):
            query = f"?{request.rel_url.raw_query_string}" if request.rel_url.query else ""
            return web.Response(status=301, headers={"Location": f"{quote(path)}/{query}"})
        allowed = False
        for method, pattern, name in _ROUTES:
            match = pattern.fullmatch(path[len("/api") :])
            if match is None:
                continue
            if method != request.method:
                allowed = True
                continue
            try:
                self.user(request)
                answer: web.Response = await getattr(self, name)(request, **match.groupdict())
            except Refusal as refusal:
                return to_answer(refusal.body, refusal.status)
            return answer
        if allowed:
            return to_answer({"detail": f'Method "{request.method}" not allowed.'}, 405)
        return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")

    # Who asks, and for what.

    def user(self, request: web.BaseRequest) -> str | None:
        """Return whose token was shown, None if none was."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        kind, _, token = header.partition(" ")
        user = self.archive.users.get(token) if kind.lower() == "token" else None
        if user is None:
            raise Refusal(401, {"detail": "Invalid token."})
        return user

    def need_user(self, request: web.BaseRequest) -> str:
        """Refuse who shows no token."""
        user = self.user(request)
        if user is None:
            raise Refusal(401, {"detail": "Authentication credentials were not provided."})
        return user

    def open_dandiset(self, request: web.BaseRequest, identifier: str) -> Dandiset:
        """Return a dandiset that the user may read."""
        found = self.archive.dandisets.get(identifier)
        if found is None:
            raise Refusal(404, NOT_FOUND)
        if found.embargoed and self.need_user(request) not in found.owners:
            raise Refusal(403, {"detail": "You do not have permission to perform this action."})
        return found

    def version_assets(
        self, request: web.BaseRequest, identifier: str, version: str
    ) -> dict[str, Asset]:
        """Return the assets, by path, of a version that the user may read."""
        assets = self.open_dandiset(request, identifier).versions.get(version)
        if assets is None:
            raise Refusal(404, NOT_FOUND)
        return assets

    def need_owner(self, request: web.BaseRequest, identifier: str) -> Dandiset:
        """Refuse who does not own the dandiset."""
        user = self.need_user(request)
        found = self.archive.dandisets.get(identifier)
        if found is None:
            raise Refusal(404, NOT_FOUND)
        if user not in found.owners:
            raise Refusal(403, {"detail": "You do not have permission to perform this action."})
        return found

    def need_draft(
        self, request: web.BaseRequest, identifier: str, version: str
    ) -> dict[str, Asset]:
        """Refuse writing to what the user does not own, or what is published."""
        home = self.need_owner(request, identifier)
        if version != "draft":
            raise Refusal(405, "Only draft versions can be modified.")
        return home.versions["draft"]

    def page(
        self, request: web.BaseRequest, items: Sequence[Json], *, count: bool = True
    ) -> web.Response:
        """Answer with one page of items."""
        query = request.rel_url.query
        try:
            size = min(int(query.get("page_size") or 100), 1000)
            number = int(query.get("page") or 1)
        except ValueError:
            raise Refusal(404, {"detail": "Invalid page."}) from None
        here = items[(number - 1) * size : number * size]

        def link(page: int) -> str:
            return f"{self.base_url}{request.path}?{urlencode({**query, 'page': page})}"

        return to_answer(
            {
                "count": len(items) if number == 1 or count else None,
                "next": link(number + 1) if number * size < len(items) else None,
                "previous": link(number - 1) if number > 1 else None,
                "results": here,
            }
        )

    def redirect(self, method: str, key: str) -> web.Response:
        """Redirect to a signed URL, whether or not the object is there."""
        url = self.signer.sign(
            method,
            self.s3_url,
            f"/{self.archive.bucket}/{key}",
            {},
            self.archive.url_seconds,
        )
        return web.Response(status=302, headers={"Location": url})
