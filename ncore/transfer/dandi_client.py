"""The DANDI archive's REST API, asked politely.

Requests are tried again when the line or the server fails, after the time that
``Retry-After`` asks for or one that doubles. The token goes to the API's own
origin and nowhere else: no redirect is followed with it.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlencode, urlsplit

from ncore.transfer.dandi_credentials import Token, token_from_keyring, variable_names
from ncore.transfer.errors import AccessDeniedError, TransferError, TransientError
from ncore.transfer.http_session import HttpSession, shown_url

Json = Any
_PAGE_SIZE = 1000


class DandiClient:
    """Speaks to one instance.

    Args:
        api_url: Base of the API, such as ``https://api.dandiarchive.org/api``.
        instance: Name of the instance, for messages and for its token.
        token: API token; None asks anonymously.
        keyring: Without a token, look into the system's keyring for one when
            the server refuses.
        session: Connections; one of its own if None.
        attempts: Tries of one request.
        longest_wait: Seconds between two tries at most.

    Attributes:
        api_url: As above, without a slash at its end.
        instance: As above.
        session: The connections, for objects that lie on other hosts.
    """

    def __init__(
        self,
        api_url: str,
        *,
        instance: str = "",
        token: Token | None = None,
        keyring: bool = False,
        session: HttpSession | None = None,
        attempts: int = 6,
        first_wait: float = 0.5,
        longest_wait: float = 60.0,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self.instance = instance or urlsplit(api_url).netloc
        self.session = session or HttpSession()
        self._users = 0
        self._token = token
        self._keyring = keyring
        self._attempts = attempts
        self._first_wait = first_wait
        self._longest_wait = longest_wait

    def __repr__(self) -> str:
        return f"DandiClient({self.api_url!r})"

    @property
    def has_token(self) -> bool:
        """Whether requests are not anonymous."""
        return self._token is not None

    @property
    def token_hint(self) -> str:
        """What a user without a token can do."""
        hint = f"set {variable_names(self.instance)[-1]} to the key that the website shows you"
        if find_spec("keyring") is None:
            hint += "; a key in the keyring is found where the package keyring is installed"
        return hint

    async def look_for_token(self) -> bool:
        """Look into the system's keyring, once; return whether there is a token now."""
        if self._token is None and self._keyring:
            self._keyring = False
            self._token = await asyncio.to_thread(token_from_keyring, self.instance)
        return self.has_token

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> Json:
        """GET ``path`` (from the API's base, slash at its end) and return its JSON."""
        return await self._ask("GET", path, query, None)

    async def post(self, path: str, body: Json = None) -> Json:
        """POST JSON and return the answer's, None if it has none."""
        return await self._ask("POST", path, None, body)

    async def delete(self, path: str, body: Json = None) -> Json:
        """DELETE and return the answer's JSON, None if it has none."""
        return await self._ask("DELETE", path, None, body)

    async def pages(self, path: str, query: Mapping[str, object]) -> AsyncIterator[list[Json]]:
        """Yield the results of each page."""
        number = 1
        while True:
            body = await self.get(path, {"page_size": _PAGE_SIZE, **query, "page": number})
            if not isinstance(body, dict) or not isinstance(body.get("results"), list):
                raise self.unexpected(path)
            yield body["results"]
            # Its own `next` could lead anywhere; that there is one is enough.
            if not body.get("next") or not body["results"]:
                return
            number += 1

    async def redirect(self, path: str, query: Mapping[str, object] | None = None) -> str:
        """GET ``path`` and return where it redirects to, which needs no token."""

        async def ask() -> str:
            url = self._url(path, query)
            async with self.session.exchange(
                "GET", url, headers=self._headers(), success=(301, 302, 303, 307, 308)
            ) as answer:
                target = answer.headers.get("Location", "")
            if urlsplit(target).scheme not in ("http", "https"):
                raise self.unexpected(path)
            return target

        return str(await self._patiently(ask))

    def unexpected(self, path: str) -> TransferError:
        """Return the error for an answer that is not of the documented form."""
        return TransferError(
            f"{shown_url(self._url(path, None))}: that is not how a DANDI archive answers"
        )

    async def _ask(
        self, method: str, path: str, query: Mapping[str, object] | None, body: Json
    ) -> Json:
        url = self._url(path, query)
        data = None if body is None else json.dumps(body).encode()

        async def ask() -> Json:
            headers = self._headers()
            if data is not None:
                headers["Content-Type"] = "application/json"
            async with self.session.exchange(
                method, url, headers=headers, data=data, success=(200, 201, 202, 204)
            ) as answer:
                text = await answer.read()
            if not text:
                return None
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                raise self.unexpected(path) from None

        return await self._patiently(ask)

    async def _patiently(self, ask: Any) -> Any:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await ask()
            except TransientError as error:
                if attempt >= self._attempts:
                    raise
                wait = self._first_wait * 2 ** (attempt - 1) * random.uniform(0.5, 1)
                if error.retry_after is not None:
                    wait = error.retry_after
                await asyncio.sleep(min(wait, self._longest_wait))
            except AccessDeniedError as error:
                if self.has_token:
                    if ": HTTP 401" not in str(error):
                        raise
                    raise AccessDeniedError(
                        f"{error}; the API key that was found is not good: {self.token_hint}"
                    ) from None
                if await self.look_for_token():
                    continue
                raise AccessDeniedError(f"{error}; {self.token_hint}") from None

    def _url(self, path: str, query: Mapping[str, object] | None) -> str:
        return f"{self.api_url}{path}" + (
            f"?{urlencode(query, errors='surrogatepass')}" if query else ""
        )

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = self._token.header()
        return headers

    def retain(self) -> None:
        """Count another user, who will call :meth:`close`."""
        self._users += 1

    async def close(self) -> None:
        """Close the connections when the last user does."""
        self._users -= 1
        if self._users <= 0:
            await self.session.close()
