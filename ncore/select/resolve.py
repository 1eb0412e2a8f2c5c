"""What the parser leaves open because only a server can tell.

Nothing here opens a connection: the caller passes the function that sends the
request, and so decides about sessions, time limits and credentials (none are
needed; send none).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from ncore.select.errors import LocationError
from ncore.select.instances import DandiInstance
from ncore.select.location_parser import parse_location, without_secrets
from ncore.select.locations import BaseAssetIDURL, DandisetURL, Location, ZarrArchiveURL

_L = TypeVar("_L", bound=Location)


def resolve_redirects(
    url: str, redirect_of: Callable[[str], str | None], *, max_redirects: int = 5
) -> Location:
    """Parse a URL, following redirects for as long as it is not understood.

    Args:
        url: an ``http(s)`` URL, such as a short link or a landing page.
        redirect_of: sends a HEAD request and returns the ``Location`` header of a
            redirect, or None when the answer is none.
        max_redirects: how many to follow.

    Raises:
        LocationError: when the end of the chain is not understood either, the chain is
            too long, or it leads from https to anything else.
    """
    current = url
    for _ in range(max_redirects + 1):
        try:
            return parse_location(current)
        except LocationError as error:
            if urlsplit(current).scheme.lower() not in ("http", "https"):
                raise
            target = redirect_of(current)
            if target is None:
                raise error from None
        following = urljoin(current, target)
        scheme = urlsplit(following).scheme.lower()
        if scheme != "https" and (scheme != "http" or current.lower().startswith("https:")):
            shown = without_secrets(url)
            raise LocationError(f"{shown!r} redirects to {scheme}, away from https")
        current = following
    raise LocationError(f"{without_secrets(url)!r} redirects more than {max_redirects} times")


def needs_instance(location: Location) -> bool:
    """Whether the location is on a DANDI server whose API is not known yet."""
    instance = getattr(location, "instance", None)
    return isinstance(instance, DandiInstance) and instance.api is None


def resolve_instance(location: _L, get_json: Callable[[str], Any]) -> _L:
    """Find the API of a DANDI server that is known by the URL of its web application only.

    The instance keeps the name of the host the user typed, so that no server can claim
    the name, and with it the API key, of another.

    Args:
        location: any location; returned as it is when nothing is open.
        get_json: sends a GET request and returns the decoded JSON body, or None when
            there is no such resource.

    Raises:
        LocationError: when the host does not answer as a DANDI server does.
    """
    if not needs_instance(location):
        return location
    assert isinstance(location, DandisetURL | BaseAssetIDURL | ZarrArchiveURL)
    server = location.instance
    for path in ("/server-info", "/api/info/"):
        info = get_json(f"{server.gui}{path}")
        if info is None:
            continue
        api = _service_url(info, "api")
        if api is None:
            break
        gui = _service_url(info, "webui")
        return replace(location, instance=DandiInstance(server.name, gui or server.gui, api))
    raise LocationError(f"{server.gui} does not answer as a DANDI archive does")


def _service_url(info: object, name: str) -> str | None:
    """``info["services"][name]["url"]`` if it is an http(s) URL with a host."""
    for key in ("services", name, "url"):
        info = info.get(key) if isinstance(info, dict) else None
    if not isinstance(info, str):
        return None
    try:
        parts = urlsplit(info)
    except ValueError:
        return None
    return info.rstrip("/") if parts.scheme in ("http", "https") and parts.hostname else None
