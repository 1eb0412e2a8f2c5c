"""Opening locations on DANDI servers: the instance, its token, its API."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from ncore.select.instances import DandiInstance
from ncore.select.locations import (
    AssetFolderURL,
    AssetItemURL,
    BaseAssetIDURL,
    DandisetURL,
    Location,
    ZarrArchiveURL,
)
from ncore.select.resolve import needs_instance, resolve_instance
from ncore.transfer.backend import Root
from ncore.transfer.dandi_assets import open_sources, open_target
from ncore.transfer.dandi_client import DandiClient
from ncore.transfer.dandi_credentials import Token, token_from_environment
from ncore.transfer.dandi_upload import DandiZarrTarget, Polling
from ncore.transfer.errors import (
    AccessDeniedError,
    EntryNotFoundError,
    LocationError,
    TransientError,
)
from ncore.transfer.http_session import HttpSession

Json = Any
_L = TypeVar("_L", bound=Location)
_ATTEMPTS = 4
_FIRST_WAIT = 0.1
_LONGEST = 10.0  # seconds that a server may ask for
DANDI_LOCATIONS = (DandisetURL, BaseAssetIDURL, ZarrArchiveURL)
"""Kinds of locations (and their subclasses) that this module opens."""


async def open_dandi_sources(
    location: Location, *, token: str | None = None, session: HttpSession | None = None
) -> AsyncIterator[Root]:
    """Yield every asset that a location stands for; the roots' backends must be closed.

    Args:
        location: One of :data:`DANDI_LOCATIONS`.
        token: API token; looked for as dandi-cli does if None.
        session: Connections; of its own if None.

    Raises:
        LocationError: It is no location on a DANDI server.
        EntryNotFoundError: Nothing is there.
        AccessDeniedError: It is embargoed, and the token is missing or not good.
    """
    client, resolved = await connect(location, token=token, session=session)
    async for root in open_sources(client, resolved):
        yield root


async def open_dandi_target(
    location: Location,
    name: str = "",
    *,
    token: str | None = None,
    polling: Polling | None = None,
    session: HttpSession | None = None,
) -> DandiZarrTarget:
    """Return the zarr asset to upload to; it is made when the first entry is written.

    Args:
        location: A dandiset, a folder in one (the zarr lies in it as ``name``),
            or a zarr asset.
        name: File name of the zarr that is uploaded.
        token: API token; looked for as dandi-cli does if None.
        polling: How to wait for the server's checksum.
        session: Connections; of its own if None.

    Raises:
        LocationError: The location is none that can be written to.
        AccessDeniedError: There is no token.
        EntryNotFoundError: There is no such dandiset.
    """
    if isinstance(location, AssetFolderURL):
        path = location.path + name
    elif isinstance(location, AssetItemURL):
        path = location.path
    elif type(location) is DandisetURL:
        path = name
    else:
        raise LocationError(
            f"{location} cannot be uploaded to; name a dandiset, a folder in it ending in '/', "
            "or a zarr asset"
        )
    assert isinstance(location, DandisetURL)
    if location.version_id not in (None, "draft"):
        raise LocationError(f"{location}: version {location.version_id} is published; only a draft "
                            "can be written to")  # fmt: skip
    client, resolved = await connect(location, token=token, session=session)
    try:
        if not await client.look_for_token():
            raise AccessDeniedError(f"{location}: uploading needs an API key; {client.token_hint}")
        return await open_target(client, resolved.dandiset_id, path, polling)
    except BaseException:
        client.retain()
        await client.close()
        raise


async def connect(
    location: _L, *, token: str | None = None, session: HttpSession | None = None
) -> tuple[DandiClient, _L]:
    """Return a client of a location's instance, and the location with its API known.

    Raises:
        LocationError: It is no DANDI server.
    """
    session = session or HttpSession()
    try:
        if needs_instance(location):
            location = await _ask_for_api(location, session)
        instance = getattr(location, "instance", None)
        if not isinstance(instance, DandiInstance) or instance.api is None:
            raise LocationError(f"{location} is not a location on a DANDI server")
        found = Token(token) if token else token_from_environment(instance.name)
    except BaseException:
        await session.close()
        raise
    client = DandiClient(
        instance.api, instance=instance.name, token=found, keyring=True, session=session
    )
    return client, location


async def _get(session: HttpSession, url: str) -> bytes:
    """Return what is served; ask again a few times, but soon give up a server that is none."""
    attempt = 0
    while True:
        attempt += 1
        try:
            async with session.exchange("GET", url) as answer:
                return bytes(await answer.read())
        except TransientError as error:
            if attempt >= _ATTEMPTS:
                raise
            asked = error.retry_after
            await asyncio.sleep(_FIRST_WAIT * 2**attempt if asked is None else min(asked, _LONGEST))


async def _ask_for_api(location: _L, session: HttpSession) -> _L:
    # The resolver asks through a plain function: its questions are known.
    server = getattr(location, "instance").gui  # noqa: B009
    answers: dict[str, Json] = {}
    for url in (f"{server}/server-info", f"{server}/api/info/"):
        try:
            answers[url] = json.loads(await _get(session, url))
            break
        except (EntryNotFoundError, ValueError, RecursionError):
            continue
    return resolve_instance(location, answers.get)
